"""The evidence log: one JSON record a line, appended, never rewritten.

What is promised:

* A record is appended by one write under a lock, so several processes may share a log and none
  sees half a record of another.
* A record that was appended is readable after `kill -9` of any process. It is on the disk itself
  after the next sync: at the latest a second later, and at once for those that close something.
* A torn last line (power loss, a full disk) is left where it is and costs itself only.
* Byte offsets belong to the log's identity, the digest of its first line, which holds a random id.
"""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from pytest_malagate.collect.identity import log_identity
from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.encoding import encode_json
from pytest_malagate.gate.evidence import SCHEMA, LogHeader, Record

# The tests under measurement may patch these; the log keeps its own.
_monotonic, _now = time.monotonic, time.time
_open, _write, _fstat, _pread = os.open, os.write, os.fstat, os.pread
_fdatasync, _ftruncate, _close, _flock = os.fdatasync, os.ftruncate, os.close, fcntl.flock

SYNC_SECONDS = 1.0


def encode_record(record: Record) -> bytes:
    """A record as one line, its newline included."""
    return encode_json(record) + b"\n"


def prepare_directory(directory: Path) -> None:
    """Creates the output directory, which hides itself from git.

    Raises MachineryError if that is not possible.
    """
    ignore = directory / ".gitignore"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise MachineryError(_trouble("create", directory, error)) from error


def _trouble(verb: str, path: Path, error: OSError) -> str:
    return f"cannot {verb} {path}: {error.strerror or error}; evidence is not being recorded"


class EvidenceLog:
    """An open log to append to. Creates the file, and the directory around it, if need be.

    Every method raises MachineryError when the disk refuses; nothing recorded before is lost.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        prepare_directory(path.parent)
        try:
            self._fd = self._open()
        except OSError as error:
            raise MachineryError(_trouble("open", path, error)) from error
        self._end = -1  # where this process last ended a line
        self._synced = _monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def identity(self) -> str:
        """The log's identity, which offsets belong to."""
        return log_identity(self.path)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            return _open(self.path, flags)
        except FileNotFoundError:
            self._create()
            return _open(self.path, flags)

    def _create(self) -> None:
        """Puts a log with its header in place at once; of two processes, one wins."""
        header = LogHeader(schema=SCHEMA, id=uuid.uuid4().hex, at=round(_now(), 3))
        draft = self.path.with_name(f".{self.path.name}.{header.id}")
        draft.write_bytes(encode_record(header))
        try:
            os.link(draft, self.path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()

    def append(self, record: Record, *, sync: bool = False) -> int:
        """Appends one record and returns the byte offset where its line begins."""
        line = encode_record(record)
        try:
            _flock(self._fd, fcntl.LOCK_EX)
            try:
                start = self._write(line)
            finally:
                _flock(self._fd, fcntl.LOCK_UN)
            if sync or _monotonic() - self._synced >= SYNC_SECONDS:
                _fdatasync(self._fd)
                self._synced = _monotonic()
        except OSError as error:
            raise MachineryError(_trouble("write", self.path, error)) from error
        return start

    def _write(self, line: bytes) -> int:
        status = _fstat(self._fd)
        if status.st_nlink == 0:
            raise FileNotFoundError(0, "it was removed while it was being written")
        start = status.st_size
        if start != self._end and start and _pread(self._fd, 1, start - 1) != b"\n":
            line = b"\n" + line  # somebody's last line is torn: end it
            start += 1
        written = _write(self._fd, line)
        if written != len(line):
            _ftruncate(self._fd, status.st_size)  # under the lock, so nobody wrote after us
            raise OSError(28, "No space left on device")
        self._end = status.st_size + written
        return start

    def close(self) -> None:
        """Syncs and closes. Closing twice is fine."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        try:
            _fdatasync(fd)
        except OSError as error:
            raise MachineryError(_trouble("write", self.path, error)) from error
        finally:
            _close(fd)


def is_evidence_log(path: Path) -> bool:
    """True if the file begins as a log of this kind does; false for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(_BEGINNING)) == _BEGINNING
    except OSError:
        return False


_BEGINNING = b'{"type":"log","schema":"malagate/evidence@'
