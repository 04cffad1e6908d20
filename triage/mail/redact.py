"""Text -> text without personal data, for everything that leaves the desk: digests, reports, logs, training exports.

What is found: payment cards (Luhn), IBANs (mod 97), e-mail addresses, telephone and other long numbers, national
ids that have a checkable form or a word in front, passwords and codes behind a word that announces them, streets and
postcodes of the supported countries. What is not found: names, places without a street or postcode, and anything
written out in words. Order numbers stay readable, because a digest without them is of no use.

Every pattern is bounded, so the time is linear in the text. Redacting twice gives the same as once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from triage.mail.phrases import small

_EMAIL = re.compile(r"[\w.+'%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ \u00a0-]?[A-Z0-9]){11,30}", re.IGNORECASE)
_CARD = re.compile(r"(?<![\d.,-])\d(?:[ \u00a0.-]?\d){11,18}(?!\d)")

#: dates, times, case and order numbers are no telephone numbers: found first and kept
_KEEP = (
    r"\b(?:19|20)\d\d-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?\b|\b\d{1,2}[./]\d{1,2}[./](?:19|20)?\d\d\b|"
    r"\bC-\d{4}-\d{3,9}\b|[#A-Za-z]-?\d{3,12}\b|\b\d{1,2}:\d\d(?::\d\d)?\b"
)
_DIGIT = re.compile(r"\d")
_LEAST = 6  # digits in the shortest national id, card or telephone number
_NUMBERS = re.compile(
    rf"(?P<keep>{_KEEP})|(?P<number>(?<![\w.,])(?:\+|\(\+?)?\d(?:[ \u00a0./()-]{{0,2}}\d){{5,16}}(?!\w))"
)
_BEFORE_PHONE = re.compile(
    r"\b(?:tel|telefon\w{0,6}|téléphone|tél|phone|mobile?|handy|cell|fax|ring|call|anruf\w{0,4}|número|whatsapp|gsm)\b"
    r"\W{0,4}(?:(?:me|us|number|no|nr|on|at|is|unter|au|al)\b\W{0,3}){0,3}$",
    re.IGNORECASE,
)

_IS = r"number|no|nr|nummer|numéro|número|numero|is|lautet|ist|es|est|è|é"
_ID_WORDS = (
    r"bsn|burgerservicenummer|nif|contribuinte|steuer-?id\w{0,20}|sozialversicherungs\w{0,10}|nhs|passport|passeport|"
    r"reisepass\w{0,8}|pasaporte|passaporto|paspoort|passaporte|personalausweis\w{0,8}|driving licen[cs]e|"
    r"national insurance|codice fiscale|dni|nie"
)
#: for a text that `small` has made: a quick look whether the pattern below may find anything (issue 8)
_ID_CUE = re.compile(_ID_WORDS)
_CUED_ID = re.compile(
    rf"\b(?P<cue>{_ID_WORDS})\b(?P<gap>[^\w\n]{{0,4}}(?:(?:{_IS})\b[^\w\n]{{0,3}}){{0,3}})"
    r"(?P<value>[A-Z]{0,3}\d[A-Z0-9](?:[ .-]?[A-Z0-9]){3,14}\b)",
    re.IGNORECASE,
)

_SECRET_WORDS = (
    r"passwords?|passwort|kennwort|passcode|passphrase|pin(?:-?code)?|mot de passe|code secret|contraseña|clave|"
    r"wachtwoord|pincode|senha|palavra-?passe|parola d['’]ordine|cvv2?|cvc2?|security code|prüfziffer|otp|tan|"
    r"one[- ]time (?:code|password)|verification code|bestätigungscode|login code"
)
_SECRET_CUE = re.compile(_SECRET_WORDS)
_SECRET = re.compile(
    rf"\b(?P<cue>{_SECRET_WORDS})\b"
    r"(?P<gap>(?:[ \t]+(?!(?:is|ist|est|es|was|war|lautet)\b)[^\W\d_]{1,15}){0,3}?[ \t]{0,3}"
    r"(?:(?P<sign>[:=])|\b(?:is|ist|est|es|è|was|war|lautet|era|é)\b)[ \t]{0,3}[\"'„“«]?)"
    r"(?P<value>[^\s\"'”“»\[]{3,64})",
    re.IGNORECASE,
)
#: "my password is not accepted": words, no secrets
_PLAIN_WORDS = (
    "not no wrong incorrect invalid right correct being never always still now expired blocked rejected refused locked "
    "okay fine too the that this what also required needed missing nicht falsch ungültig abgelaufen gesperrt kein "
    "richtig pas faux invalide expiré bloqué incorrecta incorrecto inválida caducada bloqueada sbagliata errata "
    "scaduta bloccata niet verkeerd ongeldig verlopen errada inválido incorreta expirada"
)
_NO_SECRET = frozenset(_PLAIN_WORDS.split())

_ENGLISH_WAYS = (
    r"Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Close|Court|Ct|Place|Pl|Terrace|Way|Gardens|Crescent|Square|Mews|"
    r"Grove|Hill|Row|Park|Boulevard|Blvd"
)
_GERMAN_WAYS = r"straße|strasse|str\.|weg|platz|allee|gasse|ring|damm|ufer|straat|laan|plein|gracht|kade"
_FRENCH_WAYS = r"rue|avenue|av\.|boulevard|bd|place|chemin|impasse|allée|quai|route"
_SOUTHERN_WAYS = r"Calle|C/|Avenida|Avda\.?|Plaza|Paseo|Via|Viale|Piazza|Corso|Rua|Travessa|Praça|Largo"
_STREET = re.compile(
    rf"\b\d{{1,5}}[a-z]?,?[ ](?:[A-Z][\w'’.-]{{1,24}}[ ]){{1,4}}(?:{_ENGLISH_WAYS})\b\.?"
    rf"|\b[A-ZÄÖÜ][\w.-]{{2,30}}(?:{_GERMAN_WAYS})[ ]\d{{1,4}}[ ]?[a-z]?\b"
    rf"|\b\d{{1,4}}(?:[ ]?(?:bis|ter))?,?[ ](?:{_FRENCH_WAYS})[ ](?:(?:de|du|des|la|le|les)[ ]|d['’]|l['’]){{0,2}}"
    r"[\w'’-]{1,24}(?:[ ][A-ZÉ][\w'’-]{1,24}){0,3}"
    rf"|\b(?:{_SOUTHERN_WAYS})[ ](?:[\w'’.-]{{1,24}}[ ]){{1,5}}?(?:n\.?º?[ ]?)?\d{{1,4}}\b"
)
_POSTCODE = re.compile(
    r"\b[A-PR-UWYZ][A-HK-Y]?\d[A-Z\d]? ?\d[ABD-HJLNP-UW-Z]{2}\b"  # UK
    r"|\b\d{4} ?[A-Z]{2}\b(?=,?[ ][A-Z][a-z])"  # Netherlands
    r"|\b(?:D-|F-|E-|I-)?\d{5}\b(?=[ ][A-ZÄÖÜ][a-zäöüßéèê]{2})"  # Germany, France, Spain, Italy
    r"|\b\d{4}-\d{3}\b(?=[ ][A-Z])"  # Portugal
)


@lru_cache(maxsize=1024)  # a card says subject and words several times, and the cards of a day give few reasons
def text(plain: str) -> str:
    """`plain` with every find replaced by its kind in brackets: [card], [iban], [email], [phone] ..."""
    out = _EMAIL.sub("[email]", plain) if "@" in plain else plain
    out = _SECRET.sub(_secret, out) if _SECRET_CUE.search(small(out)) else out
    digits = len(_DIGIT.findall(out))
    if not digits:
        return out  # nothing below is found without a digit
    out = _IBAN.sub(_iban, out)
    if _ID_CUE.search(small(out)):
        out = _CUED_ID.sub(lambda m: f"{m['cue']}{m['gap']}[id]", out)
    if digits >= _LEAST:
        for pattern, holds in _NATIONAL:
            out = _replaced(pattern, holds, "[id]", out)
        out = _replaced(_CARD, lambda written: _luhn(_digits(written)), "[card]", out)
        out = _NUMBERS.sub(_number, out)
    out = _STREET.sub("[address]", out)
    return _POSTCODE.sub("[postcode]", out)


def _replaced(pattern: re.Pattern[str], holds: Callable[[str], bool], by: str, plain: str) -> str:
    return pattern.sub(lambda m: by if holds(m[0]) else m[0], plain)


def _digits(written: str) -> str:
    return "".join(c for c in written if c.isdigit())


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B; cards have 12 to 19 digits, and not all the same."""
    doubled = sum(sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])
    return 12 <= len(digits) <= 19 and len(set(digits)) > 1 and (doubled + sum(map(int, digits[-1::-2]))) % 10 == 0


