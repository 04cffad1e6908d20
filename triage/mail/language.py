"""Which language a text is in: ISO 639-1, or "und" when there is too little of it to tell.

py3langid knows about a hundred languages and names one for any scrap, "af" for an empty one. Complaint mail comes in
a few languages, so among short texts a supported language that is nearly as likely wins over an unsupported one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

#: the languages whose cues and models the desk has
SUPPORTED = frozenset({"en", "de", "fr", "es", "it", "nl", "pt"})
UNKNOWN = "und"

_READ = 800  # characters; the answer does not change with more
_LEAST_LETTERS = 12
_NOISE = re.compile(r"https?://\S{1,500}|\S{1,100}@\S{1,200}|[\d_#*=|<>/\\+-]{1,200}")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
#: words of one of the languages and of no other among them; they decide where statistics have too little to go on
_MARKERS = {
    "en": "the and is not my you was are have with this your what please when from been would still has it's don't",
    "de": "der das und ist nicht ich sie mir mein meine noch bitte wann eine einen wir auf für mit seit wurde danke",
    "fr": "le les et est pas je vous mon ma mes une des que depuis bonjour merci encore avec pour quand j'ai c'est",
    "es": "el los y es no mi una que por para desde hola gracias cuándo cuando todavía pero muy está han llegado",
    "it": "il gli è non mio mia una che per ancora grazie buongiorno quando sono ho della del perché questo molto",
    "nl": "het een en niet ik mijn van is dat nog graag bedankt wanneer met voor heb wij jullie geen maar ook",
    "pt": "o os e não meu minha uma que para ainda obrigado obrigada quando com desde você está meus olá mas muito",
}
#: six marker words of these settle it without the model; Spanish, Italian and Portuguese have near relatives
_DISTINCT = frozenset({"en", "de", "fr", "nl"})
_BY_WORD: dict[str, list[str]] = {}
for _code, _words in _MARKERS.items():
    for _one in _words.split():
        _BY_WORD.setdefault(_one, []).append(_code)


@cache
def _ranker() -> Callable[[str], list[tuple[str, float]]]:
    """Loads numpy and the model on first use: half a second that a command which reads no mail does not pay."""
    import py3langid

    rank: Callable[[str], list[tuple[str, float]]] = py3langid.rank
    return rank


def of(text: str) -> str:
    """The language of `text`: two letters, or "und"."""
    plain = " ".join(_NOISE.sub(" ", text[: 2 * _READ]).split())[:_READ]
    words = [w.lower().replace("’", "'") for w in _WORD.findall(plain)]
    letters = sum(map(len, words))
    marked = _marked(words)
    if letters < _LEAST_LETTERS or len(words) < 3:
        return marked if marked and letters >= 4 else UNKNOWN
    if marked in _DISTINCT and len({w for w in words if marked in _BY_WORD.get(w, ())}) >= 6:
        return marked
    ranked = _ranker()(plain)
    best, score = ranked[0]
    if letters < 40 and marked is None and score - ranked[1][1] < 2.0:
        return UNKNOWN  # "siehe Anhang": three words that fit several languages
    if best in SUPPORTED and (marked is None or letters > 60):
        return best
    known, known_score = next((code, s) for code, s in ranked if code in SUPPORTED)
    if marked is not None and (known == marked or letters <= 60):
        known, known_score = marked, next(s for code, s in ranked if code == marked)
    # Nats by which an unsupported language must lead: much for a line, little against a page.
    lead = 6.0 if letters < 40 else 10.0
    if score - known_score <= lead or (marked == known and letters < 200 and score - known_score < 25):
        return known
    return best if len(best) == 2 else UNKNOWN


def _marked(words: list[str]) -> str | None:
    """The supported language with clearly the most marker words, if any."""
    count: dict[str, int] = {}
    for word in words[:200]:
        for code in _BY_WORD.get(word, ()):
            count[code] = count.get(code, 0) + 1
    ranked = sorted(count.items(), key=lambda item: -item[1])
    if not ranked or (len(ranked) > 1 and ranked[0][1] < 2 * ranked[1][1]):
        return None
    return ranked[0][0]
