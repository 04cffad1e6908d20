"""The risk flags, the history and the customer's own dates that a mail's new words state, each with the words quoted.

Only what the sender newly wrote counts: no quotes, no signature, no disclaimer. A flag is a wording of the lexicon
that no idiom takes back ("killing me", "shocked by the price"), that is not denied ("no complaints, wouldn't sue") and
is not a question asked before buying. Rules set floors here; they never touch the model's probabilities.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from triage.judge import dates, lexicon
from triage.judge.dates import CustomerDate
from triage.judge.phrases import Hit
from triage.judge.sentences import Text, has_words, read
from triage.mail.body import Body
from triage.words import Urgency

MAX_EVIDENCE = 4  # quotes kept a flag

#: flag -> the floor where its words are found; None sets no floor. A breach or fraud that is past is lowered by one.
FLOORS: dict[str, Urgency | None] = {
    "safety_injury": Urgency.CRITICAL,
    "self_harm": Urgency.CRITICAL,
    "data_breach": Urgency.CRITICAL,
    "fraud": Urgency.CRITICAL,
    "legal_threat": Urgency.URGENT,
    "regulator": Urgency.URGENT,
    "press_social": None,
    "vulnerable": Urgency.URGENT,
    "discrimination": Urgency.URGENT,
    "chargeback": Urgency.URGENT,
    "data_rights_request": None,
    "churn_threat": None,
    "wants_manager": None,
    "threat_to_staff": None,
}
#: flags that parts in neighbouring sentences make together, where no single wording does
_TOGETHER = {"discrimination": ("identity", "slight"), "data_breach": ("other_person", "private_data", "seen")}
_PAST_LOWERS = ("data_breach", "fraud")
_OWN_NEGATION = frozenset({"self_harm", "data_breach", "fraud", "discrimination", "data_rights_request"})
_AFTER_NEGATION = frozenset({"legal_threat", "regulator", "churn_threat", "chargeback", "press", "review_threat"})
_NOT_BEFORE_BUYING = frozenset({"safety_injury", "regulator", "chargeback", "vulnerable", "data_breach", "fraud"})
_NOT_FROM_OUTSIDE = frozenset({"safety_injury", "regulator", "legal_threat", "chargeback", "fraud", "data_breach"})
_NEGATION_REACH = 3  # words before a wording in which a denial counts

_TIMES = {
    word: n
    for n, words in {
        2: "second 2nd twice two 2 zweite zweiten zweites zweiter zweimal zwei deuxieme seconde deux segunda "
        "segundo dos seconda secondo due tweede twee tweemaal dois duas",
        3: "third 3rd three 3 several multiple many repeatedly numerous countless dritte dritten drittes "
        "dritter dreimal drei mehrfach mehrmals wiederholt troisieme trois plusieurs tercera tercero tercer "
        "tres varias varios terza terzo tre piu_volte derde drie driemaal meerdere terceira terceiro muitas",
        4: "fourth 4th four 4 vierte vierten vierter viermal vier quatrieme quatre cuarta cuarto cuatro quarta "
        "quarto quattro vierde quatro",
        5: "fifth 5th five 5 fuenfte funfte fuenften funften cinquieme cinq quinta quinto cinco cinque vijfde vijf",
        6: "sixth 6th six 6 sechste sixieme sexta sexto seis sesta sesto sei zesde zes seventh eighth ninth tenth",
    }.items()
    for word in words.split()
}


class Attached(Protocol):
    """What cues need of an attachment: its file name. Contents are never opened."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Flag:
    """A risk that the words show. `evidence` quotes them; `floor` is the least urgency it sets (None: none); `live` is
    False where the text says it is past; `rule` names the wording of the lexicon or the header that raised it."""

    name: str
    evidence: tuple[str, ...]
    live: bool
    floor: Urgency | None
    rule: str


@dataclass(frozen=True, slots=True)
class Cue:
    """Something said that is no risk in itself: thanks, a chase, a defect that remains."""

    name: str
    evidence: tuple[str, ...]
    rule: str


