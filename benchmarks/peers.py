"""Other programs on the same folder: mbsync, getmail6, django-helpdesk. What cannot be had is skipped by its name.

mbsync is Debian's isync; getmail6 and django-helpdesk go into a virtual environment of their own in the cache folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Sample, run
from benchmarks.servers import Missing, Server

HELPDESK = "django-helpdesk==2.6.1"
GETMAIL = "getmail6==6.20.2"


def tool(name: str, requirement: str, cache: Path) -> Path:
    """A program of a peer's environment, made on first use. Raises Missing."""
    place = cache / f"venv-{requirement}"
    program = place / "bin" / name
    if program.exists():
        return program
    python = place / "bin" / "python"
    commands: list[list[str | Path]] = [
        [sys.executable, "-m", "venv", place], [python, "-m", "pip", "install", "--quiet", requirement],
    ]  # fmt: skip
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=600)
        except (OSError, subprocess.SubprocessError):
            shutil.rmtree(place, ignore_errors=True)
            raise Missing(f"{requirement} could not be installed") from None
    return program


def mbsync(server: Server, folder: str, work: Path) -> Sample:
    """Pull the folder into a Maildir, without fsync. Raises Missing."""
    program = shutil.which("mbsync")
    if program is None:
        raise Missing("mbsync is not installed (apt-get install isync)")
    place = _fresh(work / "mbsync")
    (place / "box").mkdir()
    rc = place / "mbsyncrc"
    rc.write_text(
        f"FSync no\nIMAPAccount a\nHost 127.0.0.1\nPort {server.port}\nUser {server.user}\nPass {server.password}\n"
        "SSLType None\nAuthMechs LOGIN\n\nIMAPStore far\nAccount a\n\n"
        f"MaildirStore near\nPath {place}/box/\nInbox {place}/box/inbox\nSubFolders Verbatim\n\n"
        f"Channel c\nFar :far:{folder}\nNear :near:{folder}\nSync Pull\nCreate Near\nSyncState {place}/state-\n",
        encoding="utf-8",
    )
    sample = run([program, "-q", "-c", rc, "c"])
    count = sum(1 for part in ("cur", "new") for _ in (place / "box" / folder / part).iterdir())
    shutil.rmtree(place)
    return Sample(sample.wall, sample.cpu, {"mails": count})


def getmail(server: Server, folder: str, work: Path, cache: Path) -> Sample:
    """getmail6 into a Maildir, nothing deleted. Raises Missing."""
    program = tool("getmail", GETMAIL, cache)
    place = _fresh(work / "getmail")
    for part in ("cur", "new", "tmp"):
        (place / "box" / part).mkdir(parents=True)
    owner = ""
    if os.getuid() == 0:  # getmail refuses to deliver as root
        owner = "user = nobody\n"
        for path in (place / "box", *(place / "box").iterdir()):
            shutil.chown(path, "nobody")
    (place / "getmailrc").write_text(
        f"[retriever]\ntype = SimpleIMAPRetriever\nserver = 127.0.0.1\nport = {server.port}\nusername = {server.user}\n"
        f"password = {server.password}\nmailboxes = ({folder!r},)\n[destination]\ntype = Maildir\npath = {place}/box/\n"
        f"{owner}[options]\ndelete = false\nread_all = true\nverbose = 0\n",
        encoding="utf-8",
    )
    sample = run([program, f"--getmaildir={place}"])
    count = sum(1 for _ in (place / "box" / "new").iterdir())
    shutil.rmtree(place)
    return Sample(sample.wall, sample.cpu, {"mails": count})


class Helpdesk:
    """django-helpdesk with SQLite. It deletes what it has read: every run needs a folder of its own."""

    def __init__(self, work: Path, cache: Path) -> None:
        self.python = tool("python", HELPDESK, cache)
        self.work = work

    def _manage(self, place: Path, code: str) -> Sample:
        begin = "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'desk_settings'; django.setup()\n"
        path = place / "step.py"
        path.write_text(begin + code, encoding="utf-8")
        return run([self.python, path], {"PYTHONPATH": str(place)}, place)

    def get_email(self, server: Server, folder: str) -> Sample:
        """`manage.py get_email` for every mail of the folder, start-up included. Leaves the tickets for `escalate`."""
        place = _fresh(self.work / "helpdesk")
        (place / "desk_settings.py").write_text(_DJANGO.format(place=place), encoding="utf-8")
        (place / "desk_urls.py").write_text(_URLS, encoding="utf-8")
        self._manage(
            place, _PREPARE.format(port=server.port, user=server.user, password=server.password, folder=folder)
        )
        sample = self._manage(place, "from django.core.management import call_command\ncall_command('get_email')\n")
        told = self._manage(place, _COUNT).told
        return Sample(sample.wall, sample.cpu, told)

    def escalate(self) -> Sample:
        """`manage.py escalate_tickets` over the tickets of the last `get_email`, all of them due."""
        place = self.work / "helpdesk"
        begun = self._manage(place, _MAKE_DUE)
        idle = self._manage(place, "import helpdesk.models, helpdesk.lib\n")
        sample = self._manage(
            place, "from django.core.management import call_command\ncall_command('escalate_tickets')\n"
        )
        return Sample(sample.wall, sample.cpu - idle.cpu, begun.told)


def _fresh(place: Path) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


_DJANGO = """\
SECRET_KEY = "benchmark"
DEBUG = False
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SITE_ID = 1
ROOT_URLCONF = "desk_urls"
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
MEDIA_ROOT = "{place}/media"
HELPDESK_TEAMS_MODE_ENABLED = False
HELPDESK_ACTIVATE_API_ENDPOINT = False
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{place}/desk.db"}}}}
INSTALLED_APPS = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "django.contrib.messages", "django.contrib.sites", "django.contrib.humanize", "django.contrib.staticfiles",
    "rest_framework", "helpdesk",
]
TEMPLATES = [{{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}}]
LOGGING_CONFIG = None
"""

_URLS = """\
from django.urls import include, path
urlpatterns = [path("", include("helpdesk.urls", namespace="helpdesk"))]
"""

_PREPARE = """\
from django.core.management import call_command
call_command("migrate", verbosity=0)
from helpdesk.models import Queue
Queue.objects.create(
    title="Complaints", slug="complaints", allow_email_submission=True, email_box_type="imap", email_box_ssl=False,
    email_box_host="127.0.0.1", email_box_port={port}, email_box_user="{user}", email_box_pass="{password}",
    email_box_imap_folder="{folder}", email_box_interval=0, escalate_days=1, email_address="complaints@alderfinch.example",
)
"""

_COUNT = """\
import json
from helpdesk.models import FollowUp, Ticket
print(json.dumps({"tickets": Ticket.objects.count(), "followups": FollowUp.objects.count()}))
"""

_MAKE_DUE = """\
import json
from datetime import timedelta
from django.utils import timezone
from helpdesk.models import Ticket
old = timezone.now() - timedelta(days=5)
print(json.dumps({"tickets": Ticket.objects.update(created=old, modified=old, last_escalation=None, priority=3)}))
"""
