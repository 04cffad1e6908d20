"""What is there and why: the queue, one case, one mail."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from triage.cli.app import app
from triage.cli.show import emit, heading, local, progress, table

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command("cases")
def list_cases(
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    owner: Annotated[str | None, typer.Option(help="Only this owner's.")] = None,
    review: Annotated[bool, typer.Option("--review", help="Only what waits for a person's decision.")] = False,
    as_json: AsJson = False,
) -> None:
    """The queue: most urgent first."""
    from triage.desk import open_desk
    from triage.operations import look

    with open_desk() as desk:
        found = look.cases(desk, everything=everything, owner=owner, review=review)
        if as_json:
            emit(found)
        else:
            print(queue(found, desk.zone))


def queue(found: list[dict[str, Any]], zone: str) -> str:
    """The queue as a table."""
    if not found:
        return "No case."
    heads = ["case", "urgency", "type", "flags", "owner", "customer", "subject", "next deadline", "state"]
    widest = {"subject": 38, "customer": 26, "flags": 30, "type": 22, "next deadline": 34}
    rows = []
    for case in found:
        due = case["next_deadline"]
        rows.append([
            case["id"], case["urgency"], (case["complaint_type"] or case["disposition"]) + ("?" if case["review"] else ""),
            " ".join(flag["name"] for flag in case["flags"]), case["owner"], case["customer"], case["subject"],
            f"{due['target']} {local(due['due'], zone)}" if due else "-", due["state"] if due else case["status"],
        ])  # fmt: skip
    return table(heads, rows, widest)


@app.command("case")
def show_case(case: Annotated[str, typer.Argument(help="Its number.")], as_json: AsJson = False) -> None:
    """One case with its whole history and every reason."""
    from triage.desk import open_desk
    from triage.operations import look

    with open_desk() as desk:
        found = look.case(desk, case)
        if as_json:
            emit([found])
            return
        zone = desk.zone
    print(heading(f"{found['id']}  {found['subject']}"))
    for label, value in look.card(found):
        print(f"{label:>16}  {value}")
    print(heading("Deadlines"))
    print(table(
        ["target", "due", "state", "why"],
        [[d["target"], local(d["due"], zone), d["state"], d["cause"]] for d in found["deadlines"]],
    ))  # fmt: skip
    print(heading("Mails"))
    print(table(
        ["mail", "when", "from", "subject", "what", "folder"],
        [[str(m["mail"]), local(m["at"], zone), m["from"], m["subject"], m["disposition"], m["folder"]] for m in found["mails"]],
        {"subject": 40},
    ))  # fmt: skip
    print(heading("History"))
    for entry in found["history"]:
        print(f"{local(entry['at'], zone):>17}  {entry['kind']:<20} {entry['said']}  [{entry['actor']}]")


@app.command()
def explain(
    what: Annotated[str, typer.Argument(help="A case number or an .eml file.")], as_json: AsJson = False
) -> None:
    """Why is it where it is: what was read, which words, scores and rules decided."""
    from triage.desk import open_desk
    from triage.operations import explain as explained

    with open_desk() as desk:
        if Path(what).suffix == ".eml" or Path(what).is_file():
            found = explained.file(desk, Path(what))
        else:
            found = explained.case(desk, what)
    if as_json:
        emit([found])
    else:
        print(explained.text(found))


@app.command()
def classify(
    what: Annotated[str, typer.Argument(help="An .eml file, a folder of them, or - for standard input.")],
    received: Annotated[
        str | None, typer.Option(help="When it arrived (ISO 8601 with zone); else the mail's Date, else now.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge mails without storing anything. The domain they are addressed to counts as ours."""
    from triage.desk import open_judge
    from triage.operations import explain as explained
    from triage.world.clock import parse

    at = parse(received) if received else None
    with open_judge() as desk:
        if what == "-":
            rows = [explained.classify_one(desk, "-", sys.stdin.buffer.read(explained.LARGEST), at)]
        else:
            rows = explained.files(desk, Path(what), at, say=progress)
        if as_json:
            emit(rows)
        else:
            for row in rows:
                print(explained.line(row))
