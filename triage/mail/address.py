"""Address lists (RFC 5322 3.4) as they really come: names in quotes, comments, groups, semicolons, no domain."""

from __future__ import annotations

from dataclasses import dataclass

from triage.mail import headers

_MOST = 500
_LONGEST = 100_000


@dataclass(frozen=True, slots=True)
class Address:
    """A person or mailbox. `email` is in lower case and may lack a domain ("mailer-daemon") or be empty."""

    name: str
    email: str

    @property
    def domain(self) -> str:
        return self.email.rpartition("@")[2] if "@" in self.email else ""

    @property
    def local(self) -> str:
        """The part before the "@"."""
        return self.email.rpartition("@")[0] or self.email

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.name else self.email


NOBODY = Address("", "")


def parse(value: str) -> tuple[Address, ...]:
    """The addresses of a header whose encoded words are still encoded; at most 500, each email once."""
    found = _scan(value[:_LONGEST])
    if "=?" in value and not any(a.email for a in found):
        found = _scan(headers.words(value[:_LONGEST]))  # QUIRK: some senders encode the whole of `Name <address>`
    kept: dict[str, Address] = {}
    for one in found:
        plain = Address("", one.email) if one.name.lower() == one.email else one
        kept.setdefault(one.email or one.name, plain)
    return tuple(kept.values())


def _scan(value: str) -> list[Address]:
    """One pass over the characters; quotes, comments and angle brackets may be left open."""
    out: list[Address] = []
    name: list[str] = []
    comment: list[str] = []
    angle: list[str] | None = None
    quoted = skip = open_angle = has_at = False
    depth = 0
    for c in value:
        if skip:
            skip = False
            (comment if depth else angle if open_angle and angle is not None else name).append(c)
        elif c == "\\" and (quoted or depth):
            skip = True
        elif quoted:
            if c == '"':
                quoted = False
            (angle if open_angle and angle is not None else name).append("" if c == '"' else c)
        elif depth:
            depth += (c == "(") - (c == ")")
            if depth:
                comment.append(c)
        elif c == '"':
            quoted = True
        elif c == "(":
            depth = 1
            comment.append(" " if comment else "")
        elif c == "<":
            angle, open_angle = [], True
        elif c == ">":
            open_angle = False
        elif open_angle and angle is not None:
            angle.append(c)
        elif c in ",;":
            _flush(out, name, comment, angle)
            name, comment, angle, has_at = [], [], None, False
            if len(out) >= _MOST:
                return out
        elif c == ":" and not has_at:
            name = []  # the name of a group
        else:
            has_at = has_at or c == "@"
            name.append(c)
    _flush(out, name, comment, angle)
    return out


def _flush(out: list[Address], name: list[str], comment: list[str], angle: list[str] | None) -> None:
    shown, remark = "".join(name).strip(), "".join(comment).strip()
    if angle is not None:
        email = "".join(angle)
    else:
        tokens = shown.split()
        email = next((t for t in tokens if "@" in t), "")
        if not email and len(tokens) == 1 and tokens[0].isascii() and not tokens[0].startswith("=?"):
            email = shown  # a local name such as MAILER-DAEMON
        shown = " ".join(t for t in tokens if t != email)
    shown = headers.words(shown or remark) if "=?" in (shown or remark) else shown or remark
    written, email = email, clean(email)
    if angle is not None and "@" in email:
        while out and not out[-1].domain:  # QUIRK: `Bloggs, Jo <jo@example.com>` lacks the quotes its comma needs
            before = out.pop().name
            shown = f"{before}, {shown}" if shown else before
    if not shown and "@" not in email:
        shown = written
    if email or shown:
        out.append(Address(" ".join(shown.split())[:300], email))


def clean(email: str) -> str:
    """An address in one form: no spaces, no route, no brackets, lower case. Longer than 320: none."""
    email = "".join(email.split()).strip("<>[]'\",;").lower()
    if email.startswith("@") and ":" in email:
        email = email.rpartition(":")[2]  # an obsolete source route
    email = email.removeprefix("mailto:").rstrip(".")
    return email if len(email) <= 320 else ""
