"""Written numbers: "17:30", "5 pm", "20th", "three". Pure, a word at a time."""

from __future__ import annotations

from datetime import time

from triage.judge import calendar_words

_ORDINAL_ENDS = ("st", "nd", "rd", "th", "er", "ste", "de", "e", "o", "a")
_VAGUE = frozenset("few paar couple".split())  # "in the next few days" is no number of days
_HOUR_SIGNS = ":.h"


def ordinal(word: str) -> tuple[int | None, bool]:
    """(day of a month, was it written as an ordinal)."""
    for end in _ORDINAL_ENDS:
        if word.endswith(end) and word[: -len(end)].isdecimal() and len(word) <= 5:
            number = int(word[: -len(end)])
            return (number, True) if 1 <= number <= 31 else (None, False)
    if word.isdecimal() and len(word) <= 2 and 1 <= int(word) <= 31:
        return int(word), False
    return None, False


def count(word: str) -> int | None:
    if word in _VAGUE:
        return None
    return int(word) if word.isdecimal() and len(word) <= 4 else calendar_words.numbers().get(word)


def time_of(word: str, after: str) -> time | None:
    """ "17:30", "17.30", "9h", "9h30", "5pm", "5" with "pm" after it; a bare 1 to 7 is in the afternoon."""
    afternoon, forenoon = after in ("pm", "p"), after in ("am", "a")
    if word.endswith(("am", "pm")) and len(word) > 2:
        afternoon, forenoon, word = word.endswith("pm"), word.endswith("am"), word[:-2]
    hour, minute = word, "0"
    for sign in _HOUR_SIGNS:
        head, found, tail = word.partition(sign)
        if found:
            hour, minute = head, tail or "0"
            break
    if not (hour.isdecimal() and minute.isdecimal()) or len(hour) > 2 or int(hour) > 24 or int(minute) > 59:
        return None
    number = int(hour)
    if (afternoon and number < 12) or (not (afternoon or forenoon) and 1 <= number <= 7 and hour == word):
        number += 12
    return time(number % 24, int(minute)) if number < 24 else time(23, 59, 59)
