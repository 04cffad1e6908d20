"""Configuration: checked whole, every problem at once with its line and what to do; the shipped one works."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.casework.policy import Span
from triage.errors import ConfigInvalid, NotFound
from triage.judge import route
from triage.judge.outcome import Action
from triage.words import COMPLAINT_TYPES, Disposition, Target, Urgency
from triage.world import config
from triage.world.config import source

MONDAY = datetime(2026, 11, 23, 10, tzinfo=UTC)
SHIPPED = config.shipped()

Edit = Callable[[str, str, str], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped config, to be spoiled."""
    place = tmp_path / "config"
    shutil.copytree(SHIPPED, place)
    return place


@pytest.fixture(scope="module")
def default() -> config.Config:
    return config.load(SHIPPED)


def spoil(folder: Path, name: str, old: str, new: str) -> int:
    """Replace a text that occurs once; gives the line it stood in."""
    text = (folder / name).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def problems(folder: Path) -> list[str]:
    with pytest.raises(ConfigInvalid) as caught:
        config.load(folder)
    return [str(problem) for problem in caught.value.problems]


# -- the shipped config ----------------------------------------------------------------------------------------------


def test_the_shipped_config_is_sound_and_covers_all_types_and_dispositions(default: config.Config) -> None:
    assert tuple(default.complaint_types) == COMPLAINT_TYPES
    assert set(default.outcomes) == set(Disposition)
    assert len(default.roster.people) == 8
    assert [w.where for w in default.warnings] == ["mailboxes.yaml:4"]  # no start_from: right for a demonstration


def test_the_shipped_targets_are_the_documented_ones(default: config.Config) -> None:
    targets = default.policies.policy("standard").targets
    shown = {u.word: tuple(str(s) for s in (t.first_response, t.update, t.resolution) if s) for u, t in targets.items()}
    assert shown == {
        "critical": ("1 clock_h", "4 clock_h", "1 bd"),
        "urgent": ("4 h", "1 bd", "2 bd"),
        "normal": ("1 bd", "3 bd", "5 bd"),
        "low": ("2 bd", "5 bd", "10 bd"),
    }
    assert str(default.policies.limits["data_rights_28"].span) == "28 days"
    assert str(default.policies.limits["breach_72h"].span) == "72 clock_h"


def test_the_shipped_ladder_is_the_documented_one(default: config.Config) -> None:
    steps = {step.level: step for step in default.ladder.of(Target.FIRST_RESPONSE)}
    assert [steps[n].place(Urgency.NORMAL) for n in range(4)] == [75, 100, 150, 200]
    assert [steps[n].place(Urgency.URGENT) for n in (2, 3)] == [Span(4, "h"), Span(8, "h")]
    assert [steps[n].place(Urgency.CRITICAL) for n in (2, 3)] == [Span(30, "clock_min"), Span(1, "clock_h")]
    assert [steps[n].roles for n in range(4)] == [
        ("owner",), ("owner", "lead"), ("lead_deputy", "manager"), ("manager", "director")
    ]  # fmt: skip
    assert default.ladder.accept[Urgency.CRITICAL] == Span(15, "clock_min")


def test_the_shipped_calendar_knows_opening_hours_and_english_holidays(default: config.Config) -> None:
    calendar = default.calendar
    assert calendar.day_minutes == 510  # 09:00 to 17:30
    # Boxing Day 2026 is a Saturday, so Monday 28 December is off; 25 December is a Friday.
    assert [calendar.is_business_day(date(2026, 12, d)) for d in (24, 25, 28, 29)] == [True, False, False, True]


