"""The mails under tests/mail, each with the record it must give, and a builder for the small ones."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from triage.mail.screen import Ours

FOLDER = Path(__file__).parent / "mail"
SECRET = b"a secret of thirty-two bytes or so"
NOON = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)

OURS = Ours(
    domains=frozenset({"ours.example"}),
    intake=frozenset({"care@ours.example"}),
    web_forms=frozenset(),
    authserv_id="mx.ours.example",
    secret=SECRET,
    instance="desk-1",
    id_host="desk.ours.example",
)


def expected(section: str) -> list[Any]:
    """(raw mail, expected record) of every fixture whose record speaks of this section."""
    out = []
    for path in sorted(FOLDER.glob("*.yaml")):
        record = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        if section in record:
            out.append(pytest.param(path.with_suffix(".eml").read_bytes(), record[section], id=path.stem))
    return out


def mail(text: str = "Hello, where is my parcel?", /, **fields: str) -> bytes:
    """A plain mail. Field names are written with underscores; `from_` is From; an empty value leaves a field out."""
    given = {
        "From": "Jo Bloggs <jo@example.com>",
        "To": "care@ours.example",
        "Subject": "Parcel",
        "Date": "Wed, 18 Mar 2026 10:00:00 +0000",
        "Message-ID": "<m1@example.com>",
        "Content-Type": "text/plain; charset=utf-8",
    }
    for name, value in fields.items():
        key = name.rstrip("_").replace("_", "-")
        old = next((k for k in given if k.lower() == key.lower()), key)
        given[old] = value
    head = "".join(f"{name}: {value}\n" for name, value in given.items() if value)
    return f"{head}\n{text}".encode()


def shared(*parts: str) -> Path:
    """A folder of public data that is no part of the project; the test is skipped where it is absent."""
    root = Path(os.environ.get("TRIAGE_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    folder = root.joinpath(*parts)
    if not folder.exists():
        pytest.skip("public test data are absent (set TRIAGE_SHARED)")
    return folder


def awkward_mails() -> Iterator[Path]:
    """Every awkward mail of the public data and of Python's own tests, as far as they are there."""
    spec = importlib.util.find_spec("test")  # the interpreter's tests are left out of some distributions
    for place in (spec.submodule_search_locations or ()) if spec else ():
        yield from sorted((Path(place) / "test_email" / "data").glob("*"))
    root = Path(os.environ.get("TRIAGE_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    for part in ("mails", "replies"):
        yield from sorted(p for p in (root / "data" / part).rglob("*") if p.is_file())
