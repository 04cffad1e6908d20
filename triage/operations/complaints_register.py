"""The register of complaints as regulators want it: one row a case, every deadline with its basis, both sides' letters."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from triage.casework import deadline
from triage.casework.case import Case
from triage.casework.history import Closing
from triage.desk import Desk
from triage.operations.casebook import replay
from triage.world.store import cases as store
from triage.world.store import mails

KEPT_YEARS = 3  # from receipt (FCA DISP 1.9)
_VULNERABLE = "vulnerable"
#: what a spreadsheet would take for a formula (https://owasp.org/www-community/attacks/CSV_Injection)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

FIELDS = (
    "id", "received_at", "channel", "recorded_at", "complainant", "complainant_name", "vulnerable", "type", "secondary_types",
    "disposition", "subject", "status", "urgency", "urgency_set_by", "model", "confidence", "flags", "owner", "owner_history",
    "acknowledged_at", "deadlines", "pauses", "communications", "holding_response_at", "final_response_at", "outcome",
    "redress", "acceptance_evidence", "promises", "root_cause", "follow_up_action", "closed_at", "reopened", "config_version",
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
    regime = case.regimes[-1]
    closing = case.closings[-1] if case.closings else None
    values = (
        case.number, _iso(case.received_at), case.channel, _iso(case.opened_at), case.customer, case.customer_name,
        any(flag.name == _VULNERABLE for flag in case.flags), case.complaint_type, list(case.secondary),
        case.disposition.value, case.subject, case.status.value, case.urgency.word, f"{regime.basis}: {regime.why}".strip(": "),
        verdict.get("model"), verdict.get("confidence"), [flag.name for flag in case.flags], case.owner,
        [{"owner": o.owner, "from": _iso(o.at), "why": o.why} for o in case.owners], _iso(case.acknowledged_at),
        _deadlines(desk, case), [{"from": _iso(h.at), "until": _iso(h.until), "via": h.via} for h in case.holds],
        _communications(case), _first(case, "holding"), _final(case, closing), closing.outcome if closing else None,
        _redress(case), _acceptance(events),
        [{"text": p.text, "due": _iso(p.due), "state": p.state, "type": p.type} for p in case.promises],
        closing.cause if closing else None, _follow_up(events), _iso(case.closing.at) if case.closing else None,
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


def _deadlines(desk: Desk, case: Case) -> list[dict[str, Any]]:
    """Every clock, earlier runs too, with what it was counted by."""
    found = deadline.of(case, desk.config.policies, desk.config.calendars, desk.now(), history=True)
    return [
        {
            "target": d.name or d.target.value, "basis": str(d.span) if d.span else "own date", "policy": case.policy,
            "start": _iso(d.start), "due": _iso(d.due), "state": d.state.value, "finished": _iso(d.finished_at),
            "breached": _iso(d.breached_at), "cause": d.cause,
        }
        for d in found
    ]  # fmt: skip


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


def _redress(case: Case) -> list[str]:
    return list(dict.fromkeys(f.value for c in case.replies for f in c.facts if f.kind == "refund"))


def _acceptance(events: Iterable[Mapping[str, Any]]) -> str | None:
    """The customer's mail that accepted or thanked, if one did."""
    return next((_iso(e["at"]) for e in events if e["kind"] == "customer_thanked"), None)


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
