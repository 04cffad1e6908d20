"""What is there and why: the queue, one case, one mail."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from triage.cli.app import app
from triage.cli.show import emit, heading, in_words, local, progress, table, visible

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
    from triage.operations import look, promises

    with open_desk() as desk:
        found = look.case(desk, case)
        if as_json:
            emit([found])
            return
        zone, promised = desk.zone, promises.listing(desk, case=case)
    print(heading(f"{found['id']}  {found['subject']}"))
    for label, value in look.card(found):
        print(f"{label:>16}  {in_words(value, zone)}")
    print(heading("Deadlines"))
    print(table(
        ["target", "due", "state", "why"],
        [[d["target"], local(d["due"], zone), d["state"], d["cause"]] for d in found["deadlines"]],
    ))  # fmt: skip
    if promised:
        print(heading("Our promises"))
        rows = [[p["id"], local(p["due"], zone), p["state"], p["text"]] for p in promised]
        print(table(["promise", "due", "state", "words"], rows, {"words": 70}))
    print(heading("Mails"))
    print(table(
        ["mail", "when", "from", "subject", "what", "folder"],
        [[str(m["mail"]), local(m["at"], zone), m["from"], m["subject"], _what(m), m["folder"]] for m in found["mails"]],
        {"subject": 40},
    ))  # fmt: skip
    print(heading("History"))
    for entry in found["history"]:
        print(
            f"{local(entry['at'], zone):>17}  {entry['kind']:<20} {in_words(entry['said'], zone)}  [{entry['actor']}]"
        )


def _what(mail: dict[str, Any]) -> str:
    return "our mail" if mail["direction"] == "out" else str(mail["disposition"])


@app.command()
def notices(
    limit: Annotated[int, typer.Option(help="How many, the newest last.")] = 50,
    number: Annotated[int | None, typer.Option("--show", help="The whole text of one, by its number.")] = None,
    case: Annotated[str | None, typer.Option("--case", help="Only those about this case.")] = None,
    as_json: AsJson = False,
) -> None:
    """Who was told what, or would be: with notices off they are held here to look at."""
    from triage.desk import open_desk
    from triage.operations import look

    with open_desk() as desk:
        found, zone = look.notices(desk, limit, case=case, number=number), desk.zone
    if as_json:
        emit(found)
    elif number is not None:
        (one,) = found
        print(f"To: {one['to']}\nSubject: {visible(one['subject'])}\n\n{one['text']}")
    else:
        rows = [[str(n["number"]), local(n["at"], zone), n["state"], n["kind"], n["to"], n["subject"]] for n in found]
        print(table(["notice", "when", "state", "kind", "to", "subject"], rows, {"subject": 90, "to": 36}))


@app.command()
def filed(
    limit: Annotated[int, typer.Option(help="How many, the newest first.")] = 50, as_json: AsJson = False
) -> None:  # fmt: skip
    """Mails that opened no case, with the reason: newsletters, praise, our own mail on no case."""
    from triage.desk import open_desk
    from triage.operations import look

    with open_desk() as desk:
        found, zone = look.filed(desk, limit), desk.zone
    if as_json:
        emit(found)
    elif not found:
        print("No mail was filed.")
    else:
        heads = ["mail", "when", "what", "from", "subject", "why"]
        rows = [
            [str(m["mail"]), local(m["at"], zone), m["disposition"], m["from"], m["subject"], m["reason"]]
            for m in found
        ]
        print(table(heads, rows, {"subject": 38, "from": 32, "why": 50}))
        print("\nA complaint after all?  triage correct --mail NUMBER --disposition complaint --why ...")


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
