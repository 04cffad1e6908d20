"""A faster way gives what the plain way gives: each shortcut beside the long way round, over mail and made-up text."""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.casework import card, wordings
from triage.demo.mails import samples
from triage.judge import lexicon, sentences, staff
from triage.judge.phrases import Hit, Matcher
from triage.judge.roster import Absence, Person, Roster
from triage.judge.sentences import Sentence
from triage.mail import language as mail_language
from triage.mail import message, phrases, redact, thread
from triage.world.store import cases, loads
from triage.world.store.database import Database

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
MAIL = Path(__file__).resolve().parent / "mail"


@cache
def texts() -> tuple[str, ...]:
    """Subjects and texts of the sample mails and of the test mails, whole and line by line."""
    raws = [sample.raw for sample in samples()] + [path.read_bytes() for path in sorted(MAIL.glob("*.eml"))]
    whole = [text for raw in raws for mail in [message.parse(raw)] for text in (mail.subject, mail.text[:4000])]
    return (*whole, *(line for text in whole for line in text.split("\n")[:30]))


def test_a_body_that_is_canonical_already_is_left_as_it_is() -> None:
    for length in range(8):
        for letters in product((b"\r", b"\n", b"a"), repeat=length):  # 3 + 9 + ... + 3^7, so 3,279 bodies in all
            body = b"".join(letters)
            plain = body.replace(b"\r\n", b"\n").rstrip(b"\n").replace(b"\n", b"\r\n")  # RFC 6376 3.4.3
            assert message._canonical(body) == plain, body


def _redacted(plain: str) -> str:
    """Every pattern, whatever the text holds."""
    out = redact._SECRET.sub(redact._secret, redact._EMAIL.sub("[email]", plain))
    out = redact._IBAN.sub(redact._iban, out)
    out = redact._CUED_ID.sub(lambda m: f"{m['cue']}{m['gap']}[id]", out)
    for pattern, holds in redact._NATIONAL:
        out = redact._replaced(pattern, holds, "[id]", out)
    out = redact._replaced(redact._CARD, lambda written: redact._luhn(redact._digits(written)), "[card]", out)
    return redact._POSTCODE.sub("[postcode]", redact._STREET.sub("[address]", redact._NUMBERS.sub(redact._number, out)))


def test_text_without_a_digit_is_redacted_as_if_every_pattern_had_been_tried() -> None:
    assert len(texts()) > 1000
    for text in texts():
        assert redact.text(text) == _redacted(text), text
        bare = "".join(c for c in text if not c.isdigit())
        assert redact.text(bare) == _redacted(bare), bare


def _one_line(text: str, longest: int) -> str:
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") else c for c in text[: 4 * longest])
    flat = " ".join(kept.split())
    return flat if len(flat) <= longest else f"{flat[: longest - 3].rstrip()}..."


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_a_line_for_people_is_made_the_same_way_whether_printable_or_not(text: str) -> None:
    assert card.one_line(text, 12) == _one_line(text, 12)


def test_every_character_is_treated_alike_by_the_short_way() -> None:
    for code in range(0x110000):
        letter = f"a{chr(code)}b"
        if letter.isprintable():
            assert unicodedata.category(letter[1]) not in ("Cc", "Cf", "Zl", "Zp", "Cs"), hex(code)


def _row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "number": f"C-{number}", "version": 0, "status": "open", "mailbox": "m", "customer": "", "owner": "",
        "disposition": "complaint", "urgency": 0, "policy": "", "review": False, "step": 0, "received_at": NOW,
        "opened_at": NOW, "config_version": "", **more,
    }  # fmt: skip


def _counted(database: Database) -> Iterator[tuple[dict[str, int], dict[str, datetime]]]:
    with database.read() as tx:
        yield dict(loads.open_counts(tx)), dict(loads.last_assigned(tx))


