"""The register of complaints as regulators want it: one row a case, every deadline with its basis, both sides' letters."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from triage.casework import deadline
from triage.casework.case import Case
from triage.casework.history import Closing, Contact
from triage.desk import Desk
from triage.operations.casebook import replay
from triage.world.store import cases as store
from triage.world.store import mails

KEPT_YEARS = 3  # from receipt (FCA DISP 1.9)
_VULNERABLE = "vulnerable"
#: what a spreadsheet would take for a formula (https://owasp.org/www-community/attacks/CSV_Injection)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

FIELDS = (
    "id", "received_at", "channel", "recorded_at", "complainant", "complainant_name", "eligible", "vulnerable",
    "product", "type", "secondary_types", "disposition", "subject", "status", "urgency", "urgency_set_by", "model",
    "confidence", "flags", "remedy_sought", "owner", "owner_history", "acknowledged_at", "deadlines", "pauses",
    "communications", "holding_response_at", "final_response_at", "outcome", "redress", "acceptance_evidence",
    "ombudsman_wording", "promises", "root_cause", "follow_up_action", "closed_at", "reopened", "config_version",
    "retention_until",
)  # fmt: skip


def rows(desk: Desk, *, since: datetime | None = None) -> list[dict[str, Any]]:
    """One row a case received since then, oldest first; times are ISO 8601 in UTC."""
    with desk.database.read() as tx:
        found = [row for row in store.rows(tx, everything=True) if since is None or row["received_at"] >= since]
        events = store.events(tx, [row["id"] for row in found])
        letters = {row["id"]: mails.of_case(tx, row["id"]) for row in found}
    made = [_row(desk, row, events[row["id"]], letters[row["id"]]) for row in found if events[row["id"]]]
    return sorted(made, key=lambda row: (row["received_at"], row["id"]))


def _row(
    desk: Desk, row: Mapping[str, Any], events: list[dict[str, Any]], letters: list[dict[str, Any]]
) -> dict[str, Any]:
    case = replay(events)
    verdict = next((m["verdict"] for m in letters if m["direction"] == "in" and m["verdict"]), None) or {}
    closing = case.closings[-1] if case.closings else None
    values = (
        case.number, _iso(case.received_at), case.channel, _iso(case.opened_at), case.customer, case.customer_name,
        case.eligible, any(flag.name == _VULNERABLE for flag in case.flags), case.product, case.complaint_type,
        list(case.secondary), case.disposition.value, case.subject, case.status.value, case.urgency.word,
        _set_by(case, events), verdict.get("model"), verdict.get("confidence"), [flag.name for flag in case.flags],
        case.remedy, case.owner,
        [{"owner": o.owner, "from": _iso(o.at), "why": o.why} for o in case.owners], _iso(case.acknowledged_at),
        _deadlines(desk, case, events), [{"from": _iso(h.at), "until": _iso(h.until), "via": h.via} for h in case.holds],
        _communications(case), _first(case, "holding"), _final(case, closing), closing.outcome if closing else None,
        _redress(case), _acceptance(events, letters), _ombudsman(case), _promises(case),
        closing.cause if closing else None, case.follow_up or _follow_up(events), _iso(case.closing.at) if case.closing else None,
        case.reopenings, row["config_version"], _iso(_years(case.received_at, KEPT_YEARS)),
    )  # fmt: skip
    return dict(zip(FIELDS, values, strict=True))


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def _years(moment: datetime, years: int) -> datetime:
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:  # 29 February
        return moment.replace(year=moment.year + years, day=28) + timedelta(days=1)


def _set_by(case: Case, events: Iterable[Mapping[str, Any]]) -> str:
    """Who or what set the urgency, and why: "ines, person: called in tears"."""
    regime = case.regimes[-1]
    actor = next((e["actor"] for e in events if e["seq"] == regime.seq), "desk")
    return f"{actor}, {regime.basis}: {regime.why}".strip(": ")


def _deadlines(desk: Desk, case: Case, events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every clock, earlier runs too, with what it was counted by: of a result on the books, the version of its day."""
    booked = {
        (e["data"]["target"], e["data"].get("name", ""), e["data"]["cycle"]): e
        for e in events if e["kind"] == "deadline_recorded"
    }  # fmt: skip
    found = deadline.of(case, desk.config.policies, desk.config.calendars, desk.now(), history=True)
    made = []
    for d in found:
        book = booked.get((d.target.value, d.name, d.cycle))
        policy = book["data"].get("policy") if book else ""
        made.append({
            "target": d.name or d.target.value, "basis": str(d.span) if d.span else "own date",
            "policy": policy or case.policy, "policy_version": book["config_version"] if book else desk.config.version,
            "pauses": [{"from": _second(a), "until": _second(b)} for a, b in (d.track.pauses if d.track else ())],
            "start": _iso(d.start), "due": _iso(d.due), "state": d.state.value, "finished": _iso(d.finished_at),
            "breached": _iso(d.breached_at), "cause": d.cause,
        })  # fmt: skip
    return made


def _second(moment: int | None) -> str | None:
    return None if moment is None else _iso(datetime.fromtimestamp(moment, UTC))


def _communications(case: Case) -> list[dict[str, Any]]:
    return [
        {"at": _iso(c.at), "direction": "in" if c.inbound else "out", "by": c.by or (case.customer if c.inbound else ""),
         "channel": c.channel, "kind": "" if c.inbound else c.response}
        for c in case.contacts
    ]  # fmt: skip


def _first(case: Case, response: str) -> str | None:
    return next((_iso(c.at) for c in case.replies if c.response == response), None)


def _final(case: Case, closing: Closing | None) -> str | None:
    """The answer marked final; else the last one before the closing."""
    marked = _first(case, "final")
    if marked or closing is None:
        return marked
    return next((_iso(c.at) for c in reversed(case.replies) if c.at <= closing.at), None)


def _ombudsman(case: Case) -> list[dict[str, Any]]:
    """Our words that pointed the customer to an ombudsman or another way out, with their dates."""
    return [{"at": _iso(c.at), "quote": f.quote} for c in _replies(case) for f in c.facts if f.kind == "signpost"]


def _replies(case: Case) -> tuple[Contact, ...]:
    """Our answers; of a merged case, the one that stays holds them."""
    return () if case.merged_into is not None else case.replies


def _promises(case: Case) -> list[dict[str, Any]]:
    """What we promised; of a merged case, the one that stays holds it."""
    held = () if case.merged_into is not None else case.promises
    return [{"text": p.text, "due": _iso(p.due), "state": p.state, "type": p.type} for p in held]


def _redress(case: Case) -> list[str]:
    return list(dict.fromkeys(f.value for c in _replies(case) for f in c.facts if f.kind == "refund"))


def _acceptance(events: Iterable[Mapping[str, Any]], letters: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The customer's mail that accepted or thanked, if one did: when, and by what it is found again."""
    thanked = next((e for e in events if e["kind"] == "customer_thanked"), None)
    if thanked is None:
        return None
    letter: Mapping[str, Any] = next((m for m in letters if m["id"] == thanked["mail_id"]), {})
    return {"at": _iso(thanked["at"]), "mail": thanked["mail_id"], "message_id": letter.get("message_id")}


def _follow_up(events: Iterable[Mapping[str, Any]]) -> str:
    closed = [e["data"].get("why", "") for e in events if e["kind"] == "closed"]
    return closed[-1] if closed else ""


def as_csv(made: Iterable[Mapping[str, Any]]) -> str:
    """The rows for a spreadsheet: lists as JSON, nothing that it would take for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    for row in made:
        writer.writerow([_cell(row[name]) for name in FIELDS])
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text
