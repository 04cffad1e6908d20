"""Teaching: train, evaluate, keep, go back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triage.cli.app import app
from triage.cli.show import emit, progress

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
models_app = typer.Typer(name="models", help="The models kept here.", no_args_is_help=True)
app.add_typer(models_app)


@app.command()
def train(
    source: Annotated[
        str, typer.Option("--from", help="cases (what people corrected here), or a labelled FILE.csv or FILE.jsonl.")
    ] = "cases",
    promote: Annotated[bool, typer.Option(help="Use the new model if it passes the gate.")] = True,
    seed: Annotated[int, typer.Option(help="Same data and seed, same model.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Train a candidate from the starter corpus and more; exit 1 where the gate refuses it."""
    from triage.desk import open_desk
    from triage.operations import teach

    with open_desk() as desk:
        outcome = teach.retrain(desk, source=source, promote=promote, seed=seed, say=progress)
    emit([outcome.as_counts()]) if as_json else print(outcome.text())
    raise typer.Exit(0 if outcome.accepted or not promote else 1)


@app.command()
def evaluate(
    on: Annotated[
        str, typer.Option(help="heldout (the shipped one), cases, or a labelled FILE.csv or FILE.jsonl.")
    ] = "heldout",
    model: Annotated[str, typer.Option(help="A model's name; the one in use if not given.")] = "",
    html: Annotated[Path | None, typer.Option(metavar="DIR", help="Write a page to look at, and its JSON.")] = None,
    as_json: AsJson = False,
) -> None:
    """How good is a model: per class, calibration, missed urgent against flagged, worst mistakes."""
    from triage.desk import open_desk
    from triage.operations import teach

    with open_desk() as desk:
        report = teach.evaluate(desk, on=on, model=model, html=html)
    emit([report.as_json()]) if as_json else print(report.text())


@models_app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Every model here, with its scores; the one in use is marked."""
    from triage.desk import open_judge
    from triage.operations import teach

    with open_judge() as desk:
        rows = teach.models(desk)
    if as_json:
        emit(rows)
    else:
        print(teach.models_text(rows))


@models_app.command("show")
def show_model(name: Annotated[str, typer.Argument()] = "") -> None:
    """A model's card."""
    from triage.desk import open_judge
    from triage.operations import teach

    with open_judge() as desk:
        emit([teach.card(desk, name)])


@models_app.command("diff")
def diff_models(one: str, other: str) -> None:
    """What differs between two models: data, settings, figures."""
    from triage.desk import open_judge
    from triage.operations import teach

    with open_judge() as desk:
        emit([teach.diff(desk, one, other)])


@models_app.command("promote")
def promote_model(
    name: str,
    force: Annotated[
        str, typer.Option(metavar="REASON", help="Although the gate refuses it; the reason is kept.")
    ] = "",
) -> None:
    """Use this model from the next run on, if it passes the gate."""
    from triage.desk import open_desk
    from triage.operations import teach

    with open_desk() as desk:
        print(teach.promote(desk, name, why=force))


@models_app.command("rollback")
def roll_back() -> None:
    """Go back to the model that was in use before."""
    from triage.desk import open_desk
    from triage.operations import teach

    with open_desk() as desk:
        print(teach.rollback(desk))
