"""The application that the commands are added to, and what holds for all of them.

Nothing heavy is imported before a command needs it: `triage --help` must not load scikit-learn, Prefect or SQLAlchemy.
"""

from __future__ import annotations

import logging
import os
from typing import Annotated

import typer

from triage import __version__
from triage.world import logs

app = typer.Typer(
    name="triage",
    help="The complaint desk for a shared inbox: every complaint gets one owner, real deadlines and an escalation "
    "that happens by itself.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# Before anything imports Prefect: no telemetry, no banner, room for a slow first start.
_QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
}


def _version(wanted: bool) -> None:
    if wanted:
        print(f"triage {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    config: Annotated[str | None, typer.Option(help="Folder of the configuration (or TRIAGE_CONFIG).")] = None,
    data: Annotated[str | None, typer.Option(help="Folder of the data (or TRIAGE_DATA).")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens, without mail text.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    # Through the environment, so that the processes we start (workers, the Prefect server) work on the same desk.
    if config is not None:
        os.environ["TRIAGE_CONFIG"] = config
    if data is not None:
        os.environ["TRIAGE_DATA"] = data
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    logging.basicConfig(level=logging.WARNING, format=logs.PLAIN)
    logs.start(verbose=verbose)
    for chatty in ("imapclient", "alembic", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)  # at DEBUG, imapclient would log mail
    for handler in logging.getLogger().handlers:
        handler.addFilter(lambda record: verbose or record.levelno >= logging.WARNING)  # Prefect talks at INFO
