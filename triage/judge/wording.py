"""Own words of a mail -> plain tokens for the classifier: no names, no addresses, no numbers, no sex, no formality.

A person's name, title or spelling must not change how soon they are helped (the gate of `triage.learn.gate` tests it), and an
order number teaches nothing. What is masked becomes a word such as `maskmoney`, so that "a sum of money" can still be learnt.
"""

from __future__ import annotations

import re
from functools import lru_cache

from triage.judge.concepts import lexicon, plain

LONGEST = 20_000  # characters read of one mail: what a customer wants stands before that

_ADDRESS = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w.-]{1,255}")
_LINK = re.compile(r"(?:https?://|\bwww\.)\S{1,2000}", re.IGNORECASE)
_CURRENCY = r"(?:€|£|\$|(?:eur|euros?|gbp|usd|pounds?|quid|pence|dollars?|reais|chf)\b)"
_HAS_CODE = re.compile(r"[A-Za-z][-/]?\d")
_CODE = re.compile(r"(?<![\w/-])[A-Za-z]{1,8}[-/]?\d[\w/-]{0,40}")
_DIGITS = re.compile(
    r"(?P<maskpercent>\d[\d.,]{0,9}\s?%)"
    rf"|(?P<maskmoney>[€£$]\s?\d[\d.,]{{0,14}}|\d[\d.,]{{0,14}}\s?{_CURRENCY})"
    r"|(?P<maskdate>\d{1,4}[./-]\d{1,2}(?:[./-]\d{2,4})?(?![\w/-])|\d{1,2}(?:st|nd|rd|th)\b)"
    r"|(?P<masktime>\d{1,2}[:h]\d{2}(?!\w)|\d{1,2}\s?(?:am|pm|uhr)\b)"
    r"|(?P<maskcode>\d[\w/-]{4,40})"
    r"|(?P<masknumber>\d+)",
    re.IGNORECASE,
)
_PREFIX = re.compile(r"^(?:\s{0,4}(?:re|fwd?|aw|wg|tr|rv|r|antw|res|enc|sv)\s{0,2}:\s{0,4}){1,6}", re.IGNORECASE)
_GREETING = re.compile(
    r"^\s*(?:dear|hi|hello|hey|hiya|good (?:morning|afternoon|evening|day)|to whom it may concern|sehr geehrte[rn]?|hallo|guten (?:tag|morgen|abend)"
    r"|moin|liebe[rs]?|bonjour|bonsoir|ch[eè]re?s?|madame|monsieur|hola|buen[oa]s (?:d[ií]as|tardes|noches)|estimad[oa]s?|buongiorno|buonasera|salve"
    r"|gentile|gentili|spett(?:abile|\.le)|beste|geachte|goedemorgen|goedemiddag|dag|bom dia|boa (?:tarde|noite)|car[oa]s?|exm[oa]s?\.?|ol[aá])\b"
    r"(?:[^,.!?:;\n]{0,50}[,.!:]|[^,.!?:;\n]{0,50}$)",
    re.IGNORECASE,
)
_SIGN_OFF = re.compile(
    r"^\s*(?:(?:kind|best|warm|many)?\s?regards|best wishes|best$|all the best|yours\b.{0,14}|sincerely|many thanks|thanks(?: in advance)?|thank you|cheers|respectfully"
    r"|mit (?:freundlichen|besten) gr[uü](?:ß|ss)en|(?:viele|beste|liebe|freundliche) gr[uü](?:ß|ss)e|gru(?:ß|ss)|mfg|vg|lg|hochachtungsvoll"
    r"|cordialement|bien [aà] vous|salutations|sinc[eè]res salutations|un saludo|saludos|atentamente|cordiali saluti|distinti saluti|saluti"
    r"|met vriendelijke groet(?:en)?|groet(?:en|jes)?|mvg|atenciosamente|cumprimentos|com os melhores cumprimentos|sent from my .{0,30}|von meinem .{0,30}|envoy[eé] de mon .{0,30})"
    r"\b[,.!]?",
    re.IGNORECASE,
)
_TITLES = frozenset(
    ["Mr", "Mrs", "Ms", "Miss", "Mx", "Dr", "Prof", "Herr", "Herrn", "Frau", "Mme", "Mlle", "Monsieur", "Madame", "Sr", "Sra", "Srta", "Señor", "Señora", "Doña", "Sig", "Signor", "Signora", "Dott", "Dhr", "Mevr", "Mevrouw", "Meneer", "Senhor", "Senhora", "Dona"]
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|[.!?\n]")
_SHORT_NOT = {
    "cant": ("can", "not"), "dont": ("do", "not"), "didnt": ("did", "not"), "doesnt": ("does", "not"), "isnt": ("is", "not"), "wasnt": ("was", "not"),
    "wont": ("will", "not"), "havent": ("have", "not"), "hasnt": ("has", "not"), "couldnt": ("could", "not"), "wouldnt": ("would", "not"),
    "arent": ("are", "not"), "cannot": ("can", "not"), "u": ("you",), "ur": ("your",), "pls": ("please",), "plz": ("please",), "thx": ("thanks",),
}  # fmt: skip
_TAILS: dict[str, tuple[str, ...]] = {"s": (), "d": (), "m": (), "ve": ("have",), "re": ("are",), "ll": ("will",)}
_ELIDED = frozenset(["qu", "dell", "nell", "all", "dall", "sull", "un", "quest"])  # l', d', j', c' are short enough to be known by that
_PERSON = frozenset(["he", "she", "him", "her", "his", "hers", "himself", "herself", "il", "elle", "el", "ella", "lui", "hij", "ele", "ela", "dele", "dela"])
_YOU = frozenset(
    ["you", "your", "yours", "ye", "du", "dich", "dir", "dein", "deine", "deinen", "deinem", "deiner", "sie", "ihnen", "ihr", "ihre", "ihren", "ihrem", "ihrer", "euch", "euer", "eure", "tu", "te", "toi", "ton", "ta", "tes", "vous", "votre", "vos", "usted", "ustedes", "vosotros", "vuestro", "vuestra", "tuyo", "voi", "vostro", "vostra", "vostri", "je", "jij", "jou", "jouw", "u", "uw", "jullie", "voce", "voces", "vosso", "vossa"]
)


def words(subject: str, text: str, language: str) -> list[str]:
    """The plain words of subject and own text, masked; at most `LONGEST` characters are read. Time is linear."""
    return read(subject, text, language)[0]


def read(subject: str, text: str, language: str) -> tuple[list[str], list[str]]:
    """(plain words, sentences): the sentences in their own spelling without names, numbers and addresses."""
    body = _without_frame(text[:LONGEST])
    both = _PREFIX.sub("", subject[:300]) + "\n" + body
    both = _masked(both)
    known = lexicon(language)
    names = language != "de"  # where a capital inside a sentence makes a name; in German every noun has one
    found: list[str] = []
    said: list[str] = []
    sentences: list[str] = []
    starts, titled = True, False
    for raw in _WORD.findall(both):
        if raw in ".!?\n":
            starts = starts or not titled  # "Mr. Ogden" is no end of a sentence
            if not titled and len(said) > 1:
                sentences.append(" ".join(said))
                said = []
            continue
        capital = raw[0].isupper()
        if capital and raw in _TITLES:
            titled = True
            continue
        if capital and (titled or (names and not starts and _name_like(raw) and not known.knows(plain(raw)))):
            if not found or found[-1] != "maskname":
                found.append("maskname")
        else:
            found.extend(_split(raw))
            titled = False
            if not raw.startswith("mask"):
                said.append(raw)
        starts = False
    if said:
        sentences.append(" ".join(said))
    return found, sentences


def _masked(text: str) -> str:
    if "@" in text:
        text = _ADDRESS.sub(" maskaddress ", text)
    if "//" in text or "www." in text.lower():
        text = _LINK.sub(" masklink ", text)
    if _HAS_CODE.search(text):
        text = _CODE.sub(" maskcode ", text)
    return _DIGITS.sub(lambda m: f" {m.lastgroup} ", text)


def _name_like(word: str) -> bool:
    return len(word) > 1 and word[1] not in "'’" and not word.isupper()


@lru_cache(maxsize=50_000)
def _split(raw: str) -> tuple[str, ...]:
    """Contractions apart ("didn't" -> did not, "n'ai" -> ne ai), pronouns without sex, address without formality."""
    word = plain(raw).replace("’", "'")
    if "'" in word:
        if word.endswith("n't"):
            stem = {"ca": "can", "wo": "will", "sha": "shall"}.get(word[:-3], word[:-3])
            return (stem, "not")
        head, _, tail = word.partition("'")
        tail = tail.replace("'", "")
        if tail in _TAILS:
            return (_fold(head), *_TAILS[tail])
        if head == "n":
            return ("ne", _fold(tail))
        if len(head) <= 2 or head in _ELIDED:
            return (_fold(tail),)
        return (_fold(head), _fold(tail))
    return _SHORT_NOT.get(word) or (_fold(word),)


def _fold(word: str) -> str:
    if word in _PERSON:
        return "person"
    return "you" if word in _YOU else word


def _without_frame(text: str) -> str:
    """Greeting, sign-off and the names after it off. A long line after the sign-off stays: it may be the point of the mail."""
    lines = text.strip().split("\n")
    lines[0] = _GREETING.sub("", lines[0])
    first = max(1, len(lines) - 9)
    for i in range(first, len(lines)):
        if _SIGN_OFF.match(lines[i]) and len(lines[i].split()) <= 8:
            kept = [line for line in lines[i + 1 :] if len(line.split()) > 6 or line.lstrip()[:2].upper() == "PS"]
            closing = _SIGN_OFF.match(lines[i])
            return "\n".join([*lines[:i], closing.group() if closing else "", *kept])
    last = lines[-1].split()
    if len(lines) > 1 and 0 < len(last) <= 4 and all(w[0].isupper() for w in last) and lines[-1].strip()[-1] not in ".!?":
        lines.pop()
    return "\n".join(lines)
