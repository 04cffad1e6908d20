"""The benchmark's own parts: a mailbox that is the same everywhere, goals by arithmetic, a page that says what it has.
Nothing here measures speed."""

from __future__ import annotations

import json
from collections import Counter
from email import message_from_bytes, policy
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks import generator, goals, report
from benchmarks.measure import Figure, Sample, ratio, summary, turns
from triage.mail import body, message, screen
from triage.mail.screen import Ours


@pytest.fixture(scope="module")
def some() -> list[generator.Mail]:
    return list(generator.mails(1000))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first = [one.raw for one in generator.mails(40)]
    assert first == [one.raw for one in generator.mails(40)]
    assert not set(first) & {one.raw for one in generator.mails(40, seed=9)}


def test_a_larger_box_begins_with_the_mails_of_the_smaller_one() -> None:
    small, large = list(generator.mails(20)), [generator.mail(number, 2000) for number in range(20)]
    assert [one.raw for one in small] == [one.raw for one in large]


def test_the_mix_is_the_one_that_was_asked_for(some: list[generator.Mail]) -> None:
    kinds = Counter(one.kind for one in some)
    # shares of 40, 40, 10 and 10 %: four standard deviations of 1000 draws are 6 and 4 points
    assert all(340 <= kinds[kind] <= 460 for kind in ("plain", "html"))
    assert all(60 <= kinds[kind] <= 140 for kind in ("attachment", "automatic"))
    assert {one.charset for one in some} == set(generator.CHARSETS)
    sizes = [len(one.raw) for one in some]
    assert 8_000 < median(sizes) < 25_000
    assert all(50_000 < len(one.raw) < 1_600_000 for one in some if one.kind == "attachment")
    html = [len(one.raw) for one in some if one.kind == "html"]
    assert min(html) > 5_000 and max(html) < 140_000  # 60 KB of HTML, in base64, beside the plain text


def test_small_mails_have_neither_padding_nor_attachments() -> None:
    assert max(len(one.raw) for one in generator.mails(300, mix=generator.SMALL)) < 12_000


def test_a_generated_mail_is_read_as_it_was_meant(some: list[generator.Mail]) -> None:
    """Every mail is sound for us and for the standard library, and only automatic mail is taken for that."""
    ours = Ours(
        domains=frozenset({"alderfinch.example"}), intake=frozenset({"complaints@alderfinch.example"}),
        web_forms=frozenset(), authserv_id="", secret=b"s" * 40, instance="x", id_host="x",
    )  # fmt: skip
    for one in some[:200]:
        parsed = message.parse(one.raw)
        assert parsed.message_id_given and parsed.from_.email and not parsed.has("transfer_encoding"), one.raw[:300]
        assert parsed.subject == str(message_from_bytes(one.raw, policy=policy.default)["Subject"])
        screening = screen.judge(parsed, body.words(parsed), ours, one.received_at)
        assert (screening.disposition is not None) == (one.kind == "automatic"), (one.kind, screening.kind)


def test_a_box_is_a_maildir_whose_files_carry_their_arrival(tmp_path: Path) -> None:
    place = generator.box(tmp_path, 12, mix=generator.SMALL)
    files = sorted((place / "cur").iterdir(), key=lambda path: path.stat().st_mtime)
    wanted = list(generator.mails(12, mix=generator.SMALL))
    assert [path.read_bytes() for path in files] == [one.raw for one in wanted]
    assert [path.stat().st_mtime for path in files] == [one.received_at.timestamp() for one in wanted]
    assert generator.box(tmp_path, 12, mix=generator.SMALL) == place and len(list(tmp_path.iterdir())) == 1


def test_ratios_are_taken_round_by_round() -> None:
    ours, theirs = [Sample(2.0, 1.0), Sample(6.0, 1.0), Sample(3.0, 9.0)], [Sample(1.0, 2.0)] * 2
    assert ratio(ours, theirs, lambda s: s.wall) == Figure(4.0, 2.0, 6.0)  # 2/1 and 6/1; the third has no partner
    assert ratio(ours, theirs, lambda s: s.cpu).as_json() == [0.5, 0.5, 0.5]


def test_a_summary_gives_median_least_and_most() -> None:
    found = summary([Sample(1.0, 0.5, {"peak_mb": 10, "who": "a"}), Sample(3.0, 0.7, {"peak_mb": 30, "who": "b"})], 100)
    assert found["wall_s"] == [2.0, 1.0, 3.0]
    assert found["per_second"] == [66.67, 33.33, 100.0]  # the median of 100 and 33.33
    assert found["cpu_us"] == [6000.0, 5000.0, 7000.0]
    assert found["peak_mb"] == [20.0, 10.0, 30.0] and found["who"] == "b"


def test_candidates_take_turns() -> None:
    order: list[str] = []

    def one(name: str) -> Sample:
        order.append(name)
        return Sample(1.0, 1.0)

    found = turns({"a": lambda: one("a"), "b": lambda: one("b")}, 2)
    assert order == ["a", "b", "a", "b"] and len(found["a"]) == len(found["b"]) == 2


