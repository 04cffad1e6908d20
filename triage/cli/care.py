"""Care of the data: copies of it, and getting them back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triage.cli.app import app


@app.command()
def backup(target: Annotated[Path, typer.Argument(help="The .tar file to write.", metavar="FILE")]) -> None:
    """Copy register, raw mail, models, key and config into one file, while everything runs."""
    from triage.desk import open_desk
    from triage.operations import backup as care

    with open_desk(last_good=True) as desk:
        print(care.backup(desk, target).text())


@app.command()
def restore(source: Annotated[Path, typer.Argument(help="A file that `triage backup` wrote.", metavar="FILE")]) -> None:
    """Fill an empty data folder (--data) from a backup, then check every mail and case of it."""
    from triage.operations import backup as care

    done = care.restore(source)
    print(done.text())
    raise typer.Exit(0 if done.sound else 1)


@app.command()
def watchdog(
    max_age: Annotated[str, typer.Option("--max-age", help="How old the last good scan may be: 15m, 2h, 1d.")] = "15m",
) -> None:
    """For cron: exit 1 and write to the operators when no folder was read lately. Needs neither Prefect nor the outbox."""
    from triage.operations import watchdog as dog

    found = dog.watch(dog.span(max_age))
    print(found.text())
    raise typer.Exit(found.exit_code)
