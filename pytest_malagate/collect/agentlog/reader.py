"""The physical lines of an agent's log: byte offsets, bounded memory, a last line that may grow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_LINE = 64 * 1024 * 1024
"""Bytes. Agents write whole files and images into one line; a longer one is skipped unread."""

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line, without its newline. `data` is None for a line that is too long.

    `complete` is False for a last line that no newline ends: it may still be being written.
    """

    start: int
    end: int
    data: bytes | None
    complete: bool = True


def lines_of(file: BinaryIO, offset: int = 0, *, max_line: int = MAX_LINE) -> Iterator[Line]:
    """Each line that begins at byte `offset` or later. The rest of a line around it is skipped.

    Holds one line at a time. Reads nothing before `offset` but the byte that precedes it.
    """
    position = _first_start(file, offset)
    file.seek(position)
    while data := file.readline(max_line + 1):
        start, position = position, position + len(data)
        if data.endswith(b"\n"):
            yield Line(start, position, data[:-1])
        elif len(data) > max_line:
            skipped, complete = _skip_line(file)
            position += skipped
            yield Line(start, position, None, complete)
        else:
            yield Line(start, position, data, complete=False)


def _first_start(file: BinaryIO, offset: int) -> int:
    if offset <= 0:
        return 0
    file.seek(offset - 1)
    if file.read(1) in (b"\n", b""):
        return offset
    return offset + _skip_line(file)[0]


def _skip_line(file: BinaryIO) -> tuple[int, bool]:
    """Reads to the end of the line: how many bytes that were, and whether a newline ended them."""
    skipped = 0
    while part := file.readline(_CHUNK):
        skipped += len(part)
        if part.endswith(b"\n"):
            return skipped, True
    return skipped, False