@pytest.mark.parametrize("seed", range(4))
def test_the_load_kept_within_a_transaction_is_the_load_a_new_one_counts(database: Database, seed: int) -> None:
    """Cases are opened, given an owner, handed on, closed and opened again, in random order; the load is asked for now
    and then, so that it is sometimes counted and sometimes kept."""
    draw = random.Random(seed)
    known: dict[int, tuple[str, bool]] = {}
    number = 0
    for _ in range(6):
        with database.write() as tx:
            for _ in range(15):
                if draw.random() < 0.4:
                    loads.open_counts(tx)
                if not known or draw.random() < 0.5:
                    number += 1
                    opened = NOW + timedelta(minutes=draw.randrange(1000))
                    case_id, was = cases.create(tx, _row(number, opened_at=opened)), ("", True)
                else:
                    case_id = draw.choice(list(known))
                    was, opened = known[case_id], NOW + timedelta(minutes=draw.randrange(1000))
                owner = draw.choice(["ann", "ben", was[0] or "ann"])
                status = draw.choice(["open", "on_hold", "closed"])
                values = {"owner": owner, "status": status, "opened_at": opened}
                # a case keeps its opening moment; what changes is who has it and whether it is open
                if was[0]:
                    values["opened_at"] = cases.by_ids(tx, [case_id])[case_id]["opened_at"]
                cases.save(tx, case_id, 0, values, was if draw.random() < 0.9 else None)
                known[case_id] = (owner, status != "closed")
            kept = {o: n for o, n in loads.open_counts(tx).items() if n}, dict(loads.last_assigned(tx))
            rows = cases.rows(tx, everything=True)
        assert kept[0] == dict(Counter(owner for owner, is_open in known.values() if is_open))
        assert kept[1] == {
            owner: max(row["opened_at"] for row in rows if row["owner"] == owner)
            for owner in {r["owner"] for r in rows}
        }
        for fresh, latest in _counted(database):
            assert (kept[0], kept[1]) == (fresh, latest)


def test_what_fails_apart_is_undone_alone(database: Database) -> None:
    with database.write() as tx:
        cases.create(tx, _row(1))
        assert loads.open_counts(tx) == {"": 1}
        with pytest.raises(LookupError), database.apart(tx):
            cases.create(tx, _row(2))
            raise LookupError
        loads.count_anew(tx)
        assert loads.open_counts(tx) == {"": 1}
        with database.apart(tx):
            cases.create(tx, _row(3))
    with database.read() as tx:
        assert [row["number"] for row in cases.rows(tx, everything=True)] == ["C-1", "C-3"]


def test_the_owner_of_a_customer_is_the_last_of_the_queue(database: Database) -> None:
    with database.write() as tx:
        for number, (urgency, due, status) in enumerate(
            [
                (3, None, "open"),
                (1, NOW, "open"),
                (1, NOW + timedelta(hours=2), "on_hold"),
                (0, None, "closed"),
                (2, None, "open"),
            ]
        ):
            row = _row(
                number, urgency=urgency, next_due_at=due, status=status, customer="a@example.com", owner=f"o{number}"
            )
            cases.create(tx, row)
        queue = cases.rows(tx, everything=False, where={"customer": "a@example.com"})
        assert cases.owner_of_customer(tx, "a@example.com") == queue[-1]["owner"] == "o2"
        cases.save(tx, queue[-1]["id"], 0, {"next_due_at": None})
        queue = cases.rows(tx, everything=False, where={"customer": "a@example.com"})
        assert cases.owner_of_customer(tx, "a@example.com") == queue[-1]["owner"] == "o2"
        assert cases.owner_of_customer(tx, "b@example.com") is None


def test_text_without_a_run_of_digits_names_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    draw, found = random.Random(4), 0
    made = ["".join(draw.choices("123456  -", k=draw.randrange(4, 16))) for _ in range(3000)]
    texts_ = [
        *texts(),
        *(f"Your order {number}." for number in made),
        *(f"OL{number} and A-{number}" for number in made),
    ]
    short = [thread.reference_numbers.__wrapped__(text) for text in texts_]
    monkeypatch.setattr(thread, "_DIGITS", re.compile(""))
    for text, numbers in zip(texts_, short, strict=True):
        assert thread.reference_numbers.__wrapped__(text) == numbers, text
        found += bool(numbers)
    assert found > 1000


def test_the_phrases_of_one_section_find_what_all_phrases_find_of_it() -> None:
    found = 0
    for text in texts():
        read = sentences.read(text)
        for language in wordings.LANGUAGES:
            whole = wordings.load(language).scan(read.sentences, read.words)
            wishes = [hit for hit in whole if hit.section == "wish"]
            assert wordings.section(language, "wish").scan(read.sentences, read.words) == wishes
            found += len(wishes)
    assert found