@pytest.mark.parametrize(
    ("facts", "owner", "rule"),
    [
        (route.Facts("product_fault", flags=frozenset({"safety_injury"})), "greta", "safety"),
        (route.Facts("billing", flags=frozenset({"self_harm", "safety_injury"})), None, "self_harm"),
        (route.Facts("staff_conduct", named_staff=frozenset({"ines"})), "tomasz", "staff_conduct"),
        (route.Facts("billing", confidence=0.41), "tomasz", "unsure"),
        (route.Facts("billing", confidence=0.9), "priya", "billing"),
        (route.Facts("privacy_security", flags=frozenset({"data_breach"})), "noor", "breach_or_fraud"),
        (route.Facts(None, disposition=Disposition.DATA_RIGHTS_REQUEST), "noor", "data_rights"),
        (route.Facts(None, disposition=Disposition.UNREADABLE), "tomasz", "disposition:unreadable"),
        (route.Facts(None, disposition=Disposition.CASE_FOLLOWUP), "ines", "otherwise"),
    ],
)
def test_the_shipped_routing(default: config.Config, facts: route.Facts, owner: str | None, rule: str) -> None:
    found = route.decide(default.ruleset, facts, default.roster, route.Load(), MONDAY)
    assert found.rule == rule
    assert found.owner == (owner or default.roster.find("oncall", MONDAY))


def test_dated_duties_run_their_own_limit(default: config.Config) -> None:
    facts = route.Facts("privacy_security", flags=frozenset({"data_breach", "data_rights_request"}))
    found = route.decide(default.ruleset, facts, default.roster, route.Load(), MONDAY)
    assert set(found.statutory) == {"breach_72h", "data_rights_28"}
    dispute = default.outcomes[Disposition.SYSTEM_NOTICE]
    assert dispute.settle(belongs=False, flags=frozenset({"chargeback"})) is Action.CASE
    assert dispute.settle(belongs=False) is Action.FILE


def test_a_config_is_frozen_and_its_version_is_a_function_of_the_bytes(folder: Path, default: config.Config) -> None:
    again = config.load(folder)
    assert again.version == default.version and len(again.version) == 64
    assert config.load_files({n: t.encode() for n, t in default.files.items()}).version == default.version
    spoil(folder, "judging.yaml", "audit_least: 10", "audit_least: 11")
    assert config.load(folder).version != default.version
    with pytest.raises(FrozenInstanceError):
        default.version = ""  # type: ignore[misc]


def test_thresholds_are_defaults_then_the_models_card_then_what_is_written(folder: Path) -> None:
    spoil(folder, "judging.yaml", "thresholds: {}", "thresholds: {type_confidence: 0.7}")
    found = config.load(folder).thresholds({"type_confidence": 0.5, "low_confidence": 0.9, "measured_on": 1})
    assert (found.type_confidence, found.low_confidence, found.urgent_score) == (0.7, 0.9, 0.5)


def test_without_anybody_on_call_critical_cases_count_working_time_and_that_is_told(folder: Path) -> None:
    text = (folder / "people.yaml").read_text(encoding="utf-8")
    (folder / "people.yaml").write_text(text[: text.index("# A weekly rota")], encoding="utf-8")
    found = config.load(folder)
    critical = found.policies.policy("standard").targets[Urgency.CRITICAL]
    assert (str(critical.first_response), str(critical.update)) == ("1 h", "4 h")
    assert any("Nobody is on call" in str(w) for w in found.warnings)


# -- one mistake in each file ----------------------------------------------------------------------------------------

