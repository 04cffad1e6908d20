"""The customer's own dates in seven languages. Received on Wednesday 10 June 2026, 10:00 in London (BST = UTC + 1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.judge import calendar_words, cues
from triage.judge.dates import CustomerDate
from triage.mail.body import Body

RECEIVED = datetime(2026, 6, 10, 9, 0, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")


def dates(text: str, language: str = "en", at: datetime = RECEIVED, zone: str = "Europe/London") -> list[CustomerDate]:
    body = Body(text, "", "", "", "plain", None, language, True)
    return list(cues.find(body, "", at, zone).dates)


def written(text: str, language: str = "en", at: datetime = RECEIVED) -> list[str]:
    """Kind and local time, as "travel 11 Jun 06:10"."""
    return [f"{d.kind} {d.at.astimezone(LONDON):%d %b %H:%M}" for d in dates(text, language, at)]


# No hour written: 09:00 of that day; the evening is 20:00; "today" ends at 23:59.
@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "We fly to Oslo at 06:10 tomorrow and cannot check in.", "travel 11 Jun 06:10"),
        ("en", "Our flight leaves at 6am tomorrow.", "travel 11 Jun 06:00"),
        ("en", "The wedding is on Saturday.", "event 13 Jun 09:00"),
        ("en", "My operation is on 15 June at 8am.", "surgery 15 Jun 08:00"),
        ("en", "The hearing is on Friday the 12th.", "court 12 Jun 09:00"),
        ("en", "The bailiffs come in two days.", "court 12 Jun 09:00"),
        ("en", "The baby is due on June 19th.", "birth 19 Jun 09:00"),
        ("en", "We are moving out next Friday.", "move 19 Jun 09:00"),  # next, said in the same week: the week after
        ("en", "The exam is on Monday week.", "event 22 Jun 09:00"),  # Monday 15 June and a week
        ("en", "VAT return must be filed by 12/06/2026.", "deadline 12 Jun 09:00"),
        ("en", "The tender closes at 15:00 today.", "deadline 10 Jun 15:00"),
        ("en", "I need the cot by Thursday.", "deadline 11 Jun 09:00"),
        ("en", "The spare cylinder lasts until roughly seven this evening.", "medical 10 Jun 20:00"),
        ("en", "We arrive this weekend.", "travel 13 Jun 09:00"),
        ("en", "We are due in on Monday 15 June, non-refundable.", "travel 15 Jun 09:00"),
        ("en", "It is my mum's funeral. It's on Friday at 2pm.", "event 12 Jun 14:00"),  # the sentence beside it
        ("en", "You will disconnect us on 11 June.", "cutoff 11 Jun 09:00"),
        ("en", "The train leaves in 3 hours.", "travel 10 Jun 13:00"),
        ("en", "The rent goes out on the 12th.", "payment 12 Jun 09:00"),
        ("de", "Morgen um 6 Uhr fliegen wir nach Rom.", "travel 11 Jun 06:00"),
        ("de", "Am Freitag heiraten wir.", "event 12 Jun 09:00"),
        ("de", "Die OP ist am 12. Juni.", "surgery 12 Jun 09:00"),
        ("de", "Der Gerichtsvollzieher kommt übermorgen.", "court 12 Jun 09:00"),
        ("de", "Die Abgabefrist endet am 11.06.2026.", "deadline 11 Jun 09:00"),
        ("de", "In zwei Tagen ist der Umzug.", "move 12 Jun 09:00"),
        ("fr", "Je me marie demain à 15 heures.", "event 11 Jun 15:00"),
        ("fr", "Notre vol part vendredi à 6h30.", "travel 12 Jun 06:30"),
        ("fr", "L'opération est prévue le 12 juin.", "surgery 12 Jun 09:00"),
        ("fr", "Le déménagement a lieu dans deux jours.", "move 12 Jun 09:00"),
        ("fr", "L'audience est le 11.", "court 11 Jun 09:00"),
        ("es", "Volamos mañana a las 6.", "travel 11 Jun 06:00"),
        ("es", "La boda es el sábado.", "event 13 Jun 09:00"),
        ("es", "Me operan el 12 de junio.", "surgery 12 Jun 09:00"),
        ("es", "El bautizo es pasado mañana.", "event 12 Jun 09:00"),
        ("es", "La mudanza es dentro de dos días.", "move 12 Jun 09:00"),
        ("it", "Il volo parte domani alle 6.", "travel 11 Jun 06:00"),
        ("it", "Il matrimonio è sabato.", "event 13 Jun 09:00"),
        ("it", "Mi operano il 12 giugno.", "surgery 12 Jun 09:00"),
        ("it", "Il trasloco è tra due giorni.", "move 12 Jun 09:00"),
        ("nl", "Morgen om 6 uur vertrekt onze vlucht.", "travel 11 Jun 06:00"),
        ("nl", "Zaterdag trouwen we.", "event 13 Jun 09:00"),
        ("nl", "De operatie is op 12 juni.", "surgery 12 Jun 09:00"),
        ("nl", "Over twee dagen is de verhuizing.", "move 12 Jun 09:00"),
        ("pt", "O nosso voo é amanhã às 6h.", "travel 11 Jun 06:00"),
        ("pt", "O casamento é sábado.", "event 13 Jun 09:00"),
        ("pt", "A operação é no dia 12 de junho.", "surgery 12 Jun 09:00"),
        ("pt", "A mudança é daqui a dois dias.", "move 12 Jun 09:00"),
    ],
)
def test_a_date_the_customer_is_bound_to_is_found(language: str, text: str, expected: str) -> None:
    assert written(text, language) == [expected]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "I ordered on 3 June and paid on 4 June."),  # no event, and past
        ("en", "Please answer by tomorrow."),  # a wish about us
        ("en", "Delivery was promised for tomorrow."),  # our date, not the customer's
        ("en", "Our flight on Monday was cancelled."),  # a weekday among past verbs
        ("en", "The wedding was last Saturday."),
        ("en", "We came back from holiday on Friday."),
        ("en", "Happy birthday tomorrow!"),
        ("en", "The wedding is in 2031."),  # no day
        ("en", "My operation was on 2 June."),
        ("de", "Heute morgen kam der Bus zu spät zum Flug."),  # this morning
        ("de", "Guten Morgen, unser Urlaub war schön."),
        ("de", "Nach dem Urlaub am Montag war alles kaputt."),
        ("fr", "Le mariage était samedi."),
        ("fr", "Bonjour, mon mariage est passé."),  # mon is no Monday
        ("es", "Por la mañana perdí el vuelo."),
        ("nl", "Goedemorgen, na de vakantie was alles stuk."),
    ],
)
def test_other_dates_set_no_clock(language: str, text: str) -> None:
    assert written(text, language) == []


@pytest.mark.parametrize(
    ("text", "kind", "day"),
    [
        ("Letter before claim: pay within 14 days or we issue proceedings in court.", "legal", 24),  # 10 + 14
        ("The ombudsman asks for your file by 12 June 2026.", "regulator", 12),
        (
            "Dispute opened. Evidence due: 29 June 2026, the cardholder has disputed the payment with the bank.",
            "chargeback",
            29,
        ),
    ],
)
def test_a_term_set_to_us_is_a_date_of_its_own_kind(text: str, kind: str, day: int) -> None:
    assert (kind, day) in {(one.kind, one.at.astimezone(LONDON).day) for one in dates(text)}


# Years: the nearest one. In December "5 January" is next year's; in January "28 December" is over.
@pytest.mark.parametrize(
    ("at", "text", "expected"),
    [
        (datetime(2026, 12, 20, 9, tzinfo=UTC), "The wedding is on 5 January.", ["05 Jan 2027"]),
        (datetime(2026, 1, 5, 9, tzinfo=UTC), "The wedding is on 28 December.", []),
        (datetime(2026, 6, 29, 9, tzinfo=UTC), "The wedding is on the 2nd.", ["02 Jul 2026"]),
        (datetime(2026, 6, 15, 9, tzinfo=UTC), "The wedding is on the 2nd.", []),
        (datetime(2026, 2, 10, 9, tzinfo=UTC), "The wedding is on 30 February.", []),
    ],
)
def test_a_date_without_a_year_is_the_nearest(at: datetime, text: str, expected: list[str]) -> None:
    assert [f"{one.at:%d %b %Y}" for one in dates(text, at=at)] == expected


def test_days_are_counted_in_the_business_zone() -> None:
    late = datetime(2026, 6, 10, 23, 30, tzinfo=UTC)  # 00:30 on the 11th in London, 19:30 on the 10th in New York
    assert dates("We fly tomorrow at 06:00.", at=late)[0].at == datetime(2026, 6, 12, 5, 0, tzinfo=UTC)
    assert dates("We fly tomorrow at 06:00.", at=late, zone="America/New_York")[0].at == datetime(
        2026, 6, 11, 10, 0, tzinfo=UTC
    )


def test_hours_are_counted_on_the_clock_over_the_end_of_summer_time() -> None:
    # Sat 24 Oct 2026 22:00Z + 6 h = Sun 04:00Z, although the clocks went back at 01:00Z
    at = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
    assert dates("The train leaves in 6 hours.", at=at)[0].at == at + timedelta(hours=6)


def test_the_words_are_quoted() -> None:
    (one,) = dates("Hello, a quick one. We fly to Oslo tomorrow at 06:10 and the name is wrong.")
    assert "fly to Oslo tomorrow" in one.evidence


@given(
    st.lists(
        st.sampled_from(["wedding", "tomorrow", "12", "june", "am", "14.06.", "in", "99", "days", "6:10", ".", "next"])
    ),
    st.sampled_from(["en", "de", "fr", "es", "it", "nl", "pt"]),
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
)
@settings(max_examples=80, deadline=None)
def test_every_date_is_aware_later_than_the_receipt_and_within_four_hundred_days(
    words: list[str], language: str, at: datetime
) -> None:
    for one in dates("flight " + " ".join(words), language, at):
        assert one.at.tzinfo is not None
        assert at <= one.at <= at + timedelta(days=401)


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "it", "nl", "pt"])
def test_each_language_has_seven_weekdays_and_twelve_months(language: str) -> None:
    words = calendar_words.load(language)
    assert set(words.weekdays.values()) == set(range(7))
    assert set(words.months.values()) == set(range(1, 13))
    assert set(words.relative.values()) == {0, 1, 2}
