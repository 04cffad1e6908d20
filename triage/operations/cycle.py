"""One cycle: look at every mailbox, judge, sweep, send, and check the invariant. The order of things stands only here.

Every door calls these functions. `call` decides how an operation is run: plainly in this process, or as a Prefect task
(`triage.flows.engine.as_task`); the register is the same. `say` gets one line of progress at a time, without mail text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from triage.desk import Desk
from triage.errors import Permanent, Temporary, TriageError
from triage.operations import alarms, canary, corrections, forget, heartbeat, sampling, unseen, upkeep
from triage.operations.collect import Collected, collect
from triage.operations.corrections import Corrected
from triage.operations.keywords import Acknowledged, acknowledge
from triage.operations.marks import Marked, mark
from triage.operations.send import Sent, send_due
from triage.operations.sweep import Swept, sweep
from triage.operations.take_in import TakenIn, take_in_batch
from triage.world.discretion import Unexpected
from triage.world.store import outbox, register

Call = Callable[..., Any]
Say = Callable[[str], Any]


class MailLeftBehind(Temporary):
    """Not all mail could be taken in."""


class PersonNeeded(Permanent):
    """A mailbox cannot be read until a person has acted."""


class NoticesLeft(Temporary):
    """Not all notices could be sent."""


def plainly(operation: Callable[..., Any], *arguments: Any) -> Any:
    """Run an operation in this process."""
    return operation(*arguments)


def silence(_line: str) -> None:
    """Say nothing."""


@dataclass(slots=True)
class MailboxOutcome:
    """What a cycle did with one mailbox."""

    collected: Collected
    taken: TakenIn
    marked: Marked
    noted: Acknowledged = field(default_factory=Acknowledged)

    def as_json(self) -> dict[str, Any]:
        """The stable form of `triage run --json`: counts only."""
        got = asdict(self.collected)
        del got["error_kind"]
        return {
            **got,
            **self.taken.as_json(),
            "marked": self.marked.done,
            "acknowledged": self.noted.done,
            "errors": [*got["errors"], *self.marked.errors, *self.noted.errors],
        }


@dataclass(slots=True)
class IntakeOutcome:
    """What a look at every mailbox gave."""

    mailboxes: list[MailboxOutcome] = field(default_factory=list)
    config_refused: list[str] = field(default_factory=list)  # why the files in the config folder are not in force
    corrections: Corrected = field(default_factory=Corrected)  # asked for from people's mail clients

    @property
    def exit_code(self) -> int:
        """0 fine, 75 a mailbox failed for now, 1 a person must act."""
        kinds = {box.collected.error_kind for box in self.mailboxes}
        return 1 if "permanent" in kinds else 75 if "temporary" in kinds else 0

    def trouble(self) -> TriageError | None:
        """What a door that can only fail loudly raises."""
        if self.exit_code == 0:
            return None
        lines = "; ".join(f"{b.collected.mailbox}: {e}" for b in self.mailboxes for e in b.collected.errors)
        return PersonNeeded(lines) if self.exit_code == 1 else MailLeftBehind(lines)

    def as_json(self) -> dict[str, Any]:
        return {
            "mailboxes": [box.as_json() for box in self.mailboxes],
            "config_refused": self.config_refused,
            "corrections": self.corrections.as_json(),
            "exit_code": self.exit_code,
        }


@dataclass(slots=True)
class WatchOutcome:
    """What was due."""

    swept: Swept

    def trouble(self) -> TriageError | None:
        """Nothing: a broken invariant is raised at once."""
        return None

    def as_json(self) -> dict[str, Any]:
        return {"escalations": self.swept.as_json(), "exit_code": 0}


@dataclass(slots=True)
class SendOutcome:
    """What left the outbox; `held` waits because notices are off."""

    sent: Sent
    held: int
    mode: str

    def trouble(self) -> TriageError | None:
        return NoticesLeft("; ".join(self.sent.errors[:3])) if self.sent.errors else None

    def as_json(self) -> dict[str, Any]:
        return {
            "notices": {**asdict(self.sent), "held": self.held, "mode": self.mode},
            "exit_code": 75 if self.sent.errors else 0,
        }


@contextmanager
def _noted(desk: Desk, kind: str) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Write the run down, also when it does not reach its end."""
    with desk.database.write() as tx:
        run_id = register.start_run(tx, kind, desk.now())
    counts: dict[str, Any] = {}
    error: str | None = register.BROKEN_OFF
    try:
        yield counts.update
        error = None if counts.get("exit_code") == 0 else "see the counts"
    except Unexpected as broken:
        error = f"{register.BROKEN_OFF}: {broken.detail}"
        raise
    except TriageError as trouble:
        error = str(trouble)
        raise
    finally:
        with desk.database.write() as tx:
            register.end_run(tx, run_id, desk.now(), counts, error)


