"""The physical lines of a log with their byte offsets, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

MAX_LINE = 16 * 1024 * 1024
_CHUNK = 1 << 20


def lines_from(file: BinaryIO, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Each complete line from byte `offset` on: its own offset, and its bytes without newline.

    An offset inside a line skips the rest of that line. Of a line longer than MAX_LINE only a
    beginning is yielded, which is no JSON. A last line without a newline is torn or still being
    written, and is not yielded.
    """
    start = _line_start(file, offset)
    file.seek(start)
    pending = b""
    while chunk := file.read(_CHUNK):
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            yield start, line
            start += len(line) + 1
        if len(pending) > MAX_LINE:
            yield start, pending
            start += len(pending) + _skip_line(file)
            pending = b""


def _line_start(file: BinaryIO, offset: int) -> int:
    if offset <= 0:
        return 0
    file.seek(offset - 1)
    return offset if file.read(1) in (b"\n", b"") else offset + _skip_line(file)


def _skip_line(file: BinaryIO) -> int:
    """Reads to the end of the line and returns how many bytes that were."""
    skipped = 0
    while part := file.readline(_CHUNK):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped
