"""The command line: parse, call an operation, print. No rule about cases stands here.

Nothing heavy is imported before a command needs it: `triage --help` must not load scikit-learn, Prefect or SQLAlchemy.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from triage import __version__
from triage.errors import TriageError

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
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for chatty in ("imapclient", "alembic", "httpx", "prefect"):
        logging.getLogger(chatty).setLevel(logging.WARNING)  # at DEBUG, imapclient would log mail


def main() -> None:
    """Run a command; every error is one clear message and an exit code, never a traceback."""
    # each adds its commands to `app`
    from triage.cli import act, cases, config, demo, learn, routing, run, setup, simulate  # noqa: F401

    try:
        app()
    except TriageError as error:
        print(f"triage: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("TRIAGE_DEBUG"):
            raise
        print(
            f"triage: an error of the program itself ({type(error).__name__}). Nothing stored was lost.\n"
            "Run the same command with TRIAGE_DEBUG=1 and report what it prints, without any mail text.",
            file=sys.stderr,
        )
        sys.exit(1)
