"""What the envelope says of a mail's matter: a regulator's or newsroom's address, a survey score, stars."""

from __future__ import annotations

import re
from dataclasses import dataclass

from triage.judge.cues import Flag
from triage.judge.sentences import fold, wordset
from triage.mail.address import Address
from triage.mail.body import Body
from triage.mail.message import Message
from triage.words import Urgency

#: parts of a domain that only regulators, ombudsmen and schemes use; "ombudsman-services.org" holds "ombudsman"
_REGULATORS = tuple(
    """
    ombudsman ombuds regulator tradingstandards adjudicat redress schlichtung schlichter verbraucherschutz
    aufsicht mediateur mediation-conso dgccrf consumo arbitraje defensor garante conciliazione geschillen
    klachteninstituut autoriteit provedor arbitragem consumerprotection consumeraffairs watchdog dataprotection
    datenschutz financial-conduct
    """.split()
)
_REGULATOR_DOMAINS = wordset(
    "ofcom.org.uk ofgem.gov.uk ico.org.uk fca.org.uk caa.co.uk cqc.org.uk cfpb.gov ftc.gov fcc.gov bbb.org "
    "cisas.org.uk cedr.com bafin.de bundesnetzagentur.de cnil.fr aepd.es agcom.it garanteprivacy.it afm.nl acm.nl "
    "kifid.nl anacom.pt cnpd.pt"
)
_NEWSROOM = wordset(
    "newsdesk newsroom news-desk newstips redaktion redaction redaccion redazione redactie redacao editor editorial"
)
_PRESS_DOMAINS = tuple(
    """
    herald gazette tribune newspaper zeitung tageblatt anzeiger kurier newsroom broadcast journalis telegraph
    periodico diario giornale gazzetta corriere dagblad courant jornal noticias lejournal presse -radio radio-
    fm-news
    """.split()
)
_MACHINE = re.compile(
    r"\b(?:no-?reply|do-?not-?reply|notifications?|alerts?|surveys?|reviews?|feedback|mailer|bewertung(?:en)?|avis|opinion(?:es|i)?)\b"
)
_SURVEY = re.compile(
    r"\b(?:survey|nps|csat|umfrage|befragung|enquete de satisfaction|sondage|encuesta|sondaggio|questionario"
    r"|tevredenheid|enquete|inquerito)"
)
_REVIEW = re.compile(
    r"\b(?:review|rezension|bewertung|avis client|nouvel avis|resena|valoracion|recensione|recensie|beoordeling"
    r"|avaliacao)"
)
_OUT_OF = re.compile(r"(?<![\d./])(\d{1,2})\s?(?:/|out of|von|sur|de|su|van)\s?(5|10)(?![\d/])")
_STARS = re.compile(r"(?<!\d)([1-5])[\s-]{0,2}(?:star|stern|etoile|estrella|stell|ster\b|sterren|estrela)")
_SIGNS = re.compile(r"[★⭐]{1,5}")
_ANSWERED = re.compile(r"\?[ \t]{0,3}(\d{1,2})[ \t]{0,3}$", re.MULTILINE)
_QUOTED = re.compile(r"[\"“„«]([^\"”“»\n]{3,2000})[\"”“»]")
_COMMENT = re.compile(
    r"^(?:comments?|kommentar|anmerkung|commentaire|comentario|commento|opmerking|toelichting|reason)[^:\n]{0,60}:"
    r"\s?(.{3,2000})$",
    re.MULTILINE,
)
_NOTHING = wordset("(none) none - n/a keine (keine) aucun (aucun) ninguno nessuno geen nenhum")
FROM_REGULATOR = "sender is a regulator"  # the rule of a flag that the address raises
_READ = 8_000


@dataclass(frozen=True, slots=True)
class Score:
    """A survey answer or a review: its share of the highest mark (0 to 1), and the customer's words, if any."""

    kind: str  # "survey" or "review"
    share: float
    written: str
    comment: str

    @property
    def negative(self) -> bool:
        """A mark of 6 of 10 or 3 of 5 and less. Seven and up of ten are no complaint by themselves."""
        return self.share <= 0.6


def flags(message: Message) -> tuple[Flag, ...]:
    """Flags that the addresses show: a regulator writes, a newsroom writes or is in copy (then it is public)."""
    found = []
    if _regulator(message.from_):
        found.append(Flag("regulator", (message.from_.email,), True, Urgency.URGENT, FROM_REGULATOR))
    if _newsroom(message.from_):
        found.append(Flag("press_social", (message.from_.email,), True, Urgency.URGENT, "sender is a newsroom"))
    copied = [one.email for one in message.cc[:20] if _newsroom(one)]
    if copied:
        found.append(Flag("press_social", tuple(copied), True, Urgency.URGENT, "newsroom in copy"))
        found.append(Flag("public", tuple(copied), True, None, "newsroom in copy"))
    return tuple(found)


def _regulator(address: Address) -> bool:
    domain = address.email.rpartition("@")[2].lower()
    return any(domain == one or domain.endswith("." + one) for one in _REGULATOR_DOMAINS) or any(
        part in domain for part in _REGULATORS
    )


def _newsroom(address: Address) -> bool:
    local, _, domain = address.email.lower().rpartition("@")
    return local in _NEWSROOM or any(part in domain for part in _PRESS_DOMAINS)


def machine_made(message: Message) -> bool:
    """Did a program write this: Auto-Submitted, or a sender such as no-reply@ or surveys@?"""
    automatic = (message.header("Auto-Submitted") or "no").strip().lower()
    return not automatic.startswith("no") or _MACHINE.search(fold(message.from_.email[:200])) is not None


def score(message: Message, body: Body) -> Score | None:
    """The survey answer or review that this machine-made mail brings, or None."""
    if not machine_made(message):
        return None
    text = fold(body.own[:_READ] or message.text[:_READ])
    head = fold(f"{message.subject[:300]} {message.from_.name[:100]} {message.from_.email[:200]}")
    surveyed = _SURVEY.search(head) is not None or any(
        name.lower().startswith("x-survey") for name, _ in message.headers
    )
    kind = "survey" if surveyed else "review" if _REVIEW.search(head) else ""
    if not kind:
        return None
    marks = _marks(head) or _marks(text)
    if marks is None:
        return None
    return Score(kind, marks[0], marks[1], _comment(body.own[:_READ] or message.text[:_READ]))


def _marks(text: str) -> tuple[float, str] | None:
    found = _OUT_OF.search(text)
    if found and int(found[1]) <= int(found[2]):
        return int(found[1]) / int(found[2]), found[0]
    found = _STARS.search(text)
    if found:
        return int(found[1]) / 5, found[0]
    found = _SIGNS.search(text)
    if found:
        return len(found[0]) / 5, found[0]
    found = _ANSWERED.search(text)
    if found and int(found[1]) <= 10:
        return int(found[1]) / 10, found[0].strip("? \t")
    return None


def _comment(text: str) -> str:
    candidates = [one.strip() for one in _QUOTED.findall(text)]
    candidates += [found[1].strip() for found in _COMMENT.finditer(fold(text))]
    said = [one for one in candidates if one.lower() not in _NOTHING and len(one.split()) >= 2]
    return max(said, key=len, default="")
