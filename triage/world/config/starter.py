"""Writes config: the commented first one of `triage init`, JSON Schemas for editors, edits that keep comments."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml import YAML

import triage
from triage.errors import NotFound, Permanent
from triage.world.config.desk_parts import moment
from triage.world.config.reading import FILES
from triage.world.config.team import RESERVED

_EXAMPLE_DOMAIN = "alderfinch.example"
Tls = Literal["implicit", "starttls", "none"]


@dataclass(frozen=True, slots=True)
class Answers:
    """What `triage init` asks. `start_from` is the moment of going live: older mail opens no case.

    `password` and `smtp_password` are names of environment variables, never passwords.
    """

    business: str
    address: str
    host: str
    user: str
    name: str
    email: str
    start_from: datetime
    port: int = 993
    tls: Tls = "implicit"
    password: str = "TRIAGE_PASSWORD"
    intake: tuple[str, ...] = ("INBOX",)
    zone: str = "UTC"
    country: str | None = None
    subdivision: str | None = None
    language: str = "en"
    smtp_host: str | None = None
    smtp_port: int = 465
    smtp_tls: Tls = "implicit"
    smtp_user: str | None = None
    smtp_password: str = "TRIAGE_SMTP_PASSWORD"


@dataclass(frozen=True, slots=True)
class Written:
    """What `write_starter` did: files written, files that were there and were left alone."""

    written: tuple[Path, ...]
    kept: tuple[Path, ...]


def shipped() -> Path:
    """The default config: inside the installed package, or at the top of a checkout."""
    package = Path(triage.__file__).resolve().parent
    for folder in (package / "config", package.parent / "config"):
        if (folder / "business.yaml").is_file():
            return folder
    raise NotFound("The default config is not part of this installation.", fix="Install the package anew.")


def schemas() -> Mapping[str, dict[str, Any]]:
    """A JSON Schema for each file, with help on every key, for editors that know YAML."""
    found = {}
    for name, model in FILES.items():
        schema = model.model_json_schema(by_alias=True)
        found[name] = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": name}
    return found


def write_starter(folder: Path | str, answers: Answers) -> Written:
    """Write a commented config for one's own mailbox, and its schemas. Files that exist are never overwritten."""
    place = Path(folder)
    written: list[Path] = []
    kept: list[Path] = []
    files = dict(starter_files(answers))
    for name, schema in schemas().items():
        files[f"schema/{Path(name).stem}.json"] = json.dumps(schema, indent=1, sort_keys=True) + "\n"
    try:
        (place / "schema").mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (written if _write_new(place / name, text) else kept).append(place / name)
    except OSError as error:
        raise Permanent(f"The config cannot be written to {place}: {error.strerror}.", fix="Choose a folder.") from None
    return Written(tuple(written), tuple(kept))