@dataclass(frozen=True, slots=True)
class Cues:
    """Everything the words state.

    `terms` are dates set for an answer, which count where a regulator writes; `rules` hold floors without a flag of
    their own (essential_off); `history` what the text says of earlier contacts (chased_1..3, broken_promise,
    repeat_failure, reopened)."""

    flags: tuple[Flag, ...] = ()
    dates: tuple[CustomerDate, ...] = ()
    terms: tuple[CustomerDate, ...] = ()
    history: tuple[Flag, ...] = ()
    rules: tuple[Flag, ...] = ()
    thanks: Cue | None = None
    chase: Cue | None = None
    not_fixed: Cue | None = None
    new_matter: Cue | None = None
    needs_glance: Cue | None = None
    prior_answer: Cue | None = None
    prepurchase: Cue | None = None
    outsider: Cue | None = None
    no_action: Cue | None = None
    misdirected: Cue | None = None
    dependant: Cue | None = None
    words: int = 0
    languages: tuple[str, ...] = ()

    def flag(self, name: str) -> Flag | None:
        """The flag of that name, if the words raise it."""
        return next((one for one in self.flags if one.name == name), None)


def languages_of(language: str) -> tuple[str, ...]:
    """Which lexicons to read: the mail's own and English; all where the language is unknown or not supported."""
    if language not in lexicon.LANGUAGES:
        return lexicon.LANGUAGES
    return ("en",) if language == "en" else (language, "en")


def find(
    body: Body,
    subject: str,
    received_at: datetime,
    zone: str,
    attachments: Sequence[Attached] = (),
    *,
    forwarded: bool = False,
) -> Cues:
    """The cues of one mail. `received_at` is aware; `zone` the business zone (IANA). `forwarded` says that a colleague
    forwarded a customer's mail, whose words then are new words too; so they are where the sender added none. Never
    raises because of the text."""
    inner = body.forwarded.text if body.forwarded and (forwarded or not has_words(body.own)) else ""
    text = read(_joined(body.own, subject, attachments, inner))
    own_words = sum(sentence.count for sentence in text.sentences)
    languages = languages_of(body.language)
    found = _Found(text, languages)
    flags, history = list(_flags(found)), list(_history(found))
    flags = _press(found, _named_ground(found, flags))
    glance, flags = _despair(found, flags)
    manager = next((flag for flag in flags if flag.name == "wants_manager"), None)
    prior = found.cue("prior_answer")
    if manager and prior:
        flags[flags.index(manager)] = replace(manager, floor=Urgency.URGENT)
    dependant = found.cue("dependant")
    written = dates.find(text, found.hits, received_at, zone, languages)
    return Cues(
        flags=tuple(flags),
        dates=tuple(one for one in written if one.kind != "term"),
        terms=tuple(one for one in written if one.kind == "term"),
        history=tuple(history),
        rules=tuple(_essential(found, flags, dependant)),
        thanks=found.cue("thanks"),
        chase=found.cue("chase"),
        not_fixed=found.cue("not_fixed"),
        new_matter=found.cue("new_matter"),
        needs_glance=glance,
        prior_answer=prior,
        prepurchase=found.cue("prepurchase"),
        outsider=found.cue("outsider"),
        no_action=found.cue("no_action"),
        misdirected=found.cue("misdirected"),
        dependant=dependant,
        words=own_words,
        languages=languages,
    )


_REPLY_PREFIXES = (
    "re:",
    "aw:",
    "sv:",
    "antw:",
    "antwort:",
    "rif:",
    "r:",
    "res:",
    "fwd:",
    "fw:",
    "wg:",
    "tr:",
    "rv:",
    "i:",
    "enc:",
)


def _joined(own: str, subject: str, attachments: Sequence[Attached], inner: str) -> str:
    """Subject, own words, forwarded words, names of attachments. The subject of an answer is an old one and is left out
    where the mail has words of its own."""
    old = subject.strip().lower().startswith(_REPLY_PREFIXES) and own.strip()
    names = ". ".join(one.name.replace("_", " ")[:120] for one in attachments[:20])
    parts = ("" if old else subject[:400], own, inner, names)
    return "\n\n".join(part for part in parts if part.strip())


