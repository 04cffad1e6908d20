"""Which case a mail belongs to: its keys looked up in the register."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from triage.desk import Desk
from triage.errors import TriageError
from triage.mail import person, thread
from triage.mail.screen import Kind
from triage.mail.thread import CaseRef, Key, Threading
from triage.operations.judging import Judged
from triage.words import Status
from triage.world.store import cases, mails, outbox
from triage.world.store.mails import Waiting

log = logging.getLogger(__name__)

REOPEN_DAYS = 14
_NAMES_A_MAIL = ("message_id", "reference")

Keys = tuple[Key, ...]


def look_up(desk: Desk, tx: Connection, batch: Sequence[tuple[Waiting, Judged]]) -> dict[int, Keys]:
    """Ask the register once for a whole batch what each of its mails will be asked for. Mail id -> its keys.

    Nothing is known, and each mail asks for itself, where some mail finds a hole in the program: it is met again when
    that mail is settled, apart from the others.
    """
    try:
        with desk.database.apart(tx):
            return _look_up(desk, tx, batch)
    except (TriageError, SQLAlchemyError):
        raise  # the register, the disk, another writer: no mail's fault
    except Exception as error:  # noqa: BLE001 - which mail it is shows when each is settled
        log.error("looking up what a batch asks failed: %s; its mails ask one by one", type(error).__name__)
        return {}


def _look_up(desk: Desk, tx: Connection, batch: Sequence[tuple[Waiting, Judged]]) -> dict[int, Keys]:
    known = {mail.id: judged for mail, judged in batch}
    found = {
        mail_id: thread.candidates(judged.message, judged.body, judged.screening, desk.ours)
        for mail_id, judged in known.items()
    }
    keys = [key for some in found.values() for key in some]
    named = [key.value for key in keys if key.kind in _NAMES_A_MAIL]
    senders = [judged.screening.customer.email for judged in known.values()]
    mails.look_up(
        tx,
        [mail for mail, _ in batch],
        [judged.message.logical_key for judged in known.values()],
        [*(judged.message.message_id for judged in known.values()), *named],
    )
    outbox.look_up(tx, named)
    orders = [key.value for key in keys if key.kind == "order"]
    cases.look_up(tx, senders, {"address": senders, "order": orders})
    _known(tx, tuple(keys))  # who takes part in the cases that these lead to
    return found


def find(desk: Desk, tx: Connection, judged: Judged, keys: Keys | None = None) -> Threading:
    """The case this mail joins, if any, with what tied it there. `keys` are its keys where they are known already."""
    if keys is None:
        keys = thread.candidates(judged.message, judged.body, judged.screening, desk.ours)
    text = f"{judged.message.subject}\n{judged.body.own}\n{judged.body.signature}"
    found = thread.decide(keys, _known(tx, keys), judged.screening, desk.now(), REOPEN_DAYS, text)
    return _same_customer(tx, judged, found) if found.how == "new" and not found.possibly else found


def _same_customer(tx: Connection, judged: Judged, found: Threading) -> Threading:
    """ "Any news??" in a new thread: whoever asks for news from a known address means their one open case.

    A number that the case does not know speaks of another matter, and so do two open cases: then nothing is joined. Two
    people may share an address: somebody else, by the name they write under, gets a case of their own beside it.
    """
    screening, cues = judged.screening, judged.cues
    silence = any(flag.name.startswith("chased") for flag in cues.history)
    asks = silence or any(cue is not None for cue in (cues.chase, cues.not_fixed, cues.thanks))
    if not asks or screening.kind is not Kind.PERSON or screening.authenticated == "fail":
        return found
    open_cases = cases.with_key(tx, "address", [screening.customer.email], open_only=True).get(
        screening.customer.email, []
    )
    text = f"{judged.message.subject}\n{judged.body.new_text}"
    if len(open_cases) != 1 or thread.reference_numbers(text):
        return found
    known = str(cases.by_ids(tx, open_cases)[open_cases[0]]["customer_name"] or "")
    if person.another(screening.customer.name, known, text, first_name=True):
        why = f"{screening.customer.email} has one open case, under another name"
        return Threading(None, "new", why, (open_cases[0],))
    why = f"{screening.customer.email} has one open case and asks about it"
    return Threading(open_cases[0], "same_customer", why)


def _known(tx: Connection, keys: tuple[Key, ...]) -> dict[Key, tuple[CaseRef, ...]]:
    """For each key, the cases the register knows by it; merged ones followed to where they went."""
    numbers = cases.by_numbers(tx, [key.case_number for key in keys if key.case_number])
    orders = cases.with_key(tx, "order", [key.value for key in keys if key.kind == "order"])
    ids = [key.value for key in keys if key.kind in _NAMES_A_MAIL]
    mailed, sent = mails.case_of_message_ids(tx, ids), mails.sent_ids(tx, ids)
    noticed = outbox.case_of_message_ids(tx, ids)
    found: dict[Key, list[tuple[int, bool]]] = {}
    for key in keys:
        if key.case_number is not None:
            hits = [(numbers[key.case_number], False)] if key.case_number in numbers else []
        elif key.kind == "order":
            hits = [(case, False) for case in orders.get(key.value, ())]
        else:
            hits = [(case, key.value in sent) for case in mailed.get(key.value, ())]
            hits += [(noticed[key.value], True)] if key.value in noticed else []
        if hits:
            found[key] = hits
    refs = _refs(tx, {case for hits in found.values() for case, _ in hits})
    return {
        key: tuple(refs[case] if not is_sent else _sent(refs[case]) for case, is_sent in dict.fromkeys(hits))
        for key, hits in found.items()
    }


def _sent(ref: CaseRef) -> CaseRef:
    return replace(ref, sent=True)


def _refs(tx: Connection, ids: Iterable[int]) -> dict[int, CaseRef]:
    wanted = cases.by_ids(tx, ids)
    into = cases.merged_into(tx, (case for case, row in wanted.items() if row["status"] == Status.MERGED))
    final = {case: into.get(case, case) for case in wanted}
    rows = wanted | cases.by_ids(tx, into.values())
    people = cases.keys_of(tx, final.values(), "address")
    return {
        case: CaseRef(
            at, rows[at]["number"], Status(rows[at]["status"]), rows[at]["closed_at"], frozenset(people[at]),
            rows[at]["subject"] or "", name=rows[at]["customer_name"] or "",
        )
        for case, at in final.items()
    }  # fmt: skip
