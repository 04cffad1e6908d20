"""Plays a thread of tests/threads.jsonl on a desk: real IMAP, the clock passed in, a sweep at every moment that counts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ruamel.yaml import YAML

from tests.room import desk_in, furnish
from triage.casework.case import Case
from triage.demo.servers import ImapServer
from triage.desk import Desk
from triage.judge.classify import Prediction, Words
from triage.mail import tokens
from triage.operations import act, cycle
from triage.operations.casebook import replay
from triage.operations.sweep import sweep
from triage.words import COMPLAINT_TYPES
from triage.world.reader import Reader
from triage.world.store import cases as store
from triage.world.store import outbox

HERE = Path(__file__).parent
LONDON = ZoneInfo("Europe/London")
_yaml = YAML(typ="safe")

THREADS: dict[str, list[dict[str, Any]]] = {
    one["id"]: one["messages"]
    for one in map(json.loads, (HERE / "threads.jsonl").read_text(encoding="utf-8").splitlines())
}
EXPECTED: dict[str, dict[str, Any]] = _yaml.load((HERE / "threads_expected.yaml").read_text(encoding="utf-8"))

#: everybody of ours in the threads; key -> address
STAFF = {
    "priya": "priya@oakandloom.example",
    "leanne": "leanne@northmoorpower.example",
    "harvey": "harvey@swiftcrate.example",
    "bronwen": "bronwen@stagshomes.example",
    "nell": "nell@brightloft.example",
    "gareth": "gareth@brightloft.example",
    "dele": "dele@kestrelfibre.example",
    "rosa": "rosa@kestrelfibre.example",
    "joss": "joss@sunhopper.example",
    "petra": "petra@voltigo.example",
    "imre": "imre@voltigo.example",
    "ffion": "ffion@plannio.example",
    "laura": "laura@office.example",  # the lead
    "dan": "dan@office.example",  # the lead's deputy
    "mona": "mona@office.example",  # the manager
}


def london(text: str) -> datetime:
    """ "2026-03-02 14:00", London time -> aware UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=LONDON).astimezone(UTC)


def spell(moment: datetime | None) -> str | None:
    """Aware UTC -> "2026-03-02 14:00", London time."""
    return None if moment is None else f"{moment.astimezone(LONDON):%Y-%m-%d %H:%M}"


class Scripted:
    """A model that names one type for the thread, and takes for thanks what the script calls thanks."""

    card: Mapping[str, Any] = {"name": "script", "thresholds": {}}

    def __init__(self, kind: str, thanks: Sequence[str]) -> None:
        self.kind, self.thanks = kind, thanks

    def predict(self, words: Sequence[Words]) -> list[Prediction]:
        return [self._one(one.text) for one in words]

    def _one(self, text: str) -> Prediction:
        ack = any(words in text for words in self.thanks)
        disposition = "customer_ack" if ack else "complaint"
        urgency = {"normal": 0.9, "urgent": 0.05, "critical": 0.02}
        return Prediction({disposition: 0.95}, {self.kind: 0.95}, urgency, (), "script", 1.0)


