"""Our side of the conversation: replies looked through, promises, the customer's card, the register."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from triage.cli.act import At, By, _me
from triage.cli.app import app
from triage.cli.show import emit, local, table
from triage.errors import Misuse

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
_LARGEST = 4 * 1024 * 1024


@app.command("check-reply")
def check_reply(
    case: Annotated[str | None, typer.Option("--case", help="The case it answers; without it less is known.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look through a reply before it is sent, from standard input: a whole mail, or its text alone.

    Finds a wrong name, an unfilled placeholder, another customer's data, a wrong recipient, an insult, another language
    than the complaint's, a full card number. Exit 0 where nothing was found, 1 otherwise.
    """
    from triage.desk import open_desk
    from triage.operations import replies

    raw = sys.stdin.buffer.read(_LARGEST)
    with open_desk() as desk:
        found = replies.check_draft(desk, raw, case)
    if as_json:
        emit(found)
    else:
        for one in found:
            print(f"{'GRAVE: ' if one['grave'] else ''}{one['said']}")
        if not found:
            print("Nothing found.")
    raise typer.Exit(1 if found else 0)


@app.command()
def promises(
    case: Annotated[str | None, typer.Argument(help="Only those of this case.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Settled ones and closed cases too.")] = False,
    as_json: AsJson = False,
) -> None:
    """What we promised and have not settled, what is due first at the top."""
    from triage.desk import open_desk
    from triage.operations import promises as ledger

    with open_desk() as desk:
        found = ledger.listing(desk, everything=everything, case=case)
        zone = desk.zone
    if as_json:
        emit(found)
    elif not found:
        print("No promise.")
    else:
        rows = [
            [p["id"], local(p["due"], zone) + ("?" if p["assumed"] else ""), p["state"].replace("_", " "), p["type"],
             p["owner"], p["text"]]
            for p in found
        ]  # fmt: skip
        print(table(["promise", "due", "state", "kind", "owner", "words"], rows, {"words": 70}))


@app.command()
def promise(
    promise_id: Annotated[str, typer.Argument(metavar="ID", help="As `triage promises` lists it: C-2026-000123/1.")],
    verb: Annotated[str, typer.Argument(metavar="keep|dismiss|renegotiate", help="What became of it.")],
    to: Annotated[str | None, typer.Option(help="The new date (ISO 8601 with zone), for renegotiate.")] = None,
    at: At = None, why: Annotated[str, typer.Option(help="The reason; kept with the case.")] = "", by: By = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Settle a promise by hand: it was kept, it is none, or a new date was agreed before it was due."""
    from triage.desk import open_desk
    from triage.operations import promises as ledger
    from triage.world.clock import parse

    if verb not in ledger.VERBS:
        raise Misuse(f"{verb!r} is nothing a promise can become.", fix=f"Use one of {', '.join(ledger.VERBS)}.")
    with open_desk() as desk:
        done = ledger.settle(
            desk,
            promise_id,
            verb,
            actor=by or _me(),
            at=parse(at) if at else None,
            to=parse(to) if to else None,
            why=why,
        )
    emit([done]) if as_json else print(f"{done['id']}: {done['said']}")


@app.command()
def customer(
    address: Annotated[str, typer.Argument(help="An address they write from.")], as_json: AsJson = False
) -> None:
    """A customer's card, from mail alone: addresses, cases and outcomes, promises, language, contact wishes."""
    from triage.desk import open_desk
    from triage.operations import customers

    with open_desk() as desk:
        found = customers.look_up(desk, address)
        zone = desk.zone
    emit([found]) if as_json else print(customers.text(found, zone))


@app.command("export-register")
def export_register(
    format_: Annotated[str, typer.Option("--format", help="csv or json.")] = "csv",
    since: Annotated[str | None, typer.Option(help="Only cases received since (ISO 8601 with zone).")] = None,
) -> None:
    """The register of complaints with every field that a regulator asks for, to standard output. Personal data."""
    from triage.desk import open_desk
    from triage.operations import complaints_register as register
    from triage.world.clock import parse

    if format_ not in ("csv", "json"):
        raise Misuse(f"There is no format {format_!r}.", fix="Use csv or json.")
    with open_desk() as desk:
        rows = register.rows(desk, since=parse(since) if since else None)
    as_json = format_ == "json"
    sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1) + "\n" if as_json else register.as_csv(rows))
