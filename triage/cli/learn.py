"""Teaching: train, evaluate, keep, go back."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from triage.cli.app import app
from triage.cli.show import emit, local, progress, table
from triage.errors import Misuse

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
models_app = typer.Typer(name="models", help="The models kept here.", no_args_is_help=True)
app.add_typer(models_app)


@app.command()
def train(
    source: Annotated[
        str, typer.Option("--from", help="cases (what people corrected here), or a labelled FILE.csv or FILE.jsonl.")
    ] = "cases",
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns", metavar="OURS=THEIRS", help="A column of the file under another name; may be repeated."
        ),
    ] = None,
    promote: Annotated[bool, typer.Option(help="Use the new model if it passes the gate.")] = True,
    seed: Annotated[int, typer.Option(help="Same data and seed, same model.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Train a candidate from the starter corpus and more; exit 1 where the gate refuses it."""
    from triage.desk import open_desk
    from triage.operations import teach

    with open_desk() as desk:
        outcome = teach.retrain(
            desk, source=source, columns=_pairs(columns or []), promote=promote, seed=seed, say=progress
        )
    emit([outcome.as_counts()]) if as_json else print(outcome.text())
    raise typer.Exit(0 if outcome.accepted or not promote else 1)


def _pairs(columns: Sequence[str]) -> dict[str, str]:
    """ "text=body,type=category" or each by itself."""
    found: dict[str, str] = {}
    for pair in (part for text in columns for part in text.split(",")):
        ours, sign, theirs = (side.strip() for side in pair.partition("="))
        if not (sign and ours and theirs):
            raise Misuse(f"--columns {pair!r} is not OURS=THEIRS.", fix="For example --columns text=body.")
        found[ours] = theirs
    return found


@app.command()
def audit(
    mails: Annotated[list[int] | None, typer.Argument(help="Mails of the sample; all that are open, if none is named.",
                                                     metavar="MAIL...")] = None,
    ok: Annotated[bool, typer.Option("--ok", help="Filed rightly: no complaint.")] = False,
    complaint: Annotated[bool, typer.Option("--complaint", help="It was one: it gets its case now.")] = False,
    type_: Annotated[str, typer.Option("--type", help="With --complaint: its complaint type.")] = "",
    urgency: Annotated[str, typer.Option(help="With --complaint: critical, urgent, normal or low.")] = "",
    by: Annotated[str | None, typer.Option("--by", help="Who looked; you, if not given.")] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """The sample of filed mail to look through for missed complaints: list it, or answer."""
    from triage.desk import open_desk
    from triage.operations import sampling

    if ok and complaint:
        raise Misuse("Either --ok or --complaint.")
    if (complaint or type_ or urgency) and (ok or not mails or not complaint):
        raise Misuse("--type and --urgency go with --complaint, and --complaint needs the mails named.")
    with open_desk() as desk:
        if not (ok or complaint):
            rows = sampling.listed(desk)
            emit(rows) if as_json else print(_listed(rows, desk.zone))
            return
        words = "ok" if ok else " ".join(word for word in ("complaint", type_, urgency) if word)
        done = sampling.answer(desk, mails or [], words=words, actor=by or _me())
    if as_json:
        emit(done)
        return
    print("\n".join(f"mail {row['mail']}: {row['said']}" for row in done) or "Nothing is open.")


def _me() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user in a container
        return "operator"


def _listed(rows: Sequence[Mapping[str, Any]], zone: str) -> str:
    if not rows:
        return "Nothing is to be looked through. `triage report` says what earlier samples found."
    heads = ["mail", "due", "owner", "filed as", "from", "subject", "arrived", "folder"]
    cells = [
        [str(r["mail"]), local(r["due_at"], zone), r["owner"], r["disposition"], r["from"] or "", r["subject"] or "",
         local(r["received_at"], zone), f"{r['mailbox']}/{r['folder']}"]
        for r in rows
    ]  # fmt: skip
    return table(heads, cells, {"subject": 38, "from": 32}) + (
        "\n\nRead them in the mailbox, then: triage audit --ok, or triage audit MAIL --complaint --type ..."
    )


@app.command()
def evaluate(
    on: Annotated[
        str, typer.Option(help="heldout (the shipped one), cases, or a labelled FILE.csv or FILE.jsonl.")
    ] = "heldout",
    model: Annotated[str, typer.Option(help="A model's name; the one in use if not given.")] = "",
    html: Annotated[Path | None, typer.Option(metavar="DIR", help="Write a page to look at, and its JSON.")] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns", metavar="OURS=THEIRS", help="A column of the file under another name; may be repeated."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """How good is a model: per class, calibration, missed urgent against flagged, worst mistakes."""
    from triage.desk import open_desk
    from triage.operations import teach

    with open_desk() as desk:
        report = teach.evaluate(desk, on=on, model=model, html=html, columns=_pairs(columns or []))
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
