"""A Courier IMAP of our own from unpacked Debian packages: no MOVE, folders below "INBOX.", late IDLE, stale SEARCH.

Its paths are compiled in, so it runs in a mount namespace of its own where the unpacked files lie over /usr and /etc.
That takes root; nothing outside the namespace changes.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.servers import unpacked
from tests.servers.cyrus import free_port, wait_for
from triage.world import inbox, signin
from triage.world.tls import Tls

PACKAGES = (
    "courier-imap", "courier-base", "courier-authlib", "courier-authlib-userdb", "libidn12", "libcourier-unicode4",
    "libgamin0", "libltdl7", "libgdbm6", "libpcre3",
)  # fmt: skip
USER, PASSWORD, NOBODY = "intake", "s3cret", 65534


@dataclass(frozen=True)
class Courier:
    port: int

    def account(self) -> inbox.MailboxAccount:
        return inbox.MailboxAccount(
            name="courier", host="127.0.0.1", port=self.port, tls=Tls.NONE, user=USER,
            sign_in=signin.Password(lambda: PASSWORD), timeouts=inbox.Timeouts(connect=5, read=20, command=60),
        )  # fmt: skip


@contextmanager
def server() -> Iterator[Courier]:
    """A running server. Raises RuntimeError where none can be had."""
    if os.getuid() != 0 or not shutil.which("unshare") or not shutil.which("openssl"):
        raise RuntimeError("courier: needs root, unshare and openssl")
    root = unpacked.unpack("courier", PACKAGES)
    base = Path(tempfile.mkdtemp(prefix="co-"))
    base.chmod(0o755)
    port = free_port()
    process = None
    try:
        _prepare(root, base)
        process = subprocess.Popen(
            ["unshare", "-m", "sh", "-euc", _INSIDE.format(root=root, base=base, port=port, owner=NOBODY)],
            env={**os.environ, "LD_LIBRARY_PATH": unpacked.library_path(root)}, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=(base / "log").open("wb"),
        )  # fmt: skip
        try:
            wait_for(port, process)
        except RuntimeError as error:
            raise RuntimeError(f"courier: {error}: {(base / 'log').read_text(errors='replace')[-300:]}") from None
        yield Courier(port)
    except (OSError, subprocess.SubprocessError) as error:
        raise RuntimeError(f"courier: {error}") from None
    finally:
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)  # couriertcpd and authdaemond
            process.wait(20)
        shutil.rmtree(base, ignore_errors=True)


def _prepare(root: Path, base: Path) -> None:
    """The folders that are laid over the system's, the account, and an empty Maildir's place."""
    config = base / "etc" / "courier"
    shutil.copytree(root / "etc" / "courier", config)
    (config / "authdaemonrc").write_text(_AUTHDAEMON, encoding="utf-8")
    (base / "mail").mkdir()
    secret = subprocess.run(
        ["openssl", "passwd", "-1", PASSWORD], check=True, capture_output=True, text=True
    ).stdout.strip()
    place = f"home={base}/mail|mail={base}/mail/Maildir"
    (base / "userdb").write_text(f"{USER}\tuid={NOBODY}|gid={NOBODY}|{place}\n.\n", encoding="utf-8")
    (base / "shadow").write_text(f"{USER}\timappw={secret}|systempw={secret}\n.\n", encoding="utf-8")


_AUTHDAEMON = """\
authmodulelist="authuserdb"
authmodulelistorig="authuserdb"
daemons=2
authdaemonvar=/run/courier/authdaemon
DEBUG_LOGIN=0
DEFAULTOPTIONS=""
LOGGEROPTS=""
"""

_INSIDE = """\
mount --make-rprivate /
mount -t overlay overlay -o lowerdir={root}/usr:/usr /usr
mount -t overlay overlay -o lowerdir={base}/etc:/etc /etc
mount -t tmpfs tmpfs /run
mkdir -p /run/courier/authdaemon
maildirmake.courier {base}/mail/Maildir
chown -R {owner}:{owner} {base}/mail
make=/usr/lib/courier/courier-authlib/makedatprog
$make {base}/userdb {base}/etc/courier/userdb.tmp {base}/etc/courier/userdb.dat
$make {base}/shadow {base}/etc/courier/userdbshadow.tmp {base}/etc/courier/userdbshadow.dat
/usr/lib/courier/courier-authlib/authdaemond &
set +eu
set -a
. /etc/courier/imapd
IMAP_STARTTLS=NO IMAP_TLS_REQUIRED=0 TLS=0 AUTHMODULES=authdaemon IMAP_USELOCKS=0 IMAP_ENHANCEDIDLE=0 IMAPLOGINTAG=
exec couriertcpd -address=127.0.0.1 -maxprocs=40 -maxperip=40 -nodnslookup -noidentlookup {port} \\
  /usr/lib/courier/courier/imaplogin /usr/bin/imapd Maildir
"""
