"""Trying rules out before they count: why a case went where it did, what an edit changes, what it would have done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from triage.desk import Desk
from triage.errors import ConfigInvalid, Misuse
from triage.insight import backtest as past_rules
from triage.insight import differences, shown
from triage.insight.backtest import Backtest, Past, Rules
from triage.judge import route
from triage.judge.route import Facts, Load
from triage.operations import explain as explained
from triage.operations.casebook import replay
from triage.operations.past import cases_as_they_came
from triage.world import config
from triage.world.config import Config, source
from triage.world.store import cases, register

Say = Callable[[str], Any]


# -- explain ---------------------------------------------------------------------------------------------------------


def explain_file(desk: Desk, path: Path) -> dict[str, Any]:
    """A mail as if it came now: every rule in its order, hit or missed, and why."""
    found = explained.file(desk, path)
    routed = found["routing"]
    return _explained(
        str(path),
        desk.config,
        routed["rule"],
        routed["owner"],
        routed["policy"],
        dict(routed["misses"]),
        routed["notes"],
    )


def explain_case(desk: Desk, wanted: str) -> dict[str, Any]:
    """A case by the rules of the day it came, as far as the register has them. Raises NotFound."""
    with desk.database.read() as tx:
        case_id = cases.find(tx, wanted)
        rows = cases.events(tx, [case_id])[case_id]
        conf = _config_of(tx, rows[0]["config_version"]) or desk.config
        case = replay(rows)
        (found,) = cases_as_they_came(desk, tx, [(cases.by_ids(tx, [case_id])[case_id], rows)], case.received_at)
        facts = _as_it_was(tx, found, conf, desk)
    routed = route.decide(conf.ruleset, facts, conf.roster, Load(), case.opened_at)
    told = _explained(
        case.number, conf, routed.rule, case.owners[0].owner, routed.policy, {m.rule: m.why for m in routed.misses},
        case.owners[0].why.split("; ")[1:],
    )  # fmt: skip
    return {**told, "now_with": case.owner, "rules_of_the_day": conf.version == rows[0]["config_version"]}


def _explained(
    what: str, conf: Config, rule: str, owner: str, policy: str, misses: Mapping[str, str], notes: Sequence[str]
) -> dict[str, Any]:
    names = [r.name for r in conf.ruleset.rules]
    rules = []
    for name in names:
        said = "decides" if name == rule else misses.get(name) or f"would match, but {rule} comes first"
        rules.append({"rule": name, "matched": name not in misses, "said": said})
    return {"what": what, "config_version": conf.version, "rule": rule, "owner": owner, "policy": policy,
            "notes": list(notes), "rules": rules}  # fmt: skip


def _config_of(tx: Connection, version: str) -> Config | None:
    """A stored version, if it is there and this program still reads it."""
    for row in register.config_versions(tx):
        if row["version"] == version:
            try:
                return config.load_files({name: text.encode() for name, text in row["files"].items()})
            except ConfigInvalid:
                return None
    return None


def _as_it_was(tx: Connection, p: Past, conf: Config, desk: Desk) -> Facts:
    """The facts with what depended on the customer's other cases and on who worked here."""
    theirs = cases.rows(tx, everything=True, where={"customer": p.case.customer})
    at = p.case.opened_at
    open_then = [r for r in theirs if r["opened_at"] < at and (r["closed_at"] is None or r["closed_at"] > at)]
    owner: str | None = None
    if open_then:
        last = max(open_then, key=lambda r: r["opened_at"])["id"]
        owners = replay(cases.events(tx, [last])[last]).owners
        owner = next((o.owner for o in reversed(owners) if o.at <= at), owners[0].owner)
    return replace(
        p.facts,
        threshold=_threshold(desk, conf),
        customer_open_owner=owner,
        previous_owner=owner if p.facts.complaint_type == "handling" else None,
        named_staff=route.named_staff(p.text, conf.roster),
    )