PARTS: dict[str, Any] = {
    "retrieval": {
        "interpreter_cpu_s": 0.05,
        "table": {
            "raw drain": {"count": 10, "per_second": [9.0, 8.0, 10.0], "cpu_us": [10.0, 9.0, 11.0]},
            "our fetch layer": {
                "count": 10, "per_second": [5.0, 5.0, 5.0], "cpu_us": [30.0, 30.0, 30.0],
                "cpu / imaplib, batches of 100": [1.4, 1.3, 1.6], "cpu / imapclient as it comes": [0.3, 0.2, 0.4],
            },
        },
    },
    "stages": {
        "mails": 100, "cpu_us": {"reader": 600.0, "settle": 400.0}, "sum_us": 1000.0, "pipeline_us": 1500.0,
        "start_up_cpu_s": [1.5, 1.4, 1.6],
    },
    "pipeline": {
        "mails": 10_000,
        "table": {
            "ours, one worker": {
                "per_second": [500.0] * 3, "wall_s": [20.0] * 3, "cpu_us": [2000.0] * 3, "wall / mbsync": [4.0] * 3,
                "synchronous": "2", "fsyncs": [125.0] * 3, "mails": [10_000.0] * 3,
            },
            "ours, two workers": {
                "per_second": [1000.0] * 3, "wall_s": [10.0] * 3, "cpu_us": [2100.0] * 3, "wall / mbsync": [1.9] * 3,
            },
        },
    },
    "sweep": {
        "cases": 1_000_000,
        "table": {
            "SQLite": {"cases": 1_000_000, "due": 1022, "indexed_ms": 2.0, "nothing_due_ms": 0.1, "scan_ms": 400.0},
        },
    },
}  # fmt: skip


def of(goal: str, parts: dict[str, Any]) -> goals.Goal:
    return next(one for one in goals.of(parts) if one.goal.startswith(goal))


@pytest.mark.parametrize(
    ("goal", "measured", "met"),
    [
        ("1 pipeline", 1.9, True),  # the better of 4.0 and 1.9, at most 2
        ("2 fetch layer, CPU / imaplib", 1.4, True),  # at most 1.5
        ("2 fetch layer, CPU / imapclient", 0.3, False),  # at most 0.2
        ("4 pipeline CPU", 1.5, True),  # 1500 / 1000, exactly at the limit
        ("7 mails an fsync", 80.0, True),  # 10,000 mails in 125 fsyncs, at most 100
        ("8 due search / full scan, SQLite", 0.005, True),  # 2 / 400
        ("8 due search / full scan, PostgreSQL", None, None),
        ("3 throughput", None, None),
    ],
)
def test_a_goal_is_met_missed_or_not_measured(goal: str, measured: float | None, met: bool | None) -> None:
    found = of(goal, PARTS)
    assert (found.measured, found.met) == (measured, met)


def test_a_short_form_does_not_speak_for_the_sizes_a_goal_names() -> None:
    small = {**PARTS, "pipeline": {**PARTS["pipeline"], "mails": 2000}}
    assert of("1 pipeline", small).met is None


def test_traded_durability_is_never_met() -> None:
    one = {**PARTS["pipeline"]["table"]["ours, one worker"], "synchronous": "1"}
    traded = {**PARTS, "pipeline": {"mails": 10_000, "table": {"ours, one worker": one}}}
    assert of("7 mails an fsync", traded).met is False


def test_every_goal_of_the_ten_has_a_line() -> None:
    assert {one.goal.split()[0] for one in goals.of({})} == {str(number) for number in range(1, 11)}


def test_the_page_says_what_was_measured_skipped_and_missed(tmp_path: Path) -> None:
    results = {"parts": PARTS, "skipped": {"mbsync": "not installed"}, "all_parts": [*PARTS, "memory"]}
    report.write(results, tmp_path)
    page = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert "| 2 fetch layer, CPU / imapclient as it comes | 0.3 | at most 0.2 | missed |" in page
    assert "The next bottleneck is **reader** (600 µs), after it settle" in page
    assert "| mbsync | not installed |" in page and "Not measured yet: memory." in page
    drawing = (tmp_path / "performance" / "stages.svg").read_text(encoding="utf-8")
    assert drawing.startswith("<svg xmlns=") and "reader" in drawing
    named = {part.split(")")[0] for part in page.split("](performance/")[1:]}
    assert named == {path.name for path in (tmp_path / "performance").iterdir()}


def test_a_part_run_alone_is_merged_into_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "results.json"
    results.write_text(json.dumps({"parts": {"stages": PARTS["stages"]}}), encoding="utf-8")
    monkeypatch.setattr(command, "PARTS", {"sweep": (lambda bench: PARTS["sweep"], 1.0)})
    options = ["--only", "sweep", "--cache", str(tmp_path / "c"), "--results", str(results), "--docs", str(tmp_path)]
    assert command.main(["short", *options]) == 0
    found = json.loads(results.read_text(encoding="utf-8"))
    assert set(found["parts"]) == {"stages", "sweep"} and found["parts"]["sweep"]["form"] == "short"
    lines = {line["goal"]: line for line in found["goals"]}
    assert set(next(iter(lines.values()))) >= {"goal", "measured", "limit", "met"}
    assert lines["8 due search / full scan, SQLite"]["met"] is True
    assert lines["1 pipeline, wall / mbsync"]["met"] is None
