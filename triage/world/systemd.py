"""sd_notify: tell systemd how we are. Nothing happens where systemd does not ask. See sd_notify(3)."""

from __future__ import annotations

import os
import socket


def notify(state: str) -> bool:
    """Send one state ("READY=1", "WATCHDOG=1", "STOPPING=1"); False where nobody listens."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return False
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.connect(address)
            out.sendall(state.encode())
    except OSError:
        return False
    return True
