"""Ways to fetch the same folder, from the limit upwards: a bare socket, imaplib, IMAPClient as it comes, our fetch layer."""

from __future__ import annotations

import hashlib
import imaplib
import os
import socket
from pathlib import Path
from typing import Any

from benchmarks import jobs

BATCH = 100


def drain(*, port: int, user: str, password: str, folder: str) -> dict[str, Any]:
    """The limit: one FETCH of everything, its octets counted and thrown away."""
    octets = 0
    with socket.create_connection(("localhost", port)) as line:
        stream = line.makefile("rb")
        stream.readline()
        for tag, command in (("a", _login(user, password)), ("b", f'EXAMINE "{folder}"'.encode())):
            line.sendall(tag.encode() + b" " + command + b"\r\n")
            while not (said := stream.readline()).startswith(tag.encode() + b" "):
                pass
            assert b"OK" in said, said
        line.sendall(b"c UID FETCH 1:* (UID BODY.PEEK[])\r\n")
        buffer, end = bytearray(1 << 20), b""
        while b"\r\nc OK" not in end:
            size = line.recv_into(buffer)
            assert size, "the server hung up"
            octets += size
            end = (end + bytes(buffer[max(0, size - 100) : size]))[-200:]
    return {"octets": octets}


def _login(user: str, password: str) -> bytes:
    octets = password.encode()
    return f"LOGIN {user} {{{len(octets)}+}}\r\n".encode() + octets


def _connect(port: int, user: str, password: str, folder: str) -> imaplib.IMAP4:
    box = imaplib.IMAP4("localhost", port)
    box.authenticate("PLAIN", lambda _: b"\0" + user.encode() + b"\0" + password.encode())
    box.select(f'"{folder}"', readonly=True)
    return box


def imaplib_batches(*, port: int, user: str, password: str, folder: str) -> dict[str, Any]:
    """The standard library, 100 mails a FETCH."""
    box = _connect(port, user, password, folder)
    uids = box.uid("SEARCH", "ALL")[1][0].split()
    count = 0
    for start in range(0, len(uids), BATCH):
        _, parts = box.uid("FETCH", b",".join(uids[start : start + BATCH]).decode(), "(UID BODY.PEEK[])")
        count += sum(isinstance(part, tuple) and len(part[1]) > 0 for part in parts)
    box.logout()
    return {"mails": count}


def durable_pull(*, port: int, user: str, password: str, folder: str, into: str) -> dict[str, Any]:
    """The same, and every batch hashed, written and fsynced: the least that a durable intake can cost."""
    box = _connect(port, user, password, folder)
    uids = box.uid("SEARCH", "ALL")[1][0].split()
    count = 0
    with Path(into).open("wb") as file:
        for start in range(0, len(uids), BATCH):
            _, parts = box.uid("FETCH", b",".join(uids[start : start + BATCH]).decode(), "(UID BODY.PEEK[])")
            bodies = [part[1] for part in parts if isinstance(part, tuple)]
            for body in bodies:
                hashlib.sha256(body).digest()
            file.write(b"".join(bodies))
            file.flush()
            os.fsync(file.fileno())
            count += len(bodies)
    box.logout()
    return {"mails": count}


def imapclient_plain(*, port: int, user: str, password: str, folder: str) -> dict[str, Any]:
    """IMAPClient with nothing set, 100 mails a FETCH."""
    from imapclient import IMAPClient

    count = 0
    with IMAPClient("localhost", port, ssl=False) as box:
        box.plain_login(user, password)
        box.select_folder(folder, readonly=True)
        uids = box.search("ALL")
        for start in range(0, len(uids), BATCH):
            found = box.fetch(uids[start : start + BATCH], ["BODY.PEEK[]"])
            count += sum(b"BODY[]" in item for item in found.values())
    return {"mails": count}


def fetch(*, port: int, user: str, password: str, folder: str) -> dict[str, Any]:
    """The fetch layer alone: sign in, list, sizes and dates, bodies in batches."""
    from triage.world import inbox, signin

    account = inbox.MailboxAccount(
        name="bench", host="localhost", port=port, tls=inbox.Tls.NONE, ca_file=None, user=user,
        sign_in=signin.Password(lambda: password),
    )  # fmt: skip
    mails = octets = 0
    with inbox.open(account) as box:
        box.select(folder, read_only=True)
        facts = box.facts(box.uids())
        packed, _ = inbox.batches(facts, account.limits)
        for uids in packed:
            for one in box.fetch(uids, facts):
                mails += one.raw is not None
                octets += len(one.raw or b"")
    return {"mails": mails, "octets": octets, "peak_mb": jobs.peak_mb()}


def nothing() -> dict[str, Any]:
    """What a process of ours costs before it does anything."""
    return {}
