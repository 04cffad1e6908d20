"""A Dovecot of our own: Debian's binary (apt-get install dovecot-imapd), as root or as any user, gone after the tests.

Plain and TLS on free loopback ports, a certificate authority made on the spot (with openssl), password and OAuth
sign-in (the "token" is a fixed word in a second password file).
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from triage.world import inbox, signin
from triage.world.tls import Tls

PROGRAM = Path("/usr/sbin/dovecot")
USER, PASSWORD, TOKEN = "intake", "s3cret ü", "static-token-1"


@dataclass(frozen=True)
class Dovecot:
    port: int
    tls_port: int
    ca_file: Path
    maildir: Path
    log: Path

    def fill(self, user: str, mails: Iterable[tuple[bytes, float]]) -> None:
        """Put mails (bytes, arrival in seconds since 1970) into the inbox of one of `users`, as its server had them."""
        inbox_ = self.maildir.parent / user / "Maildir"
        for name in ("cur", "new", "tmp"):
            (inbox_ / name).mkdir(parents=True, exist_ok=True)
        for number, (raw, at) in enumerate(mails):
            path = inbox_ / "cur" / f"{at:.0f}.M{number:06d}.host:2,"
            path.write_bytes(raw)
            os.utime(path, (at, at))
        owner = self.maildir.parent.stat()
        for path in (inbox_.parent, *inbox_.parent.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)

    def account(
        self, *, tls: Tls = Tls.NONE, sign_in: signin.SignIn | None = None, host: str = "localhost", name: str = "real"
    ) -> inbox.MailboxAccount:
        return inbox.MailboxAccount(
            name=name,
            host=host,
            port=self.tls_port if tls is Tls.IMPLICIT else self.port,
            tls=tls,
            ca_file=None if tls is Tls.NONE else self.ca_file,
            user=USER,
            sign_in=sign_in or signin.Password(lambda: PASSWORD),
            timeouts=inbox.Timeouts(connect=5, read=10, command=30),
        )


def missing() -> str:
    """Why it cannot be started, "" if it can."""
    if not PROGRAM.exists():
        return "Dovecot is not installed (apt-get install dovecot-imapd)"
    return "" if shutil.which("openssl") else "openssl is not installed (apt-get install openssl)"


@contextmanager
def server(users: Sequence[str] = ()) -> Iterator[Dovecot]:
    """A running server with one mailbox, and one more for each of `users`, all with the same password."""
    # Not pytest's folder: mail processes of another user must get in, and socket paths may have 107 bytes at most.
    base = Path(tempfile.mkdtemp(prefix="dc-"))
    base.chmod(0o755)
    process = None
    try:
        ports = _free_ports(2)
        running = _prepare(base, ports[0], ports[1], users)
        process = subprocess.Popen([PROGRAM, "-F", "-c", base / "dovecot.conf"], stderr=subprocess.DEVNULL)
        _wait(process, running)
        yield running
    finally:
        if process:
            process.terminate()
            process.wait(10)
        shutil.rmtree(base, ignore_errors=True)


def _prepare(base: Path, port: int, tls_port: int, users: Sequence[str] = ()) -> Dovecot:
    root = os.getuid() == 0
    owner = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.getuid())
    me, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    mail = base / "mail"
    for folder in (base / "run", base / "lib", mail):
        folder.mkdir()
    if root:
        os.chown(mail, owner.pw_uid, owner.pw_gid)
    place = f":{owner.pw_uid}:{owner.pw_gid}::{mail}::"
    more = [f"{user}:{{PLAIN}}{PASSWORD}:{owner.pw_uid}:{owner.pw_gid}::{mail / user}::\n" for user in users]
    (base / "passwords").write_text(f"{USER}:{{PLAIN}}{PASSWORD}{place}\n{''.join(more)}", encoding="utf-8")
    (base / "tokens").write_text(f"{USER}:{{PLAIN}}{TOKEN}{place}\n", encoding="utf-8")
    _certificates(base)
    config = _CONFIG.format(
        base=base, me=me, group=group, login="dovenull" if root else me, port=port, tls_port=tls_port
    )
    (base / "dovecot.conf").write_text(config, encoding="utf-8")
    return Dovecot(port, tls_port, base / "ca.pem", mail / "Maildir", base / "log")


def _certificates(base: Path) -> None:
    """A certificate authority and a certificate for localhost that it signed."""
    new = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    usage = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
    authority = ["-subj", "/CN=test authority", *usage, "-keyout", base / "ca.key", "-out", base / "ca.pem"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"]
    signed = ["-CA", base / "ca.pem", "-CAkey", base / "ca.key", "-keyout", base / "key.pem", "-out", base / "cert.pem"]
    subprocess.run([*new, *authority], check=True, capture_output=True)
    subprocess.run([*new, "-subj", "/CN=localhost", *names, *signed], check=True, capture_output=True)


def _wait(process: subprocess.Popen[bytes], running: Dovecot) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", running.tls_port), 1):
                return
        except OSError:
            time.sleep(0.02)
    log = running.log.read_text(errors="replace")[-2000:] if running.log.exists() else "no log"
    raise RuntimeError(f"Dovecot did not start: {log}")


def _free_ports(count: int) -> list[int]:
    taken = [socket.socket() for _ in range(count)]
    try:
        for free in taken:
            free.bind(("127.0.0.1", 0))
        return [int(free.getsockname()[1]) for free in taken]
    finally:
        for free in taken:
            free.close()


_CONFIG = """\
base_dir = {base}/run
state_dir = {base}/lib
log_path = {base}/log
instance_name = triage-tests
protocols = imap
listen = 127.0.0.1
default_login_user = {login}
default_internal_user = {me}
default_internal_group = {group}
first_valid_uid = 1
mail_location = maildir:~/Maildir
mail_fsync = never
mailbox_idle_check_interval = 1 secs
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
ssl = yes
ssl_cert = <{base}/cert.pem
ssl_key = <{base}/key.pem
passdb {{
  driver = passwd-file
  mechanisms = plain login
  args = {base}/passwords
}}
passdb {{
  driver = passwd-file
  mechanisms = xoauth2 oauthbearer
  args = {base}/tokens
}}
userdb {{
  driver = passwd-file
  args = {base}/passwords
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  # no waiting after a wrong password: the tests give many
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""
