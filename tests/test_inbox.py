"""The mailbox against real servers: pymap in this process, and Dovecot where it is installed.

The witness of what is on the server is IMAPClient as it comes, on a connection of its own.
"""

from __future__ import annotations

import io
import ssl
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from imapclient import IMAPClient

from tests.servers.dovecot import PASSWORD, TOKEN, Dovecot
from triage.demo.servers import ImapServer
from triage.errors import FolderMissing, InsecureConnection, MailboxUnreachable, SignInRefused
from triage.world import inbox, signin
from triage.world.tls import Tls

AT = datetime(2026, 3, 1, 17, 0, 5, tzinfo=timezone(timedelta(hours=5)))  # 12:00:05 UTC


def mail(number: int) -> bytes:
    return b"Message-ID: <%d@example.org>\r\nSubject: =?bad?= %d\r\n\r\n8-bit: \xe4\xff \x80\r\n.\r\n" % (
        number,
        number,
    )


@pytest.fixture(params=["pymap", "dovecot"])
def account(request: pytest.FixtureRequest) -> inbox.MailboxAccount:
    """An account on each server."""
    if request.param == "pymap":
        server: ImapServer = request.getfixturevalue("imap_server")
        return server.account
    running: Dovecot = request.getfixturevalue("dovecot")
    return running.account()


@pytest.fixture
def folder(account: inbox.MailboxAccount) -> str:
    """A new folder with five mails, UIDs ascending."""
    name = f"Größe {uuid.uuid4().hex[:8]}"
    with inbox.open(account) as box:
        assert box.ensure(name) is True
        for number in range(1, 6):
            box.append(name, mail(number), AT)
    return name


@contextmanager
def witness(account: inbox.MailboxAccount, folder: str) -> Iterator[IMAPClient]:
    assert isinstance(account.sign_in, signin.Password)
    with IMAPClient(account.host, account.port, ssl=False, timeout=5) as client:
        client.plain_login(account.user, account.sign_in.read())
        client.select_folder(folder)
        yield client


def test_mails_come_byte_for_byte_with_size_and_arrival_in_utc(account, folder) -> None:
    with inbox.open(account) as box:
        state = box.select(folder)
        uids = box.uids()
        facts = box.facts(uids)
        got = box.fetch(uids, facts)
    assert (state.exists, len(uids), state.uidnext) == (5, 5, uids[-1] + 1)
    assert [m.raw for m in got] == [mail(n) for n in range(1, 6)]
    assert not any(m.asked_again or m.size_mismatch for m in got)
    assert {f.internaldate for f in facts.values()} == {datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)}


@pytest.mark.parametrize("read_only", [True, False])
def test_nothing_the_mailbox_does_sets_seen_or_any_other_flag(account, folder, read_only) -> None:
    with witness(account, folder) as client:
        client.add_flags(client.search()[1], [b"\\Flagged"])
        before = _flags(client)
    with inbox.open(account) as box:
        box.select(folder, read_only)
        uids = box.uids()
        box.facts(uids)
        box.fetch(uids)
        box.fetch_header(uids[0])
        box.fetch_large(uids[0], 10, io.BytesIO())
        box.still_there(uids)
        box.idle(0.05)
        box.status("INBOX")
    with witness(account, folder) as client:
        assert _flags(client) == before


def _flags(client: IMAPClient) -> dict[int, set[bytes]]:
    found = client.get_flags(client.search())
    return {uid: set(flags) - {b"\\Recent"} for uid, flags in found.items()}


def test_status_tells_of_new_mail_without_opening_the_folder(account, folder) -> None:
    with inbox.open(account) as box:
        before = box.status(folder)
        box.append(folder, mail(6))
        after = box.status(folder)
        selected = box.select(folder)
    assert (after.uidvalidity, after.exists - before.exists, after.uidnext - before.uidnext) == (
        before.uidvalidity,
        1,
        1,
    )
    assert (selected.uidvalidity, selected.uidnext, selected.exists) == (after.uidvalidity, after.uidnext, after.exists)
    assert selected.mailboxid == after.mailboxid


def test_mail_that_another_program_removed_is_gone_and_not_an_error(account, folder) -> None:
    with inbox.open(account) as box:
        box.select(folder)
        uids = box.uids()
        with witness(account, folder) as client:
            client.delete_messages(uids[:2])
            client.uid_expunge(uids[:2])
        got = {m.uid: m.raw for m in box.fetch(uids)}
        assert [got[uid] for uid in uids[2:]] == [mail(3), mail(4), mail(5)]
        # until the server says so a session may still be given the old text; what it is not given is gone
        assert box.still_there(uids) == set(uids[2:])
        assert box.uids() == uids[2:]