class _Found:
    """The hits of one text by section, less what an idiom, a denial or a question before buying takes back."""

    def __init__(self, text: Text, languages: Sequence[str]) -> None:
        self.text = text
        self.hits: list[Hit] = []
        for language in languages:
            self.hits += lexicon.load(language).scan(text.sentences, text.words)
        self.by_section: dict[str, list[Hit]] = defaultdict(list)
        for hit in self.hits:
            self.by_section[hit.section].append(hit)

    def good(self, section: str) -> list[Hit]:
        """The hits of a section that stand."""
        hits = self.by_section.get(section, [])
        if not hits:
            return []
        idioms = self.by_section.get(f"{section} not", [])
        return [hit for hit in hits if not _touched(hit, idioms) and not self._denied(hit) and not self._idle(hit)]

    def _denied(self, hit: Hit) -> bool:
        if hit.section in _OWN_NEGATION or hit.section not in _DENIABLE:
            return False
        classes = lexicon.load(hit.language).classes
        negations, free, breaks = classes.get("neg", _NONE), classes.get("negfree", _NONE), classes.get("break", _NONE)
        words, sentence = self.text.words, self.text.sentences[hit.sentence]
        for at in range(hit.first - 1, max(sentence.first, hit.first - _NEGATION_REACH) - 1, -1):
            if words[at] in breaks:
                break
            if words[at] in negations and words[at + 1] not in free:
                return True
        after = hit.last + 1
        return hit.section in _AFTER_NEGATION and after < sentence.first + sentence.count and words[after] in _NOT_AFTER

    def _idle(self, hit: Hit) -> bool:
        """A question before buying, or an outsider's question, is about nothing that happened."""
        if hit.section in _NOT_FROM_OUTSIDE and self.by_section.get("outsider"):
            return True
        asked = hit.section in _NOT_BEFORE_BUYING and self.by_section.get("prepurchase")
        return bool(asked) and (hit.sentence == 0 or self.text.sentences[hit.sentence].question)

    def near(self, section: str, hits: Iterable[Hit]) -> bool:
        """Is the section found in a sentence of the hits, or next to one?"""
        places = {hit.sentence for hit in self.by_section.get(section, ())}
        return any({hit.sentence - 1, hit.sentence, hit.sentence + 1} & places for hit in hits)

    def followed(self, section: str, by: str) -> list[Hit]:
        """The first hit of `section` and the hit of `by` behind it, in its sentence or one of the next two."""
        later = self.good(by)
        for hit in self.good(section):
            for other in later:
                if other.first > hit.last and other.sentence - hit.sentence <= 2:
                    return [hit, other]
        return []

    def together(self, *sections: str) -> list[Hit]:
        """One hit of each section, at different words, none more than a sentence away from the first; [] if none."""
        first, *rest = [self.good(section) for section in sections] or [[]]
        for hit in first:
            chosen = [hit]
            for hits in rest:
                chosen += [one for one in hits if abs(one.sentence - hit.sentence) <= 1 and _apart(one, chosen)][:1]
            if len(chosen) == len(sections):
                return chosen
        return []

    def evidence(self, hits: Sequence[Hit]) -> tuple[str, ...]:
        quotes = (self.text.quote(hit.first, hit.last) for hit in sorted(hits, key=lambda one: one.first))
        return tuple(dict.fromkeys(quotes))[:MAX_EVIDENCE]

    def cue(self, section: str) -> Cue | None:
        hits = self.good(section)
        return Cue(section, self.evidence(hits), rule_of(hits[0])) if hits else None

    def flag(self, name: str, hits: Sequence[Hit], floor: Urgency | None, live: bool = True) -> Flag:
        return Flag(name, self.evidence(hits), live, floor, rule_of(hits[0]))


_NONE: frozenset[str] = frozenset()
_NOT_AFTER = frozenset({"nicht", "niet", "not", "pas", "nie"})
_DENIABLE = (frozenset(FLOORS) | {"press", "review_threat", "essential_off", "thanks"}) - {"press_social"}


def rule_of(hit: Hit) -> str:
    """How a wording is named in reasons: language, section, phrase."""
    return f"{hit.language} {hit.section}: {hit.source}"[:160]


def _touched(hit: Hit, idioms: Iterable[Hit]) -> bool:
    """Does an idiom overlap the wording, or stand right beside it?"""
    return any(
        one.sentence == hit.sentence and one.first <= hit.last + 1 and one.last >= hit.first - 1 for one in idioms
    )


