"""The members of an artifact that anybody may have made, checked before a byte is written.

Nothing is extracted by the names in the archive: a member that is wanted is copied into a file
that malagate named itself, and stops at its bound whatever the archive's headers claim.

Sources: CodeQL's "Artifact poisoning" and Python's own notes on zipfile (decompression pitfalls).
"""

from __future__ import annotations

import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec

from pytest_malagate.errors import MachineryError
from pytest_malagate.report.text import plain

MAX_MEMBERS = 64
MAX_DIRECTORY = 1024 * 1024  # bytes of the archive's own list of members
_CHUNK = 1 << 20
_END_OF_DIRECTORY = b"PK\x05\x06"
_END_LENGTH = 22
_MAX_COMMENT = 0xFFFF
_LOCATOR = b"PK\x06\x07"
_LOCATOR_LENGTH = 20
_ENCRYPTED = 0x1
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_UNSAFE_CHARACTERS = frozenset('\\:*?"<>|')


class ArtifactError(MachineryError):
    """An artifact that cannot be used. `code` is the reason's code (`artifact.…`)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def unpack(
    archive: Path, into: Path, *, wanted: Mapping[str, int], ignored: frozenset[str] = frozenset()
) -> dict[str, Path]:
    """Copies the wanted members into `into` and returns their files by name.

    `wanted` maps a name to the bytes that it may have at most. Members named in `ignored` may be
    there and are not looked at; any other member is refused, as are links, directories that lead
    out, doubled names and encrypted members. All members may lie in one directory. Raises
    ArtifactError; `into` may then hold a part, which must not be used.
    """
    try:
        with archive.open("rb") as file:
            listed = _check_directory(file)
            with zipfile.ZipFile(file) as opened:
                if len(opened.infolist()) != listed.members:
                    raise _damaged("its list of members is not as long as it says")
                members = _members(opened.infolist(), frozenset(wanted) | ignored)
                _check_places(members.values(), listed.start)
                return {
                    name: _copy(opened, member, into / name, wanted[name])
                    for name, member in members.items()
                    if name in wanted
                }
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError) as error:
        raise _damaged(plain(str(error), 100) or type(error).__name__) from error
    except NotImplementedError as error:
        text = f"the archive uses what no upload makes: {plain(str(error), 100)}"
        raise ArtifactError("artifact.unsafe", text) from error


def _damaged(why: str) -> ArtifactError:
    return ArtifactError("artifact.damaged", f"the archive is damaged: {why}")


class _Listed(msgspec.Struct, frozen=True, kw_only=True):
    """What the archive's end says of its list: how many members, and where it begins."""

    members: int
    start: int


def _check_directory(file: BinaryIO) -> _Listed:
    """Bounds the list of members before zipfile reads it into memory as a whole.

    The list must lie right before the end record, and that right at the file's end, as every
    upload has it: then no other reader can see another list. An archive of the 64-bit form would
    have its true numbers in a second record; evidence never needs one.
    """
    size = file.seek(0, 2)
    file.seek(max(size - _END_LENGTH - _MAX_COMMENT, 0))
    tail = file.read()
    at = tail.rfind(_END_OF_DIRECTORY)
    if at < 0 or len(tail) - at < _END_LENGTH:
        raise _damaged("it has no end")
    members, length, start, comment = struct.unpack_from("<HLLH", tail, at + 10)
    if length > MAX_DIRECTORY or members > MAX_MEMBERS or _has_second_record(tail, at):
        text = f"the archive lists {members} members in {length} bytes; {MAX_MEMBERS} are allowed"
        raise ArtifactError("artifact.too-large", text)
    end = size - len(tail) + at
    if start + length != end or end + _END_LENGTH + comment != size:
        raise _damaged("its list of members is not where it says")
    file.seek(0)
    return _Listed(members=members, start=start)


def _has_second_record(tail: bytes, at: int) -> bool:
    """True for the 64-bit form, whose numbers zipfile believes more than those of the end."""
    return tail[max(at - _LOCATOR_LENGTH, 0) : at].startswith(_LOCATOR)


def _check_places(members: Iterable[zipfile.ZipInfo], end: int) -> None:
    """Each member must lie before the list, and one that is stored must be as long as it says."""
    for info in members:
        stored = info.compress_type == zipfile.ZIP_STORED
        if info.header_offset + info.compress_size > end:
            raise _damaged(f"{plain(info.filename, 100)!r} lies behind its end")
        if stored and info.compress_size != info.file_size:
            raise _damaged(f"{plain(info.filename, 100)!r} has two lengths")


def _members(infos: list[zipfile.ZipInfo], expected: frozenset[str]) -> dict[str, zipfile.ZipInfo]:
    files = [info for info in infos if not _is_plain_directory(info)]
    folders = {info.filename.rpartition("/")[0] for info in files}
    found: dict[str, zipfile.ZipInfo] = {}
    for info in files:
        name = info.filename.rpartition("/")[2]
        trouble = _trouble(info, name, expected)
        if trouble is None and name in found:
            trouble = "stands in the archive twice"
        if trouble is None and len(folders) > 1:
            trouble = "lies in another directory than the rest"
        if trouble is not None:
            raise ArtifactError("artifact.unsafe", f"{plain(info.filename, 100)!r} {trouble}")
        found[name] = info
    return found


def _is_plain_directory(info: zipfile.ZipInfo) -> bool:
    named = info.filename.endswith("/")  # zipfile's own is_dir fails on an empty name
    return named and not info.file_size and _path_trouble(info.filename[:-1]) is None


def _trouble(info: zipfile.ZipInfo, name: str, expected: frozenset[str]) -> str | None:
    """What is wrong with a member, in words; None if nothing is."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return "is a link" if kind == stat.S_IFLNK else "is no regular file"
    if trouble := _path_trouble(info.filename):
        return trouble
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in _METHODS:
        return f"is compressed by method {info.compress_type}, which no upload uses"
    if name not in expected:
        return "is no file of malagate's"
    return None


def _path_trouble(path: str) -> str | None:
    parts = path.split("/")
    if path.startswith("/") or any(part in ("", ".", "..") for part in parts):
        return "leads out of the archive"
    if not path.isprintable() or _UNSAFE_CHARACTERS & set(path):
        return "has a name with characters that no upload makes"
    return "lies too deep" if len(parts) > 2 else None


def _copy(archive: zipfile.ZipFile, info: zipfile.ZipInfo, to: Path, limit: int) -> Path:
    if info.file_size > limit:
        raise _too_large(info, limit)
    written = 0
    with archive.open(info) as source, to.open("xb") as target:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > limit:  # its header lied
                raise _too_large(info, limit)
            target.write(chunk)
    if written != info.file_size:
        raise _damaged(f"{plain(info.filename, 100)!r} is shorter than it says")
    return to


def _too_large(info: zipfile.ZipInfo, limit: int) -> ArtifactError:
    text = f"{plain(info.filename, 100)!r} has more than {limit} bytes"
    return ArtifactError("artifact.too-large", text)


def adopt(raw: Path, into: Path, name: str, limit: int) -> Path:
    """A raw, single-file artifact as the member `name`. Raises ArtifactError if it is too long."""
    if raw.stat().st_size > limit:
        raise ArtifactError("artifact.too-large", f"the artifact has more than {limit} bytes")
    target = into / name
    shutil.move(raw, target)
    return target
