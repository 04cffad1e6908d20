"""`triage demo`: the main job on an embedded mailbox. Real IMAP, real SMTP, the real flows; only the people are invented."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from triage.cli.app import app
from triage.cli.cases import queue
from triage.cli.run import summary
from triage.cli.show import heading, local, progress, table

if TYPE_CHECKING:
    from triage.demo.servers import ImapServer, SmtpSink

SHOWN = 24
ZONE = "Europe/London"


@app.command()
def demo(
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the last demo first.")] = False,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its data.")] = Path("demo-data"),
) -> None:
    """The main job on an embedded mailbox: sample mails in, cases with owners and deadlines out."""
    from triage.demo.servers import ImapServer, SmtpSink
    from triage.flows.cycle import through_prefect

    if fresh and (folder / "config").is_dir():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    now = office_hour()
    with ImapServer(user="desk", password="demo", folders=["Sent"]) as imap, SmtpSink() as smtp:
        count = _fill(imap, now)
        _configure(folder, imap, smtp, now)
        print(f"An IMAP server with {count} sample mails and an SMTP server are running on this machine.")
        print(f"The demo's clock stands at {local(now, ZONE)}, in office hours.\n")
        outcome = through_prefect(None, progress)
        print("\n" + summary(outcome))
        _show(folder, len(smtp.messages))


def office_hour() -> datetime:
    """Three in the afternoon of the last working day, so that the demo shows office hours at any hour."""
    from triage.world import clock

    at = clock.now().astimezone(ZoneInfo(ZONE))
    at = at.replace(hour=15, minute=0, second=0, microsecond=0) - timedelta(days=int(at.hour < 15))
    while at.weekday() > 4:
        at -= timedelta(days=1)
    return at.astimezone(ZoneInfo("UTC"))


def _fill(imap: ImapServer, now: datetime) -> int:
    """Every second sample mail, arrived over the past six days, more of them lately."""
    from triage.demo.mails import samples

    chosen = list(samples())[::2]
    last = len(chosen) - 1
    when = [now - timedelta(minutes=20) - timedelta(days=6) * ((last - i) / last) ** 1.6 for i in range(len(chosen))]
    imap.deliver_all([(sample.raw, at) for sample, at in zip(chosen, when, strict=True)])
    return len(chosen)


def _configure(folder: Path, imap: ImapServer, smtp: SmtpSink, now: datetime) -> None:
    """The shipped config with this demo's servers in it."""
    from triage.demo.mails import samples
    from triage.world import config

    place = folder / "config"
    if not place.is_dir():
        shutil.copytree(config.shipped(), place, ignore=lambda _d, names: [n for n in names if not n.endswith(".yaml")])
    mailbox: dict[tuple[str | int, ...], Any] = {
        ("host",): "127.0.0.1", ("port",): imap.port, ("tls",): "none", ("user",): imap.user,
        ("password", "env"): "TRIAGE_DEMO_PASSWORD",
    }  # fmt: skip
    _edit(place / "mailboxes.yaml", {("mailboxes", 0, *path): value for path, value in mailbox.items()})
    # The sample mails are addressed to many invented firms; the demo's desk answers for all of them.
    domains = ["alderfinch.example", *sorted({sample.to_domain for sample in samples()})]
    _edit(place / "business.yaml", {("domains",): domains})
    sink = {"host": "127.0.0.1", "port": smtp.port, "tls": "none"}
    _edit(place / "notices.yaml", {("smtp",): sink, ("mode",): "on"})
    os.environ |= {
        "TRIAGE_CONFIG": str(place), "TRIAGE_DATA": str(folder), "TRIAGE_DEMO_PASSWORD": imap.password,
        "TRIAGE_NOW": now.isoformat(),
    }  # fmt: skip


def _edit(path: Path, changes: Mapping[tuple[str | int, ...], Any]) -> None:
    """Set values in a config file; its comments stay."""
    from triage.world import config

    text = path.read_text(encoding="utf-8")
    for where, value in changes.items():
        text = config.edit(text, where, value)
    path.write_text(text, encoding="utf-8")


def _show(folder: Path, sent: int) -> None:
    from triage.desk import open_desk
    from triage.operations import look

    with open_desk() as desk:
        cases, zone = look.cases(desk), desk.zone
        print(heading(f"The queue: {len(cases)} open cases, most urgent first"))
        print(queue(cases[:SHOWN], zone))
        if len(cases) > SHOWN:
            print(f"... and {len(cases) - SHOWN} more: triage cases")
        filed = look.filed(desk, 100)
        print(heading(f"Filed as no complaint: {len(filed)}"))
        print(table(
            ["what", "from", "subject", "why"],
            [[f["disposition"], f["from"], f["subject"], f["reason"]] for f in filed],
            {"from": 30, "subject": 36, "why": 56},
        ))  # fmt: skip
        review = [case for case in cases if case["review"]]
        print(heading(f"Waiting for a person's decision: {len(review)} (owned, and their clocks run)"))
        print(table(
            ["case", "guess", "owner", "subject", "not sure because"],
            [[c["id"], c["complaint_type"] or c["disposition"], c["owner"], c["subject"], "; ".join(c["review_reasons"])]
             for c in review[:10]],
            {"subject": 40, "not sure because": 60},
        ))  # fmt: skip
        notices = look.notices(desk, 400)
        print(heading(f"Notices: {sent} sent in this run"))
        print(table(
            ["kind", "to", "subject"],
            [[n["kind"], n["to"], n["subject"]] for n in notices if n["kind"] == "escalation"][-10:],
            {"subject": 80},
        ))  # fmt: skip
        print("\n" + ", ".join(f"{count} {kind}" for kind, count in look.notice_kinds(desk).items()))
        first = cases[0]["id"] if cases else "C-2026-000001"
    print(heading("What to type next"))
    here = f"--config {folder}/config --data {folder}"
    for command, meaning in (
        (f"triage {here} case {first}", "one case with its whole history and every reason"),
        (f"triage {here} explain {first}", "why it is where it is: words, scores, rules"),
        (f"triage {here} report", "the figures"),
        (f"triage {here} accept {first} --by ines", "take it"),
        ("triage init", "a config for your own mailbox"),
    ):
        print(f"  {command:<60}  {meaning}")
    print(
        f"\n(In a checkout, `triage` is .venv/bin/triage; `export TRIAGE_NOW={os.environ['TRIAGE_NOW']}` keeps the demo's clock.)"
    )
