"""Our own words -> promises, and the moments they name. The sentences stand in tests/promises."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.casework import promise
from triage.casework.history import Promise
from triage.casework.hours import BusinessCalendar
from triage.casework.policy import Span
from triage.casework.promise import Commitment

SENTENCES = Path(__file__).parent / "promises"
LONDON = ZoneInfo("Europe/London")
OFFICE = BusinessCalendar("office", "Europe/London", (((540, 1050),),) * 5 + ((), ()))  # Mon-Fri 09:00-17:30
SENT = datetime(2026, 3, 11, 10, 0, tzinfo=UTC)  # a Wednesday, 10:00 in London


def rows(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (SENTENCES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def found(text: str, language: str = "en", sent: datetime = SENT) -> tuple[Commitment, ...]:
    return promise.find(text, language, sent, OFFICE, Span(3, "business_days"))


# -- precision and recall ----------------------------------------------------------------------------------------------


def test_there_are_four_hundred_sentences_half_of_them_tempting_and_seven_languages() -> None:
    every = [row for name in ("first", "second", "unseen") for row in rows(name)]
    assert len(every) >= 400
    assert 0.45 <= sum(row["promise"] is None for row in every) / len(every) <= 0.55
    assert {row["language"] for row in every} == {"en", "de", "fr", "es", "it", "nl", "pt"}
    assert len({row["text"] for row in every}) == len(every)


@pytest.mark.parametrize("names", [("first", "second"), ("unseen",)], ids=["seen", "unseen"])
def test_promises_are_found_with_precision_90_and_recall_80(names: tuple[str, ...]) -> None:
    right = wrong = missed = of_the_kind = 0
    for row in (row for name in names for row in rows(name)):
        got = found(row["text"], row["language"])
        if row["promise"] and got:
            right += 1
            of_the_kind += any(one.kind == row["promise"] for one in got)
        missed += bool(row["promise"]) and not got
        wrong += row["promise"] is None and bool(got)
    assert right / (right + wrong) >= 0.90
    assert right / (right + missed) >= 0.80
    assert of_the_kind / right >= 0.90


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "it", "nl", "pt"])
def test_no_language_is_left_behind(language: str) -> None:
    mine = [row for name in ("first", "second", "unseen") for row in rows(name) if row["language"] == language]
    hits = [bool(found(row["text"], language)) for row in mine if row["promise"]]
    false = [row["text"] for row in mine if not row["promise"] and found(row["text"], language)]
    assert sum(hits) / len(hits) >= 0.80
    assert len(false) <= 0.1 * len(mine)


# -- the moments -----------------------------------------------------------------------------------------------------------

WEDNESDAY = "2026-03-11 10:00"


@pytest.mark.parametrize(
    ("sent", "words", "due"),
    [
        # days end at closing time
        (WEDNESDAY, "by Friday", "2026-03-13 17:30"),
        (WEDNESDAY, "on Monday", "2026-03-16 17:30"),
        (WEDNESDAY, "today", "2026-03-11 17:30"),
        (WEDNESDAY, "tomorrow", "2026-03-12 17:30"),
        (WEDNESDAY, "by the end of the day", "2026-03-11 17:30"),
        (WEDNESDAY, "by close of business tomorrow", "2026-03-12 17:30"),
        ("2026-03-11 18:00", "today", "2026-03-11 23:59"),  # closing time has passed: the day itself
        ("2026-03-13 10:00", "by Friday", "2026-03-20 17:30"),  # said on a Friday: today would be "today"
        ("2026-03-13 10:00", "tomorrow", "2026-03-14 23:59"),  # a closed day that is named ends at midnight
        # before a day is the day before it
        (WEDNESDAY, "before Friday", "2026-03-12 17:30"),
        (WEDNESDAY, "before Monday", "2026-03-13 17:30"),
        (WEDNESDAY, "before Thursday", "2026-03-11 17:30"),
        # parts of a day
        (WEDNESDAY, "by Friday noon", "2026-03-13 12:00"),
        (WEDNESDAY, "on Monday morning", "2026-03-16 12:00"),
        (WEDNESDAY, "tomorrow afternoon", "2026-03-12 17:30"),
        (WEDNESDAY, "tomorrow evening", "2026-03-12 20:00"),
        (WEDNESDAY, "first thing tomorrow", "2026-03-12 12:00"),
        # hours; ranges end at their upper end
        (WEDNESDAY, "tomorrow between 8 and 10", "2026-03-12 10:00"),
        (WEDNESDAY, "on Friday 13 March between 8 and 12", "2026-03-13 12:00"),
        (WEDNESDAY, "tomorrow from 2 to 4 pm", "2026-03-12 16:00"),
        (WEDNESDAY, "tomorrow between 2 and 4", "2026-03-12 16:00"),
        (WEDNESDAY, "by 5 pm", "2026-03-11 17:00"),
        (WEDNESDAY, "by 16:30 today", "2026-03-11 16:30"),
        ("2026-03-11 17:10", "by 5 pm", "2026-03-12 17:00"),  # passed: the next business day
        # spans
        (WEDNESDAY, "within 24 hours", "2026-03-12 10:00"),
        ("2026-03-28 22:00", "within 24 hours", "2026-03-29 23:00"),  # over the spring change: 24 real hours
        (WEDNESDAY, "within the hour", "2026-03-11 11:00"),
        (WEDNESDAY, "within 30 minutes", "2026-03-11 10:30"),
        (WEDNESDAY, "within 4 business hours", "2026-03-11 14:00"),
        ("2026-03-11 15:30", "within 4 working hours", "2026-03-12 11:00"),  # 2 h today, 2 h tomorrow
        (WEDNESDAY, "in 3-5 working days", "2026-03-18 17:30"),  # Thu 12 is 1, Wed 18 is 5
        (WEDNESDAY, "within three to five working days", "2026-03-18 17:30"),
        (WEDNESDAY, "within 5 business days", "2026-03-18 17:30"),
        (WEDNESDAY, "within two days", "2026-03-13 17:30"),
        (WEDNESDAY, "within two weeks", "2026-03-25 17:30"),
        # weeks and months
        (WEDNESDAY, "by the end of the week", "2026-03-13 17:30"),
        ("2026-03-14 10:00", "by the end of the week", "2026-03-20 17:30"),  # said on a Saturday: the coming week's
        (WEDNESDAY, "this week", "2026-03-13 17:30"),
        (WEDNESDAY, "next week", "2026-03-20 17:30"),
        (WEDNESDAY, "by the end of the month", "2026-03-31 17:30"),
        # dates
        (WEDNESDAY, "by 20 March", "2026-03-20 17:30"),
        (WEDNESDAY, "by March 20", "2026-03-20 17:30"),
        (WEDNESDAY, "by 20/03/2026", "2026-03-20 17:30"),
        (WEDNESDAY, "by 2026-03-20", "2026-03-20 17:30"),
        (WEDNESDAY, "by the 20th", "2026-03-20 17:30"),
        (WEDNESDAY, "by the 5th", "2026-04-05 23:59"),  # this month's has passed; a Sunday
        ("2026-12-29 10:00", "by 4 January", "2027-01-04 17:30"),
        ("2026-10-20 11:30", "by Friday", "2026-10-23 17:30"),  # BST
        ("2026-10-23 11:30", "on Monday", "2026-10-26 17:30"),  # GMT again
    ],
)
def test_a_promise_is_due_at_the_latest_moment_its_words_allow(sent: str, words: str, due: str) -> None:
    at = datetime.fromisoformat(sent).replace(tzinfo=LONDON).astimezone(UTC)
    got = found(f"Thank you for your patience in this matter. I will call you {words}.", sent=at)
    assert [f"{one.due.astimezone(LONDON):%Y-%m-%d %H:%M}" for one in got] == [due]
    assert not got[0].assumed


@pytest.mark.parametrize(
    ("language", "text", "due"),
    [
        ("de", "Ich melde mich bis Mittwochmittag.", "2026-03-18 12:00"),
        ("de", "Wir erstatten Ihnen den Betrag in 3 bis 5 Werktagen.", "2026-03-18 17:30"),
        ("de", "Ich rufe Sie am Freitag zwischen 8 und 12 Uhr an.", "2026-03-13 12:00"),
        ("fr", "Je vous rappelle demain matin.", "2026-03-12 12:00"),
        ("fr", "Je vous rappelle cet après-midi.", "2026-03-11 17:30"),
        ("fr", "Nous vous rembourserons sous 5 jours ouvrés.", "2026-03-18 17:30"),
        ("fr", "Je vous écrirai d'ici 17 h.", "2026-03-11 17:00"),
        ("es", "Le llamaré mañana por la mañana.", "2026-03-12 12:00"),
        ("es", "Le reembolsaremos en 24 horas.", "2026-03-12 10:00"),
        ("it", "La richiamo domani tra le 8 e le 10.", "2026-03-12 10:00"),
        ("it", "Le scriverò entro le 17.", "2026-03-11 17:00"),
        ("nl", "Ik bel u vrijdagochtend.", "2026-03-13 12:00"),
        ("nl", "Ik bel u morgen tussen 8 en 10 uur.", "2026-03-12 10:00"),
        ("pt", "Ligo-lhe na sexta-feira de manhã.", "2026-03-13 12:00"),
        ("pt", "Faremos o reembolso em 5 dias úteis.", "2026-03-18 17:30"),
    ],
)
def test_the_same_holds_in_every_language(language: str, text: str, due: str) -> None:
    assert [f"{one.due.astimezone(LONDON):%Y-%m-%d %H:%M}" for one in found(text, language)] == [due]


@pytest.mark.parametrize("words", ["shortly", "as soon as possible", "in the next few days", "right away", ""])
def test_an_undated_promise_gets_three_business_days_and_says_so(words: str) -> None:
    got = found(f"I am sorry for the trouble this has caused you. I will look into this {words}.")
    assert [(f"{one.due:%Y-%m-%d %H:%M}", one.assumed) for one in got] == [("2026-03-16 17:30", True)]  # Thu, Fri, Mon


# -- one sentence, several things --------------------------------------------------------------------------------------------


def test_two_dates_are_two_promises_and_one_date_is_one() -> None:
    two = found("A right arm leaves the warehouse today and I'll send you the tracking number by 5 pm.")
    assert [(one.kind, f"{one.due:%H:%M}") for one in two] == [("action", "17:30"), ("contact", "17:00")]
    one = found("I will check with the depot and call you tomorrow.")
    assert [(c.kind, f"{c.due:%d %H:%M}") for c in one] == [("contact", "12 17:30")]


@pytest.mark.parametrize(
    "text",
    [
        "The van should reach you tomorrow.",
        "If it has not arrived by Friday we will send out a search and refund the postage.",
        "We can't promise a time slot.",
        "Our aim is to answer every message within two working days.",
        "I've had a mobile router sent out by courier today in case the line needs longer.",
        "One of the two fees was refunded to your card this afternoon.",
        "Let me know if it hasn't shown up.",
        "I have released them and lifted the lock.",
    ],
)
def test_the_temptations_of_the_sample_threads_create_nothing(text: str) -> None:
    assert found(text) == ()


def test_a_condition_takes_back_its_own_clause_and_not_the_promise_before_it() -> None:
    text = (
        "An engineer will be with you tomorrow between 8 and 10, and I've sent a router in case the line needs longer."
    )
    assert [f"{one.due:%d %H:%M}" for one in found(text)] == ["12 10:00"]


# -- what a later mail does ----------------------------------------------------------------------------------------------------


def _open(kind: str, text: str) -> Promise:
    due = datetime(2026, 3, 13, 17, 30, tzinfo=UTC)
    return Promise("1", text, kind, SENT, due, 3, by="nell@ours.example")


@pytest.mark.parametrize(
    ("kind", "old", "new", "day", "state"),
    [
        ("contact", "I'll let you know by Friday.", "Good news: the part is here.", 12, "kept"),
        ("contact", "I'll let you know by Friday.", "Not yet, sorry. I will let you know by Monday.", 12, "renegotiated"),
        ("contact", "I'll call you by Friday.", "Here is the label you asked for. I'll write to you on Monday.", 12, "kept"),
        ("contact", "I'll let you know by Friday.", "Good news: the part is here.", 14, None),  # too late
        ("action", "We will refund you by Friday.", "Made-to-measure items are not eligible.", 12, None),
        ("action", "We will refund you by Friday.", "There is a delay, we will refund you by Tuesday.", 12, "renegotiated"),
    ],
)  # fmt: skip
def test_a_later_mail_keeps_or_renews_a_promise_before_it_is_due(
    kind: str, old: str, new: str, day: int, state: str | None
) -> None:
    at = datetime(2026, 3, day, 12, 0, tzinfo=UTC)
    settled = promise.settle([_open(kind, old)], new, "en", at, found(new, sent=at), lambda text: found(text))
    assert [one.state for one in settled] == ([state] if state else [])


# -- hostile text ---------------------------------------------------------------------------------------------------------------


@given(st.text(max_size=400), st.sampled_from(["en", "de", "fr", "es", "it", "nl", "pt", "und"]))
@settings(max_examples=60, deadline=None)
def test_no_text_brings_it_down_and_every_promise_lies_ahead(text: str, language: str) -> None:
    for one in found(f"I will call you by {text}", language):
        assert one.due > SENT
        assert len(one.text) <= 300


def test_a_page_of_promises_is_bounded() -> None:
    assert len(found("I will call you by Friday. " * 2000)) <= promise.MOST
