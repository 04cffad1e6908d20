"""Lines of a mail -> which of them the sender wrote now: quotes, history, signature and legal notice apart.

The rule under all rules: in doubt a line is the sender's own. A quote kept costs a little precision, a sentence lost
may be the one that says the kettle gave a shock. Every step looks at each line a bounded number of times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from triage.mail import phrases
from triage.mail.markup import END_QUOTE, END_SIGNATURE, HISTORY, QUOTE, SIGNATURE

_MOST_LINES = 20_000
_LONGEST_LINE = 20_000
_PREFIX = re.compile(r"[ \t\u00a0]{0,6}>")
_TIME_OF_DAY = re.compile(r"\b\d{1,2}[:.h]\d{2}\b")
_ADDRESS = re.compile(r"<[^<>\s@]{1,64}@[^<>\s@]{1,190}>|\b[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{2,100}\b")
_DELIMITER = re.compile(r"(?:-- ?|--\u00a0|__|—|–)$")
#: mark -> (step of the depth of quotes, of signatures)
_STEPS = {QUOTE: (1, 0), END_QUOTE: (-1, 0), SIGNATURE: (0, 1), END_SIGNATURE: (0, -1)}
_MAY_MARK = frozenset((*_STEPS, HISTORY, ">", " ", "\t", "\u00a0"))
_MOST_SIGNATURE_LINES = 14
_MOST_SIGNATURE_CHARS = 900
_LONGEST_TAIL = 150


@dataclass(slots=True)
class Zones:
    """The lines of a mail, sorted. `rest` is where history or a forwarded mail begins: the lines from there on."""

    own: list[str] = field(default_factory=list)
    quoted: list[str] = field(default_factory=list)
    signature: list[str] = field(default_factory=list)
    disclaimer: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    rest_is_forward: bool = False


def sort(text: str, *, is_reply: bool, is_forward: bool, sender: str = "") -> Zones:
    """Sort the lines of a text, plain or with the marks of `markup.marked_text`.

    `is_reply`: the mail answers another; `is_forward`: its subject says that it forwards one. Both only decide what
    an unmarked copy of another mail is. `sender` is the display name, to know the signature by.
    """
    lines = [line[:_LONGEST_LINE].rstrip("\r") for line in text.split("\n")[:_MOST_LINES]]
    lines, kinds = _marks(lines)
    zones = Zones()
    cut, zones.rest_is_forward = _rest(lines, kinds, is_reply=is_reply, is_forward=is_forward)
    zones.rest = [line for line, kind in zip(lines[cut:], kinds[cut:], strict=True) if kind != "h"]
    run: list[str] = []
    for line, kind in zip(lines[:cut], kinds[:cut], strict=True):
        if kind == "o":
            run.append(line)
            continue
        if run:
            _sort_run(run, zones, sender)
            run = []
        if kind == "q":
            zones.quoted.append(line)
        elif kind == "s":
            zones.signature.append(line)
    _sort_run(run, zones, sender)
    if not any(map(str.strip, zones.own)) and zones.rest and not zones.rest_is_forward:
        _reconsider(zones, sender)
    return zones


def _reconsider(zones: Zones, sender: str) -> None:
    """Nothing above the copied mail: the sender may have written below it, without any mark. Keep it all."""
    rest, zones.rest = zones.rest, []
    unquoted = [line for line in rest if not _PREFIX.match(line)]
    zones.quoted += [line for line in rest if _PREFIX.match(line)]
    _sort_run(unquoted, zones, sender)


def _marks(lines: list[str]) -> tuple[list[str], list[str]]:
    """(lines, kinds): "o" own, "q" quoted, "s" signature, "h" history begins here."""
    kept: list[str] = []
    kinds: list[str] = []
    quotes = signatures = 0
    for line in lines:
        kind = inside = "q" if quotes else "s" if signatures else "o"
        if line[:1] in _MAY_MARK:
            mark = line.strip()
            if mark in _STEPS:
                quotes = max(quotes + _STEPS[mark][0], 0)
                signatures = max(signatures + _STEPS[mark][1], 0)
                continue
            if mark == HISTORY:
                kind = "h"
            elif _PREFIX.match(line):
                kind = "q"
                if line.startswith(">From ") and kinds[-1:] != ["q"]:
                    line, kind = line[1:], inside  # QUIRK: mbox writers put ">" before "From " (RFC 4155)
        kept.append(line)
        kinds.append(kind)
    _reply_headers(kept, kinds)
    return kept, kinds


def _reply_headers(lines: list[str], kinds: list[str]) -> None:
    """ "On Monday A wrote:" right above a quote belongs to the quote."""
    for i, kind in enumerate(kinds):
        if kind != "q" or (i and kinds[i - 1] == "q"):
            continue
        above = i - 1
        while above >= 0 and i - above < 4 and not lines[above].strip():
            above -= 1
        if above >= 0 and kinds[above] == "o":
            start = reply_header(lines, above)
            for k in range(above if start is None else start, above + 1) if start is not None else ():
                kinds[k] = "q"


def reply_header(lines: list[str], last: int) -> int | None:
    """The first line of an "On ... wrote:" that ends in line `last`, or None. It may be broken over four lines."""
    if not lines[last].rstrip(" \t\u00a0>").endswith((":", "：")) or len(lines[last]) > 400:
        return None
    joined = ""
    named: int | None = None  # "Anna <anna@example.org> schrieb:" needs no date, but may have one above
    for start in range(last, max(last - 4, -1), -1):
        line = lines[start].strip(" \t>")
        if not line or len(joined) > 600 or (start < last and line[-1] in ".!?"):
            return named
        joined = f"{line} {joined}".strip()
        verb = phrases.WROTE.search(phrases.small(joined))
        dated = phrases.WROTE_START.match(joined) and any(map(str.isdigit, joined))
        if dated and (verb or _ADDRESS.search(joined)):
            return start
        if verb and named is None and _ADDRESS.search(joined):
            named = start
    return named


def _rest(lines: list[str], kinds: list[str], *, is_reply: bool, is_forward: bool) -> tuple[int, bool]:
    """(where the copy of another mail begins, whether it was forwarded); (number of lines, False) when nowhere."""
    for i, (line, kind) in enumerate(zip(lines, kinds, strict=True)):
        if kind == "h":
            return i, is_forward
        if kind == "q" and (i == 0 or kinds[i - 1] != "q") and phrases.FORWARD_LINE.match(line.lstrip(" \t>")):
            return i, True  # Apple Mail puts ">" before the whole forwarded mail
        if kind != "o" or not line.strip():
            continue
        if phrases.FORWARD_LINE.match(line):
            return i, True
        if phrases.ORIGINAL_LINE.match(line) or header_block(lines, i):
            return _with_rule(lines, i), is_forward
        if line.rstrip().endswith(":") and _is_unmarked_history(lines, kinds, i, is_reply=is_reply):
            start = reply_header(lines, i)
            return (i if start is None else start), is_forward
    return len(lines), False


def _with_rule(lines: list[str], i: int) -> int:
    """Outlook draws a line of underscores above the copied header."""
    above = i - 1
    while above >= 0 and i - above < 3 and not lines[above].strip():
        above -= 1
    return above if above >= 0 and len(lines[above].strip()) > 9 and set(lines[above].strip()) <= {"_", "-"} else i


def _is_unmarked_history(lines: list[str], kinds: list[str], i: int, *, is_reply: bool) -> bool:
    """ "On ... wrote:" with the old mail below it unmarked. A customer may write such a line too ("On 3 May at 10:15
    your agent wrote:"), so an address or the headers of a reply must confirm it."""
    start = reply_header(lines, i)
    if start is None or "q" in kinds[i + 1 : i + 4]:
        return False
    joined = " ".join(lines[start : i + 1])
    return bool(_ADDRESS.search(joined)) or (is_reply and bool(_TIME_OF_DAY.search(joined)))


def header_block(lines: list[str], i: int) -> dict[str, str] | None:
    """The copied header that begins at line `i`, by kind of field; None when there is none.

    Three fields, one of them From and one Date or Subject: a web form that prints "From:" and "Subject:" is no copy.
    """
    first = phrases.label(lines[i])
    if first is None or first[0] not in ("from", "date", "subject", "to"):
        return None
    found: dict[str, str] = {}
    misses = 0
    for line in lines[i : i + 16]:
        field_ = phrases.label(line)
        if field_ is not None and field_[0] not in found:
            found[field_[0]] = field_[1]
            misses = 0
        elif field_ is None:
            misses += 1
            if misses > (2 if "to" in found and line.strip() else 1):  # long lists of recipients are broken
                break
    named = found.keys() & {"from", "date", "to", "subject", "cc"}
    return found if "from" in named and len(named) >= 3 and named & {"date", "subject"} else None


def _sort_run(run: list[str], zones: Zones, sender: str) -> None:
    """Signature and notice off one run of own lines."""
    if not any(map(str.strip, run)):
        zones.own += run
        return
    start = _signature_start(run, sender)
    own, tail = run[:start], run[start:]
    own, notice = _notice_off(own)
    zones.own += own
    zones.disclaimer += notice
    into = zones.signature
    for paragraph in _paragraphs(tail):
        first = _notice_start(paragraph)
        zones.disclaimer += [*paragraph[first:], ""] if first < len(paragraph) else []
        for line in paragraph[:first]:
            if phrases.POSTSCRIPT.match(line) or _reads_as_sentence(line):
                into = zones.own  # "P.S. the new one leaks too"
            elif phrases.is_mobile_line(line) or _DELIMITER.match(line):
                into = zones.signature
            into.append(line)
        into.append("")
        into = zones.signature


def _signature_start(run: list[str], sender: str) -> int:
    """The line at which the signature begins; the number of lines when there is none."""
    seen = False
    for i, line in enumerate(run):
        if not line.strip():
            continue
        if len(run) - i > _LONGEST_TAIL:  # more than a signature and its small print can have
            seen = True
            continue
        delimiter = _DELIMITER.match(line)
        if delimiter and _is_short(run[i + 1 :], sure=line.startswith("-- ")):
            return i
        if phrases.is_mobile_line(line) and _is_short(run[i + 1 :], sure=False):
            return i
        closing = phrases.CLOSING.match(line) if seen else None
        if closing and _is_name(closing["rest"]) and _is_short(run[i + 1 :], sure=False):
            return i
        seen = True
    return _name_start(run, sender)


def _is_short(after: list[str], *, sure: bool) -> bool:
    """A signature is short. What comes after legal small print does not count; "-- " is the standard's own mark."""
    lines = [line for paragraph in _paragraphs(after) for line in paragraph]
    if sure:
        return len(lines) <= 3 * _MOST_SIGNATURE_LINES
    kept = [line for p in _paragraphs(after) if not phrases.is_notice(" ".join(p)) for line in p]
    return len(kept) <= _MOST_SIGNATURE_LINES and sum(map(len, kept)) <= _MOST_SIGNATURE_CHARS


def _is_name(rest: str) -> bool:
    """ "Thanks, Priya" closes a mail; "Thanks for nothing" does not."""
    words = rest.split()
    return len(words) <= 4 and all(w[:1].isupper() or not w[:1].isalpha() for w in words)


def _name_start(run: list[str], sender: str) -> int:
    """A last paragraph that begins with the sender's own name, or stands for it by initials."""
    last = len(run)
    while last and not run[last - 1].strip():
        last -= 1
    top = last
    while top and run[top - 1].strip() and last - top < 6:
        top -= 1
    names = {w for w in phrases.folded(sender).replace(".", " ").replace(",", " ").split() if w}
    for i in range(top, last):
        if i == 0 or not any(map(str.strip, run[:i])):
            continue
        words = phrases.folded(run[i]).replace(".", " ").replace(",", " ").split()
        initials = {w[0] for w in names}
        if 0 < len(words) <= 4 and all(w in names or (len(w) <= 2 and set(w) <= initials) for w in words):
            return i
    return len(run)


def _notice_off(own: list[str]) -> tuple[list[str], list[str]]:
    """Legal small print at the end of the own words. All of a mail is never a notice."""
    paragraphs = _paragraphs(own)
    notice: list[str] = []
    while paragraphs and (first := _notice_start(paragraphs[-1])) < len(paragraphs[-1]):
        last = paragraphs.pop()
        if first == 0 and not paragraphs:
            return own, []
        notice = [*last[first:], "", *notice]
        if first:
            paragraphs.append(last[:first])
            break
    return ([line for p in paragraphs for line in (*p, "")], notice) if notice else (own, [])


def _notice_start(paragraph: list[str]) -> int:
    """The line at which a legal notice begins; the number of lines when the paragraph is none."""
    if not phrases.is_notice(" ".join(paragraph)):
        return len(paragraph)
    return next((i for i, line in enumerate(paragraph) if phrases.begins_notice(line)), 0)


def _paragraphs(lines: list[str]) -> list[list[str]]:
    out: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            out[-1].append(line)
        elif out[-1]:
            out.append([])
    return out if out[-1] else out[:-1]


def _reads_as_sentence(line: str) -> bool:
    """A line under the closing that is no address, title or slogan but something said."""
    words = line.split()
    return len(words) >= 14 or (len(words) >= 6 and line.rstrip()[-1:] in ".!?")
