"""Carry out what people asked for from their mail client: a mail moved, a keyword set, a line of a reply.

Each request is one transaction with what it changes, so a run that dies in between neither loses nor doubles it. What
cannot be done is refused with its reason, and the next digest says so. A correction is a person's act: it may lower.
Except for a mail that the desk first saw in a folder of corrections: some servers let the sender of a mail choose its
folder (`care+folder@`), so what such a folder says may raise, and lowers nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from triage.casework import notice
from triage.casework.case import Case, Kind
from triage.desk import CORRECTIONS, Desk
from triage.errors import Misuse, NotAllowed, Temporary
from triage.judge import correction
from triage.judge.classify import words_of
from triage.judge.correction import NO_COMPLAINT, Correction
from triage.judge.outcome import Action
from triage.operations import act, cards, hints
from triage.operations.casebook import Draft, put, read
from triage.operations.deed import Deed
from triage.operations.recall import recall
from triage.words import Disposition, Urgency
from triage.world.reader import Reading
from triage.world.store import folders, learning, mails, register

log = logging.getLogger(__name__)

MOST = 500  # a run; the rest follows in the next

#: writes what became of a request in the transaction of what it changed: outcome, sentence, case
Settle = Callable[[Connection, str, str, int | None], None]


@dataclass(slots=True)
class Corrected:
    """What became of the requests of a run."""

    done: int = 0
    unchanged: int = 0
    refused: int = 0

    def as_json(self) -> dict[str, int]:
        return asdict(self)

    def sentence(self) -> str:
        """One line of progress."""
        return f"{self.done} done, {self.unchanged} changed nothing, {self.refused} refused"

    def count(self, outcome: str) -> None:
        setattr(self, outcome, getattr(self, outcome) + 1)


@dataclass(frozen=True, slots=True)
class Wish:
    """What one person wants set right. `may_lower` False: only up."""

    said: Correction
    source: str
    actor: str
    how: str
    may_lower: bool = True

    @property
    def why(self) -> str:
        return f"{self.actor}: {self.how}"


def carry_out(desk: Desk) -> Corrected:
    """Carry out every request that waits. One that meets another writer waits for the next run."""
    done = Corrected()
    with desk.database.read() as tx:
        moved = folders.to_correct(tx, MOST)
        waiting = learning.waiting(tx, MOST)
    for row in moved:
        _safely(done, lambda row=row: _moved(desk, row, done))  # type: ignore[misc]
    against = _contradictions(desk, waiting)
    for request in waiting:
        _safely(done, lambda one=request: _asked(desk, one, one["mail_id"] in against, done))  # type: ignore[misc]
    return done


def _safely(done: Corrected, do: Callable[[], None]) -> None:
    try:
        do()
    except Temporary as error:
        log.warning("a correction waits for the next run: %s", error)


# -- where requests come from ----------------------------------------------------------------------------------------


def _moved(desk: Desk, row: Any, done: Corrected) -> None:
    """A mail lies in a folder of corrections. A folder that was numbered anew repeats no correction."""
    box = next((box for box in desk.mailboxes if box.name == row.mailbox), None)
    after = "wanted" if box is not None and box.mode == "dedicated" else "done"
    name = row.name.removeprefix(box.corrections) if box is not None and box.corrections else row.name
    said = correction.read(name, hints.titles(desk))
    with desk.database.read() as tx:
        again = folders.was_there_before(tx, row.folder_id, row.epoch, row.mail_id)
        seen = folders.seen_outside(tx, row.mail_id, CORRECTIONS)
    if again or said is None:
        with desk.database.write() as tx:
            folders.set_mark(tx, row.id, after)
        return

    def settle(tx: Connection, outcome: str, sentence: str, case_id: int | None) -> None:
        folders.set_mark(tx, row.id, after)
        values = {"key": f"folder:{row.id}", "source": "folder", "mail_id": row.mail_id, "case_id": case_id}
        learning.ask(tx, {**values, "actor": wish.actor, "at": desk.now(), "asked": row.name, "outcome": outcome,
                          "said": sentence})  # fmt: skip
        done.count(outcome)

    wish = Wish(said, "folder", hints.actor(row.mailbox), f"the mail was moved to {row.name}", may_lower=seen)
    _set_right(desk, row.mail_id, None, wish, settle)


def _contradictions(desk: Desk, waiting: Sequence[Mapping[str, Any]]) -> set[int]:
    """Mails whose new keywords say two different things."""
    said: dict[int, list[Correction]] = {}
    for row in waiting:
        found = correction.keyword(row["asked"], hints.titles(desk)) if row["source"] == "keyword" else None
        if found is not None:
            said.setdefault(row["mail_id"], []).append(found)
    return {mail_id for mail_id, all_of_it in said.items() if correction.together(all_of_it) is None}


def _asked(desk: Desk, row: Mapping[str, Any], contradicts: bool, done: Corrected) -> None:
    """A keyword, or a line of a reply."""
    by_keyword = row["source"] == "keyword"
    parse = correction.keyword if by_keyword else correction.read
    said = parse(row["asked"], hints.titles(desk))

    def settle(tx: Connection, outcome: str, sentence: str, _case_id: int | None) -> None:
        learning.settle(tx, row["id"], outcome, sentence)
        done.count(outcome)

    if said is None or (by_keyword and contradicts):
        with desk.database.write() as tx:
            settle(tx, "refused", "not understood" if said is None else "its keywords contradict each other", None)
        return
    how = f"the keyword {row['asked']} was set" if by_keyword else f'answered "{row["asked"]}" to a notice'
    _set_right(desk, row["mail_id"], row["case_id"], Wish(said, row["source"], row["actor"], how), settle)


# -- what is done ----------------------------------------------------------------------------------------------------


def set_right(desk: Desk, mail_id: int, wish: Wish, done: Corrected) -> tuple[str, str]:
    """Set one mail right at once, for a person at a terminal; gives the outcome and a sentence."""
    found: list[tuple[str, str]] = []

    def settle(_tx: Connection, outcome: str, sentence: str, _case_id: int | None) -> None:
        done.count(outcome)
        found.append((outcome, sentence))

    _set_right(desk, mail_id, None, wish, settle)
    return found[-1] if found else ("refused", f"mail {mail_id} has not been judged yet")


def _set_right(desk: Desk, mail_id: int | None, case_id: int | None, wish: Wish, settle: Settle) -> None:
    """Set right a mail, with its case where it has one, or a case."""
    with desk.database.read() as tx:
        row = mails.get(tx, mail_id) if mail_id is not None else None
        if row is not None and row["duplicate_of"] is not None:
            row = mails.get(tx, row["duplicate_of"])
    if row is not None and row["state"] == "stored":
        return  # not judged yet: it waits
    try:
        if row is not None and row["direction"] == "out":
            raise NotAllowed(f"Mail {row['id']} is one of ours.")
        at = row["case_id"] if row is not None else case_id
        if at is None and row is not None:
            _filed(desk, row, wish, settle)
        elif at is not None:
            _on_case(desk, at, row, wish, settle)
    except (NotAllowed, Misuse) as error:
        with desk.database.write() as tx:
            settle(tx, "refused", error.detail, row["case_id"] if row is not None else case_id)


def _filed(desk: Desk, row: Mapping[str, Any], wish: Wish, settle: Settle) -> None:
    """A mail that became no case. A complaint gets its case now, its clocks from the mail's arrival; else it is a
    label."""
    said = wish.said
    named = said.disposition if said.disposition not in ("", NO_COMPLAINT) else row["disposition"]
    opens = desk.config.outcomes[Disposition(named)].settle(belongs=False) is Action.CASE
    if said.is_complaint or (opens and named != row["disposition"]):
        kind = Disposition.COMPLAINT if said.is_complaint else Disposition(named)
        recall(
            desk, row["id"], actor=wish.actor, why=wish.why, complaint_type=said.complaint_type, urgency=said.urgency,
            source=wish.source, disposition=kind,
            also=lambda tx, case: settle(tx, "done", f"{case.number} opened: {said}", case.id),
        )  # fmt: skip
        return
    with desk.database.write() as tx:
        changed = named != row["disposition"]
        label(desk, tx, row["id"], None, "disposition", row["disposition"], named, wish)
        looked_at = learning.answer(tx, row["id"], "no_complaint", wish.actor, desk.now())
        if changed:
            mails.judged(tx, row["id"], {"disposition": named, "reason": wish.why})
        sentence = f"mail {row['id']}: {named.replace('_', ' ')}, no complaint"
        settle(tx, "done" if changed or looked_at else "unchanged", sentence, None)


def _on_case(desk: Desk, case_id: int, row: Mapping[str, Any] | None, wish: Wish, settle: Settle) -> None:
    with desk.database.read() as tx:
        of_case = [m for m in mails.of_case(tx, case_id) if m["direction"] == "in"]
    first = of_case[0] if of_case else None
    follow_up = row is not None and first is not None and row["id"] != first["id"]
    disposition = wish.said.disposition
    if disposition == NO_COMPLAINT:
        disposition = _likeliest(desk, row or first).value
    with desk.database.write() as tx:
        draft = Draft(desk, tx, read(tx, case_id))
        if follow_up and wish.said.no_complaint and row is not None:
            # thanks or a question inside a case: true of this mail, and no reason to end the case
            label(desk, tx, row["id"], case_id, "disposition", row["disposition"], disposition, wish)
            settle(
                tx, "done", f"{draft.case.number}: the mail is {disposition.replace('_', ' ')}; the case stays", case_id
            )
            return
        before = draft.case
        data = _changes(before, wish, disposition)
        deed = Deed(desk, tx, draft, wish.actor, desk.now(), data)
        if any(data[name] for name in ("complaint_type", "urgency", "disposition")):
            said = act.VERBS["correct"](deed)
        elif before.review is not None:
            said = act.VERBS["confirm"](deed)
        else:
            if first is not None and wish.said.complaint_type:
                kind = before.complaint_type
                label(desk, tx, first["id"], case_id, "complaint_type", kind, kind or "", wish)
            settle(tx, "unchanged", f"{before.number}: so it was already", case_id)
            return
        if wish.said.disposition == NO_COMPLAINT and draft.case.is_open:
            deed.add(Kind.CLOSED, reason="not_a_complaint", why=wish.why)
            said = "closed, not a complaint"
        case = draft.save()
        _tell_owner(desk, tx, before, case, wish)
        settle(tx, "done", f"{case.number}: {said}", case_id)


def _changes(case: Case, wish: Wish, disposition: str) -> dict[str, Any]:
    """What the correction changes about the case. Raises NotAllowed where it would lower and may not."""
    said = wish.said
    urgency = said.urgency if said.urgency and said.urgency != case.urgency.word else ""
    if said.is_complaint and case.disposition is not Disposition.COMPLAINT:
        disposition = Disposition.COMPLAINT.value
    lowers = said.no_complaint or (urgency and Urgency.of(urgency) < case.urgency)
    if lowers and not wish.may_lower:
        raise NotAllowed(
            f"{case.number}: the desk had not seen the mail before, and then a folder only raises. Leave it in the inbox "
            "until its case is there, or use `triage correct`."
        )
    return {
        "complaint_type": said.complaint_type if said.complaint_type != case.complaint_type else "", "secondary": [],
        "urgency": urgency, "disposition": disposition if disposition != case.disposition.value else "",
        "clear_flags": [], "why": wish.why, "source": wish.source,
    }  # fmt: skip


def label(
    desk: Desk, tx: Connection, mail_id: int, case_id: int | None, field: str, old: str | None, new: str, wish: Wish
) -> None:  # fmt: skip
    """What a person says this mail is; kept to learn from, also where the program was right."""
    register.note_correction(
        tx,
        {"mail_id": mail_id, "case_id": case_id, "field": field, "old": old, "new": new, "actor": wish.actor,
         "at": desk.now(), "source": wish.source, "reason": wish.why},
    )  # fmt: skip


def _likeliest(desk: Desk, row: Mapping[str, Any] | None) -> Disposition:
    """ "No complaint" does not say what else: the program's best guess of the rest stands in for it."""
    if row is None:
        return Disposition.ENQUIRY
    with desk.database.read() as tx:
        raw = desk.raw.read(tx, [row["sha256"]])[row["sha256"]]
    reading = desk.reader.read([(row["id"], raw)])[0][1]
    if not isinstance(reading, Reading):
        return Disposition.ENQUIRY
    (found,) = desk.model.predict([words_of(reading.message, reading.body)])
    rest = {name: p for name, p in found.disposition.items() if name not in _NOT_ELSE}
    return Disposition(max(rest, key=lambda name: rest[name])) if rest else Disposition.ENQUIRY


_NOT_ELSE = frozenset(
    d.value for d in (Disposition.COMPLAINT, Disposition.CASE_FOLLOWUP, Disposition.DATA_RIGHTS_REQUEST)
)


def _tell_owner(desk: Desk, tx: Connection, before: Case, case: Case, wish: Wish) -> None:
    """Somebody else changed the owner's case; a new owner hears of it by the assignment."""
    if case.owner == wish.actor or case.owner != before.owner:
        return
    to = desk.config.roster.emails((case.owner,), desk.now())
    put(desk, tx, notice.news(cards.card(desk, tx, case), to, case.last_seq, f"corrected ({wish.said}) by {wish.why}"))
