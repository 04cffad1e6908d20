"""The docs are what the program says of itself: every command and every config key, generated and compared.

`python -m tests.test_docs` writes them anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

DOCS = Path(__file__).resolve().parent.parent / "docs"


def commands() -> str:
    """docs/commands.md: every command with its help and options."""
    from triage import cli

    cli.load_commands()
    lines = ["# Commands", "", "Exit codes: 0 fine, 75 try again, 1 a person must act, 2 wrong usage.", ""]
    for path, command in _walk(get_command(cli.app), "triage"):
        lines += [f"## `{path}`", "", command.help or "", ""]
        rows = []
        for parameter in command.params:
            names = (
                ", ".join([*parameter.opts, *parameter.secondary_opts])
                if parameter.opts[0].startswith("-")
                else parameter.name.upper()
            )
            rows.append(f"| `{names}` | {(getattr(parameter, 'help', None) or '').strip()} |")
        if rows:
            lines += ["| option | meaning |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name in sorted(getattr(command, "commands", {})):
        inner = command.commands[name]
        if getattr(inner, "commands", None):
            yield from _walk(inner, f"{path} {name}")
        else:
            yield f"{path} {name}", inner


def keys() -> str:
    """docs/config.md: every key of every config file with its help."""
    from triage.world import config

    lines = [
        "# Config keys",
        "",
        "`triage init` writes these files, commented, with a JSON Schema beside them for editors.",
        "",
    ]
    for name, schema in config.schemas().items():
        lines += [f"## `{name}`", ""]
        parts = {"": schema, **schema.get("$defs", {})}
        for title, part in parts.items():
            rows = [f"| `{key}` | {_help(value)} |" for key, value in part.get("properties", {}).items()]
            if rows:
                lines += [
                    *([f"**{part.get('title', title)}**", ""] if title else []),
                    "| key | meaning |",
                    "|---|---|",
                    *rows,
                    "",
                ]
    return "\n".join(lines)


def _help(value: dict[str, Any]) -> str:
    return " ".join(str(value.get("description", "")).split()).replace("|", "\\|")


PAGES = {"commands.md": commands, "config.md": keys}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_says_what_the_program_says(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "write it anew: python -m tests.test_docs"


def test_every_config_key_has_help() -> None:
    from triage.world import config

    bare = [
        f"{name}: {part.get('title', '')}.{key}"
        for name, schema in config.schemas().items()
        for part in (schema, *schema.get("$defs", {}).values())
        for key, value in part.get("properties", {}).items()
        if not value.get("description")
    ]
    assert bare == []


if __name__ == "__main__":
    for page, write in PAGES.items():
        (DOCS / page).write_text(write(), encoding="utf-8")
