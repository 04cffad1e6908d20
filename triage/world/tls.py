"""TLS for IMAP and SMTP: one rule for both, verified always, clear text on loopback only."""

from __future__ import annotations

import ipaddress
import ssl
from enum import StrEnum
from pathlib import Path

from triage.errors import InsecureConnection


class Tls(StrEnum):
    """How a connection is protected."""

    IMPLICIT = "implicit"  # TLS from the first byte (IMAP 993, SMTP 465); the default, RFC 8314
    STARTTLS = "starttls"  # upgraded before anything is said (IMAP 143, SMTP 587)
    NONE = "none"  # clear text; loopback only


def is_loopback(host: str) -> bool:
    """True for "localhost" and for literal loopback addresses. Names are not looked up: an answer can be forged."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refuse_clear_text(host: str, tls: Tls, where: str) -> None:
    """Raise InsecureConnection when the password would cross a network in clear text."""
    if tls is Tls.NONE and not is_loopback(host):
        raise InsecureConnection(
            f"{host} is not this machine, and tls is none.",
            fix="Set tls to implicit (or starttls) for this server.",
            where=where,
        )


def context(ca_file: Path | None, where: str) -> ssl.SSLContext:
    """A context that verifies chain and host name, against `ca_file` alone when one is given, else the system's."""
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError as error:  # ssl.SSLError is an OSError too: not a PEM file
        raise InsecureConnection(
            f"The CA file {ca_file} cannot be read: {error.strerror or type(error).__name__}.",
            fix="Give the path of a PEM file with the certificate authority of the server.",
            where=where,
        ) from None


def untrusted(error: ssl.SSLCertVerificationError, host: str, port: int, where: str) -> InsecureConnection:
    """The error for a certificate that does not verify; it waits for a person, a retry would not help."""
    return InsecureConnection(
        f"The certificate of {host}:{port} is not trusted: {error.verify_message}.",
        fix="Check the host name; for a private certificate authority set ca_file.",
        where=where,
    )
