"""The commands as people type them: stable JSON, exit codes, and for every bad input one clear error, never a traceback."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.room import NOW, PASSWORD, WordModel, edit, furnish, letter
from triage import cli
from triage.demo.servers import ImapServer, SmtpSink
from triage.desk import Judge


@pytest.fixture
def here(tmp_path: Path, imap_server: ImapServer, smtp_sink: SmtpSink, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A furnished desk with three mails in its mailbox; the model is the tests' own."""
    imap_server.deliver_all([
        (letter(1), NOW), (letter(2, "I was charged twice."), NOW), (letter(3, "What are your opening hours?"), NOW),
    ])  # fmt: skip
    furnish(
        tmp_path, host=imap_server.host, port=imap_server.port, user=imap_server.user, password=imap_server.password,
        smtp_port=smtp_sink.port, folders={"intake": ["INBOX"], "sent": None},
    )  # fmt: skip
    monkeypatch.setenv("TRIAGE_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("TRIAGE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TRIAGE_NOW", NOW.isoformat())
    monkeypatch.setenv(PASSWORD, os.environ[PASSWORD])
    monkeypatch.setattr(Judge, "model", WordModel())
    monkeypatch.setattr(Judge, "model_folder", Path("words"))
    return tmp_path


class Ran:
    """What a command printed and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    def command(*words: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["triage", *words])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Ran(code, out, err)

    return command


def test_a_cycle_the_queue_and_one_case(here: Path, run: Any) -> None:
    cycle = run("run", "--json")
    assert cycle.code == 0
    box, rest = cycle.rows
    assert (box["found"], box["opened"], box["filed"]) == (3, 2, {"enquiry": 1})
    assert {"escalations", "notices"} <= set(rest)
    queue = run("cases", "--json").rows
    assert {row["complaint_type"] for row in queue} == {"delivery", "billing"}
    wanted = {
        "id", "customer", "subject", "status", "disposition", "complaint_type", "secondary", "urgency", "flags", "owner",
        "received_at", "deadlines", "review", "escalation_step", "message_ids",
    }  # fmt: skip
    assert wanted <= set(queue[0])
    assert {"target", "due", "state"} <= set(queue[0]["deadlines"][0])
    assert re.fullmatch(r"C-2026-\d{6}", queue[0]["id"])
    one = run("case", queue[0]["id"])
    assert queue[0]["id"] in one.out and "opened" in one.out
    assert run("case", queue[0]["id"], "--json").rows[0]["history"][0]["kind"] == "opened"
    assert "billing" in run("cases").out


def test_a_person_acts_and_it_is_kept_who_when_and_why(here: Path, run: Any) -> None:
    run("run")
    case = next(row["id"] for row in run("cases", "--json").rows if row["complaint_type"] == "billing")
    assert run("accept", case, "--by", "priya").code == 0
    assert run("replied", case, "--at", "2026-11-20T15:00:00Z", "--by", "priya", "--note", "called back").code == 0
    assert run("hold", case, "--why", "asked for the receipt", "--by", "priya").code == 0
    assert run("resume", case, "--by", "priya").code == 0
    assert run("assign", case, "--to", "luc", "--why", "holiday", "--by", "ines").code == 0
    assert run("close", case, "--outcome", "upheld", "--cause", "double booking", "--by", "luc").code == 0
    found = run("case", case, "--json").rows[0]
    assert found["status"] == "closed" and found["owner"] == "luc"
    assert [(e["kind"], e["actor"]) for e in found["history"] if e["actor"] != "desk"] == [
        ("accepted", "priya"), ("replied", "priya"), ("held", "priya"), ("resumed", "priya"), ("assigned", "ines"),
        ("closed", "luc"),
    ]  # fmt: skip
    assert run("reopen", case, "--why", "it came back").code == 0
    assert run("case", case, "--json").rows[0]["status"] == "open"


def test_a_correction_changes_the_case_and_is_kept_as_a_label(here: Path, run: Any) -> None:
    run("run")
    case = next(row["id"] for row in run("cases", "--json").rows if row["complaint_type"] == "delivery")
    assert run("correct", case, "--type", "refund_return", "--urgency", "urgent", "--why", "wants the money").code == 0
    found = run("case", case, "--json").rows[0]
    assert (found["complaint_type"], found["urgency"], found["pool"]) == ("refund_return", "urgent", "billing")
    assert run("report", "--json").rows[0]["corrections"] == 2


def test_a_filed_mail_that_was_a_complaint_gets_its_case_from_its_arrival_on(here: Path, run: Any) -> None:
    run("run")
    before = {row["id"] for row in run("cases", "--json").rows}
    words = (
        "correct",
        "--mail",
        "3",
        "--disposition",
        "complaint",
        "--type",
        "premises_access",
        "--why",
        "they were shut out",
    )
    assert run(*words).code == 0
    new = [row for row in run("cases", "--json").rows if row["id"] not in before]
    assert [(row["complaint_type"], row["received_at"]) for row in new] == [("premises_access", "2026-11-20T15:00:00Z")]
    assert run(*words).code == 2, "a second time it has its case"


def test_bulk_forms_say_first_and_do_then(here: Path, run: Any) -> None:
    run("run")
    owner = run("cases", "--json").rows[0]["owner"]
    dry = run("assign", "--where", f"owner={owner}", "--to", "viktor", "--why", "left", "--dry-run", "--json")
    assert dry.code == 0 and dry.rows and all(row["done"] is False for row in dry.rows)
    assert all(row["owner"] != "viktor" for row in run("cases", "--json").rows)
    run("assign", "--where", f"owner={owner}", "--to", "viktor", "--why", "left")
    assert all(row["owner"] != owner for row in run("cases", "--json").rows)


def test_merging_and_splitting(here: Path, run: Any) -> None:
    run("run")
    one, two = (row["id"] for row in run("cases", "--json").rows)
    assert run("merge", two, "--into", one, "--why", "the same matter").code == 0
    assert [row["id"] for row in run("cases", "--json").rows] == [one]
    mails = run("case", one, "--json").rows[0]["mails"]
    assert len(mails) == 2
    assert run("split", one, "--mail", str(mails[-1]["mail"]), "--why", "two matters after all").code == 0
    assert len(run("cases", "--json").rows) == 2


def test_a_merge_is_undone_by_naming_the_merged_case(here: Path, run: Any) -> None:
    run("run")
    one, two = (row["id"] for row in run("cases", "--json").rows)
    run("merge", two, "--into", one)
    assert "Say which mails" in run("split", one).err
    assert run("split", one, "--merged", two).code == 0
    assert len(run("cases", "--json").rows) == 2


def test_notices_that_are_held_can_be_looked_at(here: Path, run: Any) -> None:
    edit(here / "config" / "notices.yaml", {("mode",): "off"})
    assert "`triage notices` shows them" in run("run").out
    held = run("notices", "--json").rows
    assert held and {row["state"] for row in held} == {"held"}
    shown = run("notices", "--show", str(held[0]["number"]))
    assert shown.out.startswith(f"To: {held[0]['to']}") and "What to type" in shown.out
    case = run("cases", "--json").rows[0]["id"]
    assert 0 < len(run("notices", "--case", case, "--json").rows) < len(held)
    assert run("notices", "--show", "99999").code != 0


def test_filed_mail_is_listed_with_its_reason(here: Path, run: Any) -> None:
    run("run")
    rows = run("filed", "--json").rows
    assert rows and all(row["reason"] and row["mail"] for row in rows)
    assert "triage correct --mail NUMBER" in run("filed").out


def test_what_the_register_asks_for_can_be_entered(here: Path, run: Any) -> None:
    run("run")
    case = run("cases", "--json").rows[0]["id"]
    assert run("details", case).code != 0
    assert "product kettle" in run("details", case, "--product", "kettle", "--not-eligible").out
    row = next(r for r in json.loads(run("export-register", "--format", "json").out) if r["id"] == case)
    assert (row["product"], row["eligible"]) == ("kettle", False)


def test_classify_and_explain_judge_a_file_without_storing_it(here: Path, run: Any, tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(letter(9, "The parcel is broken and I was charged."))
    row = run("classify", str(tmp_path / "one.eml"), "--received", "2026-11-20T12:00:00Z", "--json").rows[0]
    wanted = {
        "file", "disposition", "reason", "complaint_type", "secondary", "urgency", "flags", "customer_dates", "confidence",
        "review", "reasons",
    }  # fmt: skip
    assert wanted <= set(row) and row["disposition"] == "complaint"
    assert "routed by" in run("explain", str(tmp_path / "one.eml")).out
    assert run("cases", "--all", "--json").rows == []


def test_reconcile_is_clean_after_a_run_and_not_before(here: Path, run: Any) -> None:
    assert run("reconcile").code == 1
    run("run")
    done = run("reconcile", "--json")
    assert done.code == 0 and done.rows[0]["missing"] == 0


def test_check_tries_everything_a_line_each(here: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("check", "--json")
    states = {row["check"]: row["state"] for row in done.rows}
    assert states["config"] in ("ok", "warn") and states["database"] == "ok" and states["imap complaints/INBOX"] == "ok"
    assert states["smtp"] == "ok"


def test_hours_are_counted_as_the_deadlines_count_them(here: Path, run: Any) -> None:
    """Friday 16:30, 09:00-17:30: one hour on Friday, three on Monday."""
    assert run("hours", "add", "2026-11-20T16:30:00Z", "4h", "--json").rows[0]["utc"] == "2026-11-23T12:00:00Z"
    assert (
        run("hours", "between", "2026-11-20T16:30:00Z", "2026-11-23T12:00:00Z", "--json").rows[0]["seconds"] == 4 * 3600
    )


def test_init_writes_a_config_that_passes_its_own_check_and_overwrites_nothing(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIAGE_DATA", str(tmp_path / "data"))
    words = (
        "init",
        str(tmp_path / "mine"),
        "--address",
        "care@shop.example",
        "--host",
        "imap.shop.example",
        "--lead",
        "ana@shop.example",
    )
    first = run(*words)
    assert first.code == 0 and "export TRIAGE_PASSWORD=" in first.out
    (tmp_path / "mine" / "people.yaml").write_text("mine: true\n")
    assert run(*words).code == 0
    assert (tmp_path / "mine" / "people.yaml").read_text() == "mine: true\n"


# -- bad input -------------------------------------------------------------------------------------------------------

TYPOS = {
    "business.yaml": ("zone: Europe/London", "zonne: Europe/London"),
    "mailboxes.yaml": ("user:", "usr:"),
    "complaint_types.yaml": ("complaint_types:", "complaint_typs:"),
    "people.yaml": ("delegate: tomasz", "delegate: tomas"),
    "routing.yaml": ("owner: safety", "owner: savety"),
    "calendars.yaml": ("zone: Europe/London", "zone: Europe/Londn"),
    "policies.yaml": ("calendar: standard", "calendar: standart"),
    "escalation.yaml": ("tell: owner}", "tell: ownr}"),
    "dispositions.yaml": ("outcome: case", "outcome: kase"),
    "judging.yaml": ("languages:", "langages:"),
    "notices.yaml": ("operators: [lead]", "operators: [led]"),
}


@pytest.mark.parametrize("name", TYPOS)
def test_a_typo_in_a_config_file_is_named_with_its_line_and_what_to_do(here: Path, run: Any, name: str) -> None:
    path = here / "config" / name
    right, wrong = TYPOS[name]
    text = path.read_text(encoding="utf-8")
    assert right in text
    broken = text.replace(right, wrong, 1)
    path.write_text(broken, encoding="utf-8")
    line = broken[: broken.index(wrong)].count("\n") + 1
    done = run("check", "--offline")
    assert done.code == 1
    assert f"{name}:{line}" in done.out, done.out


def test_a_wrong_password_names_the_mailbox_and_what_to_do(
    here: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD, "wrong")
    done = run("run")
    assert done.code == 1 and "sign-in" in done.out and "wrong" not in done.out.replace("went wrong", "")
    assert run("check").code == 1


def test_a_missing_password_names_the_variable(here: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD)
    done = run("check", "--offline")
    assert done.code == 1 and PASSWORD in done.out


def test_an_unreachable_server_is_tried_again(here: Path, run: Any) -> None:
    edit(here / "config" / "mailboxes.yaml", {("mailboxes", 0, "port"): 9})
    done = run("run")
    assert done.code == 75 and "could not be reached" in done.out


def test_a_folder_that_does_not_exist_is_named(here: Path, run: Any) -> None:
    edit(here / "config" / "mailboxes.yaml", {("mailboxes", 0, "folders", "intake"): ["INBOX", "Old complaints"]})
    done = run("run")
    assert done.code == 1 and "Old complaints" in done.out
    assert len(run("cases", "--json").rows) == 2, "the folder that is there was read all the same"


def test_a_mended_password_is_tried_as_soon_as_a_person_checks(
    here: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = os.environ[PASSWORD]
    monkeypatch.setenv(PASSWORD, "wrong")
    assert run("run").code == 1
    monkeypatch.setenv(PASSWORD, right)
    left_alone = run("run")
    assert left_alone.code == 1 and "triage check tries at once" in left_alone.out, "no account gets locked"
    assert "the sign-in works again" in run("check").out
    assert run("run").code == 0


def test_a_full_disk_is_said_and_nothing_is_lost(here: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("triage.world.store.raw.os.write", full)
        done = run("run")
        assert done.code == 75 and "no room left" in done.out
    assert run("run").code == 0
    assert run("reconcile").code == 0


def test_a_database_that_cannot_be_reached_says_so(here: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_DATABASE_URL", "postgresql://nobody:geheim@127.0.0.1:9/none")
    done = run("run")
    assert done.code == 75 and "geheim" not in done.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("case", "C-2026-999999"), "C-2026-999999"),
        (("explain", "nothing.eml"), "nothing.eml"),
        (("classify", "/nonexistent"), "/nonexistent"),
        (("accept",), "--where"),
        (("assign", "--where", "colour=red", "--to", "ines", "--why", "x"), "colour"),
        (("replied", "1", "--at", "yesterday"), "yesterday"),
        (("hours", "add", "2026-11-20T16:30:00", "4h"), "zone"),
        (("run", "--engine", "steam"), "steam"),
        (("run", "--mailbox", "nope"), "nope"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_wrong_command_ends_with_two_and_names_what_was_wrong(
    here: Path, run: Any, words: tuple[str, ...], expected: str
) -> None:
    done = run(*words)
    assert done.code == 2 and expected in done.err


def test_help_loads_nothing_heavy() -> None:
    """`triage --help` answers at once: no scikit-learn, no Prefect, no SQLAlchemy."""
    import subprocess

    code = (
        "import sys; sys.argv = ['triage', '--help']\nfrom triage.cli import main\n"
        "try:\n main()\nexcept SystemExit: pass\n"
        "print([m for m in ('sklearn', 'prefect', 'sqlalchemy', 'numpy', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
