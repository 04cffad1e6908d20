"""What a person does to a case. Who, when and why are kept with every one of these."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer

from triage.cli.app import app
from triage.cli.show import emit
from triage.errors import Misuse

Ids = Annotated[list[str] | None, typer.Argument(help="Case numbers (C-2026-000123 or 123).", metavar="ID...")]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", help="Every open case with KEY=VALUE (owner, type, urgency, status, mailbox, customer)."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, change nothing.")]
By = Annotated[str | None, typer.Option("--by", help="Who does this; you, if not given.")]
At = Annotated[str | None, typer.Option("--at", help="When it was true (ISO 8601 with zone); now, if not given.")]
Why = Annotated[str, typer.Option("--why", help="The reason; kept with the case.")]
Product = Annotated[str, typer.Option("--product", help="The product or service it is about, for the register.")]
Remedy = Annotated[str, typer.Option("--remedy", help="What the customer wants, for the register.")]
FollowUp = Annotated[
    str, typer.Option("--follow-up", help="What is done so that it does not happen again, for the register.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def _act(
    verb: str, ids: list[str] | None, where: list[str] | None, dry_run: bool, by: str | None, at: str | None,
    as_json: bool, **data: Any,
) -> None:  # fmt: skip
    from triage.desk import open_desk
    from triage.operations import act
    from triage.world.clock import parse

    if bool(ids) == bool(where):
        raise Misuse("Name cases, or choose them with --where; one of the two.")
    conditions = dict(_pair(text) for text in where or [])
    with open_desk() as desk:
        done = act.act(
            desk, verb, ids or [], conditions, actor=by or _me(), at=parse(at) if at else None, dry_run=dry_run, **data
        )
    if as_json:
        emit(done)
        return
    for row in done:
        print(f"{'would be done: ' if dry_run else ''}{row['id']}: {row['said']}")
    if not done:
        print("No open case matches.")


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise Misuse(f"--where {text!r} is not KEY=VALUE.", fix="For example --where owner=anna.")
    return key, value


def _me() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user in a container
        return "operator"


@app.command()
def assign(
    to: Annotated[str, typer.Option(help="The new owner: a person or a pool of config/people.yaml.")], why: Why,
    ids: Ids = None, where: Where = None, dry_run: DryRun = False, by: By = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Give cases to another owner; the hand-off is counted."""
    _act("assign", ids, where, dry_run, by, None, as_json, to=to, why=why)


@app.command()
def accept(
    ids: Ids = None, where: Where = None, dry_run: DryRun = False, by: By = None, as_json: AsJson = False
) -> None:
    """Take the cases you were assigned."""
    _act("accept", ids, where, dry_run, by, None, as_json)


