"""Which case a later mail joins and whether it chases: measured on 200 generated conversations, through real IMAP.

A wrong merge would show one customer's mail to another, so every way of mixing people up is tried: the same name and
product, the same subject, a borrowed case token, the same order number at another company, a household that shares an
address, a second matter of the same person. The figures are printed: pytest -rP tests/test_merging.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.conversation import Lent
from tests.room import desk_in, furnish
from triage.demo.servers import ImapServer
from triage.mail import tokens
from triage.operations import cycle
from triage.operations.casebook import replay
from triage.world import inbox
from triage.world.store import cases as store
from triage.world.store import mails

MONDAY = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
LATER = MONDAY + timedelta(hours=5)
PEOPLE = 200
AGENT = "Owen Pryce <owen.pryce@alderfinch.example>"

ASKS = (
    "Any news on this?", "Have you had a chance to look at my complaint?", "I am still waiting for an answer.",
    "Could you give me an update please?", "Nobody has replied to me yet.", "Just chasing my mail of this morning.",
    "When will I hear from you?", "I have not heard back from you.", "Is there any progress?", "Any update?",
    "Gibt es schon Neuigkeiten?", "Ich warte noch immer auf eine Antwort.",
)  # fmt: skip
STRANGERS = ("Dana Fox", "Juno Marsh", "Piet Hale", "Ottilie Brand")
SURNAMES = ("Ellery", "Kitto", "Tarn", "Whitlow", "Salt", "Barrow")


@dataclass(frozen=True)
class Later:
    """A later mail, the customer whose case it belongs to (None: a case of its own), and whether it chases."""

    raw: bytes
    message_id: str
    belongs_to: int | None
    chases: bool


def write(
    message_id: str, sender: str, subject: str, text: str, at: datetime, *, to: str = "", answers: str = ""
) -> bytes:
    head = {
        "From": sender, "To": to or "complaints@alderfinch.example", "Subject": subject, "Date": format_datetime(at),
        "Message-ID": message_id, **({"In-Reply-To": answers, "References": answers} if answers else {}),
    }  # fmt: skip
    return ("".join(f"{k}: {v}\r\n" for k, v in head.items()) + f"\r\n{text}\r\n").encode()


def order(n: int) -> str:
    return f"AF-{41000 + 37 * n}"


def person(n: int) -> str:
    return f"Robin {SURNAMES[n % len(SURNAMES)]} <robin{n}@example.com>"


def first(n: int) -> bytes:
    text = f"My parcel {order(n)} came with a broken kettle.\r\n\r\nRobin {SURNAMES[n % len(SURNAMES)]}"
    return write(f"<first{n}@example.com>", person(n), "Broken kettle", text, MONDAY)


def ours(n: int) -> bytes:
    """Every third customer has an answer of ours."""
    return write(f"<ours{n}@alderfinch.example>", AGENT, "Re: Broken kettle", "Thank you, we have asked the workshop.",
                 MONDAY + timedelta(hours=1), to=f"robin{n}@example.com", answers=f"<first{n}@example.com>")  # fmt: skip


def later(n: int, number_of: dict[int, str], secret: bytes) -> Iterator[Later]:
    """Each customer's later mail, one of six ways; and one that looks like theirs and is not."""
    asks, way, name = ASKS[n % len(ASKS)], n % 6, SURNAMES[n % len(SURNAMES)]
    mine, again = f"<later{n}@example.com>", f"<office{n}@work.example>"
    office = f"R {name} <r.{name.lower()}{n}@work.example>"
    answered = n % 3 == 0
    if way in (0, 3):  # in answer to our mail, from home or from work
        sender, one = (person(n), mine) if way == 0 else (office, again)
        yield Later(
            write(one, sender, "Re: Broken kettle", asks, LATER, answers=f"<ours{n}@alderfinch.example>"), one, n, False
        )
    elif way == 1:  # under the first mail
        raw = write(mine, person(n), "Re: Broken kettle", asks, LATER, answers=f"<first{n}@example.com>")
        yield Later(raw, mine, n, not answered)
    elif way == 2:  # a new thread with the order number
        yield Later(write(mine, person(n), "My order", f"{asks} Order {order(n)}.", LATER), mine, n, not answered)
    elif way == 4:  # a second address, the number in the signature
        text = f"{asks}\r\n\r\n-- \r\nRobin {name}\r\n(order {order(n)})"
        yield Later(write(again, office, "Any news??", text, LATER), again, n, not answered)
    else:  # a new thread, nothing but the address
        yield Later(write(mine, person(n), "Any news??", asks, LATER), mine, n, not answered)
    yield trap(n, asks, number_of[n], secret)