class Play:
    """One thread on one desk."""

    def __init__(self, desk: Desk, imap: ImapServer, clock: list[datetime], name: str) -> None:
        self.desk, self.imap, self.clock, self.name = desk, imap, clock, name

    def until(self, moment: datetime) -> None:
        """Sweep at every moment at which something falls due, then stand at `moment`."""
        last: datetime | None = None
        while True:
            with self.desk.database.read() as tx:
                due = [r["next_due_at"] for r in store.rows(tx, everything=False) if r["next_due_at"]]
            ahead = min(due, default=None)
            if ahead is None or ahead > moment or ahead == last:
                break
            last = ahead
            self.clock[0] = max(self.clock[0], ahead)
            sweep(self.desk)
        self.clock[0] = moment

    def whole(self) -> None:
        """Every mail at its time, every deed of a person at theirs, up to the moment of evaluation."""
        expected = EXPECTED[self.name]
        deeds = [(london(deed["at"]), 1, deed) for deed in expected.get("deeds", [])]
        letters = [(parsedate_to_datetime(m["date"]).astimezone(UTC), 0, m) for m in THREADS[self.name]]
        for at, kind, what in sorted([*letters, *deeds], key=lambda one: (one[0], one[1])):
            if kind:
                self.deed(at, what)
            elif what["message_id"] not in expected.get("leave_out", []):
                self.mail(what)
        if "as_of" in expected:
            self.until(london(expected["as_of"]))

    def deed(self, at: datetime, deed: Mapping[str, Any]) -> None:
        """What a person types."""
        self.until(at)
        data = {"outcome": "", "cause": "", "reason": "", "why": "", **deed.get("data", {})}
        act.act(self.desk, deed["do"], [self.cases()[0].number], {}, actor=deed["by"], **data)

    def mail(self, message: Mapping[str, Any]) -> None:
        """Deliver one mail at its own time and run a cycle."""
        message = self.signed(message)
        at = parsedate_to_datetime(message["date"]).astimezone(UTC)
        self.until(at)
        folder = "INBOX" if message["direction"] == "in" else "Sent"
        self.imap.deliver(written(message), at, folder)
        cycle.run(self.desk)

    def signed(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """The mail with the token and the Message-ID that this desk gave its own mail, where the file has its own."""
        known = self.cases()
        if not known:
            return message
        subject = re.sub(r"\[Case #\d+\]", tokens.case_token(known[0].number, self.desk.secret), message["subject"])
        changed = {**message, "subject": subject}
        if "n1@" in message["in_reply_to"]:  # an automatic answer to our own notice
            notice = next(n for n in self.notices(known[0]) if n["kind"] == "assignment")
            changed |= {"in_reply_to": f"<{notice['message_id'].strip('<>')}>", "references": []}
        return changed

    def cases(self) -> list[Case]:
        """Every case, oldest first."""
        with self.desk.database.read() as tx:
            ids = sorted(row["id"] for row in store.rows(tx, everything=True))
            events = store.events(tx, ids)
        return [replay(events[one]) for one in ids]

    def notices(self, case: Case) -> list[dict[str, Any]]:
        """What was written to people about a case, oldest first."""
        with self.desk.database.read() as tx:
            return outbox.listing(tx, 500, case_id=case.id)


def written(message: Mapping[str, Any]) -> bytes:
    """A message of the file as a mail. A bounce becomes a delivery report as servers write it (RFC 3464)."""
    if "multipart/report" in message.get("headers", {}).get("Content-Type", ""):
        return _report(message)
    mail = EmailMessage()
    _head(mail, message)
    mail.set_content(message["text"])
    return mail.as_bytes()


def _head(mail: EmailMessage, message: Mapping[str, Any]) -> None:
    names = (("From", "from"), ("To", "to"), ("Cc", "cc"), ("Date", "date"), ("Subject", "subject"),
             ("Message-ID", "message_id"), ("In-Reply-To", "in_reply_to"))  # fmt: skip
    for name, key in names:
        if message.get(key):
            mail[name] = message[key]
    if message.get("references"):
        mail["References"] = " ".join(message["references"])
    for name, value in message.get("headers", {}).items():
        if name != "Content-Type":
            mail[name] = value


def _report(message: Mapping[str, Any]) -> bytes:
    address = message["text"].split(">")[0].lstrip("<")
    head = EmailMessage()
    _head(head, message)
    lines = [f"{name}: {value}" for name, value in head.items()]
    return "\r\n".join([
        *lines, 'Content-Type: multipart/report; report-type=delivery-status; boundary="b"', "MIME-Version: 1.0", "",
        "--b", "Content-Type: text/plain", "", message["text"], "",
        "--b", "Content-Type: message/delivery-status", "", "Reporting-MTA: dns; mx.example.org", "",
        f"Final-Recipient: rfc822; {address}", "Action: failed", "Status: 5.2.2", "",
        "--b", "Content-Type: text/rfc822-headers", "", f"Message-ID: {message['in_reply_to']}", "", "--b--", "",
    ]).encode()  # fmt: skip


class Lent(Reader):
    """A reader process that many desks use one after another: its start costs two seconds."""

    def close(self) -> None:
        """The desk gives it back."""

    def stop(self) -> None:
        super().close()


@contextmanager
def stage(folder: Path, imap: ImapServer, name: str, reader: Reader) -> Iterator[Play]:
    """A desk furnished for the thread; its clock stands before the first mail."""
    expected, messages = EXPECTED[name], THREADS[name]
    domains = sorted({address.rpartition("@")[2] for address in STAFF.values()})
    start = parsedate_to_datetime(messages[0]["date"]).astimezone(UTC)
    intake = sorted({m["to"] for m in messages if m["direction"] == "in"})
    furnish(
        folder, host=imap.host, port=imap.port, user=imap.user, password=imap.password, domains=domains,
        folders={"intake": ["INBOX"], "sent": "Sent"}, addresses=intake, start_from="2025-01-01T00:00:00Z",
        notices="off",
    )  # fmt: skip
    _staff(folder / "config", expected["owner"])
    clock = [start]
    with desk_in(folder, now=lambda: clock[0]) as desk:
        desk.reader = reader
        desk.__dict__["model"] = Scripted(expected["type"], expected.get("thanks", []))
        yield Play(desk, imap, clock, name)


def _staff(config: Path, owner: str) -> None:
    """The calendar and the people the file's times are made for: Mon-Fri 09:00-17:30, no day off."""
    write = YAML()
    people: dict[str, dict[str, Any]] = {
        key: {"name": key.capitalize(), "email": email, "languages": ["en"]} for key, email in STAFF.items()
    }
    people["dele"]["delegate"] = "rosa"
    roles = {
        "fallback": ["laura"], "lead": ["laura", "dan"], "lead_deputy": ["dan"], "manager": ["mona"], "director": ["mona"],
        "safety": ["imre"], "oncall": ["laura"],
    }  # fmt: skip
    everybody = {
        "people": people,
        "pools": {"owners": {"members": [owner], "pick": "in_order"}},
        "roles": roles,
        "oncall": {"order": ["laura"], "start": "2026-01-05"},
    }
    routing = {
        "always": {"never_owner": ["named_person"]},
        "rules": [
            {"name": "otherwise", "otherwise": True, "owner": {"pool": "owners"}, "covers": list(COMPLAINT_TYPES)}
        ],
        "inform": [
            {"name": "safety", "when": {"flag": "safety_injury"}, "inform": ["safety", "lead"]},
            {"name": "manager_wanted", "when": {"flag": "wants_manager"}, "inform": ["lead"]},
        ],
        "default_policy": "standard",
    }
    calendars = {"calendars": {"standard": {"zone": "Europe/London", "hours": {"mon-fri": "09:00-17:30"}}}}
    for file, data in (("people", everybody), ("routing", routing), ("calendars", calendars)):
        with (config / f"{file}.yaml").open("w", encoding="utf-8") as out:
            write.dump(data, out)
    dispositions = config / "dispositions.yaml"
    text = dispositions.read_text(encoding="utf-8")
    for pool in ("privacy", "review", "support"):
        text = text.replace(f"{{pool: {pool}}}", "{pool: owners}").replace(f"[{pool}]", "[owners]")
    dispositions.write_text(text.replace("[comms]", "[lead]"), encoding="utf-8")