@app.command()
def replied(
    ids: Ids = None, where: Where = None, at: At = None,
    channel: Annotated[str, typer.Option(help="mail, phone, letter, chat or in_person.")] = "phone",
    note: Annotated[str, typer.Option(help="What was said.")] = "",
    final: Annotated[bool, typer.Option("--final", help="It answers the matter in full.")] = False,
    holding: Annotated[bool, typer.Option("--holding", help="It is a holding reply (statutory clocks).")] = False,
    dry_run: DryRun = False, by: By = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Record an answer that no mail shows; it counts from the time it was given."""
    if final and holding:
        raise Misuse("A reply is final or holding, not both.")
    response = "final" if final else "holding" if holding else "answer"
    _act("replied", ids, where, dry_run, by, at, as_json, channel=channel, note=note, response=response)


@app.command()
def hold(
    why: Why, ids: Ids = None, where: Where = None, dry_run: DryRun = False, by: By = None, as_json: AsJson = False
) -> None:
    """Wait for the customer: the clocks of the answer rest; at most twice a case."""
    _act("hold", ids, where, dry_run, by, None, as_json, why=why)


@app.command()
def resume(
    ids: Ids = None, where: Where = None, why: Why = "", dry_run: DryRun = False, by: By = None, as_json: AsJson = False
) -> None:
    """End a hold."""
    _act("resume", ids, where, dry_run, by, None, as_json, why=why)


@app.command()
def close(
    ids: Ids = None, where: Where = None,
    outcome: Annotated[str, typer.Option(help="upheld, partly, not_upheld or withdrawn.")] = "",
    cause: Annotated[str, typer.Option(help="What caused the complaint.")] = "",
    reason: Annotated[
        str, typer.Option(help="Close without an answer: duplicate, withdrawn, not_a_complaint, unreachable, spam.")
    ] = "",
    product: Product = "", remedy: Remedy = "", follow_up: FollowUp = "",
    why: Why = "", dry_run: DryRun = False, by: By = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Close cases: with an outcome and a cause after a person's answer, or with a reason."""
    if bool(outcome) == bool(reason):
        raise Misuse("Closing needs --outcome (with --cause), or --reason.")
    _act(
        "close", ids, where, dry_run, by, None, as_json, outcome=outcome, cause=cause, reason=reason, why=why,
        product=product, remedy=remedy, follow_up=follow_up,
    )  # fmt: skip


@app.command()
def details(
    ids: Ids = None, where: Where = None, product: Product = "", remedy: Remedy = "", follow_up: FollowUp = "",
    eligible: Annotated[
        bool | None, typer.Option("--eligible/--not-eligible", help="Whether the regulator's rules cover the customer.")
    ] = None,
    dry_run: DryRun = False, by: By = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Enter what the register of complaints asks for and no mail tells."""
    if not (product or remedy or follow_up) and eligible is None:
        raise Misuse("Nothing to enter.", fix="Give --product, --remedy, --follow-up, --eligible or --not-eligible.")
    _act(
        "details", ids, where, dry_run, by, None, as_json, product=product, remedy=remedy, follow_up=follow_up,
        eligible=eligible,
    )  # fmt: skip


@app.command()
def reopen(
    why: Why, ids: Ids = None,
    mode: Annotated[str, typer.Option(help="resume (what was left of the clocks) or restart.")] = "",
    dry_run: DryRun = False, by: By = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Open closed cases again."""
    _act("reopen", ids, None, dry_run, by, None, as_json, mode=mode, why=why)


@app.command()
def correct(
    why: Why, ids: Ids = None, where: Where = None,
    type_: Annotated[str, typer.Option("--type", help="The right complaint type.")] = "",
    secondary: Annotated[list[str] | None, typer.Option(help="A further type; may be given twice.")] = None,
    urgency: Annotated[str, typer.Option(help="critical, urgent, normal or low; only a person may lower.")] = "",
    disposition: Annotated[str, typer.Option(help="What the mail really is, such as enquiry or praise.")] = "",
    clear_flag: Annotated[list[str] | None, typer.Option(help="A flag that was wrong.")] = None,
    mail: Annotated[int | None, typer.Option(help="A mail that was filed, instead of a case: it gets one.")] = None,
    dry_run: DryRun = False, by: By = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Set right what the program judged, and end the review. Routing runs again; the receipt stays; it is learnt from."""
    if not (type_ or secondary or urgency or disposition or clear_flag):
        raise Misuse("Nothing to correct.", fix="Give --type, --urgency, --disposition or --clear-flag.")
    if mail is not None:
        _recall(mail, disposition, type_, urgency, by, why, as_json)
        return
    _act(
        "correct", ids, where, dry_run, by, None, as_json, complaint_type=type_, secondary=secondary or [],
        urgency=urgency, disposition=disposition, clear_flags=clear_flag or [], why=why,
    )  # fmt: skip


def _recall(
    mail: int, disposition: str, type_: str, urgency: str, by: str | None, why: str, as_json: bool
) -> None:  # fmt: skip
    from triage.desk import open_desk
    from triage.operations.recall import recall

    if disposition != "complaint":
        raise Misuse("A filed mail is recalled as a complaint.", fix="Add --disposition complaint.")
    with open_desk() as desk:
        done = recall(desk, mail, actor=by or _me(), why=why, complaint_type=type_, urgency=urgency)
    emit([done]) if as_json else print(f"{done['id']}: {done['said']}, with {done['owner']}")


@app.command()
def confirm(
    ids: Ids = None, where: Where = None, why: Why = "", dry_run: DryRun = False, by: By = None, as_json: AsJson = False
) -> None:
    """Agree with what the program guessed, and end the review."""
    _act("confirm", ids, where, dry_run, by, None, as_json, why=why)


@app.command()
def note(
    ids: Annotated[list[str], typer.Argument(help="Case numbers.", metavar="ID...")],
    text: Annotated[str, typer.Option("--text", "-m", help="The note. Internal: it stops no clock.")],
    by: By = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Write an internal note."""
    _act("note", ids, None, False, by, None, as_json, text=text)


@app.command()
def ack(
    ids: Ids = None, where: Where = None, dry_run: DryRun = False, by: By = None, why: Why = "", as_json: AsJson = False
) -> None:
    """Take note of an escalation, so that it does not climb further."""
    _act("ack", ids, where, dry_run, by, None, as_json, why=why)


@app.command()
def merge(
    duplicate: Annotated[str, typer.Argument(help="The case that is the duplicate.")],
    into: Annotated[str, typer.Option("--into", help="The case that stays.")],
    why: Why = "", by: By = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Join a duplicate into another case, which keeps the earlier receipt."""
    _act("merge", [duplicate], None, False, by, None, as_json, into=into, why=why)


@app.command()
def split(
    case: Annotated[str, typer.Argument(help="The case that holds the mail.")],
    mail: Annotated[
        list[int] | None, typer.Option("--mail", help="Number of a mail, as `triage case ID` lists it; may be repeated.")
    ] = None,
    merged: Annotated[str, typer.Option("--merged", help="All that came with this merged case: undoes a merge.")] = "",
    why: Why = "", by: By = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Give mails of a case a case of their own, with our answers and promises that belong to them."""
    if bool(mail) == bool(merged):
        raise Misuse("Say which mails: --mail NUMBER, or --merged CASE for all that a merge brought.")
    _act("split", [case], None, False, by, None, as_json, mail_ids=mail or [], merged=merged, why=why)