def _write_new(path: Path, text: str) -> bool:
    """Create the file with all its text, or leave what is there. A crash leaves no half file under its name."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def starter_files(answers: Answers) -> Mapping[str, str]:
    """name -> text of a first config: the shipped one with the answers in it, and one person who does everything."""
    domain = answers.address.rpartition("@")[2]
    texts = {name: (shipped() / name).read_text(encoding="utf-8") for name in FILES}
    changes: dict[str, dict[Sequence[str | int], Any]] = {
        "business.yaml": {
            ("name",): answers.business,
            ("domains",): [domain],
            ("web_forms",): [],
            ("zone",): answers.zone,
            ("languages",): [answers.language],
        },
        "mailboxes.yaml": {
            ("mailboxes", 0, "name"): _slug(answers.address.partition("@")[0]),
            ("mailboxes", 0, "addresses"): [answers.address],
            **{("mailboxes", 0, key): getattr(answers, key) for key in ("host", "port", "tls", "user")},
            ("mailboxes", 0, "password", "env"): answers.password,
            ("mailboxes", 0, "folders", "intake"): list(answers.intake),
        },
        "calendars.yaml": {("calendars", "standard", "zone"): answers.zone},
        "notices.yaml": {
            ("me",): answers.email,
            ("sender",): f"{answers.business} <{answers.address}>",
            ("smtp", "host"): answers.smtp_host or answers.host,
            ("smtp", "port"): answers.smtp_port,
            ("smtp", "tls"): answers.smtp_tls,
            ("smtp", "user"): answers.smtp_user or answers.user,
            ("smtp", "password", "env"): answers.smtp_password,
        },
    }
    for name, edits in changes.items():
        for path, value in edits.items():
            texts[name] = edit(texts[name], path, value)
    live = f"    start_from: {moment(answers.start_from)}   # older mail is recorded but opens no case"
    texts["mailboxes.yaml"] = re.sub(r"(?m)^ +# start_from: .*$", live, texts["mailboxes.yaml"])
    texts["calendars.yaml"] = _holidays(texts["calendars.yaml"], answers)
    texts["people.yaml"] = _people(answers)
    texts["routing.yaml"] = _without_examples(texts["routing.yaml"])
    invented = "# Our own side of the conversation. The business is invented; `triage init` writes yours.\n"
    texts["business.yaml"] = texts["business.yaml"].replace(invented, "# Our own side of the conversation.\n")
    return {
        name: f"# yaml-language-server: $schema=schema/{Path(name).stem}.json\n{text}".replace(_EXAMPLE_DOMAIN, domain)
        for name, text in texts.items()
    }


def edit(text: str, path: Sequence[str | int], value: object) -> str:
    """The text with one value set; every comment, quote and other line stays.

    A last key that is not there is added; `value` None removes it. Raises NotFound for a path that leads nowhere.
    """
    yaml = _round_trip()
    document = yaml.load(text)
    at: Any = document
    for step in path[:-1]:
        try:
            at = at[step]
        except (KeyError, IndexError, TypeError):
            raise NotFound(f"There is no {'.'.join(map(str, path))} in this file.") from None
    last = path[-1]
    if isinstance(at, list) and not (isinstance(last, int) and 0 <= last < len(at)):
        raise NotFound(f"There is no {'.'.join(map(str, path))} in this file.")
    if value is None:
        del at[last]
    elif isinstance(value, list) and isinstance(at.get(last) if isinstance(at, dict) else at[last], list):
        at[last][:] = value  # keeps the way the list is written
    else:
        at[last] = value
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _round_trip() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _holidays(text: str, answers: Answers) -> str:
    path = ("calendars", "standard", "holidays")
    if answers.country is None:
        return edit(text, path, None)
    text = edit(text, (*path, "country"), answers.country)
    return edit(text, (*path, "subdivision"), answers.subdivision)


def _without_examples(text: str) -> str:
    """The rules without `examples:`, which name people of the invented business."""
    kept: list[str] = []
    inside = False
    for line in text.splitlines():
        inside = line.startswith("    examples:") or (inside and line.startswith("      "))
        if not inside:
            kept.append(line)
    return "\n".join(kept) + "\n"


def _slug(name: str) -> str:
    found = re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")[:40]
    return found or "desk"


def _people(answers: Answers) -> str:
    """One person in every pool and role: more are added by hand, the names of pools and roles stay."""
    key = _slug(answers.name.split()[0] if answers.name.split() else "you")
    in_pools, in_roles = _shipped_keys("pools"), _shipped_keys("roles")
    if key in RESERVED.union(in_pools, in_roles):
        key = f"{key}_1"
    pools = "\n".join(f"  {pool}: {{members: [{key}]}}" for pool in in_pools)
    roles = "\n".join(f"  {role}: [{key}]" for role in in_roles)
    return f"""\
# Who works here. The short names stand in routing.yaml and escalation.yaml; each is used once.
# Add your colleagues and share the pools and roles out among them; a role goes to the first who is there.

people:
  {key}:
    name: {json.dumps(answers.name, ensure_ascii=False)}
    email: {json.dumps(answers.email, ensure_ascii=False)}
    languages: [{answers.language}]
    # capacity: 25                       # open cases at most
    # delegate: somebody                 # stands in while this person is away
    # away: [{{from: 2026-12-21, to: 2026-12-31}}]

pools:                                   # pick: least_open (default), round_robin or in_order
{pools}

roles:                                   # fallback and lead must be there
{roles}

# A weekly rota for nights and days off. Without it critical cases count working time only, and `triage check` says so.
# oncall:
#   order: [{key}]
#   start: 2026-01-05
#   handover: "09:00"
#   swaps: []
"""


def _shipped_keys(section: str) -> tuple[str, ...]:
    document = _round_trip().load((shipped() / "people.yaml").read_text(encoding="utf-8"))
    return tuple(document[section])