def explanation(found: Mapping[str, Any]) -> str:
    """For people."""
    lines = [f"{found['what']}: to {found['owner']} by the rule {found['rule']}, policy {found['policy']}"]
    if not found.get("rules_of_the_day", True):
        lines.append("(The rules of its day are not kept; these are today's.)")
    width = max(len(r["rule"]) for r in found["rules"])
    lines += [f"  {'hit ' if r['matched'] else 'miss'}  {r['rule']:<{width}}  {r['said']}" for r in found["rules"]]
    lines += [f"  note: {note}" for note in found["notes"]]
    return "\n".join(lines)


# -- which two versions ----------------------------------------------------------------------------------------------


def versions(desk: Desk, folder: Path | None) -> tuple[Config, Config]:
    """What is compared: the files in force and those of `folder`; without it, what ran last and the files as they are
    now. Raises ConfigInvalid, Misuse where there is nothing to compare."""
    if folder is not None:
        return desk.config, config.load(folder)
    with desk.database.read() as tx:
        kept = register.config_versions(tx)
        last = _config_of(tx, kept[0]["version"]) if kept else None
    if last is None or last.version == desk.config.version:
        what = "The files in the config folder are those that run." if last else "No config has run yet."
        raise Misuse(f"{what} There is nothing to compare.", fix="Edit them, or name a folder with an edited copy.")
    return last, desk.config


def changes(before: Config, after: Config) -> list[str]:
    """One line a value that differs, file by file."""
    found = []
    for name in config.FILES:
        old, new = (source.read(name, conf.files[name].encode())[0].data for conf in (before, after))
        found += [f"{name}  {change}" for change in differences.between(old, new)]
    return found


def diff(desk: Desk, folder: Path | None) -> dict[str, Any]:
    """What an edit changes in the files, and which open cases would feel it the moment it counts."""
    before, after = versions(desk, folder)
    with desk.database.read() as tx:
        rows = cases.rows(tx, everything=False)
        events = cases.events(tx, [row["id"] for row in rows])
    open_cases = [replay(told) for told in events.values()]
    shifts = past_rules.open_shifts(open_cases, _rules(desk, before), _rules(desk, after), desk.now())
    return {
        "before": before.version, "after": after.version, "changes": changes(before, after),
        "warnings": [str(problem) for problem in after.warnings], "open_cases": len(open_cases),
        "open_cases_that_move": len({s.number for s in shifts}), "open_shifts": [shown.shift(s) for s in shifts],
    }  # fmt: skip


def diff_text(found: Mapping[str, Any], zone: str) -> str:
    """For people."""
    lines = [f"from version {found['before'][:12]} to {found['after'][:12]}", ""]
    lines += found["changes"] or ["Only comments or spaces differ."]
    lines += [f"warning: {line}" for line in found["warnings"]]
    lines += ["", f"{found['open_cases_that_move']} of {found['open_cases']} open cases move."]
    lines += [f"  {line}" for line in shown.shift_lines(found["open_shifts"], zone)]
    return "\n".join(lines)


# -- backtest --------------------------------------------------------------------------------------------------------


def backtest(desk: Desk, days: int, folder: Path | None, say: Say = lambda line: None) -> Backtest:
    """The last days again under the edited rules. Raises ConfigInvalid, Misuse."""
    before, after = versions(desk, folder)
    now = desk.now()
    since = now - timedelta(days=days)
    with desk.database.read() as tx:
        rows = [row for row in cases.rows(tx, everything=True) if _touches(row, since)]
        events = cases.events(tx, [row["id"] for row in rows])
        say(f"{len(rows)} cases of the last {days} days and those still open")
        past = cases_as_they_came(desk, tx, [(row, events[row["id"]]) for row in rows], since, say)
    return past_rules.run(past, _rules(desk, before), _rules(desk, after), since, now)


def _touches(row: Mapping[str, Any], since: datetime) -> bool:
    return bool(
        row["status"] in cases.OPEN or row["received_at"] >= since or (row["closed_at"] and row["closed_at"] >= since)
    )


def _rules(desk: Desk, conf: Config) -> Rules:
    return Rules(conf.version, conf.ruleset, conf.roster, conf.policies, conf.calendars, _threshold(desk, conf))


def _threshold(desk: Desk, conf: Config) -> float:
    card = desk.model.card.get("thresholds") or {}
    return conf.thresholds(
        {name: float(value) for name, value in card.items() if isinstance(value, int | float)}
    ).type_confidence
