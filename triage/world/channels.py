"""Channels beside mail (Slack, Teams, a web hook ...), by apprise: hand one short notice over.

What a channel says to a notice is yes or no; no is SendFailed, and the notice stays due. apprise is an extra of its own
(`pip install complaint-triage[channels]`), though Prefect brings it along.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from triage.errors import InsecureConnection, Misuse, SendFailed, SendRefused
from triage.world.settings import Secret
from triage.world.tls import is_loopback

if TYPE_CHECKING:
    import apprise

LONGEST = 3_000  # characters; chat services refuse long messages
PREFIX = "channel:"  # how the outbox names a channel among recipients


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel. `url` is its apprise address, which holds the secrets that open it."""

    name: str
    url: Secret

    def send(self, title: str, text: str) -> None:
        """Hand the notice over. Raises SendFailed (again later), SendRefused, InsecureConnection."""
        opened = self.open()
        if not opened.notify(title=title[:250], body=text[:LONGEST], body_format="text"):
            raise SendFailed("The channel did not take the notice.", where=self.name)

    def open(self) -> apprise.Apprise:
        """The channel as apprise sees it; nothing is sent. Raises SendRefused where the address is none."""
        try:
            import apprise
        except ImportError:
            raise Misuse("apprise is not installed.", fix="pip install complaint-triage[channels]") from None
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it would log addresses and answers
        url = self.url.reveal()
        found = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        if found is None:
            raise SendRefused(
                "Its address is none that apprise knows.", where=self.name, fix="See the list of apprise's services."
            )
        _refuse_clear_text(url, found, self.name)
        opened = apprise.Apprise()
        opened.add(found)
        return opened


def _refuse_clear_text(url: str, found: apprise.NotifyBase, name: str) -> None:
    """json://host speaks http: for this machine only."""
    schema, secure = urlsplit(url).scheme.lower(), found.secure_protocol or ()
    encrypted = schema in ((secure,) if isinstance(secure, str) else tuple(secure))
    if not encrypted and not is_loopback(urlsplit(url).hostname or ""):
        raise InsecureConnection(
            "The channel's address is not encrypted.", where=name, fix=f"Write {schema}s:// where the service has it."
        )