MISTAKES = [
    ("business.yaml", "zone: Europe/London", "zone: Europe/Londn", "'Europe/Londn' is no time zone."),
    ("business.yaml", "calendar: standard", "calendar: standart",
     "There is no calendar in calendars.yaml 'standart'. Did you mean 'standard'?"),
    ("business.yaml", "domains: [alderfinch.example]", "domain: [alderfinch.example]",
     "The key 'domain' is not known. Did you mean 'domains'?"),
    ("mailboxes.yaml", "    port: 993", "    port: 99300", "'port' must be 65535 or less."),
    ("mailboxes.yaml", "    tls: implicit", "    tls: none",
     "tls: none is only for this machine itself (127.0.0.1, ::1). Use implicit or starttls."),
    ("mailboxes.yaml", "{env: TRIAGE_PASSWORD_COMPLAINTS}", "hunter2",
     "A password must not stand in a config file. Write {env: NAME}"),
    ("mailboxes.yaml", "processed: Processed", "processed: INBOX",
     "The folder 'INBOX' is intake and processed at once."),
    ("mailboxes.yaml", "mode: read_only", "mode: readonly", "'mode' must be 'read_only', 'shared' or 'dedicated'."),
    ("complaint_types.yaml", "    title: Delivery", "    titel: Delivery",
     "The key 'titel' is not known. Did you mean 'title'?"),
    ("people.yaml", "    delegate: tomasz                     #", "    delegate: tomas #",
     "There is no person 'tomas'. Did you mean 'tomasz'?"),
    ("people.yaml", "members: [priya, luc]", "members: []", "'members' must not be empty."),
    ("people.yaml", "  fallback: [ines, tomasz]", "  fallbacks: [ines, tomasz]",
     "The role 'fallback' is missing or empty."),
    ("people.yaml", "  logistics: {", "  ines: {", "The name 'ines' stands under people already."),
    ("people.yaml", "luc.ferrand@", "priya.nandan@", "luc and priya have the same address."),
    ("people.yaml", "capacity: 25", "capacity: many", "'capacity' must be a whole number."),
    ("routing.yaml", "    when: {type: staff_conduct}", "    when: {type: staff_conduc}",
     "There is no type 'staff_conduc'. Did you mean 'staff_conduct'?"),
    ("routing.yaml", "    owner: {pool: logistics, pick", "    owner: {pool: logistic, pick",
     "There is no person, role or pool 'logistic'. Did you mean 'logistics'?"),
    ("routing.yaml", "  - name: contracts", "  - name: billing", "There are two rules named 'billing'."),
    ("routing.yaml", "    otherwise: true", "    when: {type: other_unclear}", "The last rule must take what is left."),
    ("routing.yaml", "    when: {type: cancellation_contract}", "    when: {type: billing, urgency: urgent}",
     "The rule 'contracts' can never be reached: billing takes all its cases."),
    ("routing.yaml", "    when: {type: other_unclear}", "    when: {type: other_unclear, language: de}",
     "No rule takes the complaint type 'other_unclear' as such."),
    ("routing.yaml", "confidence_below: threshold", "confidence_below: 60", "A confidence lies between 0 and 1."),
    ("routing.yaml",
     "{facts: {type: delivery, language: de}, owner: greta}",
     "{facts: {type: delivery, language: de}, owner: owen}",
     "This example goes to logistics, not owen."),
    ("routing.yaml", "default_policy: standard", "default_policy: standart",
     "There is no policy 'standart'. Did you mean 'standard'?"),
    ("routing.yaml", "    restrict_text: true\n", "    restrict_text: yess\n",
     "'restrict_text' must be true or false."),
    ("calendars.yaml", '"09:00-17:30"', '["09:00-12:30", "12:00-17:30"]', "overlap."),
    ("calendars.yaml", 'mon-fri: "09:00-17:30"', "mon-fri: []", "The calendar has no open time"),
    ("calendars.yaml", 'mon-fri: "09:00-17:30"', 'mon-fry: "09:00-17:30"',
     "'mon-fry' is no day and no range of days. Did you mean 'mon-fri'?"),
    ("calendars.yaml", '"09:00-17:30"', '"9-17"', "'9-17' is no window of time. Write 09:00-17:30."),
    ("calendars.yaml", "country: GB", "country: XX", "There is no country 'XX'."),
    ("calendars.yaml", "subdivision: ENG", "subdivision: ENGL",
     "There is no subdivision of GB 'ENGL'. Did you mean 'ENG'?"),
    ("calendars.yaml", "zone: Europe/London", "zone: London", "'London' is no time zone"),
    ("calendars.yaml", "closed: []", "closed: [24.12.2026]", "'closed' must be a date such as 2026-12-24."),
    ("policies.yaml", "first_response: 4 h", "first_response: 4 hurs", "'4 hurs' is no span of time."),
    ("policies.yaml", "first_response: 4 h", "first_response: 0 h", "a target of 0 h can never be met"),
    ("policies.yaml", "at_risk: 75", "at_risk: 120", "'at_risk' must be 99 or less."),
    ("policies.yaml", "calendar: standard", "calendar: nights", "There is no calendar 'nights'."),
    ("policies.yaml", "when: {flag: data_breach}", "when: {flag: data_breech}",
     "There is no flag 'data_breech'. Did you mean 'data_breach'?"),
    ("policies.yaml", "packs: []", "packs: [{pack: uk_disb}]", "There is no pack 'uk_disb'. Did you mean 'uk_disp'?"),
    ("escalation.yaml", "at: 100%, critical: 75%, tell: owner}", "at: 75 percent, tell: owner}",
     "'75 percent' is no place on the ladder."),
    ("escalation.yaml", "tell: [owner, lead, manager]", "tell: [owner, lead, manger]",
     "There is no role, person or pool 'manger'. Did you mean 'manager'?"),
    ("dispositions.yaml", "  praise: {", "  prase: {", "There is no disposition 'prase'. Did you mean 'praise'?"),
    ("dispositions.yaml", "  complaint: {outcome: case}", "  complaint: {outcome: file}",
     "carries a duty and must open a case."),
    ("dispositions.yaml", "{outcome: forward, to: [comms]}", "{outcome: forward}",
     "A mail that is forwarded needs somebody to go to."),
    ("judging.yaml", "thresholds: {}", "thresholds: {urgent_score: 1.5}", "'urgent_score' must be 1 or less."),
    ("notices.yaml", 'mode: "off"', "mode: me", "mode: me needs an address under `me`."),
    ("notices.yaml", "operators: [lead]", "operators: [leed]",
     "There is no person, role or pool 'leed'. Did you mean 'lead'?"),
    ("notices.yaml", "by {deadline}.", "by {dedline}.", "The letter names {dedline}, which nobody fills in."),
    ("notices.yaml", "  a_day: 1 ", "  a_day: 1\n  a_day: 2 ", "The key 'a_day' is written twice."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "expected"), MISTAKES)
