"""Our own reply -> the dated commitments in it, each with its sentence; and what a later reply does to earlier ones.

A commitment is something that *we* will do, said without a condition: "I will call you by Friday", "your refund will be
sent today", "our engineer comes on Thursday". A **contact** promise is proved by a later mail of ours; an **action**
promise (refund, visit, parcel) cannot be seen in mail and needs a tick or the customer's word. Conditions, questions,
denials, hopes and aims, other firms' doings, and what is done already create nothing. Undated commitments count with
the policy's span and say so. Pure; words come from `wordings`, moments from `duedate`.

Sections of the wordings: `contact` and `action` are ours and stand alone; `any` and `any contact` are ours and need a
date; `other ...` are passive ("will be sent"); `third ...` have another subject and need a date. `if`, `when`, `neg`,
`hedge`, `boiler`, `outside` and `stop` take commitments back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from triage.casework import said, wordings
from triage.casework.duedate import Named, Reader
from triage.casework.history import Promise
from triage.casework.hours import BusinessCalendar, instant, seconds
from triage.casework.policy import Span
from triage.judge import sentences
from triage.judge.phrases import Hit
from triage.judge.sentences import Sentence, Text

MOST = 10  # commitments kept of one mail
_SHORT_CLAUSE = 7  # words: an adverbial cut off by a comma ("by Friday, as agreed, ...")

_DATED_ONLY = frozenset({"any", "any contact", "third contact", "third action"})
_OTHERS = frozenset({"other contact", "other action", "third contact", "third action"})
_COMMITS = frozenset({"contact", "action"}) | _DATED_ONLY | _OTHERS
_TAKES_BACK = frozenset({"if", "when", "neg", "hedge", "boiler", "outside"})
_STRETCHES = ("end of week", "next week", "end of month", "end of day", "one hour")
_CUTS = frozenset(",:()\u2013\u2014")


@dataclass(frozen=True, slots=True)
class Commitment:
    """One commitment. `due` is aware UTC; `assumed` says that the reply names no date; `verb` is the wording that was
    found, by which a later mail about the same thing is known again."""

    text: str
    kind: str  # "contact" or "action"
    due: datetime
    assumed: bool
    verb: str


def find(text: str, language: str, sent: datetime, calendar: BusinessCalendar, vague: Span) -> tuple[Commitment, ...]:
    """The commitments in the own words of a reply sent at `sent` (aware); `vague` is what the policy gives those without
    a date. At most ten; never raises for the text."""
    read = sentences.read(text)
    found: list[Commitment] = []
    settled: set[int] = set()  # what one language has read, or the reply's own takes back, its neighbours leave alone
    for one in said.languages(language, len(read.words)):
        page = _Page(read, one, sent, calendar)
        for number, sentence in enumerate(read.sentences):
            if number in settled:
                continue
            if one == language and _TAKES_BACK & page.by_sentence.get(number, {}).keys():
                settled.add(number)
            for verb, kind, moment in page.commitments(number, sentence):
                due = moment or instant(vague.end(calendar, seconds(sent)))
                quote = said.quote(read, sentence)
                known = next((c for c in found if c.text == quote and (c.due == due or moment is None)), None)
                settled.add(number)
                if known is None:
                    found.append(Commitment(quote, kind, due, moment is None, verb))
    dated = {c.text for c in found if not c.assumed}
    return tuple(c for c in found if not (c.assumed and c.text in dated))[:MOST]


@dataclass(frozen=True, slots=True)
class _Clause:
    """The words first..stop-1; `joined` where a conjunction opens it."""

    first: int
    stop: int
    joined: bool


@dataclass(slots=True)
class _Line:
    """One sentence while it is looked at."""

    sentence: Sentence
    clauses: list[_Clause]
    hits: dict[str, list[Hit]]
    dates: dict[int, list[Named]] = field(default_factory=dict)

    def of(self, section: str) -> list[Hit]:
        return self.hits.get(section, [])

    def clause(self, word: int) -> int:
        """The number of the clause that holds the word."""
        return next(n for n, one in enumerate(self.clauses) if word < one.stop)

    def within(self, section: str, number: int) -> list[Hit]:
        """The hits of a section that begin in that clause."""
        clause = self.clauses[number]
        return [hit for hit in self.of(section) if clause.first <= hit.first < clause.stop]


class _Page:
    """One text read in one language."""

    def __init__(self, text: Text, language: str, sent: datetime, calendar: BusinessCalendar) -> None:
        self.text = text
        self.matcher = wordings.load(language)
        self.classes: Mapping[str, frozenset[str]] = self.matcher.classes
        self.reader = Reader(text.words, language, self.classes, sent, calendar)
        self.by_sentence: dict[int, dict[str, list[Hit]]] = defaultdict(lambda: defaultdict(list))
        for hit in self.matcher.scan(text.sentences, text.words):
            self.by_sentence[hit.sentence][hit.section].append(hit)

    def commitments(self, number: int, sentence: Sentence) -> list[tuple[str, str, datetime | None]]:
        """(wording, kind, moment or None) of one sentence, one a clause."""
        hits = self.by_sentence.get(number)
        if not hits or sentence.question or not _COMMITS & hits.keys() or hits.get("boiler"):
            return []
        line = _Line(sentence, self._clauses(sentence), hits)
        for at, clause in enumerate(line.clauses):
            line.dates[at] = self._dates(line, clause)
        first_blocked = self._conditions(line)
        found: dict[int, tuple[Hit, datetime | None]] = {}
        for hit in sorted((h for name in _COMMITS for h in line.of(name)), key=lambda h: (h.last, _rank(h))):
            at = line.clause(hit.last)
            if at >= first_blocked or self._taken_back(line, hit, at):
                continue
            moment = self._moment(line, hit, at)
            if moment is None and hit.section in _DATED_ONLY:
                continue
            old = found.get(at)
            if old is None or _rank(hit) < _rank(old[0]):
                found[at] = (hit, moment)
        return self._merged([(hit, moment) for _, (hit, moment) in sorted(found.items())])

    def _merged(self, found: list[tuple[Hit, datetime | None]]) -> list[tuple[str, str, datetime | None]]:
        """ "I will check with the depot and call you tomorrow" is one promise; two dates are two."""
        dated = [(hit, moment) for hit, moment in found if moment is not None]
        out: dict[datetime | None, tuple[str, str, datetime | None]] = {}
        for hit, moment in dated or found[:1]:
            kind = "contact" if hit.section.endswith("contact") else "action"
            old = out.get(moment)
            if old is None or (old[1] == "contact" and kind == "action"):  # an action needs its tick: the stricter wins
                out[moment] = (f"{hit.language}: {self._verb(hit)}", kind, moment)
        if not dated and any(hit.section.endswith("contact") for hit, _ in found):
            out = {None: (*next(iter(out.values()))[:1], "contact", None)}
        return list(out.values())

    def _verb(self, hit: Hit) -> str:
        return f"{hit.section.rpartition(' ')[2]} {self.text.words[hit.last]}"

    # -- clauses ------------------------------------------------------------------------------------------------------

    def _clauses(self, sentence: Sentence) -> list[_Clause]:
        """Cut at commas, colons, dashes and brackets, and before conjunctions."""
        conjunctions = self.classes.get("conj", frozenset())
        first, end = sentence.first, sentence.first + sentence.count
        cuts = [first]
        joined = {first: False}
        for at in range(first + 1, end):
            between = self.text.text[self.text.places[at - 1][1] : self.text.places[at][0]]
            conjunction = self.text.words[at] in conjunctions and not self._links_numbers(at)
            if conjunction or any(sign in _CUTS for sign in between) or " - " in between:
                cuts.append(at)
                joined[at] = conjunction
        return [_Clause(a, b, joined[a]) for a, b in zip(cuts, [*cuts[1:], end], strict=True)]

    def _links_numbers(self, at: int) -> bool:
        """ "between 8 and 10", "las 9 y las 11": one stretch of time."""
        words = self.text.words
        after = next((w for w in words[at + 1 : at + 4] if w[0].isdecimal()), "")
        return bool(after) and any(
            w[0].isdecimal() or w in self.classes.get("between", ()) for w in words[max(0, at - 3) : at]
        )

    def _dates(self, line: _Line, clause: _Clause) -> list[Named]:
        found = self.reader.named(clause.first, clause.stop)
        for section in _STRETCHES:
            for hit in line.of(section):
                moment = self.reader.ends.stretch(section)
                if section == "end of day" and found:
                    continue  # "by close of business tomorrow": the day is named
                if clause.first <= hit.first < clause.stop and moment is not None:
                    found = [n for n in found if n.last < hit.first or n.first > hit.last]
                    found.append(Named(moment, hit.first, hit.last))
        return sorted(found, key=lambda n: n.first)

    def _moment(self, line: _Line, hit: Hit, at: int) -> datetime | None:
        """The date that goes with a verb: in its clause, first behind it; else in a short clause beside it."""
        own = line.dates[at]
        if own:
            behind = [n for n in own if n.first > hit.first]
            return (behind or own)[0].at
        for step, places in ((1, range(at + 1, len(line.clauses))), (-1, range(at - 1, -1, -1))):
            for other in places:
                clause = line.clauses[other]
                if clause.stop - clause.first > _SHORT_CLAUSE or any(line.within(name, other) for name in _COMMITS):
                    break
                if step == 1 and clause.joined:
                    break
                if line.dates[other]:
                    return line.dates[other][0].at
        return None

    # -- what takes a commitment back ---------------------------------------------------------------------------------

    def _conditions(self, line: _Line) -> int:
        """The first clause that hangs on a condition; the number of clauses where none does."""
        first = len(line.clauses)
        for hit in line.of("if"):
            if not _overlaps(hit, line.of("if not")):
                first = min(first, self._reach(line, hit))
        for hit in line.of("when"):
            if _overlaps(hit, line.of("when not")):
                continue
            at = line.clause(hit.first)
            dated = any(n.first < hit.first for n in line.dates[at]) or any(
                line.dates[other] for other in range(len(line.clauses)) if other != at
            )
            opening = hit.first - line.sentence.first <= 1
            if opening or not dated:
                first = min(first, self._reach(line, hit))
        return first

    def _reach(self, line: _Line, hit: Hit) -> int:
        """An opening condition governs all that follows; a later one also the clause before, unless "and if"."""
        at = line.clause(hit.first)
        clause = line.clauses[at]
        opens = hit.first - clause.first <= 1
        return at - 1 if opens and not clause.joined and at else at

    def _taken_back(self, line: _Line, hit: Hit, at: int) -> bool:
        clause = line.clauses[at]
        low, high = min(clause.first, hit.first), clause.stop
        before = line.clauses[at - 1] if at else clause
        if before.stop - before.first <= 3 and any(before.first <= h.first < before.stop for h in line.of("hedge")):
            return True  # "As a rule, we refund ..."
        if any(low <= other.first < high for name in ("neg", "hedge") for other in line.of(name)):
            return True
        if hit.section.startswith("any") and any(low <= other.first < high for other in line.of("stop")):
            return True
        if any(other.first == hit.first for other in line.of("stop")) and hit.section not in (
            "contact",
            "other contact",
        ):
            return True
        if hit.section in _OTHERS:
            if any(low <= other.first < high for other in line.of("outside")):
                return True
            subject = self.text.words[hit.first - 1] if hit.first > line.sentence.first else ""
            return hit.section.startswith("third") and subject in self.classes.get("you", frozenset())
        return False


def _rank(hit: Hit) -> int:
    """Contact before action, what stands alone before what needs a date."""
    order = (
        "contact",
        "other contact",
        "third contact",
        "any contact",
        "action",
        "other action",
        "third action",
        "any",
    )
    return order.index(hit.section)


def _overlaps(hit: Hit, others: Sequence[Hit]) -> bool:
    return any(one.first <= hit.last and one.last >= hit.first for one in others)


# -- what a later reply does to earlier promises ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of an earlier promise, with the reason."""

    promise: str
    state: str  # "kept" or "renegotiated"
    why: str