def intake(
    desk: Desk, names: Sequence[str] | None = None, *, call: Call = plainly, say: Say = silence
) -> IntakeOutcome:
    """Fetch, judge and mark every mailbox, each isolated from the others."""
    with _noted(desk, "intake") as note:
        outcome = _intake(desk, names, call, say)
        note(outcome.as_json())
    return outcome


def _intake(desk: Desk, names: Sequence[str] | None, call: Call, say: Say) -> IntakeOutcome:
    outcome = IntakeOutcome()
    if desk.refused is not None:
        outcome.config_refused = [str(problem) for problem in desk.refused.problems]
        say(f"the config was refused; version {desk.config.version[:12]} goes on running")
    call(upkeep.note_config, desk)
    wanted = [desk.mailbox(name) for name in names] if names else list(desk.mailboxes)
    for mailbox in wanted:
        say(f"{mailbox.name}: looking for new mail")
        got: Collected = call(collect, desk, mailbox)
        say(f"{mailbox.name}: {got.found} found, {got.stored} stored" + "".join(f"; {e}" for e in got.errors))
        outcome.mailboxes.append(MailboxOutcome(got, TakenIn(), Marked()))
    by_name = {box.collected.mailbox: box for box in outcome.mailboxes}
    while batch := call(take_in_batch, desk):
        for name, taken in batch.items():
            if name not in by_name:  # stored by an earlier run of a mailbox that is not looked at now
                by_name[name] = MailboxOutcome(Collected(name), TakenIn(), Marked())
                outcome.mailboxes.append(by_name[name])
            by_name[name].taken.add(taken)
        say("; ".join(f"{name}: {taken.sentence()}" for name, taken in batch.items()))
    outcome.corrections = call(corrections.carry_out, desk)
    if any(outcome.corrections.as_json().values()):
        say(f"corrections from mail clients: {outcome.corrections.sentence()}")
    forget.finish(desk, copies=any(box.taken.duplicates for box in outcome.mailboxes))
    for mailbox in wanted:
        if mailbox.mode != "read_only" and not by_name[mailbox.name].collected.error_kind:
            by_name[mailbox.name].marked = call(mark, desk, mailbox)
        if not by_name[mailbox.name].collected.error_kind:
            by_name[mailbox.name].noted = call(acknowledge, desk, mailbox)
    return outcome


def watch(desk: Desk, *, call: Call = plainly, say: Say = silence) -> WatchOutcome:
    """Take every step that is due, then check the invariant. Raises InvariantBroken."""
    with _noted(desk, "watch") as note:
        call(upkeep.recompute_stale, desk)
        swept: Swept = call(sweep, desk)
        say(f"{swept.cases} cases looked at, {swept.escalations} escalations, {swept.reminders} reminders")
        call(unseen.alarm, desk)
        call(sampling.draw, desk)
        call(alarms.check, desk)
        outcome = WatchOutcome(swept)
        note(outcome.as_json())
    return outcome


def dispatch(desk: Desk, *, call: Call = plainly, say: Say = silence) -> SendOutcome:
    """Send what is due."""
    with _noted(desk, "dispatch") as note:
        call(canary.tend, desk)
        sent: Sent = call(send_due, desk)
        with desk.database.read() as tx:
            held = outbox.tally(tx).get("held", 0)
        say(f"{sent.sent} notices sent" + (f", {sent.failed} failed" if sent.failed else ""))
        outcome = SendOutcome(sent, held, desk.config.notices.mode)
        note(outcome.as_json())
    heartbeat.beat(desk)
    return outcome


def run(desk: Desk, names: Sequence[str] | None = None, *, say: Say = silence) -> dict[str, Any]:
    """A whole cycle in this process; the stable form of `triage run --json`."""
    return joined(
        intake(desk, names, say=say).as_json(), watch(desk, say=say).as_json(), dispatch(desk, say=say).as_json()
    )


def joined(intake: dict[str, Any], watch: dict[str, Any], dispatch: dict[str, Any]) -> dict[str, Any]:
    """The three outcomes as one; a mailbox's trouble outweighs a notice's."""
    return {**watch, **dispatch, **intake, "exit_code": intake["exit_code"] or dispatch["exit_code"]}
