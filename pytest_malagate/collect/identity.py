"""A log's identity: the digest of its first line. Byte offsets mean nothing in another log."""

from __future__ import annotations

import hashlib
from pathlib import Path

FIRST_LINE_BYTES = 64 * 1024

EMPTY = "empty"


def log_identity(path: Path) -> str:
    """`sha256:` and the digest of the first line, of which at most 64 KiB are read.

    `empty` for a log without a complete first line, and for one that is missing. Raises OSError
    for one that cannot be read.
    """
    try:
        with path.open("rb") as file:
            first = file.readline(FIRST_LINE_BYTES)
    except FileNotFoundError:
        return EMPTY
    if not first.endswith(b"\n") and len(first) < FIRST_LINE_BYTES:
        return EMPTY
    return f"sha256:{hashlib.sha256(first).hexdigest()}"
