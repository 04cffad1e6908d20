"""HTML of a mail -> text: as one string, or as lines that tell what is quoted and what is signature.

Parsing and layout are lexbor's, through resiliparse. A mail is read in the child process of `world/reader.py`, so
that a defect of the C library costs that one mail and nothing else.
"""

from __future__ import annotations

import re

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import ElementNode, HTMLTree

#: private-use characters that stand for the start and end of marked parts while HTML becomes text
QUOTE, END_QUOTE, SIGNATURE, END_SIGNATURE, HISTORY = "\ue200", "\ue201", "\ue202", "\ue203", "\ue204"
_MARKS = re.compile("[\ue200-\ue204]")

#: elements that hold the quoted mail, by client
_QUOTES = (
    "blockquote, div.gmail_quote, div.yahoo_quoted, div.protonmail_quote, div.tutanota_quote, div.moz-cite-prefix, "
    "div#mail-editor-reference-message-container, div.ms-outlook-mobile-reference-message, "
    "div.x_gmail_quote, div.zmail_extra, div#reply-intro, div.wlmailquote, div[id^=yahoo_quoted]"
)
_SIGNATURES = (
    "div.gmail_signature, div.moz-signature, pre.moz-signature, div#Signature, div#ms-outlook-mobile-signature, "
    "div.protonmail_signature_block, div#mail-editor-signature"
)
#: everything after these elements is the quoted mail
_HISTORY = (
    "div#appendonsend, div#divRplyFwdMsg, div.OutlookMessageHeader, hr#stopSpelling, hr#zwchr, div#x_divRplyFwdMsg, "
    "div#OLK_SRC_BODY_SECTION, div[id^=AOLMsgPart]"
)
#: hidden text is for machines (preview lines, tracking, words for filters), never for the reader
_HIDDEN = ["[hidden]", '[style*="display:none"]', '[style*="display: none"]']
_MOST_MARKED = 200


def to_text(html: str) -> str:
    """The visible text, lines and paragraphs kept."""
    return _extract(HTMLTree.parse(without_marks(html))) if html.strip() else ""


def marked_text(html: str, is_forward: re.Pattern[str]) -> str:
    """The visible text with the marks above round quotes and signatures, each mark on a line of its own.

    A quote whose text begins with `is_forward` is no quote but a forwarded mail, and is left unmarked.
    """
    if not html.strip():
        return ""
    tree = HTMLTree.parse(without_marks(html))
    if tree.body is None:
        return ""
    for node in tree.body.query_selector_all(_QUOTES)[:_MOST_MARKED]:
        if not is_forward.search((node.text or "")[:3000]):
            _surround(tree, node, QUOTE, END_QUOTE)
    for node in tree.body.query_selector_all(_SIGNATURES)[:_MOST_MARKED]:
        _surround(tree, node, SIGNATURE, END_SIGNATURE)
    for node in tree.body.query_selector_all(_HISTORY)[:_MOST_MARKED]:
        node.before(_line(tree, HISTORY))
    return _extract(tree)


def _surround(tree: HTMLTree, node: ElementNode, start: str, end: str) -> None:
    node.before(_line(tree, start))
    node.after(_line(tree, end))


def _line(tree: HTMLTree, mark: str) -> ElementNode:
    line, text = tree.create_element("p"), tree.create_text_node(mark)
    assert isinstance(line, ElementNode) and text is not None  # None only when memory is out
    line.append_child(text)
    return line


def _extract(tree: HTMLTree) -> str:
    text: str = extract_plain_text(
        tree,
        preserve_formatting=True,
        main_content=False,
        list_bullets=True,
        alt_texts=False,
        links=False,
        skip_elements=_HIDDEN,
    )
    return text


def without_marks(text: str) -> str:
    """A text that cannot pretend to be marked."""
    return _MARKS.sub("", text)
