"""What people tell the desk from their mail client: a mail moved into a folder of corrections, a keyword set on it.

Here it is found and noted; `corrections` carries it out once the mail is judged. Only what a person (or their own
server) can do counts: folders and keywords are out of reach of whoever writes a mail.
"""

from __future__ import annotations

from datetime import timedelta

from triage.casework import notice
from triage.desk import CORRECTIONS, Desk, FolderSpec
from triage.judge import correction
from triage.judge.correction import Correction
from triage.judge.roster import LEAD
from triage.operations.casebook import put
from triage.operations.round import Round
from triage.world.inbox import FolderState
from triage.world.store import folders, learning
from triage.world.store.folders import Folder

MOST = 60  # folders of corrections in one mailbox; each costs a question to the server at every look
LOOK_BACK = timedelta(days=90)  # keywords on older mail are not looked for
BIG = 10_000  # mails in a folder from which on a search costs something (5 ms at 2,000, 100 ms at 100,000)
OFTEN, HOURLY = timedelta(minutes=5), timedelta(hours=1)


def titles(desk: Desk) -> dict[str, str]:
    """Complaint types of the config: label -> title."""
    return {label: part.title for label, part in desk.config.complaint_types.items()}


def said(desk: Desk, words: str) -> Correction | None:
    """What these words say a mail is."""
    return correction.read(words, titles(desk))


def actor(mailbox: str) -> str:
    """Who it was: IMAP names the account and nobody behind it."""
    return f"mailbox {mailbox}"


# -- folders ---------------------------------------------------------------------------------------------------------


def folders_of(run: Round) -> list[FolderSpec]:
    """The folders whose name says what their mail really is. Of any other that holds mail the lead hears, once."""
    root = run.mailbox.corrections
    if not root:
        return []
    said = {
        name: correction.read(name[len(root) :], titles(run.desk)) for name in run.line.ask(lambda box: box.below(root))
    }
    understood = [name for name, words in said.items() if words is not None and not words.confirm]
    for name in [name for name in said if name not in understood][:MOST]:
        if not _told(run, name) and run.line.ask(lambda box, name=name: box.status(name)).exists:  # type: ignore[misc]
            _unknown(run, name)
    return [FolderSpec(name, CORRECTIONS) for name in understood[:MOST]]


def _told(run: Round, name: str) -> bool:
    with run.desk.database.read() as tx:
        return learning.asked(tx, _key(run, name))


def _key(run: Round, name: str) -> str:
    return f"unknown:{run.mailbox.name}:{name}"[:200]


def _unknown(run: Round, name: str) -> None:
    root = run.mailbox.corrections
    known = ", ".join(f"{root}/{one}" for one in correction.names(run.desk.config.complaint_types))
    what = f"Mail lies in {run.mailbox.name}/{name}, a folder of corrections with a name that says nothing to the desk"
    details = ["Nothing was done with it, and nothing will be while the folder is called so."]
    _tell(run, _key(run, name), "folder", name, what, [*details, f"Understood: {known}."])


# -- keywords --------------------------------------------------------------------------------------------------------


def look_for_keywords(run: Round, at: Folder, state: FolderState) -> None:
    """Note what people's keywords in an intake folder ask for. The server is searched only for keywords of ours that
    the folder knows, and only when a flag may have changed since the last search, or seldom."""
    types = titles(run.desk)
    ours = [name for name in sorted(state.keywords) if correction.meant_for_us(name)]
    known = [name for name in ours if correction.keyword(name, types) is not None]
    for name in ours:
        if name not in known:
            _unknown_keyword(run, at, name)
    if not known or not _worth_a_search(run, at, state):
        return
    with run.desk.database.read() as tx:
        low = folders.first_uid_since(tx, at, run.desk.now() - LOOK_BACK)
    for name in known if low is not None else ():
        _one_keyword(run, at, name, low or 1)
    with run.write() as tx:
        folders.note_keywords(tx, at, state.modseq, run.desk.now())


def _worth_a_search(run: Round, at: Folder, state: FolderState) -> bool:
    if at.keywords is None:
        return True
    modseq, last = at.keywords
    since = run.desk.now() - last
    if since < timedelta(0):  # the clock was wrong
        return True
    big = state.exists > BIG
    if state.modseq is None or modseq is None:  # the server does not say whether a flag has changed
        return since >= (HOURLY if big else OFTEN)
    return state.modseq != modseq and (not big or since >= OFTEN)


def _one_keyword(run: Round, at: Folder, name: str, low: int) -> None:
    """A request for each mail that has come to carry it. Taken off and set again it counts anew."""
    start = f"keyword:{at.id}:{name.casefold().replace('_', '-')}:"
    hits = run.line.ask(lambda box: box.with_keyword(name, low))
    with run.desk.database.read() as tx:
        mails = folders.mails_at(tx, at, sorted(hits))
        asked = learning.keys_like(tx, start)
        places = folders.uids_of(tx, at, set(asked.values()) - set(mails.values()))
    bare = run.line.ask(lambda box: box.without_keyword(name, places)) if places else set()
    lost = {places[uid] for uid in bare}
    new = {mail for mail in mails.values() if f"{start}{mail}" not in asked}
    if not new and not lost:
        return
    with run.write() as tx:
        learning.release(tx, [key for key, mail in asked.items() if mail in lost])
        for mail in sorted(new):
            values = {"key": f"{start}{mail}", "source": "keyword", "mail_id": mail, "asked": name}
            learning.ask(tx, {**values, "actor": actor(run.mailbox.name), "at": run.desk.now()})


def _unknown_keyword(run: Round, at: Folder, name: str) -> None:
    key = f"unknown:{at.id}:{name}"[:200]
    with run.desk.database.read() as tx:
        if learning.asked(tx, key):
            return
    known = ", ".join(correction.keywords(run.desk.config.complaint_types))
    what = f"A mail in {run.mailbox.name}/{at.name} has the keyword {name}, which says nothing to the desk"
    _tell(run, key, "keyword", name, what, ["Nothing was done because of it.", f"Understood: {known}."])


def _tell(run: Round, key: str, source: str, asked: str, what: str, details: list[str]) -> None:
    """Tell the lead once for ever; the request remembers that it was said."""
    desk, now = run.desk, run.desk.now()
    todo = ["docs/corrections.md     how to correct from a mail client"]
    with run.write() as tx:
        values = {"key": key, "source": source, "actor": actor(run.mailbox.name), "at": now, "asked": asked[:200]}
        learning.ask(tx, {**values, "outcome": "refused", "said": "not understood", "told_at": now})
        put(desk, tx, notice.alarm(key, desk.config.roster.emails((LEAD,), now), what, details, todo))
