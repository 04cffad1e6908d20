"""config/*.yaml, read and checked whole; written for `triage init`; edited without losing a comment.

`source` reads YAML with line numbers, `*_parts` say what may stand in each file (and are its JSON Schema), `team`,
`routing`, `outcomes`, `agreed`, `ladder` and `crosscheck` turn that into the records of the house and look every name
up, `reading` puts it together, `starter` writes.
"""

from __future__ import annotations

from triage.world.config.crosscheck import labels
from triage.world.config.desk_parts import (
    ChannelPart,
    MailboxPart,
    NoticesFile,
    OAuthPart,
    SecretPart,
    ServerPart,
    SmtpPart,
)
from triage.world.config.reading import FILES, Config, load, load_files, version_of
from triage.world.config.starter import Answers, Written, edit, schemas, shipped, write_starter

__all__ = [
    "FILES", "Answers", "ChannelPart", "Config", "MailboxPart", "NoticesFile", "OAuthPart", "SecretPart",
    "ServerPart", "SmtpPart", "Written", "edit", "labels", "load", "load_files", "schemas", "shipped", "version_of",
    "write_starter",
]  # fmt: skip