def _apart(hit: Hit, others: Iterable[Hit]) -> bool:
    return all(hit.last < one.first or hit.first > one.last for one in others)


def _flags(found: _Found) -> Iterable[Flag]:
    for name, floor in FLOORS.items():
        hits = found.good(name) or found.together(*_TOGETHER.get(name, ()))
        if not hits:
            continue
        live = True
        if name in _PAST_LOWERS and found.near("past", hits) and not found.near("live", hits):
            live, floor = False, Urgency.URGENT
        yield found.flag(name, hits, floor, live)


def _press(found: _Found, flags: list[Flag]) -> list[Flag]:
    """The press is urgent; a threat to post or review carries the flag and no floor."""
    for section, floor in (("press", Urgency.URGENT), ("review_threat", None)):
        hits = [hit for hit in found.good(section) if not _touched(hit, found.by_section.get("press not", ()))]
        if hits:
            return [*flags, found.flag("press_social", hits, floor)]
    return flags


def _named_ground(found: _Found, flags: list[Flag]) -> list[Flag]:
    """A disability that is only named as the ground of discrimination is not a vulnerable customer beside it."""
    if not any(flag.name == "discrimination" for flag in flags):
        return flags
    grounds = found.by_section.get("identity", ())
    own = [hit for hit in found.good("vulnerable") if not _touched(hit, grounds)]
    return flags if own else [flag for flag in flags if flag.name != "vulnerable"]


def _despair(found: _Found, flags: list[Flag]) -> tuple[Cue | None, list[Flag]]:
    """A despair idiom ("makes me want to end it all lol") is for a person to look at; with hardship in the mail it is
    no idiom but the flag."""
    idioms = found.by_section.get("self_harm glance", [])
    serious = [hit for hit in found.good("self_harm") if not _touched(hit, idioms)]
    if not idioms or serious:
        return None, flags
    rest = [flag for flag in flags if flag.name != "self_harm"]
    if any(flag.name == "vulnerable" for flag in rest):
        return None, [found.flag("self_harm", idioms, FLOORS["self_harm"]), *rest]
    return Cue("self_harm", found.evidence(idioms), rule_of(idioms[0])), rest


def _essential(found: _Found, flags: Sequence[Flag], dependant: Cue | None) -> Iterable[Flag]:
    """Heat, water or power off: urgent; with a medically dependent or vulnerable person: critical."""
    hits = found.good("essential_off")
    if not hits or found.by_section.get("essential_back"):
        return
    needs = dependant or next((flag for flag in flags if flag.name == "vulnerable"), None)
    flag = found.flag("essential_off", hits, Urgency.CRITICAL if needs else Urgency.URGENT)
    yield replace(flag, evidence=(*flag.evidence, *(needs.evidence[:1] if needs else ())))


def _history(found: _Found) -> Iterable[Flag]:
    earlier, hits = _chases(found)
    if earlier:
        floor = Urgency.URGENT if earlier >= 2 else None
        yield found.flag(f"chased_{min(earlier, 3)}", hits, floor)
    for name in ("broken_promise", "repeat_failure", "reopened"):
        hits = found.good(name)
        if name == "repeat_failure":  # "I write for the third time" is a chase, not a third failure
            hits = [hit for hit in hits if not _touched(hit, found.by_section.get("chased_ordinal", ()))]
        if name == "broken_promise" and not hits:
            hits = found.followed("promise", "unkept")
        if hits:
            yield found.flag(name, hits, Urgency.URGENT)


def _chases(found: _Found) -> tuple[int, list[Hit]]:
    """How many earlier unanswered contacts the text states: "third email" is two, "wrote twice, no reply" is two."""
    ordinal, counted, silent = found.good("chased_ordinal"), found.good("chased_count"), found.good("no_reply")
    most = max((_number(found.text, hit) - 1 for hit in ordinal), default=0)
    if silent or found.good("chase"):
        most = max([most, *(_number(found.text, hit) for hit in counted)])
    if most:
        return most, [*ordinal, *counted]
    return (1, silent) if silent else (0, [])


def _number(text: Text, hit: Hit) -> int:
    return max((_TIMES.get(word, 1) for word in text.words[hit.first : hit.last + 1]), default=1)
