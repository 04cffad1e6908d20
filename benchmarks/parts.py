"""The parts of the benchmark: what each compares, in which sizes. A part returns figures as results.json keeps them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.generator import FULL, NOW, SMALL, box
from benchmarks.measure import Broken, Sample, job, ratio, run, summary, turns
from benchmarks.servers import Missing, Server, add, postgresql, serving

Runs = dict[str, Callable[[], Sample]]


@dataclass
class Bench:
    """One run: the form, where the boxes are kept, where work may be done, and what was skipped and why."""

    full: bool
    cache: Path
    work: Path
    skipped: dict[str, str] = field(default_factory=dict)

    def size(self, short: int, full: int) -> int:
        return full if self.full else short

    def box(self, count: int, mix: str = FULL) -> Path:
        self.say(f"a box of {count} mails ({mix})")
        return box(self.cache, count, mix=mix)

    def say(self, line: str) -> None:
        print(f"  {line}", flush=True)

    def desk(self, name: str, server: Server, folder: str, **more: str) -> dict[str, Any]:
        """A newly furnished desk, as the jobs want it."""
        place = self.work / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        job("furnish", into=str(place), **server.place(folder), **more)
        return {"into": str(place), "password": server.password}

    def intake(self, server: Server, folder: str, **more: Any) -> Sample:
        """The whole pipeline on a new desk."""
        return job("intake", **self.desk("intake", server, folder), **more)

    def either(self, name: str, made: Callable[[], Any]) -> Any:
        """What was made, or None where it cannot be had, which is noted."""
        try:
            return made()
        except (Missing, Broken) as why:
            self.skipped[name] = str(why)
            self.say(f"{name} is skipped: {why}")
            return None

    def available(self, runs: Runs) -> Runs:
        """Each of them once, unmeasured: the server's caches are warm then, and what is missing is known."""
        return {name: one for name, one in runs.items() if self.either(name, one) is not None}


def retrieval(bench: Bench) -> dict[str, Any]:
    """Fetching the same folder: the limit, the libraries, the other programs, our fetch layer."""
    count = bench.size(2000, 10_000)
    few = bench.size(300, 2000)  # getmail6 is slow
    with serving({"bench": bench.box(count), "few": bench.box(few)}) as server:
        place = server.place("bench")
        runs: Runs = {
            "raw drain": lambda: job("drain", **place),
            "imaplib, batches of 100": lambda: job("imaplib_batches", **place),
            "our fetch layer": lambda: job("fetch", **place),
            "imapclient as it comes": lambda: job("imapclient_plain", **place),
            "mbsync": lambda: peers.mbsync(server, "bench", bench.work),
        }
        found = turns(bench.available(runs), bench.size(3, 5))
        slow = turns(bench.available({"getmail6": lambda: peers.getmail(server, "few", bench.work, bench.cache)}), 1)
    idle = turns({"python": lambda: run([sys.executable, "-m", "benchmarks.jobs", "nothing", "{}"])}, 5)["python"]
    base = min(s.cpu for s in idle)
    table = {name: summary(samples, count) for name, samples in found.items()}
    table |= {name: summary(samples, few) for name, samples in slow.items()}
    ours = found["our fetch layer"]
    for name in ("imaplib, batches of 100", "imapclient as it comes"):
        if name in found:
            table["our fetch layer"][f"cpu / {name}"] = ratio(ours, found[name], lambda s: s.cpu).as_json()
    return {"table": table, "interpreter_cpu_s": round(base, 4)}


