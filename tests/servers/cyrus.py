"""A Cyrus IMAP of our own from unpacked Debian packages, on a free loopback port: a second opinion on the protocol.

Unlike the others it gives one UIDVALIDITY to several folders, omits what was expunged from a FETCH, and expunges at once.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import unpacked
from triage.world import inbox, signin
from triage.world.tls import Tls

PACKAGES = ("cyrus-imapd", "cyrus-common", "libxapian30", "libpcre3", "libical3", "sasl2-bin")
USER, PASSWORD = "intake", "s3cret"


@dataclass(frozen=True)
class Cyrus:
    port: int

    def account(self) -> inbox.MailboxAccount:
        return inbox.MailboxAccount(
            name="cyrus", host="127.0.0.1", port=self.port, tls=Tls.NONE, user=USER,
            sign_in=signin.Password(lambda: PASSWORD), timeouts=inbox.Timeouts(connect=5, read=20, command=60),
        )  # fmt: skip


@contextmanager
def server() -> Iterator[Cyrus]:
    """A running server. Raises RuntimeError where none can be had."""
    root = unpacked.unpack("cyrus", PACKAGES)
    base = Path(tempfile.mkdtemp(prefix="cy-"))
    base.chmod(0o755)
    port = free_port()
    user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    libraries = unpacked.library_path(root)
    env = {**os.environ, "LD_LIBRARY_PATH": libraries, "CYRUS_USER": user}
    _write_config(root, base, port, user)
    process = None
    try:
        for name in (USER, "admin"):
            subprocess.run(
                [root / "usr/sbin/saslpasswd2", "-p", "-c", "-f", base / "sasldb2", "-u", "localhost", name],
                input=PASSWORD.encode(), env=env, check=True, capture_output=True,
            )  # fmt: skip
        if os.getuid() == 0:
            for path in (base, *base.rglob("*")):
                shutil.chown(path, user)
        process = subprocess.Popen(
            [root / "usr/lib/cyrus/bin/master", "-C", base / "imapd.conf", "-M", base / "cyrus.conf",
             "-p", base / "run/master.pid", "-L", base / "log.txt"],
            env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,  # when it ends, master sends SIGTERM to its whole process group
        )  # fmt: skip
        wait_for(port, process)
        yield Cyrus(port)
    except (OSError, subprocess.SubprocessError) as error:
        raise RuntimeError(f"cyrus: {error}") from None
    finally:
        if process is not None:
            process.terminate()
            process.wait(20)
        shutil.rmtree(base, ignore_errors=True)


def _write_config(root: Path, base: Path, port: int, user: str) -> None:
    for name in ("db", "log", "msg", "proc", "ptclient", "socket", "lock", "user", "quota", "backup"):
        (base / "conf" / name).mkdir(parents=True)
    for name in ("spool", "run", "sock"):
        (base / name).mkdir()
    programs = root / "usr/lib/cyrus/bin"
    (base / "imapd.conf").write_text(_IMAPD.format(base=base, user=user), encoding="utf-8")
    (base / "cyrus.conf").write_text(_CYRUS.format(base=base, programs=programs, port=port), encoding="utf-8")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until the server greets. Raises RuntimeError when it ends or takes more than 20 s."""
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as probe:
                if probe.recv(100):
                    return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the server did not start")


_IMAPD = """\
configdirectory: {base}/conf
partition-default: {base}/spool
defaultpartition: default
admins: admin
cyrus_user: {user}
altnamespace: yes
unixhierarchysep: yes
virtdomains: off
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {base}/sasldb2
sasl_mech_list: PLAIN LOGIN
servername: localhost
lmtpsocket: {base}/sock/lmtp
idlesocket: {base}/sock/idle
notifysocket: {base}/sock/notify
mboxname_lockpath: {base}/conf/lock
autocreate_quota: 0
autocreate_post: yes
tls_server_cert: disabled
tls_server_key: disabled
expunge_mode: immediate
skiplist_unsafe: yes
imapidlepoll: 1
"""

_CYRUS = """\
START {{
  recover cmd="{programs}/ctl_cyrusdb -C {base}/imapd.conf -r"
}}
SERVICES {{
  imap cmd="{programs}/imapd -C {base}/imapd.conf -U 30" listen="127.0.0.1:{port}" prefork=1
}}
EVENTS {{
}}
DAEMON {{
}}
"""
