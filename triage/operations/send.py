"""Send what is due in the outbox. Written once in the transaction of what it reports, sent by whoever comes first.

One window is left, and named: the SMTP server has taken the mail and the process dies before the commit. The mail then
leaves a second time under the same Message-ID, by which receivers drop the copy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from triage.desk import Desk
from triage.errors import SendRefused, TriageError
from triage.world.channels import PREFIX
from triage.world.store import lease, outbox

LEASE_SECONDS = 120
AT_ONCE = 50
GIVE_UP_AFTER = 50  # tries, with the back-off below about two days; then the operators are told


@dataclass(slots=True)
class Sent:
    """What left and what did not."""

    sent: int = 0
    failed: int = 0
    refused: int = 0
    errors: list[str] = field(default_factory=list)


def send_due(desk: Desk) -> Sent:
    """Hand every due message to the SMTP server. Never raises for what the server does: the outcome carries the error."""
    done = Sent()
    now = desk.now()
    with desk.database.read() as tx:
        if not outbox.due(tx, now, 1):
            return done
    with desk.database.write() as tx:
        held = lease.take(tx, "outbox", desk.identity, now, LEASE_SECONDS, desk.is_dead)
    if held is None:
        return done
    try:
        _to_channels(desk, held, now, done)  # first: they are wanted most when the mail server is what is down
        with desk.mailer() as mailer:
            while rows := _next(desk, now, channels=False):
                for row in rows:
                    desk.reached("11 sending")
                    try:
                        mailer.send(as_mail(row, desk.config.notices.sender or desk.reply_address, now))
                    except TriageError as error:
                        _failed(desk, held, row, error, done)
                        if not isinstance(error, SendRefused):
                            return done  # the server, not the mail: the rest would fail alike
                    else:
                        _sent(desk, held, row, done)
    except TriageError as error:
        done.errors.append(str(error))
    finally:
        with desk.database.write() as tx:
            lease.release(tx, held, desk.now())
    return done


def _to_channels(desk: Desk, held: lease.Lease, now: datetime, done: Sent) -> None:
    """What goes to channels. One that does not answer is left alone for this run; the others are not."""
    while rows := _next(desk, now, channels=True):
        silent: dict[str, TriageError] = {}
        for row in rows:
            name = str(row["recipient"]).removeprefix(PREFIX)
            if name in silent:
                _failed(desk, held, row, silent[name], done)
                continue
            desk.reached("11 sending")
            try:
                desk.channel(name).send(row["subject"], row["text"])
            except TriageError as error:
                silent[name] = error
                _failed(desk, held, row, error, done)
            else:
                _sent(desk, held, row, done)


def _next(desk: Desk, now: datetime, *, channels: bool) -> list[dict[str, Any]]:
    with desk.database.read() as tx:
        return outbox.due(tx, now, AT_ONCE, channels=channels)


def _sent(desk: Desk, held: lease.Lease, row: dict[str, Any], done: Sent) -> None:
    desk.reached("11 sent")
    with desk.database.write() as tx:
        lease.hold(tx, held, desk.now())
        outbox.sent(tx, row["id"], desk.now())
    done.sent += 1


def _failed(desk: Desk, held: lease.Lease, row: dict[str, Any], error: TriageError, done: Sent) -> None:
    tries = row["attempts"] + 1
    for_good = isinstance(error, SendRefused) or tries >= GIVE_UP_AFTER
    retry_at = None if for_good else desk.now() + timedelta(minutes=min(60, 2 ** min(tries, 6)))
    with desk.database.write() as tx:
        lease.hold(tx, held, desk.now())
        outbox.failed(tx, row["id"], str(error), retry_at)
    done.refused += for_good
    done.failed += not for_good
    done.errors.append(str(error))


def as_mail(row: dict[str, Any], sender: str, now: datetime) -> EmailMessage:
    """The outbox row as a mail. Its Message-ID is the row's, at every try the same."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, row["recipient"], row["subject"]
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = row["message_id"]
    for name, value in row["headers"].items():
        mail[name] = value
    mail.set_content(row["text"])
    return mail
