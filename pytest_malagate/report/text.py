"""Hostile text made harmless: the only place that decides what may reach a reader.

Test ids, messages, paths, commands and task ids come from the change that is judged. `plain` is
for a terminal, a log and an agent; `code` and `prose` are for Markdown that GitHub renders.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

MESSAGE = 300
"""How many characters of one message are shown where space is short."""

_ESCAPE_SEQUENCE = re.compile(
    r"""
      (?: \x1b\[ | \x9b ) [0-?]* [ -/]* [@-~]?                # CSI: colours, cursor
    | (?: \x1b[\]PX^_] | [\x9d\x90\x98\x9e\x9f] )             # OSC, DCS, SOS, PM, APC ...
      (?: [^\x07\x1b\x80-\x9f]* (?: \x07 | \x1b\\ | \x9c ) )?  # ... up to their end, if any
    | \x1b [ -/]* [0-~]?                                      # the other escapes
    """,
    re.VERBOSE,
)
_HTML_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_SPACE = re.compile(r"\s+")
# The runner of GitHub Actions strips a line before it looks for `::`, so indentation does not
# help; the older form `##[` and that of other CI systems count anywhere in a line.
_WORKFLOW_COMMAND = re.compile(r"(?<!\S):{2,}")
_LOGGING_COMMAND = re.compile(r"##(?=[a-zA-Z]*\[)")

# Variation selectors and tag characters can carry an invisible sentence behind any letter.
_INVISIBLE = (range(0xFE00, 0xFE10), range(0xE0000, 0xE1000))


@lru_cache(maxsize=4096)
def _visible(char: str) -> str:
    """The character itself, a space for a control, nothing for what nobody can see.

    Format characters (category Cf) hold the bidirectional controls and zero-width characters.
    """
    if char.isspace():
        return " "
    category = unicodedata.category(char)
    if category == "Cs":
        return "\ufffd"
    if category == "Cc":
        return " "
    if category == "Cf" or any(ord(char) in invisible for invisible in _INVISIBLE):
        return ""
    return char


def plain(text: str, limit: int | None = None) -> str:
    """The text as one line of visible characters, at most `limit` of them.

    Escape sequences, control and invisible characters and HTML comments are gone, white space is
    folded to single spaces, and no CI system takes any part of the line for a command. What was
    cut off is shown by an ellipsis, which the limit includes.
    """
    if limit is not None:  # bounds the work for a message of many megabytes
        text = text[: 4 * limit + 256]
    text = _ESCAPE_SEQUENCE.sub("", text)
    if not (text.isascii() and text.isprintable()):
        text = "".join(map(_visible, text))
    text = _HTML_COMMENT.sub("", text).replace("<!--", "<! --")  # one may open inside another
    text = _SPACE.sub(" ", text).strip()
    text = _WORKFLOW_COMMAND.sub(lambda colons: " ".join(colons[0]), text)
    text = _LOGGING_COMMAND.sub("# #", text)
    return cut(text, limit)


def cut(text: str, limit: int | None) -> str:
    """The text itself, or its beginning and an ellipsis, `limit` characters together."""
    if limit is None or len(text) <= limit:
        return text
    return text[: max(limit - 1, 0)].rstrip() + "…"[:limit]


def code(text: str, limit: int | None = None, *, cell: bool = False) -> str:
    """The text as a Markdown code span, where GitHub sees no markup, link, mention or image.

    In the cell of a table a pipe has to be escaped even inside a code span, and only there.
    Nothing is returned for a text without visible characters.
    """
    text = plain(text, limit)
    if not text:
        return ""
    if cell:  # a backslash before the pipe would undo the one that is put there: keep them apart
        text = re.sub(r"(\\*)\|", lambda found: (found[1] and found[1] + " ") + "\\|", text)
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


_MARKUP = re.compile(r"[\\`*_{}\[\]()#+\-.!|~$=]")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
# GitHub looks for these in the rendered text, so escaping them does not help: they are broken up.
_REFERENCE = re.compile(
    r"@ | \#(?=\w) | \bGH(?=-\d) | :(?=//) | \bwww(?=\.)",
    re.IGNORECASE | re.VERBOSE,
)
_BREAK = "\u200b"


def prose(text: str, limit: int | None = None) -> str:
    """The text as a Markdown sentence without markup, links, mentions or issue references."""
    text = _REFERENCE.sub(lambda found: found[0] + _BREAK, plain(text, limit))
    return _MARKUP.sub(lambda found: "\\" + found[0], text.translate(_ENTITIES))
