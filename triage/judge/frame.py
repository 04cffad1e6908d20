"""Greeting, sign-off and the names beside them: the frame of a letter, which says who writes to whom and nothing of
the matter."""

from __future__ import annotations

import re

_LAST_LINES = 9  # a sign-off stands in the last lines
_SIGN_OFF_WORDS = 8  # a longer line only begins like one
_POINT = 6  # words after which a line below the sign-off is no signature but the point of the mail

_HELLO = (
    "dear|hi|hello|hey|hiya|good (?:morning|afternoon|evening|day)|to whom it may concern"
    "|sehr geehrte[rn]?|hallo|guten (?:tag|morgen|abend)|moin|liebe[rs]?"
    "|bonjour|bonsoir|ch[eè]re?s?|madame|monsieur"
    "|hola|buen[oa]s (?:d[ií]as|tardes|noches)|estimad[oa]s?"
    "|buongiorno|buonasera|salve|gentile|gentili|spett(?:abile|[.]le)"
    "|beste|geachte|goedemorgen|goedemiddag|dag"
    "|bom dia|boa (?:tarde|noite)|car[oa]s?|exm[oa]s?|ol[aá]"
)
_BYE = (
    "(?:kind|best|warm|many)?\\s?regards|best wishes|best$|all the best|yours\\b.{0,14}|sincerely|respectfully"
    "|many thanks|thanks(?: in advance)?|thank you|cheers"
    "|mit (?:freundlichen|besten) gr[uü](?:ß|ss)en|(?:viele|beste|liebe|freundliche) gr[uü](?:ß|ss)e|gru(?:ß|ss)"
    "|sch[oö]nen gru(?:ß|ss)|mfg|vg|lg|hochachtungsvoll"
    "|cordialement|bien [aà] vous|salutations|sinc[eè]res salutations"
    "|un saludo|saludos|atentamente|cordiali saluti|distinti saluti|saluti"
    "|met vriendelijke groet(?:en)?|groet(?:en|jes)?|mvg"
    "|atenciosamente|cumprimentos|com os melhores cumprimentos"
    "|sent from my .{0,30}|von meinem .{0,30}|envoy[eé] de mon .{0,30}"
)
_GREETING = re.compile(rf"^\s*(?:{_HELLO})\b[^,.!?:;\n]{{0,50}}(?:[,.!:]|$)", re.IGNORECASE)
_SIGN_OFF = re.compile(rf"^\s*(?:{_BYE})\b[,.!]?", re.IGNORECASE)


def without(text: str) -> str:
    """The text without its frame. A long line or a postscript after the sign-off stays: it may be the point of the
    mail."""
    lines = text.strip().split("\n")
    lines[0] = _GREETING.sub("", lines[0])
    for i in range(max(1, len(lines) - _LAST_LINES), len(lines)):
        closing = _SIGN_OFF.match(lines[i])
        if closing and len(lines[i].split()) <= _SIGN_OFF_WORDS:
            kept = [line for line in lines[i + 1 :] if len(line.split()) > _POINT or line.lstrip()[:2].upper() == "PS"]
            return "\n".join([*lines[:i], closing.group(), *kept])
    last = lines[-1].split()
    name = 0 < len(last) <= 4 and all(word[0].isupper() for word in last) and lines[-1].rstrip()[-1] not in ".!?"
    if len(lines) > 1 and name:
        lines.pop()
    return "\n".join(lines)