def _iban(found: re.Match[str]) -> str:
    """The longest beginning of the find whose check digits hold (ISO 13616): a word may follow the number."""
    written = found[0]
    for end in range(len(written), 14, -1):
        plain = re.sub(r"[\s-]", "", written[:end]).upper()
        if 15 <= len(plain) <= 34 and written[end - 1].isalnum() and _mod97(plain[4:] + plain[:4]) == 1:
            return "[iban]" + written[end:]
    return written


def _mod97(plain: str) -> int:
    return int("".join(str(int(c, 36)) for c in plain)) % 97


def _dni(written: str) -> bool:
    """Spanish DNI and NIE: the last letter is the number modulo 23."""
    plain = re.sub(r"[ -]", "", written.upper())
    number = plain[:-1].translate(str.maketrans("XYZ", "012"))
    return len(number) == 8 and number.isdigit() and "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == plain[-1]


def _nir(written: str) -> bool:
    """French NIR: 13 digits and a key of two, 97 less the number modulo 97."""
    digits = _digits(written)
    return len(digits) == 15 and 97 - int(digits[:13]) % 97 == int(digits[13:])


_NATIONAL: tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...] = (
    # UK national insurance, US social security, Italian codice fiscale: the form is enough
    (re.compile(r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: ?\d\d){3} ?[A-D]\b", re.IGNORECASE), lambda _: True),
    (re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])"), lambda _: True),
    (re.compile(r"\b[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b", re.IGNORECASE), lambda _: True),
    (re.compile(r"\b(?:[XYZ]-?\d{7}|\d{8})[ -]?[A-HJ-NP-TV-Z]\b", re.IGNORECASE), _dni),
    (re.compile(r"(?<!\d)[12](?: ?\d){14}(?!\d)"), _nir),
)


def _secret(found: re.Match[str]) -> str:
    value = found["value"].strip(".,;!?)")
    if not found["sign"] and value.lower() in _NO_SECRET:
        return found[0]
    return f"{found['cue']}{found['gap']}[secret]"


def _number(found: re.Match[str]) -> str:
    """A telephone number by its form (+, leading 0, groups) or its word; ten digits in a row are somebody's number."""
    written = found["number"]
    if written is None:
        return found[0]
    digits = _digits(written)
    groups = len(re.findall(r"\d+", written))
    before = found.string[max(0, found.start() - 40) : found.start()]
    phone = len(digits) >= 7 and (written[0] in "+(" or digits[0] == "0" or (groups >= 3 and len(digits) >= 9))
    if phone or _BEFORE_PHONE.search(before):
        return "[phone]"
    return "[number]" if len(digits) >= 10 else written
