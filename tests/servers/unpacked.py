"""Debian packages unpacked into a folder instead of installed: three IMAP servers conflict, but can lie side by side.

Kept in the user's cache between runs (`TRIAGE_TEST_CACHE` names another folder). Nothing is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path


def unpack(name: str, packages: Sequence[str]) -> Path:
    """The folder with these packages in it. Raises RuntimeError where they cannot be had."""
    cache = Path(os.environ.get("TRIAGE_TEST_CACHE") or Path.home() / ".cache" / "triage-tests")
    root = cache / name
    if (root / ".whole").exists():
        return root
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise RuntimeError(f"{name}: no apt-get and dpkg here")
    shutil.rmtree(root, ignore_errors=True)
    debs = root / "debs"
    debs.mkdir(parents=True)
    try:
        subprocess.run(["apt-get", "download", *packages], cwd=debs, check=True, capture_output=True, timeout=300)
        for deb in sorted(debs.glob("*.deb")):
            subprocess.run(["dpkg", "-x", deb, root], check=True, capture_output=True)
    except (subprocess.SubprocessError, OSError) as error:
        said = getattr(error, "stderr", b"") or b""
        raise RuntimeError(f"{name}: apt-get download failed: {said.decode(errors='replace')[-200:].strip()}") from None
    shutil.rmtree(debs)
    (root / ".whole").touch()
    return root


def library_path(root: Path) -> str:
    """Where its shared libraries lie."""
    places = [root / "usr/lib", *sorted(root.glob("usr/lib/*-linux-gnu")), *sorted(root.glob("lib/*-linux-gnu"))]
    return ":".join(str(place) for place in places)
