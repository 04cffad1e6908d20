"""Reconcile: what is on the server against what the register knows, UID by UID and, when asked, byte by byte."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from triage.desk import Desk, FolderSpec, Mailbox
from triage.errors import InvariantBroken, TriageError
from triage.world.inbox import Inbox, batches
from triage.world.store import folders, mails

_IN_CASES = ("case", "attached")
_FILED = ("filed", "forwarded")


def reconcile(desk: Desk, names: Sequence[str] | None = None, *, content: bool = False) -> list[dict[str, Any]]:
    """One row a folder; `missing` counts mails of the server that are in no case, not filed and not quarantined.

    With `content` every mail is fetched and compared with what is stored, and what is stored with its checksum:
    `differs` counts the mails whose text is not in the register under any UID.
    """
    rows = []
    for mailbox in desk.mailboxes:
        if names and mailbox.name not in names:
            continue
        try:
            with desk.inbox(mailbox) as box:
                rows += [_folder(desk, box, mailbox, spec, content) for spec in mailbox.read_folders]
        except TriageError as error:
            rows.append(_row(mailbox.name, "*", errors=[str(error)]))
    return rows


def _folder(desk: Desk, box: Inbox, mailbox: Mailbox, spec: FolderSpec, content: bool) -> dict[str, Any]:
    try:
        state = box.select(spec.name, read_only=True)
        on_server = set(box.uids(1, state.uidnext - 1)) if state.uidnext > 1 else set()
    except TriageError as error:
        return _row(mailbox.name, spec.name, errors=[str(error)])
    with desk.database.read() as tx:
        at = next((f for f in folders.every(tx) if f.mailbox == mailbox.name and f.name == spec.name), None)
        if at is None or at.uidvalidity != state.uidvalidity:
            why = "never read" if at is None else "UIDVALIDITY changed since the last run"
            return _row(
                mailbox.name, spec.name, on_server=len(on_server), missing=len(on_server),
                errors=[f"{why}; `triage run` takes the mail in"] if on_server else [],
            )  # fmt: skip
        known = folders.states(tx, at)
        outcome = mails.outcomes(tx, [mail for _, mail in known.values() if mail is not None])
    seen: Counter[str] = Counter()
    missing = []
    for uid in on_server:
        state_of, mail_id = known.get(uid, ("unknown", None))
        kind = _kind(state_of, outcome.get(mail_id) if mail_id is not None else None)
        seen[kind] += 1
        if kind == "missing":
            missing.append(uid)
    errors = [f"UIDs without a mail: {sorted(missing)[:20]}"] if missing else []
    differs: list[int] = []
    if content:
        stored = {uid: mail for uid in on_server if (of := known.get(uid)) and of[0] == "stored" and (mail := of[1])}
        try:
            differs = _differing(desk, box, stored)
        except TriageError as error:
            errors.append(str(error))
        errors += [f"UIDs whose text is not the stored one: {differs[:20]}"] if differs else []
    return _row(
        mailbox.name, spec.name, on_server=len(on_server), known=len(on_server & set(known)),
        in_cases=seen["in_cases"], filed=seen["filed"], quarantined=seen["quarantined"], waiting=seen["waiting"],
        missing=len(missing), differs=len(differs), errors=errors,
    )  # fmt: skip


def _differing(desk: Desk, box: Inbox, stored: dict[int, int]) -> list[int]:
    """The UIDs whose bytes the register does not hold. A mail that came twice with other trace headers is held twice,
    so the bytes are looked for among all mails. Raises InvariantBroken where stored bytes are damaged."""
    found: list[int] = []
    packed, large = batches(box.facts(stored), box.account.limits)
    for uids in (*packed, *([uid] for uid in large)):
        texts = {one.uid: one.raw for one in box.fetch(uids) if one.raw is not None}
        shas = {uid: hashlib.sha256(raw).hexdigest() for uid, raw in texts.items()}
        with desk.database.read() as tx:
            held = mails.with_sha(tx, shas.values())
            kept = desk.raw.read(tx, held)
        if len(kept) != len(held):
            raise InvariantBroken("Stored mails cannot be read back.", fix="Restore the data folder from a backup.")
        found += [uid for uid, sha in shas.items() if sha not in held]
    return sorted(found)


def _kind(state: str, outcome: str | None) -> str:
    if state == "before_start":
        return "filed"
    if state == "unfetchable" or outcome == "quarantined":
        return "quarantined"
    if state != "stored":
        return "missing"
    if outcome in _IN_CASES:
        return "in_cases"
    return "filed" if outcome in _FILED else "waiting"


def _row(
    mailbox: str, folder: str, *, on_server: int = 0, known: int = 0, in_cases: int = 0, filed: int = 0,
    quarantined: int = 0, waiting: int = 0, missing: int = 0, differs: int = 0, errors: list[str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    return {
        "mailbox": mailbox, "folder": folder, "on_server": on_server, "known": known, "in_cases": in_cases,
        "filed": filed, "quarantined": quarantined, "waiting": waiting, "missing": missing, "differs": differs,
        "errors": errors or [],
    }  # fmt: skip