def test_known_keys_are_left_alone(database: Database) -> None:
    with database.write() as tx:
        one, two = cases.create(tx, _row(1)), cases.create(tx, _row(2))
        cases.add_keys(tx, one, [("order", "A1"), ("order", "A1"), ("address", "a@example.com")])
        cases.add_keys(tx, one, [("order", "A1"), ("order", "B2")])
        cases.add_keys(tx, two, [("order", "A1")])
        assert cases.with_key(tx, "order", ["A1", "B2"]) == {"A1": [one, two], "B2": [one]}


_TOKEN = re.compile(
    r"(?P<word>\d{1,12}(?:[.,:/-]\d{1,12}){1,4}|[^\W_]{1,40}(?:'t(?![^\W_]))?)"
    r"|(?P<end>[.!?\u2026;]+(?=[\s\"'\u201d\u201c\u00bb)\]]|$)|\n[ \t]*(?:\n|[-*\u2022]|\d{1,2}[.)] ))"
)


def _sentences(folded: str) -> tuple[list[str], list[tuple[int, int]], list[Sentence]]:
    """Word for word, each end as it comes: (words, their places, sentences) of a text of at most 20,000 characters."""
    words: list[str] = []
    places: list[tuple[int, int]] = []
    found: list[Sentence] = []
    first, waiting = 0, ""

    def close(question: bool) -> None:
        nonlocal first
        if len(words) > first:
            found.append(Sentence(" ".join(words[first:]) + " ", first, len(words) - first, question))
            first = len(words)

    for match in _TOKEN.finditer(folded):
        if match["word"] is None:
            waiting += match["end"]
            continue
        ordinal = waiting == "." and words and words[-1].isdigit() and len(words[-1]) <= 2
        if waiting and not (ordinal and match["word"] in sentences.MONTH_WORDS):
            close("?" in waiting)
        if len(words) - first == sentences.MAX_WORDS:
            close(False)
        waiting = ""
        words.append(match["word"].replace("'", ""))
        places.append(match.span())
    close("?" in waiting)
    return words, places, found


def _made(draw: random.Random) -> str:
    """Pieces that ends, numbers, lists, apostrophes and month names are made of, without any order."""
    pieces = ("a", "don't", "'t", "x'tx", "14", "14.06", "3.5", "1.2.3.4.5.6.7", "12:30", "juni", ".", "...", "?", "!.", ";",
              "\n", "\n\n", "\n 1. ", "\n- ", "\t", " ", " ", " ", '"', ")", "_", "-", "/", "é", "\u2026", "w" * 41)  # fmt: skip
    return "".join(draw.choices(pieces, k=draw.randrange(1, 40)))


def test_a_text_read_stretch_by_stretch_is_the_text_read_word_by_word() -> None:
    draw = random.Random(5)
    long = " ".join(["word"] * 200) + " 3. Juni? " + " ".join(["more"] * 95) + "."
    for text in (*texts(), long, "", *(_made(draw) for _ in range(5000))):
        read = sentences.read(text)
        assert (read.words, read.places, read.sentences) == _sentences(read.folded), text


def _every_phrase(matcher: Matcher, read: sentences.Text) -> list[Hit]:
    """Every phrase tried on every sentence, whatever words it holds."""
    hits = []
    for number, sentence in enumerate(read.sentences):
        for one in matcher.phrases:
            pattern = one.compiled or one.compile()
            for match in list(pattern.finditer(sentence.line))[:4]:
                first = sentence.first + sentence.line.count(" ", 0, match.start())
                last = first + match[0].count(" ") - 1
                hits.append(Hit(one.section, one.source, matcher.language, number, first, last))
    return hits


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_phrase_is_found_only_where_its_two_rarest_chunks_have_a_word(language: str) -> None:
    """So the phrases left untried find nothing there."""
    found, matcher = 0, lexicon.load(language)
    whole = [message.parse(sample.raw).text for sample in samples()]
    for text in [text for text in whole if mail_language.of(text) == language][:60]:
        read = sentences.read(text)
        hits = _every_phrase(matcher, read)
        assert matcher.scan(read.sentences, read.words) == hits
        found += len(hits)
    assert found


def test_small_letters_are_those_that_a_pattern_without_case_finds() -> None:
    """For every letter of the two patterns and every character, but for three Cyrillic ones of church manuscripts."""
    written = phrases._NOTICE.pattern + phrases.WROTE.pattern + redact._SECRET_WORDS + redact._ID_WORDS
    letters = "".join(sorted({c for c in written if c.isalpha()}))
    ignoring = re.compile(f"[{letters}]", re.IGNORECASE)
    everything = [chr(code) for code in range(0x110000) if not 0x1C80 <= code < 0x1C90]
    for c in everything:
        assert bool(ignoring.match(c)) == (phrases.small(c) in letters), hex(ord(c))
    for c in (c for c in everything if ignoring.match(c)):  # and it is the same letter
        assert re.match(re.escape(phrases.small(c)), c, re.IGNORECASE), hex(ord(c))


