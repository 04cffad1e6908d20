"""Trying routing and deadlines out before they count."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triage.cli.app import app
from triage.cli.show import emit, progress, written

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]
routing_app = typer.Typer(
    name="routing", help="Why a case goes where it goes; what an edit would do.", no_args_is_help=True
)
app.add_typer(routing_app)


@routing_app.command("explain")
def explain(
    what: Annotated[str, typer.Argument(help="A case number or an .eml file.")], as_json: AsJson = False
) -> None:
    """Every rule in its order: hit or missed, and why. A case by the rules of its day, a file by those of now."""
    from triage.desk import open_desk
    from triage.operations import trial

    with open_desk() as desk:
        is_file = Path(what).suffix == ".eml" or Path(what).is_file()
        found = trial.explain_file(desk, Path(what)) if is_file else trial.explain_case(desk, what)
    emit([found]) if as_json else print(trial.explanation(found))


@routing_app.command("diff")
def diff(
    config_dir: Annotated[
        Path | None,
        typer.Option("--config-dir", help="A folder with an edited copy; else what ran last against the files."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What an edit changes, value by value, and which open cases would move at once."""
    from triage.desk import open_desk
    from triage.operations import trial

    with open_desk() as desk:
        found, zone = trial.diff(desk, config_dir), desk.zone
    emit([found]) if as_json else print(trial.diff_text(found, zone))


@routing_app.command("backtest")
def backtest(
    days: Annotated[int, typer.Option(min=1, max=3650, help="How far back.")] = 30,
    edited: Annotated[
        Path | None, typer.Option("--with", help="A folder with an edited copy; else what ran last against the files.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page to look at.")] = None,
    as_json: AsJson = False,
) -> None:
    """What edited rules would have done with stored cases: who moves, load, deadlines, breaches, open cases."""
    from triage.desk import open_desk
    from triage.insight import shown
    from triage.operations import trial

    with open_desk() as desk:
        found, zone = trial.backtest(desk, days, edited, say=progress), desk.zone
    emit([shown.as_json(found)]) if as_json else print(shown.text(found, zone))
    if html is not None:
        progress(written(html, shown.html(found, zone)))
