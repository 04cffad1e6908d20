"""What we sign, so that an answer finds its case and nobody else can make one: address, Message-ID, subject, loop mark.

Each is an HMAC-SHA256 with its purpose in front, so that a token of one kind is worth nothing as another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

_NUMBER = r"[A-Za-z0-9][A-Za-z0-9-]{0,31}"
_PLUS = re.compile(rf"\+c\.({_NUMBER})\.([0-9a-f]{{16}})@", re.IGNORECASE)
_MESSAGE_ID = re.compile(rf"<c\.({_NUMBER})\.(\d{{1,9}})\.([0-9a-f]{{16}})@([\w.-]{{1,253}})>", re.IGNORECASE)
_SUBJECT = re.compile(rf"\[#({_NUMBER})-([a-z2-7]{{4}})\]", re.IGNORECASE)
_BRACKETED = re.compile(r"\[[^\[\]]{0,20}#[^\[\]]{0,40}\]")
#: the header that marks every mail this program sends
LOOP_HEADER = "X-Triage-Loop"
#: the header of the test mail that shows whether mail gets through
CANARY_HEADER = "X-Triage-Canary"


def _sign(purpose: str, content: str, secret: bytes) -> bytes:
    return hmac.new(secret, f"{purpose}\x00{content.upper()}".encode(), hashlib.sha256).digest()


def _hex(purpose: str, content: str, secret: bytes) -> str:
    return _sign(purpose, content, secret).hex()[:16]


def plus_address(intake: str, number: str, secret: bytes) -> str:
    """`care@x.example`, "C-2026-000123" -> `care+c.c-2026-000123.<hmac16>@x.example`: the Reply-To of our mail."""
    local, _, domain = intake.rpartition("@")
    return f"{local}+c.{number.lower()}.{_hex('address', number, secret)}@{domain}"


def read_plus_address(address: str, secret: bytes) -> str | None:
    """The case number of a signed address, or None when it is none or the signature is not ours."""
    found = _PLUS.search(address[:1000])
    if found and hmac.compare_digest(found[2].lower(), _hex("address", found[1], secret)):
        return found[1].upper()
    return None


def message_id(number: str, seq: int, secret: bytes, host: str) -> str:
    """The Message-ID of our mail `seq` on a case: `<c.<number>.<seq>.<hmac16>@host>`."""
    return f"<c.{number}.{seq}.{_hex('message', f'{number}.{seq}', secret)}@{host}>"


def read_message_id(id_: str, secret: bytes, host: str) -> tuple[str, int] | None:
    """(case number, seq) of an id we made, or None."""
    found = _MESSAGE_ID.fullmatch(id_[:1000])
    if found is None or found[4].lower() != host.lower():
        return None
    if hmac.compare_digest(found[3].lower(), _hex("message", f"{found[1]}.{found[2]}", secret)):
        return found[1].upper(), int(found[2])
    return None


def case_token(number: str, secret: bytes) -> str:
    """`[#C-2026-000123-k7f3]` for a subject. Twenty bits: enough against slips of the keyboard, a hint and no proof."""
    return f"[#{number}-{_check(number, secret)}]"


def read_case_tokens(subject: str, secret: bytes) -> tuple[str, ...]:
    """The case numbers of the right tokens in a subject, each once, at most five."""
    found = [m for m in _SUBJECT.finditer(subject[:2000]) if hmac.compare_digest(m[2].lower(), _check(m[1], secret))]
    return tuple(dict.fromkeys(m[1].upper() for m in found))[:5]


def without_tokens(subject: str) -> str:
    """A subject without bracketed case tokens, right or wrong, ours or another desk's."""
    return _BRACKETED.sub(" ", subject[:2000]).strip()


def _check(number: str, secret: bytes) -> str:
    return base64.b32encode(_sign("subject", number, secret)).decode("ascii")[:4].lower()


def loop_marker(instance: str, secret: bytes) -> str:
    """The value of the loop header of one installation."""
    return _hex("loop", instance, secret)


def is_loop_marker(value: str, instance: str, secret: bytes) -> bool:
    return hmac.compare_digest(value.strip().lower().encode("utf-8", "replace"), loop_marker(instance, secret).encode())


def canary(mark: str, instance: str, secret: bytes) -> str:
    """The value of the canary header: `<mark>.<hmac16>`. The mark says which mailbox and when."""
    return f"{mark}.{_hex('canary', f'{instance}.{mark}', secret)}"


def is_canary(value: str, instance: str, secret: bytes) -> bool:
    """True for a test mail of this installation. Anybody else's header would let a complaint be filed unread."""
    mark, _, signature = value.strip()[:300].rpartition(".")
    good = _hex("canary", f"{instance}.{mark}", secret).encode()
    return hmac.compare_digest(signature.lower().encode("utf-8", "replace"), good)
