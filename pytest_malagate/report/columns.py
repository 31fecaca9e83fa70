"""How many columns of a terminal a text takes, and texts made to fit into so many.

Of what `text.plain` leaves over: no control characters, none that nobody can see.
"""

from __future__ import annotations

import unicodedata

from pytest_malagate.report.terminal import Line, Segment


def columns(text: str) -> int:
    """The columns that the text takes: two for a wide character, none for a combining one."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fitted(text: str, width: int) -> str:
    """The text itself, or its beginning and an ellipsis, `width` columns together at most."""
    if columns(text) <= width:
        return text
    if width < 1:
        return ""
    kept, room = 0, width - 1
    while kept < len(text) and (room := room - _columns(text[kept])) >= 0:
        kept += 1
    return f"{text[:kept].rstrip(' …')}…"  # one ellipsis says it, also of what was cut before


def padded(text: str, width: int) -> str:
    """The text in exactly `width` columns: filled up with blanks, or fitted."""
    text = fitted(text, width)
    return text + " " * (width - columns(text))


def fitted_line(line: Line, width: int) -> Line:
    """The line in `width` columns at most; what was cut off is shown by an ellipsis."""
    if columns("".join(text for text, _ in line)) <= width:
        return line
    parts: list[Segment] = []
    left = max(width, 0)
    for number, (text, style) in enumerate(line):
        more = any(later for later, _ in line[number + 1 :])
        # One column is kept for the ellipsis of what comes behind.
        if more and columns(text) < left:
            parts.append((text, style))
            left -= columns(text)
            continue
        parts.append((fitted(f"{text}…" if more else text, left), style))
        break
    return tuple(parts)
