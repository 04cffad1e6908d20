"""What a person may ask for by law: to be forgotten, and to see what is held."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triage.cli.app import app
from triage.cli.show import emit

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Address = Annotated[str, typer.Argument(help="The person's mail address.", metavar="ADDRESS")]


@app.command()
def forget(
    address: Annotated[str, typer.Argument(help="The person's mail address.", metavar="[ADDRESS]")] = "",
    why: Annotated[str, typer.Option("--why", help="The reason; kept, while the address is not.")] = "",
    expired: Annotated[
        bool, typer.Option("--expired", help="Instead: all that ended longer ago than business.yaml allows.")
    ] = False,
    by: Annotated[str, typer.Option("--by", help="Who does this; you, if not given.")] = "",
    as_json: AsJson = False,
) -> None:
    """Take a person's words and addresses out of register, raw mail and outbox. Clocks and figures stay."""
    from triage.desk import open_desk
    from triage.errors import Misuse
    from triage.operations import forget as forgetting
    from triage.operations.upkeep import os_user

    if bool(address) == expired:
        raise Misuse("Name one address, or --expired.")
    with open_desk() as desk:
        actor = by or os_user()
        if expired:
            done = forgetting.forget_expired(desk, actor=actor)
        else:
            done = forgetting.forget(desk, address, why=why, actor=actor)
    emit([done.as_json()]) if as_json else print(done.text())


@app.command()
def export(
    address: Address,
    out: Annotated[Path | None, typer.Option("--out", help="A new folder; export.json and .eml files.")] = None,
) -> None:
    """Everything that is held about one person, as JSON and as the mails themselves."""
    from triage.desk import open_desk
    from triage.operations import export as exported

    with open_desk() as desk:
        if out is None:
            print(exported.text(exported.export(desk, address)))
        else:
            print(f"{len(exported.write(desk, address, out))} files written to {out}")