def trap(n: int, asks: str, number: str, secret: bytes) -> Later:
    """A mail that looks as if it belonged to customer n's case and does not, one of nine ways."""
    name, one = SURNAMES[n % len(SURNAMES)], f"<other{n}@example.org>"
    namesake = f"Robin {name} <robin.{name.lower()}{n}@example.org>"
    stranger = f"{STRANGERS[n % len(STRANGERS)]} <stranger{n}@example.org>"
    partner = f"Alex {name} <robin{n}@example.com>"  # shares the address
    sender, subject, text = (
        (
            namesake,
            "Broken kettle",
            f"My kettle {order(500 + n)} is broken.",
        ),  # name and product, an order of their own
        (namesake, "Re: Broken kettle", asks),  # the subject of our answer, no number
        (namesake, f"Re: {tokens.case_token(number, secret)} parcel", f"Case {number}. {asks}"),  # a borrowed token
        (person(n), "Another order", f"My parcel {order(700 + n)} never came."),  # the same person, another matter
        (stranger, "Never came", f"My parcel {order(n)} from Parcelhub never came."),  # another company, same number
        (stranger, "Parcelhub", f"{asks} Parcelhub order {order(n)}."),  # the same, and asks for news
        (partner, "The toaster", "My toaster came with a broken lid."),  # a household, another matter
        (partner, "Any news??", asks),  # the same, and nothing but the question
        (namesake, "Any news??", asks),  # a name and a question
    )[n % 9]
    return Later(write(one, sender, subject, text, LATER), one, None, False)


@pytest.fixture
def served(imap_server: ImapServer, tmp_path: Path) -> ImapServer:
    with inbox.open(imap_server.account) as box:
        box.ensure("Sent")
    furnish(
        tmp_path, host=imap_server.host, port=imap_server.port, user=imap_server.user, password=imap_server.password,
        folders={"intake": ["INBOX"], "sent": "Sent"}, notices="off",
    )  # fmt: skip
    return imap_server


def test_later_mails_join_their_case_and_nobody_elses(
    served: ImapServer, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    clock, reader = [MONDAY], Lent()
    with desk_in(tmp_path, now=lambda: clock[0]) as desk:
        desk.reader = reader
        served.deliver_all([(first(n), MONDAY) for n in range(PEOPLE)])
        cycle.run(desk)
        clock[0] = MONDAY + timedelta(hours=1)
        served.deliver_all([(ours(n), clock[0]) for n in range(0, PEOPLE, 3)], "Sent")
        cycle.run(desk)
        with desk.database.read() as tx:
            opened = {row["customer"]: row for row in store.rows(tx, everything=True)}
        mine = {n: opened[f"robin{n}@example.com"] for n in range(PEOPLE)}
        numbers = {k: str(r["number"]) for k, r in mine.items()}
        everything = [one for n in range(PEOPLE) for one in later(n, numbers, desk.secret)]
        clock[0] = LATER
        served.deliver_all([(one.raw, LATER) for one in everything])
        cycle.run(desk)
        with desk.database.read() as tx:
            where = mails.case_of_message_ids(tx, [one.message_id for one in everything])
            cases = {k: replay(v) for k, v in store.events(tx, {c for found in where.values() for c in found}).items()}
            chased = {m["message_id"] for k, c in cases.items() for m in mails.of_case(tx, k)
                      if m["id"] in {chase.mail_id for chase in c.chases}}  # fmt: skip
    reader.stop()

    old = {row["id"]: n for n, row in mine.items()}
    joined = {one.message_id: old.get(where[one.message_id][0]) for one in everything}
    merges = figures({m for m, n in joined.items() if n is not None},
                     {one.message_id for one in everything if joined[one.message_id] == one.belongs_to is not None},
                     {one.message_id for one in everything if one.belongs_to is not None})  # fmt: skip
    wanted = {one.message_id for one in everything if one.chases}
    chases = figures(chased, chased & wanted, wanted)
    for what, (precision, recall) in (("merges", merges), ("chases", chases)):
        record_property(what, f"{PEOPLE}|{precision:.3f}|{recall:.3f}")
        print(f"{what}: precision {precision:.3f}, recall {recall:.3f} on {PEOPLE} conversations")
        assert precision >= 0.98 and recall >= 0.85
    strangers = {k: c.participants - {f"robin{n}@example.com", f"r.{SURNAMES[n % len(SURNAMES)].lower()}{n}@work.example"}
                 for k, c in cases.items() if (n := old.get(k)) is not None}  # fmt: skip
    assert not any(strangers.values())  # nobody else takes part in a case: a reply to them would be told to its sender


def figures(found: set[str], right: set[str], wanted: set[str]) -> tuple[float, float]:
    """Precision and recall."""
    return len(right) / len(found), len(right) / len(wanted)