def test_moved_mail_is_found_under_its_new_uid(account, folder) -> None:
    target = f"{folder} done"
    with inbox.open(account) as box:
        box.ensure(target)
        box.select(folder, read_only=False)
        uids = box.uids()
        moved = box.move([*uids[:2], uids[-1] + 1000], target)
        assert box.still_there(uids) == set(uids[2:])
        box.select(target)
        new = [moved[uid] for uid in uids[:2]]
        assert [m.raw for m in box.fetch([uid for uid in new if uid])] == [mail(1), mail(2)]
    assert moved[uids[-1] + 1000] is None


def test_a_folder_that_is_not_there_is_named_with_its_likes(account, folder) -> None:
    with inbox.open(account) as box:
        for use in (box.select, box.status, lambda name: box.append(name, mail(1))):
            with pytest.raises(FolderMissing) as caught:
                use(folder.replace("ö", "o"))
            assert folder in str(caught.value)
        box.select(folder, read_only=False)
        with pytest.raises(FolderMissing):
            box.move(box.uids()[:1], "Nowhere")
        assert len(box.uids()) == 5
        assert not box.closed


def test_a_folder_is_made_once(account, folder) -> None:
    with inbox.open(account) as box:
        assert box.ensure(f"{folder}/corrections") is True
        assert box.ensure(f"{folder}/corrections") is False
        assert box.ensure("inbox") is False
        assert f"{folder}/corrections" in box.folders()


def test_folder_names_of_any_kind_are_listed_as_they_were_given(account, folder) -> None:
    """`a[b` and 12 come without quotes from some servers, which is lawful; one name must not spoil the list."""
    end = folder[-8:]
    wanted = {f"{name}{end}" for name in ("a[b", "a]b", "[x]", "say no", 'say "no"', "Grüße & Küsse", "12(")}
    with inbox.open(account) as box:
        for name in wanted:
            assert box.ensure(name) is True
        assert wanted <= set(box.folders())
        for name in wanted:
            assert box.status(name).uidvalidity == box.select(name).uidvalidity


def test_a_folder_made_anew_has_another_uidvalidity_or_other_uids(account, folder) -> None:
    with inbox.open(account) as box:
        old, uids = box.select(folder), box.uids()
        with witness(account, "INBOX") as client:
            client.delete_folder(folder)
            time.sleep(1.1)  # Dovecot counts UIDVALIDITY in seconds
            client.create_folder(folder)
    with inbox.open(account) as box:
        box.append(folder, mail(1))
        new = box.select(folder)
        assert new.uidvalidity != old.uidvalidity or box.uids()[0] > uids[-1]


def test_idle_wakes_up_when_mail_comes(account, folder) -> None:
    def deliver() -> None:
        with inbox.open(account) as other:
            other.append(folder, mail(6))

    with inbox.open(account) as box:
        box.select(folder)
        box.uids()
        timer = threading.Timer(0.2, deliver)
        timer.start()
        begun = time.monotonic()
        assert box.idle(15) is True
        assert time.monotonic() - begun < 10  # Dovecot looks once a second here
        assert len(box.uids()) == 6
        timer.join()


def test_the_wrong_password_is_refused_with_the_servers_words(account) -> None:
    wrong = replace(account, sign_in=signin.Password(lambda: "not-the-password"))
    with pytest.raises(SignInRefused) as caught:
        inbox.open(wrong)
    assert "AUTHENTICATIONFAILED" in str(caught.value)
    assert "not-the-password" not in str(caught.value)


def test_without_move_the_same_is_done_by_copy(account, folder) -> None:
    target = f"{folder} copied"
    with inbox.open(account) as box:
        box.capabilities -= {"MOVE"}
        box.ensure(target)
        box.select(folder, read_only=False)
        uids = box.uids()
        moved = box.move([*uids[:2], uids[-1] + 1000], target)
        assert (sorted(moved), moved[uids[-1] + 1000]) == ([*uids[:2], uids[-1] + 1000], None)
        assert box.uids() == uids[2:]
        box.select(target)
        assert [m.raw for m in box.fetch(box.uids())] == [mail(1), mail(2)]


# Dovecot only


def test_keywords_are_kept_where_the_server_says_so(dovecot: Dovecot, imap_server: ImapServer) -> None:
    for account, kept in ((dovecot.account(), True), (imap_server.account, False)):
        with inbox.open(account) as box:
            name = f"marked-{uuid.uuid4().hex[:8]}"
            box.ensure(name)
            box.append(name, mail(1))
            box.select(name, read_only=False)
            uids = box.uids()
            assert box.mark(uids, "$Triaged") is kept
        with witness(account, name) as client:
            assert (b"$Triaged" in _flags(client)[uids[0]]) is kept


