"""Zip archives written byte by byte, so that they may say anything."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

LOG = "evidence.jsonl"
FILE = 0o100644
LINK = 0o120777
_UTF8 = 0x800


@dataclass(frozen=True)
class Member:
    """A member, and the lies about it: whatever is None is told as it is."""

    name: str | bytes = LOG
    data: bytes = b""
    mode: int = FILE
    flags: int = 0
    method: int = 8
    size: int | None = None
    packed_size: int | None = None
    crc: int | None = None
    extra: bytes = b""
    local_name: str | bytes | None = None
    offset: int | None = None


def archive(
    members: Sequence[Member],
    *,
    count: int | None = None,
    directory: bool = True,
    length: int | None = None,
    start: int | None = None,
    comment: bytes = b"",
) -> bytes:
    """An archive; the keywords are lies of its end record."""
    body, listed = bytearray(), bytearray()
    for member in members:
        at = len(body) if member.offset is None else member.offset
        local, central = _headers(member, at)
        body += local
        listed += central
    listed = listed if directory else bytearray()
    number = min(len(members), 0xFFFF) if count is None else count
    end = struct.pack(
        "<4sHHHHLLH",
        b"PK\x05\x06",
        0,
        0,
        number,
        number,
        len(listed) if length is None else length,
        len(body) if start is None else start,
        len(comment),
    )
    return bytes(body + listed) + end + comment


def _headers(member: Member, at: int) -> tuple[bytes, bytes]:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(member.data) + packer.flush() if member.method == 8 else member.data
    size = len(member.data) if member.size is None else member.size
    packed_size = len(packed) if member.packed_size is None else member.packed_size
    crc = zlib.crc32(member.data) if member.crc is None else member.crc
    name = _bytes(member.name)
    local_name = name if member.local_name is None else _bytes(member.local_name)
    flags = member.flags | _UTF8
    about = (flags, member.method, 0, 0x5A21, crc, packed_size, size)
    local = struct.pack("<4sHHHHHLLLHH", b"PK\x03\x04", 20, *about, len(local_name), 0)
    central = struct.pack(
        "<4sBBHHHHHLLLHHHHHLL",
        *(b"PK\x01\x02", 20, 3, 20, *about, len(name), len(member.extra), 0, 0, 0),
        *(member.mode << 16, at),
    )
    return local + local_name + packed, central + name + member.extra


def _bytes(name: str | bytes) -> bytes:
    return name.encode("utf-8", "surrogatepass") if isinstance(name, str) else name
