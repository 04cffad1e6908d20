"""What a forged mail wants its reader to open: a link, or an archive, program or web page as an attachment."""

from __future__ import annotations

import re

from triage.mail.body import Body
from triage.mail.message import Message

_LINK = re.compile(r"\bhttps?://\S|\bwww\.\w", re.IGNORECASE)
_HREF = re.compile(r"<a\s[^<>]{0,300}?href\s{0,3}=\s{0,3}[\"']?https?:", re.IGNORECASE)
_OPENED = ".zip .rar .7z .gz .tgz .iso .img .cab .ace .arj .exe .scr .js .vbs .lnk .bat .cmd .hta .html .htm .jar"
_ENDINGS = tuple(_OPENED.split())
_TYPES = frozenset(
    {"application/zip", "application/x-zip-compressed", "application/x-rar-compressed", "application/x-7z-compressed"}
    | {"application/gzip", "application/x-msdownload", "application/x-msdos-program", "application/vnd.rar"}
)


def of(message: Message, body: Body) -> str:
    """What it is, or "". A link counts in the sender's own words, not in a signature or a quote."""
    for attachment in message.attachments:
        if attachment.name.lower().endswith(_ENDINGS) or attachment.content_type in _TYPES:
            return "an archive or program"
    if _LINK.search(body.new_text[:50_000]) or (body.source == "html" and _HREF.search(message.html[:200_000])):
        return "a link"
    return ""