@pytest.mark.parametrize("tls", [Tls.IMPLICIT, Tls.STARTTLS])
def test_tls_is_verified_against_the_given_authority(dovecot: Dovecot, tls: Tls) -> None:
    account = dovecot.account(tls=tls)
    with inbox.open(account) as box:
        assert isinstance(box._client.socket(), ssl.SSLSocket)  # type: ignore[union-attr]
        assert box.select("INBOX").uidvalidity
    for bad in (replace(account, ca_file=None), replace(account, host="127.0.0.1")):  # unknown issuer; wrong name
        with pytest.raises(InsecureConnection, match="not trusted"):
            inbox.open(bad)


def test_a_ca_file_that_is_none_is_named(dovecot: Dovecot, tmp_path: Path) -> None:
    empty = tmp_path / "ca.pem"
    empty.write_text("not a certificate")
    for path in (empty, tmp_path / "missing.pem"):
        with pytest.raises(InsecureConnection, match="CA file"):
            inbox.open(replace(dovecot.account(tls=Tls.IMPLICIT), ca_file=path))


def test_a_port_without_tls_is_told_from_a_dead_server(dovecot: Dovecot) -> None:
    with pytest.raises(MailboxUnreachable, match="STARTTLS"):
        inbox.open(replace(dovecot.account(tls=Tls.IMPLICIT), port=dovecot.port))


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_token_signs_in_and_a_wrong_one_is_refused_with_its_reason(dovecot: Dovecot, mechanism) -> None:
    good = signin.Bearer(lambda *, fresh=False: TOKEN, mechanism)
    with inbox.open(dovecot.account(tls=Tls.IMPLICIT, sign_in=good)) as box:
        assert box.select("INBOX").uidvalidity
    tokens = iter(["expired-1", TOKEN])
    renewed = signin.Bearer(lambda *, fresh=False: next(tokens), mechanism)
    inbox.open(dovecot.account(tls=Tls.IMPLICIT, sign_in=renewed)).close()
    bad = signin.Bearer(lambda *, fresh=False: "stolen-token", mechanism)
    with pytest.raises(SignInRefused, match=r"status (401|invalid_token)") as caught:
        inbox.open(dovecot.account(tls=Tls.IMPLICIT, sign_in=bad))
    assert "stolen-token" not in str(caught.value)


def test_login_carries_a_password_with_letters_beyond_ascii(dovecot: Dovecot) -> None:
    assert not PASSWORD.isascii()
    inbox.open(dovecot.account()).close()


def test_idle_inside_tls(dovecot: Dovecot) -> None:
    account = dovecot.account(tls=Tls.IMPLICIT)
    name = f"idle-{uuid.uuid4().hex[:8]}"
    with inbox.open(account) as box, inbox.open(account) as other:
        box.ensure(name)
        box.select(name)
        assert box.idle(0.2) is False
        timer = threading.Timer(0.2, other.append, (name, mail(1)))
        timer.start()
        assert box.idle(15) is True
        timer.join()


def test_a_large_mail_streams_from_a_real_server(account, folder) -> None:
    raw = mail(9) + b"0123456789abcdef\r\n" * 200_000  # 3.6 MB: four pieces
    with inbox.open(account) as box:
        uid = box.append(folder, raw)
        assert uid is not None
        box.select(folder)
        into = io.BytesIO()
        assert box.fetch_large(uid, len(raw), into) == inbox.Streamed(uid, len(raw), complete=True)
        assert into.getvalue() == raw
        assert box.fetch_header(uid) == raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def test_two_programs_moving_the_same_mails_lose_none(dovecot: Dovecot) -> None:
    """They may double one: MOVE in a Maildir is a copy and a removal. The lease in the register keeps them apart."""
    account = dovecot.account()
    name, target = f"race-{uuid.uuid4().hex[:8]}", f"raced-{uuid.uuid4().hex[:8]}"
    with inbox.open(account) as first, inbox.open(account) as second:
        first.ensure(name)
        first.ensure(target)
        for number in range(20):
            first.append(name, mail(number))
        first.select(name, read_only=False)
        second.select(name, read_only=False)
        uids = first.uids()
        results: list[dict[int, int | None]] = []
        threads = [threading.Thread(target=lambda b=b: results.append(b.move(uids, target))) for b in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [sorted(result) for result in results] == [uids, uids]  # for both of them every mail is gone from here
        assert first.still_there(uids) == set()
        first.select(target)
        assert {m.raw for m in first.fetch(first.uids())} == {mail(number) for number in range(20)}
