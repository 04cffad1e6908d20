"""Authentication-Results (RFC 8601): what our own server found about a mail's sender.

Only the topmost field counts, and only when our own server wrote it: a sender can put any number of such fields into
a mail, and all of them stand below ours. Without a configured server the verdict is "unknown", never "pass".
"""

from __future__ import annotations

import re
from typing import Literal

from triage.mail.message import Message

Verdict = Literal["pass", "fail", "unknown"]

_COMMENT = re.compile(r"\([^()]{0,2000}\)")
_RESULT = re.compile(
    r"\s{0,4}([a-z][\w-]{0,20})\s{0,4}(?:/\s{0,2}\d{1,3}\s{0,2})?=\s{0,4}([a-z]{2,12})\b", re.IGNORECASE
)
_SIGNED_BY = re.compile(r"\bheader\.d\s{0,4}=\s{0,4}@?([\w.-]{1,253})", re.IGNORECASE)
_POLICY_NONE = re.compile(r"\bp\s{0,2}=\s{0,2}none\b", re.IGNORECASE)


def verdict(message: Message, authserv_id: str) -> Verdict:
    """DMARC if it was told, else a DKIM signature of the sender's own domain (relaxed alignment, RFC 7489 3.1.1)."""
    top = message.header("Authentication-Results")
    if not authserv_id or top is None or server(top) != authserv_id.lower():
        return "unknown"
    results = _results(top)
    dmarc = [result for method, result, _ in results if method == "dmarc"]
    if "pass" in dmarc:
        return "pass"
    if "fail" in dmarc:
        return "fail"
    for method, result, rest in results:
        signer = _SIGNED_BY.search(rest)
        if method == "dkim" and result == "pass" and signer and aligned(signer[1].lower(), message.from_.domain):
            return "pass"
    return "unknown"


def says_forged(message: Message) -> bool:
    """The topmost field says dmarc=fail, whoever wrote it: nobody forges a failure for himself.

    A domain whose own policy is "none" asks that nothing be made of it (forwarders and lists break signatures).
    """
    top = message.header("Authentication-Results")
    if top is None or not any(m == "dmarc" and r == "fail" for m, r, _ in _results(top)):
        return False
    return not _POLICY_NONE.search(top)


def server(field: str) -> str:
    """The authserv-id: the first word of the field, before an optional version."""
    head = _COMMENT.sub(" ", field[:4000]).partition(";")[0].split()
    return head[0].lower() if head else ""


def aligned(signer: str, domain: str) -> bool:
    """The same domain, or one a part of the other; the last two labels must agree."""
    if not signer or not domain or "." not in signer:
        return False
    return signer == domain or signer.endswith(f".{domain}") or domain.endswith(f".{signer}")


def _results(field: str) -> list[tuple[str, str, str]]:
    """(method, result, the rest of its part) in order."""
    out: list[tuple[str, str, str]] = []
    for part in _COMMENT.sub(" ", field[:8000]).split(";")[1:50]:
        found = _RESULT.match(part)
        if found:
            out.append((found[1].lower(), found[2].lower(), part[found.end() :]))
    return out
