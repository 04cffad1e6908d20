"""Running it: once, for good, and the questions whoever runs it asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import typer

from triage.cli.app import app
from triage.cli.show import emit, heading, progress, table

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command()
def run(
    mailbox: Annotated[list[str] | None, typer.Option(help="Only this mailbox; may be given twice.")] = None,
    engine: Annotated[str, typer.Option(help="plain (in this process) or prefect (through the flows).")] = "plain",
    as_json: AsJson = False,
) -> None:
    """One whole cycle: fetch, judge, mark, escalate, send. Exit 0 fine, 75 try again, 1 a person must act."""
    from triage.errors import Misuse

    if engine == "prefect":
        from triage.flows.cycle import through_prefect as do
    elif engine == "plain":
        from triage.operations.unattended import one_cycle as do
    else:
        raise Misuse(f"There is no engine {engine!r}.", fix="Use plain or prefect.")
    outcome = do(mailbox or None, progress if not as_json else _quiet)
    if as_json:
        last = {name: outcome[name] for name in ("escalations", "notices", "config_refused")}
        emit([*outcome["mailboxes"], last])
    else:
        print(summary(outcome))
    raise typer.Exit(outcome["exit_code"])


def _quiet(_line: str) -> None:
    return None


def summary(outcome: dict[str, Any]) -> str:
    """What a cycle did, for people."""
    heads = ["mailbox", "found", "new", "opened", "attached", "filed", "quarantined", "trouble"]
    rows = [
        [
            box["mailbox"], str(box["found"]), str(box["stored"]), str(box["opened"]), str(box["attached"]),
            str(sum(box["filed"].values())), str(box["quarantined"]), "; ".join(box["errors"]) or "-",
        ]
        for box in outcome["mailboxes"]
    ]  # fmt: skip
    steps, notices = outcome["escalations"], outcome["notices"]
    return (
        table(heads, rows, {"trouble": 500})
        + _early(outcome["mailboxes"])
        + f"\n{steps['escalations']} escalations, {steps['reminders']} reminders; "
        + f"{notices['sent']} notices sent, {notices['held']} held back (notices are {notices['mode']})"
        + ("; `triage notices` shows them" if notices["held"] else "")
        + "".join(f"\n  {line}" for line in notices["errors"])
        + "".join(f"\n{line}" for line in _remarks(outcome["mailboxes"]))
        + refusal(outcome["config_refused"])
    )


def _remarks(boxes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What the columns do not say."""
    for box in boxes:
        if box["outbound"]:
            yield f"{box['mailbox']}: {box['outbound']} mails of ours, put on their cases or filed"
        if box["before_start"]:
            yield (
                f"{box['mailbox']}: {box['before_start']} mails came before start_from and open no case; "
                "`triage backfill --since DATE` takes them in"
            )


def _early(boxes: list[dict[str, Any]]) -> str:
    """What a first run needs to hear: its mail is not lost, it is older than the desk."""
    early = sum(box["before_start"] for box in boxes)
    if not early:
        return ""
    return (
        f"\n{early} mails are older than `start_from` and open no case; `triage backfill --since DATE` takes them in."
    )


def refusal(problems: list[str]) -> str:
    """That the files in the config folder are not those in force, and why."""
    head = "\nTHE CONFIG WAS REFUSED; the last good version goes on running. `triage config undo` brings it back."
    return head + "".join(f"\n  {problem}" for problem in problems) if problems else ""


@app.command()
def serve(
    every: Annotated[int | None, typer.Option(help="Seconds between two looks; the config's, if not given.")] = None,
    metrics: Annotated[
        int | None, typer.Option(help="Answer /healthz and /metrics on this port of this machine.", min=1, max=65535)
    ] = None,
) -> None:
    """Run unattended: start a Prefect server where none is configured, and the flows on their schedules."""
    from triage.operations.unattended import serve as serve_for_good

    serve_for_good(every, progress, metrics)


@app.command()
def reconcile(
    mailbox: Annotated[list[str] | None, typer.Option(help="Only this mailbox.")] = None,
    content: Annotated[bool, typer.Option("--content", help="Fetch every mail and compare its text as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare server and register, UID by UID; exit 1 where anything is missing."""
    from triage.desk import open_desk
    from triage.operations.reconcile import reconcile as compare

    with open_desk() as desk:
        rows = compare(desk, mailbox, content=content)
    if as_json:
        emit(rows)
    else:
        heads = ["mailbox", "folder", "on_server", "known", "in_cases", "filed", "quarantined", "waiting", "missing"]
        heads += ["differs"] if content else []
        print(table(heads, [[str(row[head]) for head in heads] for row in rows]))
        for row in rows:
            print("".join(f"  {row['mailbox']}/{row['folder']}: {line}\n" for line in row["errors"]), end="")
    trouble = any(row["errors"] for row in rows)
    raise typer.Exit(1 if any(row["missing"] or row["differs"] for row in rows) else 75 if trouble else 0)


@app.command()
def backfill(
    since: Annotated[str, typer.Option(help="A day or moment (ISO 8601); older mail stays out.")],
    mailbox: Annotated[list[str] | None, typer.Option(help="Only this mailbox.")] = None,
) -> None:
    """Take in mail from before the start, on purpose and without notices."""
    from triage.desk import open_desk
    from triage.operations.backfill import backfill as take_older
    from triage.world.clock import parse

    text = since if "T" in since else f"{since}T00:00:00Z"
    with open_desk() as desk:
        print(take_older(desk, parse(text), mailbox, say=progress))


@app.command()
def report(days: Annotated[int, typer.Option(help="How far back.")] = 7, as_json: AsJson = False) -> None:
    """Figures: new, closed, open, on time per clock, escalations, reviews, corrections."""
    from triage.desk import open_desk
    from triage.operations import look

    with open_desk() as desk:
        figures = look.report(desk, days)
    emit([figures]) if as_json else print(look.report_markdown(figures))


@app.command()
def status(as_json: AsJson = False) -> None:
    """How the desk is: last good scan, oldest unprocessed mail, open circuits, outbox, quarantine, next deadlines."""
    from triage.desk import open_desk
    from triage.operations import look

    with open_desk(last_good=True) as desk:
        found = look.status(desk)
    if as_json:
        emit([found])
        return
    for title, lines in look.status_text(found):
        print(heading(title))
        print("\n".join(lines) or "-")