def stages(bench: Bench) -> dict[str, Any]:
    """Each stage alone, beside the whole pipeline over the same mails."""
    count = bench.size(500, 2000)
    with serving({"bench": bench.box(count), "one": bench.box(1)}) as server:
        runs: Runs = {
            "stages": lambda: job("stages", **bench.desk("stages", server, "bench"), server=server.place("bench")),
            "whole": lambda: bench.intake(server, "bench"),
            "start-up": lambda: bench.intake(server, "one"),
        }
        found = turns(runs, bench.size(1, 3))
    alone = sorted((s.told["cpu_us"] for s in found["stages"]), key=lambda cost: sum(cost.values()))
    cost = alone[len(alone) // 2]
    whole = [(w.cpu - s.cpu) / (count - 1) * 1e6 for w, s in zip(found["whole"], found["start-up"], strict=True)]
    return {
        "mails": count, "cpu_us": {name: round(value, 1) for name, value in cost.items()},
        "sum_us": round(sum(cost.values()), 1), "pipeline_us": round(sorted(whole)[len(whole) // 2], 1),
        "start_up_cpu_s": summary(found["start-up"])["cpu_s"],
    }  # fmt: skip


def pipeline(bench: Bench) -> dict[str, Any]:
    """The whole of intake, shipped model, raw mail durable, beside pulls of the same folder."""
    count = bench.size(2000, 10_000)
    with serving({"bench": bench.box(count)}) as server:
        place = server.place("bench")
        runs: Runs = {
            "ours, one worker": lambda: bench.intake(server, "bench"),
            "ours, two workers": lambda: _two_workers(bench, server, "bench"),
            "mbsync": lambda: peers.mbsync(server, "bench", bench.work),
            "imaplib, hashed, written, fsynced": lambda: job("durable_pull", into=str(bench.work / "pull"), **place),
        }
        if bench.either("mbsync", runs["mbsync"]) is None:
            del runs["mbsync"]
        found = turns(runs, bench.size(1, 3))
        table = {name: summary(samples, count) for name, samples in found.items()}
        for name in ("ours, one worker", "ours, two workers"):
            for other in ("mbsync", "imaplib, hashed, written, fsynced"):
                if name in found and other in found:
                    table[name][f"wall / {other}"] = ratio(found[name], found[other], lambda s: s.wall).as_json()
        with _database(bench) if bench.full else nullcontext("") as url:
            if url:
                once = turns({"ours, PostgreSQL": lambda: bench.intake(server, "bench", database=url)}, 1)
                table |= {name: summary(samples, count) for name, samples in once.items()}
    return {"mails": count, "table": table}


def _two_workers(bench: Bench, server: Server, folder: str) -> Sample:
    """Two processes on one desk at the same time."""
    desk = bench.desk("intake", server, folder)
    return job("two_intakes", **desk)


@contextmanager
def _database(bench: Bench) -> Iterator[str]:
    """PostgreSQL's address, "" where there is none."""
    try:
        with postgresql() as url:
            yield url
    except Missing as why:
        bench.skipped["PostgreSQL"] = str(why)
        yield ""


def helpdesk(bench: Bench) -> dict[str, Any]:
    """django-helpdesk and we, the same mails, start-up included; then both escalate."""
    sizes = (300, bench.size(600, 2700))  # three of four mails open a case: 2,000 are due in the full form
    desk = bench.either("django-helpdesk", lambda: peers.Helpdesk(bench.work, bench.cache))
    table: dict[str, Any] = {}
    escalation: dict[str, Any] = {}
    boxes = {size: bench.box(size) for size in sizes}
    with serving({f"b{size}": one for size, one in boxes.items()}) as server:
        for size in sizes:

            def theirs(size: int = size) -> Sample:  # it deletes what it reads: a folder for each run
                folder = f"theirs{size}n{len(list(Path(server.maildir).iterdir()))}"
                add(Path(server.maildir), folder, boxes[size])
                sample: Sample = desk.get_email(server, folder)
                return sample

            runs: Runs = {"ours": lambda size=size: bench.intake(server, f"b{size}")}  # type: ignore[misc]
            if desk:
                runs["django-helpdesk"] = theirs
            found = turns(runs, bench.size(1, 3))
            table[str(size)] = {name: summary(samples, size) for name, samples in found.items()}
            if "django-helpdesk" in found:
                ours, other = found["ours"], found["django-helpdesk"]
                table[str(size)]["throughput ratio"] = ratio(other, ours, lambda s: s.wall).as_json()
                table[str(size)]["CPU ratio"] = ratio(ours, other, lambda s: s.cpu).as_json()
        place = {"into": str(bench.work / "intake"), "password": server.password}
        escalation["ours"] = dict(job("escalation", **place).told)
        if desk:
            sample = desk.escalate()
            escalation["django-helpdesk"] = {
                "cases": sample.told["tickets"], "cpu_us": sample.cpu / max(1, sample.told["tickets"]) * 1e6
            }  # fmt: skip
    return {"sizes": list(sizes), "table": table, "escalation": escalation}


def poll(bench: Bench) -> dict[str, Any]:
    """A look at a mailbox with nothing new, by the number of old mails."""
    sizes = (2000, 10_000, 100_000) if bench.full else (2000, 10_000)
    found: dict[str, Any] = {}
    late = NOW.replace(year=NOW.year + 1).isoformat()
    with serving({f"b{size}": bench.box(size, SMALL) for size in sizes}) as server:
        for size in sizes:
            bench.say(f"poll with {size} old mails")
            found[str(size)] = dict(job("poll", **bench.desk("poll", server, f"b{size}", start_from=late)).told)
    return {"table": found}


def memory(bench: Bench) -> dict[str, Any]:
    """Peak memory of the pipeline by the number of mails, and with one mail of 50 MB. CPU a mail too: it must not grow."""
    sizes = (1000, 2000, 10_000, 100_000) if bench.full else (300, 1000)
    found: dict[str, Any] = {}
    boxes = {f"b{size}": bench.box(size, SMALL) for size in sizes}
    boxes["large"] = _large(bench)
    with serving(boxes) as server:
        for size in sizes:
            bench.say(f"{size} small mails")
            sample = bench.intake(server, f"b{size}")
            found[str(size)] = summary([sample], size)
        large = dict(bench.intake(server, "large").told)
    return {"table": found, "one_50_mb": large}


def _large(bench: Bench) -> Path:
    """Twenty mails, one of them with 50 MB."""
    place = bench.cache / "box-large"
    if not place.is_dir():
        source = bench.box(20, SMALL)
        making = place.with_suffix(".new")
        shutil.rmtree(making, ignore_errors=True)
        shutil.copytree(source, making)
        octets = b"AAAA" * 18 + b"AAAA\r\n"
        head = (
            b"From: Big <big@example.com>\r\nTo: complaints@alderfinch.example\r\nSubject: Photos\r\nMessage-ID: <big@x>\r\n"
            b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n'
            b"The parcel came broken, see the photos.\r\n--b\r\nContent-Type: image/tiff\r\n"
            b'Content-Disposition: attachment; filename="p.tiff"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        )
        (making / "cur" / "1.big.bench:2,").write_bytes(head + octets * (50 * 10**6 // len(octets)) + b"--b--\r\n")
        making.rename(place)
    return place


def sweep(bench: Bench) -> dict[str, Any]:
    """The search for due cases in a register of many."""
    count = bench.size(200_000, 1_000_000)
    place = bench.work / "sweep"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    found = {"SQLite": dict(job("sweep_query", url=f"sqlite:///{place}/triage.db", cases=count).told)}
    with _database(bench) as url:
        if url:
            found["PostgreSQL"] = dict(job("sweep_query", url=url, cases=count).told)
    return {"cases": count, "table": found}


def deadlines(bench: Bench) -> dict[str, Any]:
    """Business-time arithmetic."""
    return dict(job("deadlines").told)


def learning(bench: Bench) -> dict[str, Any]:
    """Training and prediction."""
    count = bench.size(20_000, 100_000)
    return {"train": dict(job("train", count=count).told), "predict": dict(job("predict", count=5000).told)}


HEAVY = ("sklearn", "prefect", "sqlalchemy", "numpy", "imapclient", "pydantic")


def startup(bench: Bench) -> dict[str, Any]:
    """`triage --help` against bare Python, and what it imports."""
    python = Path(sys.executable)
    asked = "import sys; sys.argv = ['triage', '--help']\nfrom triage.cli import main\ntry:\n main()\nexcept SystemExit:\n pass"
    told = f"\nimport json; print(json.dumps({{'imports': [m for m in {HEAVY!r} if m in sys.modules]}}))"
    runs: Runs = {
        "python": lambda: run([python, "-c", "pass"]),
        "triage --help": lambda: run([python, "-m", "triage", "--help"]),
        "triage classify": lambda: run([python, "-m", "triage", "classify", "--help"]),
    }
    found = turns(runs, bench.size(7, 15))
    table = {name: summary(samples) for name, samples in found.items()}
    table["triage --help"]["imports"] = run([python, "-c", asked + told]).told["imports"]
    table["triage --help"]["wall / python"] = ratio(found["triage --help"], found["python"], lambda s: s.wall).as_json()
    return {"table": table}


def profile(bench: Bench) -> dict[str, Any]:
    """The functions with the most time of their own in the desk's process (cProfile; shares, not seconds)."""
    with serving({"bench": bench.box(bench.size(500, 2000))}) as server:
        return dict(job("profile", **bench.desk("profile", server, "bench")).told)


#: name -> (function, minutes of the full form on two quiet cores)
PARTS: Mapping[str, tuple[Callable[[Bench], dict[str, Any]], float]] = {
    "startup": (startup, 0.5), "deadlines": (deadlines, 0.1), "retrieval": (retrieval, 3), "stages": (stages, 3),
    "profile": (profile, 1), "pipeline": (pipeline, 10), "helpdesk": (helpdesk, 5), "poll": (poll, 2),
    "memory": (memory, 12), "sweep": (sweep, 6), "learning": (learning, 3),
}  # fmt: skip


def save(path: Path, found: Mapping[str, Any]) -> None:
    """Write results.json whole: a run that is stopped keeps what was there."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    new.replace(path)


__all__ = ["PARTS", "Bench", "Broken", "save"]
