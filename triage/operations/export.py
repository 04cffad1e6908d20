"""Export: everything the desk holds about one person, for the person: JSON for machines, the mails as they came."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from triage.desk import Desk
from triage.errors import Misuse, NotFound
from triage.operations import look
from triage.world.store import cases, mails, privacy


def export(desk: Desk, address: str) -> dict[str, Any]:
    """Cases with their history, mails with how they were judged, notices to the person. Raises NotFound."""
    wanted = address.strip().casefold()
    with desk.database.read() as tx:
        case_ids = privacy.cases_of(tx, wanted)
        mail_ids = privacy.mails_of(tx, wanted, case_ids)
        numbers = [row["number"] for row in cases.by_ids(tx, case_ids).values()]
        rows = privacy.mail_rows(tx, mail_ids)
        places = {row["id"]: mails.places(tx, row["id"]) for row in rows}
        told = [row for row in privacy.notices_about(tx, (), (), (), wanted) if row["recipient"].casefold() == wanted]
    if not case_ids and not rows:
        raise NotFound("Nothing is known of that address.", fix="Was it another address of the same person?")
    return {
        "address": wanted, "made_at": desk.now(), "business": desk.config.business.name,
        "cases": [look.case(desk, number) for number in sorted(numbers)],
        "mails": [_mail(row, places[row["id"]]) for row in rows],
        "notices_to_the_person": [
            {name: row[name] for name in ("kind", "subject", "text", "state", "created_at", "sent_at")} for row in told
        ],
    }  # fmt: skip


def _mail(row: dict[str, Any], places: list[tuple[str, str]]) -> dict[str, Any]:
    names = ("id", "direction", "received_at", "effective_at", "stored_at", "message_id", "subject", "from_email", "from_name",
             "customer", "disposition", "outcome", "reason", "verdict", "state", "sha256")  # fmt: skip
    return {**{name: row[name] for name in names}, "folders": [f"{box}/{folder}" for box, folder in places]}


def write(desk: Desk, address: str, folder: Path) -> list[Path]:
    """export.json and one .eml a mail into a folder that only its owner can read. Raises Misuse where it has files."""
    found = export(desk, address)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise Misuse(f"{folder} is not empty.", fix="Name a new folder.")
        written = [_file(folder / "export.json", text(found).encode())]
        for mail in found["mails"]:
            with desk.database.read() as tx:
                body = desk.raw.read(tx, [mail["sha256"]])[mail["sha256"]]
            written.append(_file(folder / f"mail-{mail['id']}.eml", body))
    except OSError as error:
        raise Misuse(f"{folder} cannot be written: {error.strerror}.") from None
    return written


def text(found: dict[str, Any]) -> str:
    """The export as JSON."""
    return json.dumps(found, ensure_ascii=False, indent=1, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    raise TypeError(type(value).__name__)


def _file(path: Path, body: bytes) -> Path:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(body)
    return path
