"""Intake as a state machine: people, servers, crashes and runs in any order, and one promise that holds after each run.

Every mail that a run has seen is on a case, attached, filed or quarantined, exactly once, and no run changes a flag.
The server is a real one (pymap); a crash is an exception at a step of the protocol after which the dead desk can write
nothing more, not even give back its lease.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import imapclient
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.quickroom import Clock, quick_desk
from tests.room import letter
from triage.demo.servers import ImapServer
from triage.desk import Desk, Mailbox
from triage.operations import cycle, look
from triage.operations.reconcile import reconcile
from triage.world import inbox
from triage.world.inbox import Inbox

FOLDER, ELSEWHERE = "Work", "Elsewhere"
HEADERS = b"BODY[HEADER.FIELDS (MESSAGE-ID)]"


class Crash(BaseException):
    """The process is gone."""


class Mailroom(RuleBasedStateMachine):
    """The rules are what can happen to a mailbox; `server` is set by the test."""

    server: ImapServer

    @initialize()
    def open_for_business(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="mailroom-"))
        self.clock = Clock()
        self.letters: list[bytes] = []
        self.seen: set[bytes] = set()
        self.person = imapclient.IMAPClient(self.server.host, self.server.port, ssl=False)
        self.person.login(self.server.user, self.server.password)
        for name in (FOLDER, ELSEWHERE):
            if self.person.folder_exists(name):
                self.person.delete_folder(name)
            self.person.create_folder(name)

    # what customers and servers do

    @rule(count=st.integers(1, 4))
    def mail_arrives(self, count: int) -> None:
        for _ in range(count):
            self.letters.append(letter(len(self.letters)))
            self._append(self.letters[-1])

    @precondition(lambda self: self.letters)
    @rule(which=st.integers(0, 99), trace=st.booleans())
    def a_mail_comes_again(self, which: int, trace: bool) -> None:
        """The same bytes, or the same mail by another way."""
        raw = self.letters[which % len(self.letters)]
        self._append(b"Received: from another.example by mx.example; now\r\n" + raw if trace else raw)

    @precondition(lambda self: self.letters)
    @rule(which=st.integers(0, 99))
    def a_customer_writes_again(self, which: int) -> None:
        number = which % len(self.letters)
        if b"In-Reply-To" in self.letters[number]:
            return
        sender = f"Customer {number} <customer{number}@example.com>"
        more = letter(
            len(self.letters),
            "And one thing more about my parcel.",
            sender=sender,
            In_Reply_To=f"<m{number}@example.com>",
        )
        self.letters.append(more)
        self._append(more)

    @rule()
    def a_broken_mail_arrives(self) -> None:
        number = len(self.letters)
        self.letters.append(
            b"Message-ID: <m%d@example.com>\r\nFrom: =?x?q?\xff\r\nContent-Type: multipart/mixed\r\n\r\n" % number
        )
        self._append(self.letters[-1])

    @rule(keep=st.booleans())
    def the_folder_is_made_anew(self, keep: bool) -> None:
        """Another UIDVALIDITY, every UID renumbered; the mail restored or gone."""
        mails = [raw for _, raw in self._texts(FOLDER)] if keep else []
        self.person.unselect_folder() if b"UNSELECT" in self.person.capabilities() else self.person.select_folder(
            ELSEWHERE
        )
        self.person.delete_folder(FOLDER)
        self.person.create_folder(FOLDER)
        for raw in mails:
            self._append(raw)

    # what people do

    @rule(which=st.integers(0, 99))
    def a_person_takes_a_mail_away(self, which: int) -> None:
        if uid := self._one_of(FOLDER, which):
            self.person.move([uid], ELSEWHERE)

    @rule(which=st.integers(0, 99))
    def a_person_puts_a_mail_back(self, which: int) -> None:
        if uid := self._one_of(ELSEWHERE, which):
            self.person.move([uid], FOLDER)

    @rule(which=st.integers(0, 99))
    def a_person_deletes_a_mail_for_good(self, which: int) -> None:
        if uid := self._one_of(FOLDER, which):
            self.person.delete_messages([uid])
            self.person.uid_expunge([uid])

    @rule(which=st.integers(0, 99), flag=st.sampled_from([b"\\Seen", b"\\Flagged", b"\\Answered"]))
    def a_person_flags_a_mail(self, which: int, flag: bytes) -> None:
        if uid := self._one_of(FOLDER, which):
            self.person.add_flags([uid], [flag])

    @rule(minutes=st.sampled_from([1, 20, 61, -90]))
    def time_passes(self, minutes: int) -> None:
        """Now and then it goes back."""
        self.clock.forward(minutes=minutes)

    # what the program does

    @rule(step=st.integers(1, 22))
    def a_run_crashes(self, step: int) -> None:
        """Right after its n-th step; a short run has fewer and gets through."""
        steps = 0
        with self._desk() as desk:

            def reached(_name: str) -> None:
                nonlocal steps
                steps += 1
                if steps == step:
                    _kill(desk)

            desk.reached = reached
            with suppress(Crash):
                cycle.run(desk)

    @rule(step=st.integers(1, 22))
    def a_second_run_cuts_in(self, step: int) -> None:
        """At the n-th step of one run another desk takes over the lease and runs from beginning to end."""
        steps = 0
        with self._desk() as desk:

            def reached(name: str) -> None:
                nonlocal steps
                if name == "10 before commit":  # there the other would wait for the end of the transaction
                    return
                steps += 1
                if steps == step:
                    with self._desk() as other:
                        cycle.run(other)

            desk.reached = reached
            cycle.run(desk)

    @rule()
    def a_run(self) -> None:
        before = self._flags()
        with self._desk() as desk:
            outcome = cycle.run(desk)
            assert outcome["exit_code"] == 0, outcome
            assert self._flags() == before, "a flag changed"
            self.seen |= {_message_id(raw) for _, raw in self._texts(FOLDER)}
            self._check(desk)

    def teardown(self) -> None:
        if not hasattr(self, "place"):
            return
        try:
            self.a_run()
        finally:
            self.person.logout()
            shutil.rmtree(self.place, ignore_errors=True)

    def _check(self, desk: Desk) -> None:
        row = reconcile(desk, content=True)[0]
        assert (row["missing"], row["waiting"], row["differs"], row["errors"]) == (0, 0, 0, [])
        with desk.database.read() as tx:
            query = "SELECT message_id, outcome, count(*) FROM mail WHERE duplicate_of IS NULL GROUP BY 1, 2"
            kept = [tuple(found) for found in tx.exec_driver_sql(query)]
        settled = Counter({name: count for name, outcome, count in kept if outcome})
        assert all(outcome for _, outcome, _ in kept), f"a mail is still waiting: {kept}"
        for one in self.seen:
            assert settled[one.decode()] == 1, f"{one!r} is there {settled[one.decode()]} times"
        on_cases = Counter(name for case in look.cases(desk, everything=True) for name in case["message_ids"])
        assert not on_cases or max(on_cases.values()) == 1, f"a mail stands on two cases: {on_cases}"

    # the hands of the test

    @contextmanager
    def _desk(self) -> Iterator[Desk]:
        def connect(_mailbox: Mailbox) -> Inbox:
            return inbox.open(self.server.account)

        folders = {"intake": [FOLDER], "sent": None}
        with quick_desk(self.place, connect, now=self.clock, folders=folders) as desk:
            yield desk

    def _append(self, raw: bytes) -> None:
        self.person.append(FOLDER, raw, msg_time=self.clock() - timedelta(minutes=5))

    def _one_of(self, folder: str, which: int) -> int | None:
        self.person.select_folder(folder)
        uids = self.person.search("ALL")
        return sorted(uids)[which % len(uids)] if uids else None

    def _texts(self, folder: str) -> list[tuple[int, bytes]]:
        self.person.select_folder(folder, readonly=True)
        uids = self.person.search("ALL")
        found = self.person.fetch(uids, ["BODY.PEEK[]"]) if uids else {}
        return [(uid, found[uid][b"BODY[]"]) for uid in sorted(found)]

    def _flags(self) -> dict[int, set[bytes]]:
        self.person.select_folder(FOLDER, readonly=True)
        uids = self.person.search("ALL")
        found = self.person.get_flags(uids) if uids else {}
        return {uid: set(flags) - {b"\\Recent"} for uid, flags in found.items()}


def _message_id(raw: bytes) -> bytes:
    return next(line.split(b" ", 1)[1] for line in raw.splitlines() if line.startswith(b"Message-ID:"))


def _kill(desk: Desk) -> NoReturn:
    """From here on the desk can do nothing, as a killed process cannot."""

    def gone(*_: Any) -> NoReturn:
        raise Crash

    desk.database.write = desk.database.read = gone
    raise Crash


def explore(server: ImapServer, examples: int, steps: int) -> None:
    """So many stories of so many steps."""

    class Here(Mailroom):
        pass

    Here.server = server
    how = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, database=None, derandomize=examples < 100,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink), print_blob=True,
    )  # fmt: skip
    run_state_machine_as_test(Here, settings=how)


def test_whatever_happens_every_mail_is_settled_exactly_once(imap_server: ImapServer) -> None:
    explore(imap_server, examples=int(os.environ.get("TRIAGE_STORIES", "12")), steps=14)


@pytest.mark.proof
def test_whatever_happens_in_many_long_stories(imap_server: ImapServer, record_property: Any) -> None:
    stories, steps = int(os.environ.get("TRIAGE_LONG_STORIES", "250")), 40
    explore(imap_server, examples=stories, steps=steps)
    record_property("stories", f"{stories}|{steps}")
