"""Small questions and readings that the session is made of."""

from __future__ import annotations

import imaplib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from triage.world.inbox import names, replies
from triage.world.inbox.account import Fact, Fetched, FolderState
from triage.world.inbox.client import Client, understood
from triage.world.inbox.names import NameSpace
from triage.world.inbox.replies import Garbled, Item, Part
from triage.world.inbox.transport import Refused

_MANY = 500_000  # UIDs whose list fits into the longest line that is read


def opened(client: Client, folder: str, path: str, read_only: bool) -> FolderState:
    """SELECT, or EXAMINE with `read_only`. `path` is the server's own spelling of `folder`.

    By imaplib and not by `select_folder`, which reads a response code up to the last "]" of its line and takes the
    words "[UIDNEXT 5] next [UID]" for a number.
    """
    imap, name = client.imap, names.encode(path)
    imap.exists = 0
    try:
        imap.select(name, read_only)  # type: ignore[arg-type]  # bytes are as good as a string
    except imaplib.IMAP4.readonly:  # open, but for reading only; imaplib would refuse every further command
        read_only = True
        imap.select(name, True)  # type: ignore[arg-type]
    said = dict(replies.code(line) for line in imap.untagged_responses.get("OK", []) if isinstance(line, bytes))
    validity, following = said.get("UIDVALIDITY", b""), said.get("UIDNEXT", b"")
    if not validity.isdigit() or "UIDNOTSTICKY" in said:
        raise Garbled("a folder without lasting UIDs")  # no mail in it could be told from another
    mailboxid = said.get("MAILBOXID", b"").strip(b"()").decode("ascii", "replace")
    modseq = said.get("HIGHESTMODSEQ", b"")
    found = FolderState(
        folder=folder,
        uidvalidity=int(validity),
        uidnext=int(following) if following.isdigit() else 0,
        exists=imap.exists,
        read_write=not read_only,
        permanent_flags=frozenset(said.get("PERMANENTFLAGS", b"").strip(b"()").decode("ascii", "replace").split()),
        mailboxid=mailboxid or None,
        keywords=_keywords(imap.untagged_responses.get("FLAGS", [])),
        modseq=int(modseq) if modseq.isdigit() and len(modseq) <= 20 else None,
    )
    imap.news = False
    return found if found.uidnext else replace(found, uidnext=last_uid(client) + 1)


def _keywords(lines: Sequence[Part | None]) -> frozenset[str]:
    """What FLAGS lists (RFC 3501, 7.2.6) but for the system flags: the keywords that mails of the folder may carry."""
    words = (line.strip(b"()").split() for line in lines if isinstance(line, bytes))
    return frozenset(word.decode("ascii", "replace") for some in words for word in some if not word.startswith(b"\\"))


def status(client: Client, folder: str, path: str, *, with_id: bool) -> FolderState:
    """STATUS, without opening the folder. By imaplib: `folder_status` stumbles over the folder name `a[b`."""
    what = "(MESSAGES UIDNEXT UIDVALIDITY MAILBOXID)" if with_id else "(MESSAGES UIDNEXT UIDVALIDITY)"
    _, rows = client.imap.status(names.encode(path), what)  # type: ignore[arg-type]
    said = replies.counts(rows[-1] or b"")
    if not all(said.get(key, "").isdigit() for key in ("MESSAGES", "UIDNEXT", "UIDVALIDITY")):
        raise Garbled("a STATUS without what was asked for")
    return FolderState(
        folder=folder,
        uidvalidity=int(said["UIDVALIDITY"]),
        uidnext=int(said["UIDNEXT"]),
        exists=int(said["MESSAGES"]),
        mailboxid=said.get("MAILBOXID"),
    )


def name_space(client: Client, known: bool) -> NameSpace:
    """The first personal name space; where the server has no NAMESPACE (`known` False) its delimiter alone."""
    prefix, delimiter = "", ""
    if known:
        with understood():
            personal = client.namespace().personal
            prefix, delimiter = personal[0] if personal else ("", "")
    if not delimiter:
        rows = client.list_folders("", "")
        delimiter = (rows[-1][1] or b"").decode("ascii", "replace") if rows else "/"
    return NameSpace(prefix, delimiter)


def last_uid(client: Client) -> int:
    """The highest UID in the folder, 0 when it is empty."""
    if not client.imap.exists:
        return 0
    return max((item.uid for item in fetch(client, b"*", b"(UID)") if item.uid), default=0)


def all_uids(client: Client, low: int, high: int, window: int) -> set[int]:
    """Every UID from `low` to `high`, asked in windows. A window that came back sparse is followed by one twice as
    wide, so that gaps of billions, which some servers have, are crossed in a few questions."""
    found: set[int] = set()
    width = max(window, high) if client.imap.exists <= window else window  # then no reply can be long
    start = low
    while start <= high:
        stop = min(start + width - 1, high)
        hits = {uid for uid in search(client, b"UID %d:%d" % (start, stop)) if start <= uid <= stop}
        found |= hits
        start = stop + 1
        width = width * 2 if len(hits) < window // 2 else window
        if client.imap.exists > _MANY:
            width = min(width, _MANY)
    return found


def search(client: Client, criteria: bytes) -> list[int]:
    """UID SEARCH. By imaplib: IMAPClient's `search` takes a reply in several lines for an error."""
    _, lines = client.imap.uid("SEARCH", criteria)  # type: ignore[arg-type]
    return [uid for line in lines for uid in replies.numbers(line or b"")]


def fetch(client: Client, uids: bytes, what: bytes) -> list[Item]:
    """UID FETCH. By imaplib, see `replies.fetched`."""
    imap = client.imap
    try:
        _, parts = imap.uid("FETCH", uids, what)  # type: ignore[arg-type]
    except Refused as refusal:
        # RFC 2180, 4.1.2: some of the mails are gone, those that are not have been sent
        if refusal.code != "EXPUNGEISSUED":
            raise
        _, parts = imap.response("FETCH")
    return list(replies.fetched(parts))


def copied(client: Client, uids: Sequence[int]) -> dict[int, int | None]:
    """COPYUID (RFC 4315) of the command just done: old UID -> new UID, as far as it concerns `uids`.

    `move` and `copy` of IMAPClient do not give it. A server may send it tagged (COPY) or untagged (MOVE).
    """
    _, said = client.imap.response("COPYUID")
    found: dict[int, int | None] = {}
    wanted = set(uids)
    for line in said:
        words = (line or b"").partition(b"]")[0].split()
        if len(words) != 3:
            continue
        try:
            old, new = (replies.uid_set(word, len(uids)) for word in words[1:])
        except Garbled:
            continue
        if len(old) == len(new):
            found.update((a, b) for a, b in zip(old, new, strict=True) if a in wanted)
    return found


def mail(uid: int, item: Item | None, facts: Mapping[int, Fact] | None, *, asked_again: bool = False) -> Fetched:
    """NIL, nothing, or no octets where some were announced: no text came."""
    known = facts.get(uid) if facts else None
    size = known.size if known else (item.size if item else None)
    raw = item.body if item else None
    if raw is not None and not raw and size:
        raw = None
    return Fetched(uid, raw, size, asked_again)
