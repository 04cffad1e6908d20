"""Access tokens: fetched, kept, renewed, and a rotated refresh token never lost."""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from triage.errors import InsecureConnection, SignInRefused, Temporary, TriageError
from triage.world.oauth import RefreshToken, TokenEndpoint
from triage.world.signin import KeptToken, Token

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Endpoint:
    """A token endpoint on loopback: `answer` gives status and JSON for a form."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.answer: Callable[[dict[str, str]], tuple[int, object]] = lambda form: (200, {})
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = dict(urllib.parse.parse_qsl(raw))
                outer.forms.append(form)
                status, said = outer.answer(form)
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(said if isinstance(said, bytes) else json.dumps(said).encode())

            def log_message(self, *args: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    running = Endpoint()
    thread = threading.Thread(target=running.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.server.shutdown()
    running.server.server_close()
    thread.join(5)


def ask(url: str, **more: object) -> TokenEndpoint:
    return TokenEndpoint(url, "desk", "mail", lambda: NOON, seconds=2, **more)  # type: ignore[arg-type]


def test_client_credentials_give_a_token_with_its_end(endpoint: Endpoint) -> None:
    endpoint.answer = lambda form: (200, {"access_token": "abc", "expires_in": 3599})
    assert ask(endpoint.url, client_secret=lambda: "s=&?")() == Token("abc", NOON + timedelta(seconds=3599))
    assert endpoint.forms == [
        {"client_id": "desk", "scope": "mail", "grant_type": "client_credentials", "client_secret": "s=&?"}
    ]


def test_a_rotated_refresh_token_is_kept_and_used_next_time(endpoint: Endpoint) -> None:
    kept = ["r1"]
    endpoint.answer = lambda form: (
        200,
        {"access_token": "for " + form["refresh_token"], "expires_in": "60", "refresh_token": f"r{len(kept) + 1}"},
    )
    fetch = ask(endpoint.url, refresh=RefreshToken(lambda: kept[-1], kept.append))
    source = KeptToken(fetch, lambda: NOON)  # 60 s left is less than five minutes: each call fetches
    assert [source(), source()] == ["for r1", "for r2"]
    assert kept == ["r1", "r2", "r3"]


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (400, {"error": "invalid_grant", "error_description": "AADSTS70008: expired\r\n"}, SignInRefused),
        (401, {"error": "invalid_client"}, SignInRefused),
        (403, b"<html>", SignInRefused),
        (400, {"error": "temporarily_unavailable"}, Temporary),
        (429, {}, Temporary),
        (503, b"", Temporary),
        (200, {"token_type": "Bearer"}, Temporary),
        (200, {"access_token": "two\r\nlines"}, Temporary),
        (200, b"[" * 10_000, Temporary),
    ],
)
def test_no_is_told_from_not_now(endpoint: Endpoint, status, said, expected) -> None:
    endpoint.answer = lambda form: (status, said)
    with pytest.raises(TriageError) as caught:
        ask(endpoint.url, client_secret=lambda: "tell-no-one")()
    assert type(caught.value) is expected
    assert "tell-no-one" not in str(caught.value)
    assert "\r" not in str(caught.value)


def test_the_secret_is_not_sent_on_to_where_a_reply_points(endpoint: Endpoint) -> None:
    endpoint.answer = lambda form: (302, b"")
    with pytest.raises(TriageError):
        ask(endpoint.url)()
    assert len(endpoint.forms) == 1


def test_an_endpoint_that_cannot_be_reached_is_tried_again_later() -> None:
    with pytest.raises(Temporary, match="could not be reached"):
        ask("http://127.0.0.1:1/token")()


@pytest.mark.parametrize("url", ["http://login.example.org/token", "ftp://127.0.0.1/token", "file:///etc/passwd"])
def test_the_secret_goes_by_https_only(url: str) -> None:
    with pytest.raises(InsecureConnection):
        ask(url)()


def test_the_endpoint_does_not_print_its_secret() -> None:
    assert "tell-no-one" not in repr(ask("https://x", client_secret=lambda: "tell-no-one"))
