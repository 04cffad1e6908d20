"""Looking: the queue, one case with its history, figures. The stable JSON forms of the commands are made here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from triage.casework import deadline
from triage.casework.case import Case
from triage.casework.deadline import Deadline
from triage.desk import CORRECTIONS, Desk
from triage.errors import NotFound
from triage.operations import canary, conduct, drifts
from triage.operations.casebook import replay
from triage.words import State, Target
from triage.world import prefect_history
from triage.world.store import cases as store
from triage.world.store import folders, mails, outbox, register


def cases(
    desk: Desk, *, everything: bool = False, owner: str | None = None, review: bool = False
) -> list[dict[str, Any]]:
    """The queue as `triage cases --json` prints it: most urgent first, then what is due first."""
    with desk.database.read() as tx:
        rows = store.rows(tx, everything=everything, where={"owner": owner} if owner else None)
        rows = [row for row in rows if row["review"] or not review]
        events = store.events(tx, [row["id"] for row in rows])
        message_ids = mails.message_ids_of_cases(tx)
    found = [_case_json(desk, row, replay(events[row["id"]]), message_ids.get(row["id"], [])) for row in rows]
    return sorted(found, key=_order)


_RANK = {"critical": 0, "urgent": 1, "normal": 2, "low": 3}


def _order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    due = row["next_deadline"]
    return (row["status"] not in store.OPEN, _RANK[row["urgency"]], due["due"] if due else "9", row["id"])


def _case_json(desk: Desk, row: Mapping[str, Any], case: Case, message_ids: list[str]) -> dict[str, Any]:
    found = deadline.of(case, desk.config.policies, desk.config.calendars, desk.now())
    ahead = deadline.next_deadline(found)
    return {
        "id": case.number, "customer": case.customer, "subject": case.subject, "status": case.status.value,
        "disposition": case.disposition.value, "complaint_type": case.complaint_type,
        "secondary": list(case.secondary), "urgency": case.urgency.word,
        "flags": [{"name": f.name, "evidence": list(f.evidence)} for f in case.flags], "owner": case.owner,
        "pool": case.pool, "received_at": _iso(case.received_at), "mailbox": row["mailbox"],
        "deadlines": [deadline_json(d) for d in found],
        "next_deadline": deadline_json(ahead) if ahead else None,
        "review": case.review is not None, "review_reasons": list(case.review.reasons) if case.review else [],
        "escalation_step": max((t.step for t in case.taken if not t.skipped), default=0),
        "accepted": case.ownership.accepted_at is not None, "message_ids": message_ids,
    }  # fmt: skip


def deadline_json(d: Deadline) -> dict[str, Any]:
    """One deadline; `due` is None while the case is on hold."""
    return {
        "target": d.name or d.target.value, "kind": d.target.value, "due": _iso(d.due), "state": d.state.value,
        "start": _iso(d.start), "finished_at": _iso(d.finished_at), "breached_at": _iso(d.breached_at),
        "cause": d.cause,
    }  # fmt: skip


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


# -- one case --------------------------------------------------------------------------------------------------------


def case(desk: Desk, wanted: str) -> dict[str, Any]:
    """One case with its mails, its whole history and every reason. Raises NotFound."""
    with desk.database.read() as tx:
        case_id = store.find(tx, wanted)
        row = store.by_ids(tx, [case_id])[case_id]
        events = store.events(tx, [case_id])[case_id]
        stored = mails.of_case(tx, case_id)
        notices = outbox.listing(tx, 1000, case_id=case_id)
        told = replay(events)
        into = store.by_ids(tx, store.merged_into(tx, [case_id]).values())
    found = _case_json(desk, row, told, [m["message_id"] or "" for m in stored])
    return {
        **found,
        "product": told.product, "remedy": told.remedy, "follow_up": told.follow_up,
        "merged_into": next((str(one["number"]) for one in into.values()), None),
        "mails": [_mail_json(m) for m in stored],
        "history": [_event_json(e) for e in events],
        "notices": [
            {"kind": n["kind"], "to": n["recipient"], "subject": n["subject"], "state": n["state"],
             "at": n["created_at"], "sent_at": n["sent_at"]}
            for n in notices
        ],
        "config_version": row["config_version"],
    }  # fmt: skip


def _mail_json(m: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "mail": m["id"], "at": m["effective_at"] or m["received_at"], "from": m["from_email"] or "unknown",
        "subject": m["subject"] or "", "disposition": m["disposition"] or "", "outcome": m["outcome"],
        "reason": m["reason"] or "", "mailbox": m["mailbox"], "folder": m["folder"], "direction": m["direction"],
        "message_id": m["message_id"] or "", "verdict": m["verdict"],
    }  # fmt: skip


def _event_json(e: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "seq": e["seq"], "kind": e["kind"], "at": e["at"], "recorded_at": e["recorded_at"], "actor": e["actor"],
        "mail": e["mail_id"], "said": said(e["kind"], e["data"]), "data": e["data"],
        "config_version": e["config_version"],
    }  # fmt: skip


def said(kind: str, data: Mapping[str, Any]) -> str:
    """An event in one line of plain English."""
    tell = _SAID.get(kind)
    told = " ".join(tell(data).split()) if tell else ""
    return " - ".join(part for part in (told, data.get("why") or "") if part)


def _flag_said(flag: Mapping[str, Any]) -> str:
    quoted = "; ".join(f'"{words}"' for words in flag.get("evidence") or [])
    return f"{flag['name']} ({quoted or flag.get('rule') or 'no words'})"


_SAID: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "opened": lambda d: f"{d['disposition']} {d.get('complaint_type') or ''} {d['urgency']}, owner {d['owner']}",
    "urgency_set": lambda d: f"{d['urgency']} ({d['basis']})",
    "assigned": lambda d: f"to {d['owner']}",
    "replied": lambda d: f"by {d.get('channel', 'mail')}, {d.get('response', 'answer')}",
    "escalated": lambda d: f"step {d['step']} of {d['target'].replace('_', ' ')}, due {d['due']}",
    "deadline_recorded": lambda d: f"{d['target'].replace('_', ' ')} {d['state']}, due {d['due']}",
    "flagged": lambda d: ", ".join(_flag_said(flag) for flag in d["flags"]),
    "classified": lambda d: " ".join(str(d[k]) for k in ("disposition", "complaint_type") if d.get(k)),
    "closed": lambda d: d.get("reason") or f"{d['outcome']}, cause: {d['cause']}",
    "noted": lambda d: str(d["text"]),
    "review_wanted": lambda d: "; ".join(d["reasons"]),
    "detailed": lambda d: ", ".join(f"{k}: {v}" for k, v in d.items() if k != "why"),
    "absorbed": lambda d: (
        f"took in case {d['case_id']}: {len(d['contacts'])} mails, {len(d['promises'])} promises of ours"
    ),
    "merged_into": lambda d: f"into case {d['case_id']}",
    "split_off": lambda d: f"mails {', '.join(map(str, d['mail_ids']))} to case {d['case_id']}",
    "promised": lambda d: f'"{d["text"]}", due {d["due"]}' + (" (no date was given)" if d["assumed"] else ""),
    "promise_settled": lambda d: f"promise {d['promise']} is {d['state'].replace('_', ' ')}",
    "acknowledged": lambda d: f"by {d['how']}" if d["how"] else "",
    "chased": lambda d: "; ".join(f'"{words}"' for words in d["evidence"]),
    "participant_added": lambda d: str(d["address"]),
    "mail_filed": lambda d: str(d["disposition"]),
}


def card(found: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """The head of a case page: (label, value)."""
    label = found["complaint_type"] or found["disposition"]
    yield "status", found["status"] + (", waits for a decision" if found["review"] else "")
    yield "judged", f"{label}{' + ' + ', '.join(found['secondary']) if found['secondary'] else ''}, {found['urgency']}"
    for flag in found["flags"]:
        yield "flag", _flag_said(flag)
    yield "owner", found["owner"] + ("" if found["accepted"] else " (not accepted yet)")
    yield "customer", found["customer"]
    yield "received", found["received_at"]
    for name in ("product", "remedy", "follow_up"):
        if found.get(name):
            yield name.replace("_", " "), found[name]
    if found.get("merged_into"):
        yield "merged into", found["merged_into"]
    if found["review_reasons"]:
        yield "not sure", "; ".join(found["review_reasons"])


# -- figures ---------------------------------------------------------------------------------------------------------


def report(desk: Desk, days: int) -> dict[str, Any]:
    """Figures of the last days. No name, no address, no word of any mail."""
    now = desk.now()
    since = now - timedelta(days=days)
    with desk.database.read() as tx:
        rows = store.rows(tx, everything=True)
        events = store.events(tx, [row["id"] for row in rows])
        filed = mails.tally(tx)
        notices = outbox.tally(tx)
        corrections = [c for c in register.corrections(tx) if c["at"] >= since and c["old"] != c["new"]]
        judging = drifts.figures(desk, tx)
    all_cases = {row["id"]: replay(events[row["id"]]) for row in rows}
    new = [c for c in all_cases.values() if c.received_at >= since]
    open_ = [c for c in all_cases.values() if c.is_open]
    on_time: dict[str, Counter[str]] = {target.value: Counter() for target in Target}
    for one in all_cases.values():
        for d in deadline.of(one, desk.config.policies, desk.config.calendars, now):
            if (d.finished_at is not None and d.finished_at >= since) or (d.breached_at and d.breached_at >= since):
                on_time[d.target.value]["late" if d.state is State.BREACHED else "in_time"] += 1
    closed = [row for row in rows if row["closed_at"] and row["closed_at"] >= since]
    taken = Counter(t.step for c in all_cases.values() for t in c.taken if not t.skipped and t.at >= since)
    return {
        "days": days, "until": _iso(now), "new": len(new), "closed": len(closed), "open": len(open_),
        "open_by_urgency": dict(Counter(c.urgency.word for c in open_)),
        "open_by_owner": dict(Counter(c.owner for c in open_).most_common()),
        "new_by_type": dict(Counter(c.complaint_type or c.disposition.value for c in new).most_common()),
        "waiting_for_a_decision": sum(1 for c in open_ if c.review is not None),
        "clocks": {name: dict(count) for name, count in on_time.items() if count},
        "reminders": taken.get(0, 0), "escalations": sum(n for step, n in taken.items() if step),
        "chased_cases": sum(1 for c in new if c.chases), "reopened": sum(c.reopenings for c in new),
        "longest_wait_hours": _longest_wait(open_, now), "mails": filed, "notices": notices,
        "corrections": len(corrections), "corrections_per_100": round(100 * len(corrections) / len(new), 1) if new else None,
        **judging, **conduct.figures(desk, list(all_cases.values()), days),
    }  # fmt: skip


def _longest_wait(open_: Iterable[Case], now: datetime) -> float | None:
    """Hours on the clock since the oldest mail that is still owed an answer."""
    oldest = min((c.unanswered[0].at for c in open_ if c.unanswered), default=None)
    return None if oldest is None else round((now - oldest).total_seconds() / 3600, 1)


def report_markdown(figures: Mapping[str, Any]) -> str:
    """The figures as a page for people."""
    lines = [f"# Complaints, last {figures['days']} days", ""]
    lines.append(f"{figures['new']} new, {figures['closed']} closed, {figures['open']} open; "
                 f"{figures['waiting_for_a_decision']} wait for a person's decision.")  # fmt: skip
    lines.append(f"{figures['reminders']} reminders, {figures['escalations']} escalations; "
                 f"{figures['chased_cases']} cases chased, {figures['reopened']} reopened.")  # fmt: skip
    if figures["longest_wait_hours"] is not None:
        lines.append(f"The longest unanswered mail has waited {figures['longest_wait_hours']} hours.")
    if figures["corrections_per_100"] is not None:
        lines.append(f"{figures['corrections']} corrections, {figures['corrections_per_100']} per 100 new cases.")
    lines += ["", "| clock | in time | late |", "|---|---|---|"]
    lines += [f"| {name} | {n.get('in_time', 0)} | {n.get('late', 0)} |" for name, n in figures["clocks"].items()]
    lines += conduct.markdown(figures)
    lines += drifts.markdown(figures)
    for title, key in (("Open by urgency", "open_by_urgency"), ("Open by owner", "open_by_owner"),
                       ("New by type", "new_by_type"), ("Mails", "mails"), ("Notices", "notices")):  # fmt: skip
        lines += ["", f"**{title}**: " + (", ".join(f"{name} {n}" for name, n in figures[key].items()) or "none")]
    return "\n".join(lines) + "\n"


# -- how the desk is -------------------------------------------------------------------------------------------------


def status(desk: Desk) -> dict[str, Any]:
    """What whoever runs the desk asks first."""
    with desk.database.read() as tx:
        # folders of corrections come and go as people make them: none of them says that mail is not being read
        seen = [f for f in folders.every(tx) if f.role != CORRECTIONS]
        found: dict[str, Any] = {
            "mailboxes": [
                {"mailbox": f.mailbox, "folder": f.name, "last_good_scan": _iso(f.last_ok_at), "failures": f.failures,
                 "retry_at": _iso(f.retry_at), "circuit": f.circuit, "epoch": f.epoch, **folders.tally(tx, f)}
                for f in seen
            ],
            "oldest_unfetched": _iso(folders.oldest_unfinished(tx)),
            "intake": _intake_figures(desk, tx, seen),
            "mails": mails.tally(tx), "cases": store.tally(tx), "outbox": outbox.tally(tx),
            "last_runs": [
                {"kind": r["kind"], "started_at": _iso(r["started_at"]), "ok": r["ok"], "error": r["error"]}
                for r in register.last_runs(tx, 6)
            ],
        }  # fmt: skip
    found["config_version"] = desk.config.version[:12]
    found["config_refused"] = [str(problem) for problem in desk.refused.problems] if desk.refused else []
    found["model"] = desk.model_folder.name
    found["notices"] = desk.config.notices.mode
    found["prefect"] = prefect_history.figures(prefect_history.read(desk.settings.prefect))
    found["next_deadlines"] = [
        {"id": c["id"], "urgency": c["urgency"], **c["next_deadline"]} for c in cases(desk)[:5] if c["next_deadline"]
    ]
    return found


def _intake_figures(desk: Desk, tx: Connection, seen: Sequence[folders.Folder]) -> dict[str, Any]:
    """What tells whether mail comes in: how long some has waited, what could not be had or read, what it weighs."""
    waits = [at for at in (folders.oldest_unfinished(tx), mails.oldest_waiting(tx)) if at]
    clean = [f.last_ok_at for f in seen]
    return {
        "oldest_unprocessed": _iso(min(waits, default=None)),
        "last_clean_scan": _iso(min((at for at in clean if at), default=None)) if None not in clean else None,
        "quarantined": mails.tally(tx).get("quarantined", 0),
        "unfetchable": sum(folders.tally(tx, f).get("unfetchable", 0) for f in seen),
        "epoch_changes": sum(f.epoch for f in seen),
        "bytes_last_day": mails.bytes_since(tx, desk.now() - timedelta(days=1)),
        "canary": [
            {"mailbox": c["mailbox"], "sent_at": _iso(c["sent_at"]), "arrived_at": _iso(c["arrived_at"])}
            for c in canary.figures(desk, tx)
        ],
    }  # fmt: skip


def status_text(found: Mapping[str, Any]) -> Iterable[tuple[str, list[str]]]:
    """The status for people: (title, lines)."""
    if found["config_refused"]:
        head = (
            f"REFUSED; version {found['config_version']} goes on running. `triage config undo` brings its files back."
        )
        yield "Config", [head, *found["config_refused"]]
    yield (
        "Mailboxes",
        [
            f"{m['mailbox']}/{m['folder']}: last good scan {m['last_good_scan'] or 'never'}"
            + (f", {m['failures']} failures since" if m["failures"] else "")
            + (f", CIRCUIT OPEN: {m['circuit']}" if m["circuit"] else "")
            for m in found["mailboxes"]
        ],
    )
    i = found["intake"]
    lines = [
        f"oldest unprocessed mail {i['oldest_unprocessed'] or 'none'}, last clean scan {i['last_clean_scan'] or 'never'}",
        f"{i['quarantined']} quarantined, {i['unfetchable']} unfetchable, {i['epoch_changes']} times numbered anew, "
        f"{i['bytes_last_day']} bytes in a day",
    ]
    for c in i["canary"]:
        lines.append(f"canary of {c['mailbox']}: sent {c['sent_at'] or 'not yet'}, in {c['arrived_at'] or 'NOT YET'}")
    yield "Intake", lines
    for title, key in (("Mails", "mails"), ("Cases", "cases"), ("Outbox", "outbox")):
        yield title, [", ".join(f"{name} {n}" for name, n in found[key].items())]
    yield "Last runs", [f"{r['kind']} {r['started_at']} {'ok' if r['ok'] else r['error']}" for r in found["last_runs"]]
    yield (
        "Next deadlines",
        [f"{d['id']} {d['urgency']} {d['target']} {d['due']} {d['state']}" for d in found["next_deadlines"]],
    )
    if found["prefect"]:
        p = found["prefect"]
        yield "Prefect's history", [f"{p['runs']} runs, oldest {p['oldest_run'] or 'none'}, {p['bytes']} bytes"]
    yield "Versions", [f"config {found['config_version']}, model {found['model']}, notices {found['notices']}"]


def filed(desk: Desk, limit: int) -> list[dict[str, Any]]:
    """The newest mails that became no case, with the reason."""
    with desk.database.read() as tx:
        return [_mail_json(m) for m in mails.filed(tx, limit)]


def notices(
    desk: Desk, limit: int, *, case: str | None = None, number: int | None = None
) -> list[dict[str, Any]]:  # fmt: skip
    """The newest notices, oldest first, without their text; or the one of that number with it. Raises NotFound."""
    with desk.database.read() as tx:
        about = store.find(tx, case) if case is not None else None
        found = outbox.listing(tx, limit, case_id=about) if number is None else outbox.get(tx, number)
    if number is not None and not found:
        raise NotFound(f"There is no notice {number}.", fix="`triage notices` lists them with their numbers.")
    return [
        {"number": n["id"], "at": _iso(n["created_at"]), "kind": n["kind"], "to": n["recipient"],
         "subject": n["subject"], "state": n["state"], "case": n["case_id"], "sent_at": _iso(n["sent_at"]),
         "error": n["last_error"], **({"text": n["text"]} if number is not None else {})}
        for n in found
    ]  # fmt: skip


def notice_kinds(desk: Desk) -> dict[str, int]:
    """How many notices of which kind there are in the outbox, sent or not."""
    with desk.database.read() as tx:
        return outbox.kinds(tx)
