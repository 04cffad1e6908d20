"""Health and Prometheus figures over HTTP, on this machine only and only when asked for. Counts, no names of people.

/healthz answers 200 while every folder had a good scan lately, else 503 with the reasons; /metrics is the Prometheus
text format, version 0.0.4.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from triage.errors import Misuse

OLDEST_SCAN = timedelta(minutes=15)

Figures = Callable[[], Mapping[str, Any]]


def troubles(found: Mapping[str, Any], oldest: timedelta = OLDEST_SCAN) -> list[str]:
    """Why the desk cannot be called healthy; empty when it can. `found` is the status, with `now`."""
    said = []
    if not found["mailboxes"]:
        said.append("no folder was ever read")
    for folder in found["mailboxes"]:
        last = folder["last_good_scan"]
        place = f"{folder['mailbox']}/{folder['folder']}"
        if folder["circuit"]:
            said.append(f"{place}: a person is needed")
        elif last is None or found["now"] - datetime.fromisoformat(last) > oldest:
            said.append(f"{place}: last good scan {last or 'never'}")
    return said


def exposition(found: Mapping[str, Any]) -> str:
    """The Prometheus text format."""
    lines: list[str] = []

    def metric(name: str, help_: str, values: Iterator[tuple[Mapping[str, str], float]]) -> None:
        lines.extend((f"# HELP triage_{name} {help_}", f"# TYPE triage_{name} gauge"))
        for labels, value in values:
            inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            lines.append(f"triage_{name}{{{inner}}} {value:g}" if inner else f"triage_{name} {value:g}")

    def by_folder(value: Callable[[Mapping[str, Any]], float | None]) -> Iterator[tuple[Mapping[str, str], float]]:
        for folder in found["mailboxes"]:
            number = value(folder)
            if number is not None:
                yield {"mailbox": folder["mailbox"], "folder": folder["folder"]}, number

    def tally(key: str, label: str) -> Iterator[tuple[Mapping[str, str], float]]:
        return (({label: name}, float(number)) for name, number in found[key].items())

    now = found["now"]
    metric("healthy", "1 while every folder had a good scan lately.", iter([({}, float(not troubles(found)))]))
    metric("seconds_since_good_scan", "Per folder.", by_folder(lambda f: _since(now, f["last_good_scan"])))
    metric("scan_failures", "In a row, per folder.", by_folder(lambda f: float(f["failures"])))
    metric("circuit_open", "1 where a person is needed.", by_folder(lambda f: float(f["circuit"] is not None)))
    oldest = _since(now, found["oldest_unfetched"])
    metric("oldest_unfetched_seconds", "Age of the oldest mail seen and not stored.", iter([({}, oldest or 0.0)]))
    metric("mails", "By outcome.", tally("mails", "outcome"))
    metric("cases", "By status.", tally("cases", "status"))
    metric("outbox", "By state.", tally("outbox", "state"))
    metric(
        "config_refused", "1 while an earlier config is in force.", iter([({}, float(bool(found["config_refused"])))])
    )
    return "\n".join(lines) + "\n"


def _since(now: datetime, moment: str | None) -> float | None:
    return None if moment is None else (now - datetime.fromisoformat(moment)).total_seconds()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@contextmanager
def serving(port: int, figures: Figures) -> Iterator[int]:
    """Answer on 127.0.0.1 until the end; yields the port. Raises Misuse where it is taken."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path not in ("/healthz", "/metrics"):
                self._answer(404, "try /healthz or /metrics\n")
                return
            try:
                found = figures()
            except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "not healthy"
                self._answer(503, f"the register cannot be read: {type(error).__name__}\n")
                return
            if self.path == "/metrics":
                self._answer(200, exposition(found))
                return
            wrong = troubles(found)
            self._answer(503 if wrong else 200, "\n".join(wrong or ["ok"]) + "\n")

        def _answer(self, code: int, text: str) -> None:
            body = text.encode()
            self.send_response(code)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            return None

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise Misuse(f"Port {port} cannot be used: {error.strerror}.", fix="Name another one.") from None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
