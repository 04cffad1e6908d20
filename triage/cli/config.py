"""The config's versions: what the program ran with, and the way back. Works with refused files too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from triage.cli.app import app
from triage.cli.show import emit, heading, table

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
config_app = typer.Typer(name="config", help="Versions of the configuration, and the way back.", no_args_is_help=True)
app.add_typer(config_app)


@config_app.command("history")
def history(as_json: AsJson = False) -> None:
    """Every config the program ran with: since when, until when, by whom, which files changed."""
    from triage.operations import versions

    found = versions.history()
    if as_json:
        emit([found])
        return
    rows = [
        [row["version"][:12], _time(row["first_used_at"]), _time(row["last_used_at"]), row["author"],
         ", ".join(row["changed"]) or "-", "these files" if row["in_folder"] else ""]
        for row in found["versions"]
    ]  # fmt: skip
    print(
        table(
            ["version", "first used (UTC)", "last used (UTC)", "author", "changed", "in the folder"],
            rows,
            {"changed": 80},
        )
    )
    if found["refused"]:
        print(heading(f"REFUSED: the files in {found['folder']}; the newest version above goes on running"))
        print("\n".join(found["refused"]))
    elif not any(row["in_folder"] for row in found["versions"]):
        print(f"\nThe files in {found['folder']} are sound (version {found['files_now'][:12]}) and have not run yet.")
    for undone in found["undone"]:
        print(f"{_time(undone['at'])}  {undone['by']} went back from {undone['from'][:12]} to {undone['to'][:12]}")


def _time(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


@config_app.command("show")
def show(
    version: Annotated[str, typer.Argument(help="A version, or its first digits.")],
    file: Annotated[str, typer.Option("--file", help="Only this file, such as routing.yaml.")] = "",
    diff: Annotated[bool, typer.Option("--diff", help="How the files in the folder differ from it.")] = False,
    as_json: AsJson = False,
) -> None:
    """The files of a version as they were."""
    from triage.errors import NotFound
    from triage.operations import versions

    found = versions.show(version)
    if as_json:
        emit([found])
    elif diff:
        print(found["differences"] or "No difference.")
    elif file:
        if file not in found["files"]:
            raise NotFound(f"That version has no file {file!r}.", fix=f"It has {', '.join(found['files'])}.")
        print(found["files"][file], end="")
    else:
        for name, text in found["files"].items():
            print(heading(name))
            print(text, end="")


@config_app.command("undo")
def undo(
    version: Annotated[str, typer.Argument(help="The version to go back to; the one before, if not given.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who does this; you, if not given.")] = "",
    as_json: AsJson = False,
) -> None:
    """Write the files of an earlier version back; what was there is kept. In force from the next run on."""
    from triage.operations import versions

    done = versions.undo(version or None, by=by)
    if as_json:
        emit([done])
        return
    print(f"Back at version {done['version'][:12]}: {', '.join(done['changed']) or 'no file'} changed.")
    print(f"What was there lies in {done['kept']}.")


@config_app.command("schema")
def schema(
    file: Annotated[str, typer.Argument(help="One file, such as routing.yaml; all, if not given.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Write them into this folder.")] = None,
) -> None:
    """JSON Schemas of the config files, with help on every key, for editors."""
    from triage.operations import versions

    print(versions.schema(file, out))