def settle(
    promises: Sequence[Promise], text: str, language: str, sent: datetime, new: Sequence[Commitment],
    again: Callable[[str], Sequence[Commitment]],
) -> tuple[Settlement, ...]:  # fmt: skip
    """The open promises that a reply sent at `sent` settles. `new` are its own commitments; `again` reads the sentence
    of an earlier promise anew.

    Any reply before the due moment keeps a contact promise, unless it puts the same thing off. An action promise is
    never kept by a mail; it is renegotiated where the reply says that it is late and promises the same act anew.
    """
    late = said.late(text, language)
    out = []
    for promise in promises:
        if promise.state not in ("open", "broken") or not promise.made_at < sent <= promise.due:
            continue
        verbs = {c.verb for c in again(promise.text)}
        same = any(c.verb in verbs for c in new)
        is_open = promise.state == "open"  # a broken one whose proof is only seen now was kept
        if is_open and promise.type == "contact" and any(c.kind == "contact" for c in new) and (late or same):
            out.append(Settlement(promise.name, "renegotiated", "a new date was sent before it was due"))
        elif promise.type == "contact":
            out.append(Settlement(promise.name, "kept", "we wrote before it was due"))
        elif is_open and late and same:
            out.append(Settlement(promise.name, "renegotiated", "a new date was sent before it was due"))
    return tuple(out)
