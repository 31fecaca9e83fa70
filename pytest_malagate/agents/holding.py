"""Who works on an issue on this machine: one loop at a time, and whether it lives.

A loop holds a lock for as long as it, or anything that it started, is there. The lock is the
kernel's, so it ends with its holder in whatever way that ends, and needs no process number, which
somebody else may have been given since. The file below the lock says under which claim the work
is done: whoever finds it without a lock knows that its loop was killed, and may go on.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import suppress
from pathlib import Path

import msgspec

from pytest_malagate.collect.log import prepare_directory
from pytest_malagate.errors import MachineryError

CLAIMS = ".claims"
"""The directory, below that of the issues' records, that holds a file for each issue at work."""

PATIENCE_SECONDS = 3.0
"""How long a lock is waited for: what a killed loop has started is just being ended."""

_AGAIN = 0.05
_LONGEST = 4096


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """Under which claim an issue is worked on. `own`: the loop added its task to the queue."""

    claim: str
    own: bool


class Hold:
    """A lock that is held. What stands in the file is `left` by a loop that was killed, if any."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        self.left = _read(descriptor)

    def write(self, holding: Holding) -> None:
        """Says under which claim the work is done. Raises MachineryError."""
        data = msgspec.json.encode(holding) + b"\n"
        try:
            os.pwrite(self._descriptor, data, 0)
            os.ftruncate(self._descriptor, len(data))
        except OSError as error:
            raise MachineryError(f"cannot write {self._path}: {error.strerror or error}") from error

    def release(self, *, forget: bool = True) -> None:
        """Lets others in. `forget` false: the claim stands, and may be taken up. Does so once."""
        if self._descriptor < 0:
            return
        if forget:
            with suppress(OSError):
                self._path.unlink()
        # A watcher of a process may have inherited it: closing our end alone would not unlock.
        with suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)
        self._descriptor = -1


async def held(path: Path, *, patience: float = PATIENCE_SECONDS) -> Hold | None:
    """Locks a file, made if it is not there; None if somebody else keeps it locked.

    Raises MachineryError, where a file system has no locks, too: two agents in one worktree are
    worse than none.
    """
    prepare_directory(path.parent)
    tries = 1 + round(patience / _AGAIN)
    for left in reversed(range(tries)):
        try:
            if (descriptor := _locked(path)) is not None:
                return Hold(path, descriptor)
        except OSError as error:
            raise MachineryError(f"cannot lock {path}: {error.strerror or error}") from error
        if left:
            await asyncio.sleep(_AGAIN)
    return None


def left_in(path: Path) -> Holding | None:
    """What a loop that was killed left in a file; None if there is nothing, or a loop lives."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return _read(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _locked(path: Path) -> int | None:
    """A descriptor with the lock; None if somebody else has it, or has just taken it away."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.lstat()):
            # Agents inherit nothing but their output. Watchers do: see `process.Watcher`.
            os.set_inheritable(descriptor, True)
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _read(descriptor: int) -> Holding | None:
    """What a file says; None for an empty one and for one that was not written whole."""
    try:
        return msgspec.json.decode(os.pread(descriptor, _LONGEST, 0), type=Holding)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
