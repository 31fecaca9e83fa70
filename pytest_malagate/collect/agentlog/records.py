"""Decoding hostile JSON: a line is an object, a value is what it should be, or it is nothing."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What a line that is no record raises: no JSON, no object, bad UTF-8, nested without end."""

EMPTY = msgspec.Raw(b"")


class Record(msgspec.Struct, frozen=True):
    """Base of what is taken from a line. A field with the wrong type is looked at, not refused."""


def decode_line(decoder: msgspec.json.Decoder[T], line: bytes) -> T:
    """A whole line, decoded. Raises one of UNREADABLE.

    Bytes that a decoder skips over are not checked by it, so UTF-8 is checked here.
    """
    if not line.isascii():
        line.decode("utf-8")
    return decoder.decode(line)


def decode_part(decoder: msgspec.json.Decoder[T], part: msgspec.Raw) -> T | None:
    """A part of a line that was decoded, or None where it has another shape."""
    try:
        return decoder.decode(part)
    except UNREADABLE:
        return None


def text_or_none(value: Any) -> str | None:
    """The value if it is a string, or None."""
    return value if isinstance(value, str) else None
