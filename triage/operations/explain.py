"""Why: one mail or case with everything that decided about it. And `classify`: the same judgement, nothing stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from email.utils import parseaddr
from pathlib import Path
from typing import Any

from triage.desk import Desk, Judge
from triage.errors import Misuse
from triage.judge import route
from triage.judge.route import Facts, Load
from triage.mail import body, message
from triage.mail.message import Message
from triage.operations import look, opening
from triage.operations.judging import Judged, Unjudged, judge
from triage.words import Urgency

BATCH = 200
LARGEST = 100 * 1024 * 1024


def classify_one(desk: Judge, name: str, raw: bytes, received: datetime | None) -> dict[str, Any]:
    """One mail judged; the stable form of `triage classify --json`."""
    return _judged(desk, [(name, raw)], received)[0]


def files(desk: Judge, where: Path, received: datetime | None, say: Callable[[str], Any]) -> list[dict[str, Any]]:
    """An .eml file, or every .eml file of a folder, in the order of their names. Raises Misuse."""
    if where.is_file():
        return _judged(desk, [(str(where), _read(where))], received)
    found = sorted(where.glob("*.eml")) if where.is_dir() else []
    if not found:
        what = "is no file and no folder" if not where.is_dir() else "holds no .eml file"
        raise Misuse(f"{where} {what}.", fix="Name an .eml file, a folder of them, or - for standard input.")
    rows: list[dict[str, Any]] = []
    for start in range(0, len(found), BATCH):
        rows += _judged(desk, [(str(path), _read(path)) for path in found[start : start + BATCH]], received)
        if len(found) > BATCH:
            say(f"{len(rows)} of {len(found)} judged")
    return rows


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise Misuse(f"{path} is larger than {LARGEST // 2**20} MiB.")
        return path.read_bytes()
    except OSError as error:
        raise Misuse(f"{path} cannot be read: {error.strerror}.") from None


def _judged(desk: Judge, mails: Sequence[tuple[str, bytes]], received: datetime | None) -> list[dict[str, Any]]:
    asked = [_unjudged(desk, raw, received) for _, raw in mails]
    return [_json(name, found) for (name, _), found in zip(mails, judge(desk, asked), strict=True)]


def _unjudged(desk: Judge, raw: bytes, received: datetime | None) -> Unjudged:
    parsed = message.parse(raw)
    at = received or parsed.date or desk.now()
    domain = parseaddr(parsed.recipients[0])[1].rpartition("@")[2] if parsed.recipients else ""
    return Unjudged(parsed, body.words(parsed), at, desk.ours_for(domain.casefold(), _authserv(parsed, domain)))


def _authserv(parsed: Message, domain: str) -> str:
    """A mail that is tried out came through the mail server of the domain it was sent to, if that signed it so."""
    first = (parsed.header("authentication-results") or "").partition(";")[0].strip()
    return first if domain and first.casefold().endswith(domain.casefold()) else ""


def _json(name: str, found: Judged) -> dict[str, Any]:
    verdict = opening.verdict_json(found)
    return {
        "file": name, "disposition": verdict["disposition"], "reason": verdict["reason"],
        "complaint_type": verdict["complaint_type"], "secondary": verdict["secondary"], "urgency": verdict["urgency"],
        "flags": verdict["flags"], "customer_dates": verdict["customer_dates"], "confidence": verdict["confidence"],
        "review": verdict["review"], "reasons": verdict["reasons"], "review_reasons": verdict["review_reasons"],
        "customer": found.screening.customer.email, "language": verdict["language"], "model": verdict["model"],
        "guesses": verdict["guesses"], "terms": verdict["terms"], "screening": verdict["screening"],
        "defects": verdict["defects"], "attachments": verdict["attachments"],
    }  # fmt: skip


def line(row: dict[str, Any]) -> str:
    """A judged mail in one line."""
    flags = " ".join(flag["name"] for flag in row["flags"])
    label = row["complaint_type"] or row["disposition"]
    review = f"  REVIEW: {'; '.join(row['review_reasons'])}" if row["review"] else ""
    return f"{Path(row['file']).name:<24} {row['urgency'] or '-':<9} {label:<22} {flags}{review}"


# -- explain ---------------------------------------------------------------------------------------------------------


def file(desk: Desk, path: Path) -> dict[str, Any]:
    """A mail of a file, judged and routed as if it came now."""
    raw = _read(path)
    asked = _unjudged(desk, raw, None)
    found = judge(desk, [asked])[0]
    v = found.verdict
    text_of = f"{found.message.subject}\n{found.body.new_text}"
    facts = Facts(
        complaint_type=v.complaint_type, secondary=v.secondary, disposition=v.disposition,
        urgency=v.urgency or Urgency.NORMAL, flags=frozenset(f.name for f in v.flags), language=v.language,
        mailbox=desk.mailboxes[0].name, customer=found.screening.customer.email,
        confidence=v.confidence.get("type"), review=v.review,
        named_staff=route.named_staff(text_of, desk.config.roster), words=route.flatten(text_of),
    )  # fmt: skip
    routed = route.decide(desk.config.ruleset, facts, desk.config.roster, Load(), desk.now())
    return {
        **_json(str(path), found),
        "routing": {
            "owner": routed.owner, "pool": routed.pool, "policy": routed.policy, "rule": routed.rule,
            "hits": list(routed.hits), "misses": [[m.rule, m.why] for m in routed.misses],
            "inform": list(routed.inform), "notes": list(routed.notes),
        },
    }  # fmt: skip


def case(desk: Desk, wanted: str) -> dict[str, Any]:
    """A case: its mails' judgements and its history. Raises NotFound."""
    return look.case(desk, wanted)


