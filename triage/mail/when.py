"""The dates that clients write above a forwarded mail: "Wed, 20 May 2026 at 08:31", "mercredi 20 mai 2026 à 08:31"."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from triage.mail.phrases import folded

#: the twelve months in the seven languages, without accents; a written word may be a beginning of three letters
_MONTHS = (
    "january januar janvier enero gennaio januari janeiro",
    "february februar fevrier febrero febbraio februari fevereiro",
    "march marz maerz mrz mars marzo maart mrt marco",
    "april avril abril aprile",
    "may mai mayo maggio mei maio",
    "june juni juin junio giugno junho",
    "july juli juillet julio luglio julho",
    "august aout agosto augustus",
    "september septembre septiembre setiembre settembre setembro",
    "october oktober octobre octubre ottobre outubro",
    "november novembre noviembre novembro",
    "december dezember decembre diciembre dicembre dezembro",
)
_BY_WORD = {word[:n]: i + 1 for i, row in enumerate(_MONTHS) for word in row.split() for n in range(3, len(word) + 1)}
for _ambiguous in ("jui",):  # juin or juillet
    _BY_WORD.pop(_ambiguous, None)

_ISO = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})(?:T(?=\d)|\b)", re.IGNORECASE)
_NUMERIC = re.compile(r"\b(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d{2})\b")
_YEAR = re.compile(r"\b(?:19|20)\d{2}\b")
_TIME = re.compile(r"\b(\d{1,2})(?:[:h]|\.(?=\d{2}(?:\s|$)))(\d{2})(?::(\d{2}))?\s{0,2}([ap]\.?\s?m\b)?", re.IGNORECASE)
_HOUR = re.compile(r"\b(\d{1,2})\s{0,1}([ap]\.?m\b)", re.IGNORECASE)
_OFFSET = re.compile(r"(?:\b(?:gmt|utc)|[ (])\s?([+-])(\d{1,2}):?(\d{2})?\b", re.IGNORECASE)
_UTC = re.compile(r"\b(?:GMT|UTC)\b(?!\s?[+-])|\dZ\b")
_WORD = re.compile(r"[^\W\d_]{3,12}")
_DAY = re.compile(r"\b(\d{1,2})(?:st|nd|rd|th|er|º|\.)?\b")


def read(written: str, zone: tzinfo = UTC, not_after: datetime | None = None) -> datetime | None:
    """The moment as aware UTC, or None. Without an offset of its own it is read in `zone`, the forwarder's.

    "03/04/2026" is day first, unless the clock is written with am/pm, or that would lie after `not_after`.
    """
    text = " ".join(written[:200].split())
    plain = folded(text)
    day_less = _NUMERIC.sub(" ", _ISO.sub(" ", plain))  # "20.05.26" holds no time of day
    time = _TIME.search(day_less) or _HOUR.search(day_less)
    own_zone = _zone(text)
    for year, month, day in _days(plain, american=bool(time and time[time.re.groups])):
        try:
            local = datetime(year, month, day, *_clock(time), tzinfo=own_zone or zone)
            moment = local.astimezone(UTC)
        except (ValueError, OverflowError):
            continue
        if not_after is None or moment <= not_after + timedelta(days=1):
            return moment
    return None


def _clock(time: re.Match[str] | None) -> tuple[int, int]:
    if time is None:
        return 12, 0  # a day without a time: its middle
    hour, minute = int(time[1]), int(time[2]) if time.re is _TIME else 0
    half = (time[time.re.groups] or "").lower()[:1]
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return hour, minute


def _zone(text: str) -> tzinfo | None:
    offset = _OFFSET.search(text)
    if offset:
        minutes = int(offset[2]) * 60 + int(offset[3] or 0)
        if minutes <= 14 * 60:
            return timezone(timedelta(minutes=minutes if offset[1] == "+" else -minutes))
    return UTC if _UTC.search(text) else None


def _days(plain: str, *, american: bool) -> list[tuple[int, int, int]]:
    """Possible (year, month, day), the likeliest first."""
    if iso := _ISO.search(plain):
        return [(int(iso[1]), int(iso[2]), int(iso[3]))]
    if numeric := _NUMERIC.search(plain):
        one, two, year = int(numeric[1]), int(numeric[2]), int(numeric[3])
        year += 2000 if year < 100 else 0
        pair = [(year, two, one), (year, one, two)]
        return pair[::-1] if american else pair
    months = [(m, _BY_WORD[m[0]]) for m in _WORD.finditer(plain) if m[0] in _BY_WORD]
    year_found = _YEAR.search(plain)
    if not months or not year_found:
        return []
    word, month = months[-1]  # "mar. 26 mai": the first is a Tuesday
    before = _DAY.findall(plain[max(0, word.start() - 8) : word.start()])
    after = _DAY.findall(plain[word.end() : word.end() + 6])
    return [(int(year_found[0]), month, int(d)) for d in (*before[-1:], *after[:1]) if 0 < int(d) < 32]
