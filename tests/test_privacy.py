"""Planted secrets leak nowhere: cards, IBANs, telephone numbers and passwords of mails are in no log, not in Prefect's
database, in no artifact, notice, digest, report or status.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.room import desk_in, edit, furnish, letter
from tests.test_serve import ROOT, environment
from triage.demo.servers import ImapServer, SmtpSink
from triage.operations import cycle
from triage.world import clock

#: what is planted, as a customer writes it; each passes its own check digits, so it is a real form of a false number
PLANTED = {
    "card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "phone": "+44 20 7946 0958",
    "password": "Tr0ub4dor&3xyz",
}
MAILS = [
    ("Card {card} charged", "I was charged twice on my card {card}. I will take legal action, my phone is {phone}."),
    ("Refund to {iban}", "The parcel is broken, I want my refund to {iban} today. My solicitor rings {phone}."),
    ("Login", "My password is {password} and I cannot sign in. The kettle gave me a burn, call {phone} at once."),
    ("password: {password}", "Sie erreichen mich unter Tel. {phone}. Mein Anwalt hat die Karte {card} gesperrt."),
]  # fmt: skip


def leaks(kept: str) -> list[str]:
    """The kinds of what is found, also without its blanks."""
    dense = re.sub(r"[\s-]", "", kept)
    return [kind for kind, value in PLANTED.items() if value in kept or value.replace(" ", "") in dense]


@pytest.fixture
def here(tmp_path: Path, imap_server: ImapServer, smtp_sink: SmtpSink) -> Path:
    """A desk whose mailbox holds the planted mails twice over, from two customers."""
    words = [(subject.format(**PLANTED), text.format(**PLANTED)) for subject, text in MAILS]
    received = clock.now() - timedelta(days=30)  # long overdue: everything escalates
    imap_server.deliver_all([
        (letter(10 * person + n, text, subject=subject, sender=f"Customer <c{person}@example.com>"), received)
        for person in (1, 2) for n, (subject, text) in enumerate(words)
    ])  # fmt: skip
    furnish(
        tmp_path, host=imap_server.host, port=imap_server.port, user=imap_server.user, password=imap_server.password,
        smtp_port=smtp_sink.port, folders={"intake": ["INBOX"], "sent": None},
    )  # fmt: skip
    return tmp_path


def test_the_finder_finds_what_is_planted() -> None:
    """Else the tests below would prove nothing."""
    assert leaks(" ".join(PLANTED.values())) == list(PLANTED) == leaks(json.dumps({"x": list(PLANTED.values())}))


def test_no_log_artifact_report_or_table_of_prefect_holds_them(here: Path) -> None:
    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "triage", "--verbose", *words], cwd=ROOT, env=environment(here, TRIAGE_LOG="json"),
            capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    printed = run("run", "--engine", "prefect") + run("report") + run("status") + run("report", "--json")
    page, edited = here / "backtest.html", here / "edited"
    shutil.copytree(here / "config", edited)
    edit(edited / "people.yaml", {("people", "greta", "capacity"): 1})
    printed += run("routing", "backtest", "--with", str(edited), "--days", "60", "--html", str(page)) + page.read_text()
    assert leaks(printed) == []
    prefect = [path for path in (here / "data" / "prefect").rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in prefect)
    assert leaks("".join(path.read_bytes().decode("utf-8", "replace") for path in prefect)) == []
    with sqlite3.connect(here / "data" / "triage.db") as connection:
        runs = connection.execute("SELECT counts, error FROM run").fetchall()
    assert runs and leaks(str(runs)) == []


def test_what_an_unforeseen_exception_says_reaches_neither_prefect_nor_a_log(here: Path) -> None:
    """The program finds a hole while it settles a mail, and the exception quotes the mail, as a KeyError does."""
    broken = (
        "import sys\nfrom triage.operations import cycle\n"
        "def hole(desk):\n    raise KeyError(sys.argv[1])\n"
        "hole.__name__ = 'take_in_batch'\ncycle.take_in_batch = hole\n"
        "from triage.flows.cycle import through_prefect\nthrough_prefect(None, print)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", broken, " ".join(PLANTED.values())], cwd=ROOT, env=environment(here, TRIAGE_LOG="json"),
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode != 0 and "KeyError at" in done.stderr
    assert leaks(done.stdout + done.stderr) == []
    prefect = [path for path in (here / "data" / "prefect").rglob("*") if path.is_file()]
    assert leaks("".join(path.read_bytes().decode("utf-8", "replace") for path in prefect)) == []


def test_no_notice_and_no_digest_holds_them(here: Path, smtp_sink: SmtpSink) -> None:
    """First what goes out when they come, then escalations and the daily digest of the days after."""
    for day in range(4):
        with desk_in(here, now=clock.now() + timedelta(days=day)) as desk:
            cycle.run(desk)
    assert len(smtp_sink.messages) >= 8
    from triage.mail import message

    kinds = set()
    for one in smtp_sink.messages:
        mail = message.parse(one.raw)
        kinds.add("digest" if "your cases on" in mail.subject else "notice")
        assert leaks(f"{mail.subject}\n{mail.text}\n{one.raw.decode('utf-8', 'replace')}") == []
    assert kinds == {"digest", "notice"}
