"""SMTP: hand one mail to the server. One connection serves several notices and is closed politely.

An answer that says "later" (4xx), silence and a lost connection are SendFailed; an answer that says "never" (5xx) is
SendRefused. When the connection is lost after the text was sent and before it was acknowledged, nobody can know whether
the mail went: it is sent again, under the same Message-ID, so that the receiver's side can drop the second copy.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import email.policy
import re
import smtplib
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from triage.errors import (
    InsecureConnection,
    Permanent,
    SendFailed,
    SendRefused,
    SignInRefused,
    TriageError,
)
from triage.world import signin, tls
from triage.world.tls import Tls

_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]+")
_CHALLENGES = 5
_SIGN_IN_FIRST = frozenset({530, 534, 535, 538})  # RFC 4954, section 6
_SIGN_OFF = 5.0  # seconds to wait for the answer to QUIT

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SmtpAccount:
    """One SMTP server. Without `sign_in` mail is handed over without a password (a relay that knows this machine)."""

    name: str
    host: str
    port: int = 465
    tls: Tls = Tls.IMPLICIT
    user: str = ""
    sign_in: signin.SignIn | None = field(default=None, repr=False)
    ca_file: Path | None = None
    connect_seconds: float = 15.0
    read_seconds: float = 60.0
    hostname: str | None = None  # what we call ourselves in EHLO; None: this machine's name
    per_connection: int = 50  # mails; servers cut longer sessions off


@dataclass(frozen=True, slots=True)
class RefusedRecipient:
    """A recipient that was turned down while others were accepted."""

    address: str
    code: int  # 4xx: may be tried again for this recipient; 5xx: never
    text: str

    @property
    def for_good(self) -> bool:
        return self.code >= 500


def open(account: SmtpAccount) -> Mailer:
    """A mailer; the connection is made with the first mail, so that nothing is opened when nothing is due.

    Raises InsecureConnection at once when a password would cross a network in clear text.
    """
    tls.refuse_clear_text(account.host, account.tls, account.name)
    return Mailer(account)


class Mailer:
    """Sends mails over one connection. A context manager; not to be shared between threads."""

    def __init__(self, account: SmtpAccount) -> None:
        self.account = account
        self._smtp: smtplib.SMTP | None = None
        self._sent = 0

    def __enter__(self) -> Mailer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Say QUIT if there is a connection; never raises."""
        smtp, self._smtp = self._smtp, None
        if smtp is None:
            return
        with contextlib.suppress(smtplib.SMTPException, OSError):
            if smtp.sock:
                smtp.sock.settimeout(min(_SIGN_OFF, self.account.read_seconds))
            smtp.quit()
        smtp.close()

    def send(
        self, mail: EmailMessage, *, sender: str | None = None, recipients: Iterable[str] | None = None
    ) -> tuple[RefusedRecipient, ...]:
        """Hand one mail over. Gives the recipients turned down while at least one was accepted (normally none).

        `sender` is the envelope's, "" for the empty one of automatic mail (RFC 3834); by default that of From. The
        recipients default to To, Cc and Bcc; Bcc is never sent along.

        Raises SendFailed (again later), SendRefused (never), SignInRefused, InsecureConnection.
        """
        envelope_from = _first(mail, "Sender", "From") if sender is None else sender
        to = tuple(dict.fromkeys(_all(mail, "To", "Cc", "Bcc") if recipients is None else recipients))
        self._check_addresses(envelope_from, to)

        def hand_over() -> tuple[RefusedRecipient, ...]:
            smtp = self._connection()
            raw, options = self._text(smtp, mail, (envelope_from, *to))
            refused = smtp.sendmail(envelope_from, to, raw, mail_options=options)
            self._sent += 1
            return tuple(RefusedRecipient(who, code, _said(text)) for who, (code, text) in refused.items())

        return self._explained(hand_over)

    def check(self) -> None:
        """Connect, sign in and say NOOP, so that a wrong account is known before a mail is due. Raises as `send`."""

        def greet() -> None:
            code, text = self._connection().noop()
            if code != 250:
                raise smtplib.SMTPResponseException(code, text)

        self._explained(greet)

    def _explained(self, talk: Callable[[], _T]) -> _T:
        """Talk with the server; whatever goes wrong ends in an error of the house."""
        failure: TriageError
        try:
            return talk()
        except TriageError:
            raise
        except (smtplib.SMTPException, OSError) as error:
            if not isinstance(error, smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused):
                self._drop()  # after a reply the server has been told RSET; after anything else nothing is certain
            failure = self._explain(error)
        except BaseException:
            self._drop()
            raise
        raise failure  # outside the handler: the server's words do not travel along as the error's context

    def _check_addresses(self, sender: str, recipients: tuple[str, ...]) -> None:
        if not recipients:
            raise SendRefused("The mail has no recipient.", where=self.account.name)
        if any(ord(c) < 33 or c in "<>\x7f" for address in (sender, *recipients) for c in address):
            raise SendRefused("An address contains a space, a bracket or a control character.", where=self.account.name)

    def _text(self, smtp: smtplib.SMTP, mail: EmailMessage, addresses: tuple[str, ...]) -> tuple[bytes, list[str]]:
        """The bytes to send and the options of MAIL FROM, as far as this server goes."""
        international = not all(address.isascii() for address in addresses)
        if international and not smtp.has_extn("smtputf8"):
            raise SendRefused(
                "An address has letters beyond ASCII, and the server does not take such mail (SMTPUTF8).",
                where=self.account.name,
            )
        eight_bit = smtp.has_extn("8bitmime")
        policy = email.policy.SMTP.clone(utf8=international, cte_type="8bit" if eight_bit else "7bit")
        mail = copy.copy(mail)
        del mail["Bcc"]
        try:
            raw = mail.as_bytes(policy=policy)
        except (ValueError, LookupError, TypeError) as error:  # surrogates, unknown charset, a header that cannot be
            raise SendRefused(
                f"The mail cannot be written ({type(error).__name__}).", where=self.account.name
            ) from None
        options = ["SMTPUTF8"] if international else []
        if eight_bit and not raw.isascii():
            options.append("BODY=8BITMIME")
        return raw, options

    def _connection(self) -> smtplib.SMTP:
        """The open connection if it still answers, else a new one."""
        if self._smtp and self._sent >= self.account.per_connection:
            self.close()
        if self._smtp:
            try:
                if self._smtp.noop()[0] == 250:
                    return self._smtp
            except (smtplib.SMTPException, OSError):
                pass  # it timed out between two notices, which servers may do; nothing had been sent
            self._drop()
        self._smtp, self._sent = self._connect(), 0
        return self._smtp

    def _connect(self) -> smtplib.SMTP:
        account = self.account
        context = tls.context(account.ca_file, account.name) if account.tls is not Tls.NONE else None
        smtp: smtplib.SMTP
        if account.tls is Tls.IMPLICIT:
            smtp = smtplib.SMTP_SSL(
                account.host, account.port, account.hostname, timeout=account.connect_seconds, context=context
            )
        else:
            smtp = smtplib.SMTP(account.host, account.port, account.hostname, timeout=account.connect_seconds)
        try:
            if smtp.sock:
                smtp.sock.settimeout(account.read_seconds)
            if context and account.tls is Tls.STARTTLS:
                self._upgrade(smtp, context)
            smtp.ehlo_or_helo_if_needed()
            if account.sign_in is not None:
                self._sign_in(smtp, account.sign_in)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _upgrade(self, smtp: smtplib.SMTP, context: ssl.SSLContext) -> None:
        """STARTTLS or nothing: a server, or someone in between, that does not offer it gets no password and no mail."""
        try:
            smtp.starttls(context=context)
            return
        except (smtplib.SMTPNotSupportedError, smtplib.SMTPResponseException):
            pass
        raise InsecureConnection(
            "The SMTP server does not do STARTTLS.",
            fix="Use tls: implicit, usually on port 465.",
            where=self.account.name,
        )

    def _sign_in(self, smtp: smtplib.SMTP, method: signin.SignIn) -> None:
        user, offered = self.account.user, str(smtp.esmtp_features.get("auth", "")).upper().split()
        if isinstance(method, signin.Bearer):
            refused = ""
            for fresh in (False, True):  # once more with a new token: the kept one may have been revoked
                token = method.token(fresh=fresh)
                if token == refused:
                    break
                exchange = signin.bearer(method.mechanism, user, token, self.account.host, self.account.port)
                code, reply = self._authenticate(smtp, method.mechanism, exchange)
                if code == 235:
                    return
                if code < 500:
                    break
                refused = token
            raise self._refused(code, reply, token, exchange.refusal)
        password = method.read()
        if "LOGIN" in offered and "PLAIN" not in offered:
            code, reply = smtp.docmd("AUTH", "LOGIN")
            for word in (user, password):
                if code == 334:
                    code, reply = smtp.docmd(_encoded(word.encode()))
        else:
            code, reply = self._authenticate(smtp, "PLAIN", signin.plain(user, password))
        if code != 235:
            raise self._refused(code, reply, password, "")

    def _authenticate(self, smtp: smtplib.SMTP, mechanism: str, exchange: signin.Exchange) -> tuple[int, bytes]:
        """AUTH with an initial response (RFC 4954). smtplib's own cannot carry letters beyond ASCII."""
        code, reply = smtp.docmd("AUTH", f"{mechanism} {_encoded(exchange())}")
        for _ in range(_CHALLENGES):
            if code != 334:
                break
            code, reply = smtp.docmd(exchange.answer(reply).decode())
        return code, reply

    def _refused(self, code: int, reply: bytes, secret: str, detail: str) -> TriageError:
        words = _said(reply).replace(secret, "***") if secret else _said(reply)
        if 400 <= code < 500:
            return SendFailed(f"At sign-in the server said {code} {words}.", where=self.account.name)
        more = f" ({detail})" if detail else ""
        return SignInRefused(
            f"{self.account.host} did not let {self.account.user} in: {code} {words}{more}.",
            fix="Check user name and password or token of the SMTP account, then run triage check.",
            where=self.account.name,
        )

    def _explain(self, error: Exception) -> TriageError:
        where = self.account.name
        server = f"{self.account.host}:{self.account.port}"
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            return self._nobody(error.recipients)
        if isinstance(error, smtplib.SMTPResponseException):
            code = int(error.smtp_code)
            if code in _SIGN_IN_FIRST:  # the account's trouble, not the mail's: nothing is given up because of it
                return self._refused(code, _bytes(error.smtp_error), "", "")
            kind = SendRefused if 500 <= code < 600 and not isinstance(error, smtplib.SMTPConnectError) else SendFailed
            return kind(f"{server} said {code} {_said(error.smtp_error)}.", where=where)
        if isinstance(error, ssl.SSLCertVerificationError):
            return tls.untrusted(error, self.account.host, self.account.port, where)
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return SendRefused(f"{server} lacks what this mail needs.", where=where)
        if isinstance(error, TimeoutError):
            return SendFailed(f"{server} gave no answer in time.", where=where)
        if isinstance(error, smtplib.SMTPException):
            return SendFailed(f"{server} closed the connection.", where=where)
        reason = getattr(error, "strerror", None) or type(error).__name__
        return SendFailed(f"{server}: {reason}.", where=where)

    def _nobody(self, recipients: Mapping[str, tuple[int, bytes]]) -> TriageError:
        """No recipient was accepted: for good only if every one was refused for good."""
        reasons = "; ".join(f"{who}: {code} {_said(text)}" for who, (code, text) in list(recipients.items())[:5])
        later = any(code < 500 for code, _ in recipients.values())
        return (SendFailed if later else SendRefused)(f"No recipient was accepted: {reasons}.", where=self.account.name)

    def _drop(self) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp:
            smtp.close()


def _first(mail: EmailMessage, *headers: str) -> str:
    for header in headers:
        if found := _all(mail, header):
            return found[0]
    raise Permanent("The mail has no sender.")


def _all(mail: EmailMessage, *headers: str) -> list[str]:
    found: list[str] = []
    for header in headers:
        for value in mail.get_all(header, []):
            addresses: tuple[Address, ...] = getattr(value, "addresses", ())
            found += [address.addr_spec for address in addresses if address.addr_spec]
    return found


def _said(text: bytes | str) -> str:
    """The server's words, fit to be shown: one line, bounded."""
    plain = text[:1000].decode("utf-8", "replace") if isinstance(text, bytes) else text[:1000]
    return f'"{_UNPRINTABLE.sub(" ", plain).strip()[:200]}"'


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "replace")


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


__all__ = ["Mailer", "RefusedRecipient", "SmtpAccount", "open"]
