"""Try the clocks out: an invented desk on a simulated clock."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triage.cli.app import app
from triage.cli.show import emit, progress


@app.command()
def simulate(
    days: Annotated[int, typer.Option(min=2, max=365, help="How many days.")] = 30,
    seed: Annotated[int, typer.Option(help="Same seed, same desk.")] = 1,
    mails: Annotated[float, typer.Option(min=0.1, max=500, help="New complaints on a usual day.")] = 12,
    html: Annotated[Path | None, typer.Option(help="Write a page to look at.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """An invented team, inbox and outages through the real operations; every case audited at every sweep.

    Nothing of your own desk is read or changed. Exit 1 at the first thing that is wrong.
    """
    from triage.cli.show import written
    from triage.operations.simulate import simulate as run

    found = run(days, seed, mails, say=progress)
    emit([found.as_json()]) if as_json else print(found.text())
    if html is not None:
        progress(written(html, found.html()))
