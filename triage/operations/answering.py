"""A person's answer to the customer and everything it changes: clocks, promises, waiting, contradictions, mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from triage.casework import notice, promise, said
from triage.casework.case import Case, Kind
from triage.casework.history import Fact
from triage.casework.promise import Commitment
from triage.casework.said import Contradiction
from triage.desk import Desk
from triage.judge import reply
from triage.operations import cards, replies
from triage.operations.casebook import Draft, calendar_of, put
from triage.operations.judging import Judged
from triage.words import Urgency
from triage.world.store import outbox
from triage.world.store.mails import Waiting

_NEAR = timedelta(days=1)  # a Date further from the arrival is a wrong clock
_LEAD = "lead"


def answered(desk: Desk, tx: Connection, draft: Draft, mail: Waiting, judged: Judged) -> None:
    """A person's answer that reaches the customer: it stops first and next response, keeps or renews promises, may put
    the case on hold, and is looked through for what contradicts or should never have been sent."""
    before, at = draft.case, mail.received_at
    by = judged.message.from_.email or "unknown"
    own, language = judged.body.own, _language(judged, before)
    to = [address.email for address in (*judged.message.to, *judged.message.cc) if address.email][:50]
    stated = (*said.facts(own, language), *said.signposts(own, language))
    asked = said.requests(own, language)
    data = {
        "by": by, "to": to, "channel": "mail", "asks": bool(asked),
        "facts": [{"kind": f.kind, "value": f.value, "quote": f.quote} for f in stated],
    }  # fmt: skip
    draft.add(Kind.REPLIED, at, data, actor=by, mail_id=mail.id, key=f"replied:{mail.id}")
    new = _promises(desk, draft, mail, judged, by, own, language)
    if asked and not new and draft.case.may_hold() and draft.case.urgency < Urgency.CRITICAL:
        draft.add(Kind.HELD, at, {"via": "mail", "why": f'we asked: "{asked[0][:200]}"'}, actor=by, mail_id=mail.id)
    _several_voices(desk, tx, draft, mail, judged, before, by, stated, new)
    look_through(desk, tx, draft, mail, judged)


def _language(judged: Judged, case: Case) -> str:
    return judged.body.language if judged.body.language_supported else case.language


def sent_at(judged: Judged, received_at: datetime) -> datetime:
    """When it was sent: its Date, where that fits the arrival in the Sent folder."""
    date = judged.message.date
    return (
        date.replace(microsecond=0) if date is not None and received_at - _NEAR <= date <= received_at else received_at
    )


# -- promises --------------------------------------------------------------------------------------------------------


def _promises(
    desk: Desk, draft: Draft, mail: Waiting, judged: Judged, by: str, own: str, language: str
) -> tuple[Commitment, ...]:
    """Settle what earlier mails promised, then write down what this one does."""
    case, sent = draft.case, sent_at(judged, mail.received_at)
    calendar, vague = calendar_of(desk, case), desk.config.policies.policy(case.policy).undated_promise
    new = promise.find(own, language, sent, calendar, vague)
    again = {p.text: promise.find(p.text, language, p.made_at, calendar, vague) for p in case.promises}
    for settled in promise.settle(case.promises, own, language, sent, new, lambda text: again[text]):
        data = {"promise": settled.promise, "state": settled.state, "why": settled.why}
        draft.add(Kind.PROMISE_SETTLED, sent, data, actor=by, mail_id=mail.id)
    for one in new:
        promised(draft, one.text, one.kind, one.due, mail.received_at, by, assumed=one.assumed, mail_id=mail.id)
    return new


def promised(
    draft: Draft, text: str, kind: str, due: datetime, at: datetime, by: str, *, assumed: bool = False,
    mail_id: int | None = None,
) -> str:  # fmt: skip
    """Add a promise to the case; its name counts from 1 and is unique in the case."""
    name = str(draft.case.promised + 1)
    data = {"promise": name, "text": text, "due": due.isoformat(), "type": kind, "assumed": assumed, "by": by}
    draft.add(Kind.PROMISED, at, data, actor=by, mail_id=mail_id)
    return name


def kept_by_phone(draft: Draft, at: datetime, actor: str) -> None:
    """An answer by phone keeps what was promised as a call or a message before it was due."""
    for one in draft.case.promises:
        if one.type == "contact" and one.state in ("open", "broken") and one.made_at < at <= one.due:
            data = {"promise": one.name, "state": "kept", "why": "answered before it was due"}
            draft.add(Kind.PROMISE_SETTLED, at, data, actor=actor)


# -- several voices --------------------------------------------------------------------------------------------------


def _several_voices(
    desk: Desk, tx: Connection, draft: Draft, mail: Waiting, judged: Judged, before: Case, by: str,
    stated: Sequence[Fact], new: Sequence[Commitment],
) -> None:  # fmt: skip
    """Two of us answer one customer: flagged; where they contradict each other, owner and lead get both quotes."""
    at = mail.received_at
    recent = [c for c in before.replies if c.by and c.by != by and at - c.at <= said.WINDOW]
    if not recent or _called_in(desk, tx, before, by):
        return
    found = said.contradiction(before.contacts, by, at, stated) or _other_date(before, judged, by, new)
    if found is None and any(flag.name == "multi_owner_replies" for flag in before.flags):
        return
    quotes = [found.earlier, found.later] if found else []
    names = [f"{c.by} answered too" for c in recent[:1]]
    rule = f"contradiction in {found.about}" if found else "several people answer"
    flag = {"name": "multi_owner_replies", "evidence": [q[:300] for q in quotes or names], "rule": rule}
    draft.add(Kind.FLAGGED, at, {"flags": [flag]}, mail_id=mail.id)
    if found is None:
        _tell(desk, tx, draft, judged, f"{by} answered as well; {recent[-1].by} had answered before", lead=False)
        return
    text = f'{found.earlier_by}: "{found.earlier[:300]}" - {by}: "{found.later[:300]}"'
    draft.add(Kind.NOTED, at, {"text": f"Our answers contradict each other ({found.about}). {text}"}, mail_id=mail.id)
    what = (
        f"two of our answers contradict each other in the {found.about}; decide which one holds and tell the customer"
    )
    _tell(desk, tx, draft, judged, what, lead=True)


def _called_in(desk: Desk, tx: Connection, case: Case, by: str) -> bool:
    """The owner, a former owner, or somebody the desk itself asked to look at this case is no second voice."""
    person = desk.config.roster.by_email(by)
    if person is not None and any(person.key == one.owner for one in case.owners):
        return True
    asked = {row["recipient"].casefold() for row in outbox.listing(tx, 200, case_id=case.id) if row["kind"] in _ASKED}
    return by.casefold() in asked


_ASKED = frozenset({notice.Kind.ASSIGNMENT.value, notice.Kind.INFORM.value, notice.Kind.ESCALATION.value})


def _other_date(case: Case, judged: Judged, by: str, new: Sequence[Commitment]) -> Contradiction | None:
    """Somebody else promised the same act for another day, and this mail does not say that it is late."""
    for one in new:
        for old in case.promises:
            if old.by and old.by != by and old.state == "open" and not (one.assumed or old.assumed):
                same = one.kind == old.type and one.due.date() != old.due.date()
                if (
                    same
                    and said.same_matter(old.text, one.text)
                    and not said.late(judged.body.own, judged.body.language)
                ):
                    return Contradiction("date", old.by, old.text, one.text)
    return None


# -- mistakes --------------------------------------------------------------------------------------------------------


def look_through(desk: Desk, tx: Connection, draft: Draft, mail: Waiting, judged: Judged) -> None:
    """What should not have been sent as it was: told to the sender, and to the lead where it is grave."""
    mine = replies.ours(judged)
    found = reply.check(mine, replies.about(desk, tx, draft.case, mine))
    if not found:
        return
    text = "; ".join(f"{m.name}: {m.evidence}" for m in found)[:2000]
    draft.add(Kind.NOTED, mail.received_at, {"text": f"Our reply needs a look. {text}"}, mail_id=mail.id)
    case = draft.save()
    card = cards.card(desk, tx, case, judged=judged)
    roster, now = desk.config.roster, desk.now()
    sender = judged.message.from_.email
    person = roster.by_email(sender)
    to = [
        *(roster.emails((person.key,), now) if person else (sender,) if desk.ours.is_own(judged.message.from_) else ())
    ]
    if not to:
        to += roster.emails((case.owner,), now)
    if any(m.grave for m in found):
        to += roster.emails((_LEAD,), now)
    lines = [m.sentence() for m in found]
    put(desk, tx, notice.mistake(card, tuple(dict.fromkeys(to)), case.last_seq, lines, judged.message.subject))


def _tell(desk: Desk, tx: Connection, draft: Draft, judged: Judged, what: str, *, lead: bool) -> None:
    """Tell the owner, and the lead where asked, in this run."""
    case, now, roster = draft.save(), desk.now(), desk.config.roster
    to = roster.emails((case.owner, _LEAD) if lead else (case.owner,), now)
    put(desk, tx, notice.news(cards.card(desk, tx, case, judged=judged), to, case.last_seq, what))