def text(found: dict[str, Any]) -> str:
    """An explanation for people."""
    if "history" in found:
        blocks = [f"{found['id']}: {found['subject']}"]
        for mail in found["mails"]:
            blocks.append(f"Mail {mail['mail']} from {mail['from']}: {mail['disposition']} - {mail['reason']}")
            if mail["verdict"]:
                blocks.append(_verdict_text(mail["verdict"]))
        blocks.append("Then")
        blocks += [f"  {e['at']:%Y-%m-%d %H:%M}Z {e['kind']}: {e['said']}" for e in found["history"]]
        return "\n".join(blocks)
    routing = found["routing"]
    return "\n".join([
        f"{found['file']}: {found['disposition']} - {found['reason']}", _verdict_text(found),
        f"  routed by {routing['rule']} to {routing['owner']}", *(f"  not {rule}: {why}" for rule, why in routing["misses"]),
    ])  # fmt: skip


def _verdict_text(verdict: dict[str, Any]) -> str:
    sure = ", ".join(f"{name} {p:.2f}" for name, p in verdict["confidence"].items())
    lines = [
        f"  judged {verdict['complaint_type'] or verdict['disposition']}, {verdict['urgency'] or 'no urgency'} ({sure})"
    ]
    lines += [f"  {_setter(r)}: {r['why']}{_quoted(r['evidence'])}" for r in verdict["reasons"]]
    lines += [f"  flag {f['name']}{_quoted(f['evidence'])}" for f in verdict["flags"]]
    lines += [f'  date {d["at"]} ({d["kind"]}): "{d["evidence"]}"' for d in verdict["customer_dates"]]
    lines += [f"  not sure: {reason}" for reason in verdict["review_reasons"]]
    lines.append(f"  sender {verdict['screening']['kind']}, authentication {verdict['screening']['authenticated']}")
    if verdict["terms"]:
        lines.append("  words that spoke for it: " + ", ".join(term for term, _ in verdict["terms"]))
    return "\n".join(lines)


def _setter(reason: Mapping[str, Any]) -> str:
    return "left out" if reason["source"] == "look-alike" else f"{reason['urgency']} by {reason['source']}"


def _quoted(evidence: Sequence[str]) -> str:
    return "".join(f' "{words}"' for words in evidence)
