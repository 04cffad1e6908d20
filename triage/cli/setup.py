"""Setting up: a config of your own, a check of all of it, and calendar arithmetic to try it with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triage.cli.app import app
from triage.cli.show import emit

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
hours_app = typer.Typer(name="hours", help="Calendar arithmetic, as the deadlines do it.", no_args_is_help=True)
app.add_typer(hours_app)


@app.command()
def init(
    address: Annotated[
        str, typer.Option(prompt="Address that customers complain to", help="Its mailbox is read.", show_default=False)
    ],
    host: Annotated[str, typer.Option(prompt="IMAP server", help="Name of the mail server.")],
    lead: Annotated[str, typer.Option(prompt="Mail address of the support lead", help="Gets what fits nobody.")],
    folder: Annotated[
        Path | None, typer.Argument(help="Where to write it; TRIAGE_CONFIG or ./config if not given.")
    ] = None,
    user: Annotated[str, typer.Option(help="Sign-in name; the address, if not given.")] = "",
    smtp_host: Annotated[str, typer.Option(help="Server that takes notices; the IMAP server, if not given.")] = "",
    zone: Annotated[str, typer.Option(help="Time zone of the desk.")] = "Europe/London",
    business: Annotated[str, typer.Option(help="Name that notices are signed with.")] = "",
) -> None:
    """Write a commented config for your own mailbox. Nothing that is there is overwritten."""
    from triage.operations.setup import init as write

    print(
        write(
            folder, address=address, host=host, user=user, smtp_host=smtp_host, lead=lead, zone=zone, business=business
        )
    )


@app.command()
def check(
    offline: Annotated[bool, typer.Option("--offline", help="Only the files, no connections.")] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also hash every mail and rebuild every case from its events.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check everything: config, secrets, database, model, IMAP, SMTP. One line a check, and what to do."""
    from triage.operations.setup import check as check_all

    lines = check_all(offline=offline)
    if deep and not any(line.failed and line.name in ("data folder", "config", "database") for line in lines):
        from triage.desk import open_desk
        from triage.operations import deep as deep_check

        with open_desk() as desk:
            lines += deep_check.check(desk)
    if as_json:
        emit([line.as_json() for line in lines])
    else:
        for line in lines:
            print(line)
    raise typer.Exit(1 if any(line.failed for line in lines) else 0)


@hours_app.command("add")
def hours_add(
    start: Annotated[str, typer.Argument(help="A moment, ISO 8601 with zone.")],
    amount: Annotated[str, typer.Argument(help="4h, 90m, 2bd (business days), 3h30m.")],
    calendar: Annotated[str, typer.Option(help="A calendar of config/calendars.yaml.")] = "",
    as_json: AsJson = False,
) -> None:
    """When is it, so much working time later."""
    from triage.operations import setup

    found = setup.hours_add(start, amount, calendar)
    emit([found]) if as_json else print(f"{found['local']}  ({found['utc']})")


@hours_app.command("between")
def hours_between(
    start: Annotated[str, typer.Argument(help="A moment, ISO 8601 with zone.")],
    end: Annotated[str, typer.Argument(help="Another.")],
    calendar: Annotated[str, typer.Option(help="A calendar of config/calendars.yaml.")] = "",
    as_json: AsJson = False,
) -> None:
    """How much working time lies between two moments."""
    from triage.operations import setup

    found = setup.hours_between(start, end, calendar)
    emit([found]) if as_json else print(found["text"])