def _is_notice(paragraph: str) -> bool:
    pattern = re.compile(phrases._NOTICE.pattern, re.IGNORECASE)
    text = " ".join(paragraph.replace("\u2019", "'").split())
    if phrases._NOTICE_TITLE.match(text) and (pattern.search(text) or len(text) < 40):
        return True
    return len({m[0].lower() for m in pattern.finditer(text[:5000])}) >= 2


def test_a_legal_notice_is_known_in_small_letters_as_without_regard_to_case() -> None:
    notices = 0
    for text in texts():
        for written in (text, text.upper(), text.title()):
            assert phrases.is_notice(written) == _is_notice(written), written
            notices += phrases.is_notice(written)
    assert notices


STAFF = Roster(
    {
        "ann": Person("ann", "Ann Bergann", "ann@desk.example", known_as=("Annie", "Tech Support", "-")),
        "ben": Person("ben", "Ben de  Wit", "ben@desk.example"),
        "ann2": Person("ann2", "ANN Wit", "a.wit@desk.example", known_as=("the  boss", "")),
        "cas": Person("cas", "Cas", "cas", known_as=("o'neil",)),
        "none": Person("none", "", ""),
    },
    {},
    {"lead": ("ann",), "fallback": ("ben",)},
)


def _named(text: str) -> frozenset[str]:
    """Everybody asked for, whatever words the text has."""
    words = [word.strip(".-") for word in staff._WORD.findall(staff._without_greeting(text).casefold())]
    flat, pairs = f" {' '.join(words)} ", list(pairwise(words))
    titled = {second for first, second in pairs if first in staff._TITLES}
    cued = {second for first, second in pairs if first in staff._BEFORE} | {a for a, b in pairs if b in staff._AFTER}
    return frozenset(key for key, p in STAFF.people.items() if staff._is_named(p, flat, titled, cued))


def test_people_whose_names_share_no_word_with_the_mail_are_not_named_in_it() -> None:
    """So only the others need the full question: names, aliases and addresses in every order, among words that cue them."""
    words = (
        *"Ann BERGANN Annie tech Support ben de Wit the boss Cas o'neil mr agent from - Ben. cas,".split(),
        *("ann@desk.example", "a.wit@desk.example.", "spoke to", "\n", "Dear Ann,\n"),
    )
    draw = random.Random(7)
    seen: set[str] = set()
    for _ in range(5000):
        text = " ".join(draw.choices(words, k=draw.randrange(6)))
        named = staff.named_staff(text, STAFF)
        assert named == _named(text), text
        seen |= named
    assert seen == {"ann", "ben", "ann2", "cas"}


@pytest.mark.parametrize("seed", range(3))
def test_the_first_who_is_there_is_found_without_asking_about_the_rest(seed: int) -> None:
    draw, keys = random.Random(seed), ("a", "b", "c", "d", "e")
    away = (Absence(NOW.date(), NOW.date()),)
    for _ in range(500):
        people = {
            key: Person(
                key, key, key, absences=away if draw.random() < 0.5 else (), delegate=draw.choice((None, *keys))
            )
            for key in draw.sample(keys, 4)
        }
        roles = {role: tuple(draw.sample(keys, 2)) for role in ("lead", "lead_deputy", "manager", "fallback")}
        roster, without = Roster(people, {}, roles), frozenset(draw.sample(keys, 2))
        for name in (*keys, *roles):
            line = [key for key in roster.line(name, NOW) if key in people]
            there = [key for key in line if key not in without and not people[key].away(NOW.date())]
            allowed = [key for key in (*line, *people) if key not in without]
            assert roster.find(name, NOW, without) == [*there, *allowed, *line, *people][0]


def test_a_run_of_signs_is_an_end_from_its_first_sign_alone() -> None:
    """Else 20,000 signs with a letter behind them are tried 200 million times: nobody's text, but a hostile one."""
    assert sentences._END.match("!!! ") and not any(sentences._END.match("!!! ", at) for at in (1, 2))
    assert sentences.read("!" * 19_999 + "x").words == ["x"]
