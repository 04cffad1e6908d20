"""Passwords and tokens: that they never show, and the messages that carry them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from triage.world import signin

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_records_do_not_print_their_secret() -> None:
    bearer = signin.Bearer(lambda *, fresh=False: "tell-no-one")
    assert "tell-no-one" not in repr([signin.Token("tell-no-one"), signin.Password(lambda: "tell-no-one"), bearer])


def test_a_token_is_kept_until_five_minutes_before_it_expires() -> None:
    now = NOON
    given: list[signin.Token] = []

    def fetch() -> signin.Token:
        given.append(signin.Token(f"token-{len(given) + 1}", now + timedelta(hours=1)))
        return given[-1]

    source = signin.KeptToken(fetch, lambda: now)
    assert source() == "token-1"
    now = NOON + timedelta(minutes=54)  # 6 minutes left
    assert source() == "token-1"
    now = NOON + timedelta(minutes=55)  # 5 minutes left
    assert source() == "token-2"
    assert source(fresh=True) == "token-3"


def test_the_messages_of_the_mechanisms() -> None:
    assert signin.plain("ü", "p")() == "\0ü\0p".encode()
    assert signin.bearer("XOAUTH2", "a@b.c", "T", "h", 993)() == b"user=a@b.c\x01auth=Bearer T\x01\x01"
    # RFC 7628, 3.1, with "=" and "," of the name written as RFC 5801 wants them
    expected = b"n,a=a=3Db=2Cc,\x01host=h\x01port=993\x01auth=Bearer T\x01\x01"
    assert signin.bearer("OAUTHBEARER", "a=b,c", "T", "h", 993)() == expected


@pytest.mark.parametrize(("mechanism", "last"), [("XOAUTH2", b""), ("OAUTHBEARER", b"\x01")])
def test_a_refusal_is_answered_once_and_its_reason_kept(mechanism: signin.Mechanism, last: bytes) -> None:
    exchange = signin.bearer(mechanism, "u", "T", "h", 993)
    exchange.answer(b"")
    reason = base64.b64encode(b'{"status":"401","schemes":"bearer","scope":"mail","extra":{"a":1}}')
    assert base64.b64decode(exchange.answer(reason)) == last
    assert exchange.refusal == "status 401, schemes bearer, scope mail"


@pytest.mark.parametrize("challenge", [b"no base64 !", base64.b64encode(b"[" * 5000), base64.b64encode(b"plain words")])
def test_a_refusal_that_is_no_json_says_nothing(challenge: bytes) -> None:
    exchange = signin.bearer("XOAUTH2", "u", "T", "h", 993)
    exchange.answer(b"")
    assert exchange.answer(challenge) == b""
    assert exchange.refusal == ""