def test_a_mistake_is_refused_with_its_file_its_line_and_what_to_do(
    folder: Path, name: str, old: str, new: str, expected: str
) -> None:
    line = spoil(folder, name, old, new)
    found = problems(folder)
    told = [p for p in found if expected in p]
    assert told, found
    where, at = told[0].split(":")[:2]
    assert where == name
    # The line itself, or of the key around it; a type that no rule takes is told at the last rule.
    assert int(at) <= line + new.count("\n") or "No rule takes" in told[0]


def test_the_line_is_the_very_line_of_the_mistake(folder: Path) -> None:
    line = spoil(folder, "people.yaml", "    languages: [en, es]", "    langages: [en, es]")
    assert problems(folder) == [f"people.yaml:{line}: The key 'langages' is not known. Did you mean 'languages'?"]


def test_all_mistakes_of_all_files_are_told_at_once(folder: Path) -> None:
    spoil(folder, "business.yaml", "zone: Europe/London", "zone: Mars/Olympus")
    spoil(folder, "mailboxes.yaml", "    port: 993", "    port: 0")
    spoil(folder, "people.yaml", "  manager: [viktor]", "  manager: [victor]")
    spoil(folder, "policies.yaml", "packs: []", "packs: [{pack: uk_dips}]")
    spoil(folder, "notices.yaml", "storm: 20", "storm: 1")
    (folder / "judging.yaml").write_text("thresholds: [\n", encoding="utf-8")
    (folder / "routing.yml").write_text("rules: []\n", encoding="utf-8")
    (folder / "escalation.yaml").unlink()
    files = [line.split(":")[0] for line in problems(folder)]
    assert {"business.yaml", "mailboxes.yaml", "people.yaml", "notices.yaml", "judging.yaml", "routing.yml",
            "escalation.yaml"} <= set(files)  # fmt: skip


def test_a_password_in_the_wrong_place_is_never_repeated(folder: Path) -> None:
    spoil(folder, "mailboxes.yaml", "{env: TRIAGE_PASSWORD_COMPLAINTS}", "{env: hunter2, fil: hunter3}")
    assert not any("hunter" in line for line in problems(folder))


