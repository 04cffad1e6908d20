"""triage, the complaint desk for a shared inbox.

The way of a mail, left to right; nothing flows back:

    mailbox -> message -> body, thread, screen -> cues, classify, urgency -> route -> case -> clocks -> escalation -> notice
     (IMAP)   '------------------- pure: frozen records in, frozen records out -------------------'     (SMTP)

`mail`, `judge`, `casework` and `insight` decide and touch nothing; `world` acts and decides nothing; `desk` is what the
program holds open, `operations` what it does; `cli` and `flows` are doors that call the same operations.
"""

from __future__ import annotations

from pathlib import Path

__version__ = "0.2.0"

# `flows/` stands at the top of a checkout and inside this package in a wheel; a checkout looks there too, so that
# `triage.flows` is the same import in both.
_here = Path(__file__).resolve().parent
if not (_here / "flows").is_dir() and (_here.parent / "flows" / "__init__.py").is_file():
    __path__.append(str(_here.parent))
