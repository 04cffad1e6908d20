"""The command line: parse, call an operation, print. No rule about cases stands here."""

from __future__ import annotations

import gc
import os
import sys

from triage.cli.app import app
from triage.errors import TriageError

__all__ = ["app", "load_commands", "main"]


def load_commands() -> None:
    """Each of these modules adds its commands to `app`."""
    from triage.cli import act, care, cases, config, demo, learn, privacy, reply, routing, run, setup, simulate  # noqa: F401


def main() -> None:
    """Run a command; every error is one clear message and an exit code, never a traceback."""
    # Our records are many and form no rings: the collector's default of 700 new ones a look costs a twelfth of a sweep.
    gc.set_threshold(20_000, 20, 20)
    load_commands()
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