def test_delegates_in_a_circle_are_told_once_with_the_circle(folder: Path) -> None:
    spoil(folder, "people.yaml", "    skills: [cancellation_contract]", "    delegate: priya")
    found = [line for line in problems(folder) if "circle" in line]
    assert len(found) == 1 and "priya -> luc -> priya" in found[0]


def test_a_folder_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="triage init"):
        config.load(tmp_path / "nowhere")


def test_labels_of_a_model_that_the_config_lacks_are_told() -> None:
    assert config.labels(["billing", "ours"], ["billing"]) == ()
    (problem,) = config.labels(["billing"], ["billing", "delivery"])
    assert "'delivery'" in problem.what


# -- YAML ------------------------------------------------------------------------------------------------------------


def read(text: str | bytes) -> tuple[source.Source, list[str]]:
    found, wrong = source.read("x.yaml", text if isinstance(text, bytes) else text.encode())
    return found, [str(p) for p in wrong]


def test_yaml_is_read_as_version_1_2_whatever_it_claims() -> None:
    text = "a: NO\nb: 09:00\nc: off\nd: 010\ne: 0o10\nf: 1e3\ng: ~\nh: 2026-12-24\ni: true\n"
    values = {
        "a": "NO",
        "b": "09:00",
        "c": "off",
        "d": 10,
        "e": 8,
        "f": 1000.0,
        "g": None,
        "h": "2026-12-24",
        "i": True,
    }
    assert read(text)[0].data == values
    old = read("%YAML 1.1\n---\n" + text)[0].data
    assert isinstance(old, dict) and (old["a"], old["b"], old["c"]) == ("NO", "09:00", "off")


def test_a_byte_order_mark_is_read_and_kept_in_the_text() -> None:
    found, wrong = read(b"\xef\xbb\xbfa: 1\n")
    assert found.data == {"a": 1} and not wrong and found.text.encode().startswith(b"\xef\xbb\xbf")


def test_every_double_key_is_told_with_both_lines() -> None:
    _, wrong = read("a: 1\nb:\n  c: 1\n  c: 2\na: 2\n")
    assert wrong == [
        "x.yaml:4: The key 'c' is written twice. It stands in line 3 already; keep one of them.",
        "x.yaml:5: The key 'a' is written twice. It stands in line 1 already; keep one of them.",
    ]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: [1,\nb: }", 2, "not YAML"),
        ("a:\n\tb: 1", 2, "not YAML"),
        ("a: b: c", 1, "not YAML"),
        ("a: 1\n---\nb: 2", 2, "not YAML"),
        (b"a: 1\nb: \xff", 2, "not UTF-8"),
        ("a: !!python/object/apply:os.system [ls]", 1, "tag"),
        ("a: *b", 1, "not YAML"),
        ("a: &b [*b]", 1, "contains itself"),
        ("a: &x {b: 1}\nc:\n  <<: *x", 3, "no plain key"),
        ("a: " + "[" * 5000, 1, ""),
        ("# " + "x" * source.MOST_BYTES, 1, "larger than"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_line(text: str | bytes, line: int, words: str) -> None:
    _, wrong = read(text)
    assert any(p.startswith(f"x.yaml:{line}:") and words in p for p in wrong), wrong


def test_aliases_that_unfold_to_billions_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]  # 10^10 values
    assert "too much" in read("\n".join(lines))[1][0]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    found, wrong = read(text.encode("utf-8", "surrogatepass"))
    assert found.data is None or not wrong or isinstance(found.data, (dict, list, str, int, float, bool))


# -- writing ---------------------------------------------------------------------------------------------------------

ANSWERS = config.Answers(
    business='Ulla\'s "Ofen": Shop #1', address="hilfe@ofen.example", host="mail.ofen.example", user="hilfe",
    name="Ulla Brenner", email="ulla@ofen.example", start_from=MONDAY, zone="Europe/Berlin", country="DE",
    subdivision="BY", language="de", intake=("INBOX", "Junk"),
)  # fmt: skip


def test_the_first_config_loads_with_the_answers_in_it(tmp_path: Path) -> None:
    done = config.write_starter(tmp_path, ANSWERS)
    found = config.load(tmp_path)
    assert {p.name for p in done.written if p.suffix == ".yaml"} == set(config.FILES) and not done.kept
    assert (found.business.name, found.business.domains) == (ANSWERS.business, ("ofen.example",))
    (box,) = found.mailboxes
    assert (box.host, box.folders.intake, box.start_from, box.mode) == (
        "mail.ofen.example", ("INBOX", "Junk"), MONDAY, "read_only"
    )  # fmt: skip
    assert box.password.env == "TRIAGE_PASSWORD" and found.notices.mode == "off"
    assert not found.calendar.is_business_day(date(2027, 1, 6))  # Epiphany, a holiday in Bavaria
    facts = route.Facts("billing", confidence=1.0)
    assert route.decide(found.ruleset, facts, found.roster, route.Load(), MONDAY).owner == "ulla"


def test_the_first_config_keeps_the_comments_and_names_its_schema(tmp_path: Path) -> None:
    config.write_starter(tmp_path, ANSWERS)
    for name in config.FILES:
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert text.startswith(f"# yaml-language-server: $schema=schema/{name.removesuffix('.yaml')}.json\n")
        assert "alderfinch" not in text
    assert "# implicit or starttls" in (tmp_path / "mailboxes.yaml").read_text(encoding="utf-8")


def test_init_never_overwrites_and_a_second_run_adds_only_what_is_missing(tmp_path: Path) -> None:
    config.write_starter(tmp_path, ANSWERS)
    (tmp_path / "people.yaml").write_text("mine", encoding="utf-8")
    (tmp_path / "routing.yaml").unlink()
    again = config.write_starter(tmp_path, ANSWERS)
    assert [p.name for p in again.written] == ["routing.yaml"]
    assert (tmp_path / "people.yaml").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["Lead", "Safety Officer", "", "Øystein Ødegård", "張 偉", "desk"])
def test_the_first_config_loads_whatever_the_first_person_is_called(tmp_path: Path, name: str) -> None:
    config.write_starter(tmp_path, replace(ANSWERS, name=name or "x", country=None, subdivision=None))
    assert len(config.load(tmp_path).roster.people) == 1


@pytest.mark.parametrize("name", config.FILES)
def test_an_edit_changes_its_own_line_and_no_other(name: str) -> None:
    text = (SHIPPED / name).read_text(encoding="utf-8")
    added = config.edit(text, ["something_new"], "x")
    assert [line for line in added.splitlines() if line not in text.splitlines()] == ["something_new: x"]
    assert set(text.splitlines()) <= set(added.splitlines())
    assert "something_new" not in config.edit(added, ["something_new"], None)


def test_an_edit_keeps_the_comment_of_its_line() -> None:
    text = (SHIPPED / "notices.yaml").read_text(encoding="utf-8")
    changed = config.edit(text, ["storm"], 30)
    before, after = text.splitlines(), changed.splitlines()
    different = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert len(different) == 1 and different[0][1].startswith("storm: 30 ") and "# more escalations" in different[0][1]
    with pytest.raises(NotFound):
        config.edit(text, ["smtp", "no", "such"], 1)
    with pytest.raises(NotFound):
        config.edit("a: [1]\n", ["a", 5], 1)


def test_every_key_has_help_in_its_schema() -> None:
    found = config.schemas()
    assert set(found) == set(config.FILES)
    for name, schema in found.items():
        json.dumps(schema)
        for part in (schema, *schema.get("$defs", {}).values()):
            for key, value in part.get("properties", {}).items():
                # pydantic leaves the help to the part itself where both say the same
                inner = schema.get("$defs", {}).get(value.get("$ref", "").rpartition("/")[2], {})
                assert value.get("description") or inner.get("description"), f"{name}: {key} has no help"
