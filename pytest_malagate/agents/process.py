"""One process and all that it starts: bounded in time and output, and to be stopped at any moment.

It runs in a session, and so in a process group, of its own, without standard input. When its
leader ends, of itself or not, whoever is left in the group is killed: an agent's helpers must not
go on editing while its work is judged. So it is, by a watcher, if this process itself is killed.
A process that left the group (a daemon) is not found.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from pytest_malagate.errors import MachineryError
from pytest_malagate.report.text import plain

MAX_OUTPUT = 50_000_000  # bytes of one process's output that are kept
GRACE_SECONDS = 5.0
"""How long what is told to end (SIGTERM) may take until it is made to (SIGKILL)."""

DRAIN_SECONDS = 2.0
"""How long output is waited for that somebody outside the group could still write."""

QUIET_END = "exit code 0"
"""`Ending.words` where there is nothing to be said."""

_CHUNK = 1 << 16
_LAST = 400

Result = TypeVar("Result")


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a process ended.

    `status` is the exit code, or a signal's number below zero. `why` says who ended it: itself,
    its time limit, or somebody who asked. `duration` is in seconds. `log_trouble` says why its
    output could not be kept, if so.
    """

    status: int
    why: Literal["ended", "timed_out", "stopped"] = "ended"
    duration: float = 0.0
    log_trouble: str | None = None

    @property
    def exit_code(self) -> int | None:
        """The exit code; None if a signal ended it."""
        return self.status if self.status >= 0 else None

    @property
    def signal(self) -> str | None:
        """The name of the signal that ended it, if one did."""
        if self.status >= 0:
            return None
        known = {number.value: number.name for number in signal.Signals}
        return known.get(-self.status, f"signal {-self.status}")

    @property
    def words(self) -> str:
        """The end, in words."""
        if self.why == "timed_out":
            return f"its time was up after {self.duration:.0f} s"
        if self.why == "stopped":
            return "it was stopped"
        return self.signal or f"exit code {self.status}"


class NotStartedError(MachineryError):
    """The command could not be started."""


async def run_process(  # noqa: PLR0913 - what to run, where, its bounds, who listens
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    timeout: float,
    stop: asyncio.Event | None = None,
    limit: int = MAX_OUTPUT,
    grace: float = GRACE_SECONDS,
    said: Callable[[str], None] | None = None,
) -> Ending:
    """Runs `argv`; its output is appended to `log`, `limit` bytes of it at most.

    `said` is called in another thread with the last line of each piece of output. Setting `stop`,
    the time limit and the caller's own cancellation end the whole group. Raises NotStartedError.
    """
    watcher = Watcher()
    try:
        process = _start(argv, cwd, env)
    except NotStartedError:
        watcher.dismiss()
        raise
    watcher.watch(process.pid)
    began = time.monotonic()
    output = Output(process, log, limit, said)
    group = _Group(process)
    try:
        why = await group.first(stop, timeout)
        if why != "ended":
            await group.end(grace)
    except asyncio.CancelledError:
        await group.end(grace)  # a second cancellation ends the patience
        raise
    finally:
        group.kill()
        await undisturbed(group.over.wait())
        watcher.dismiss()  # before the number of the group is free for others
        status = process.wait()
        await output.finished()
    duration = time.monotonic() - began
    return Ending(status=status, why=why, duration=duration, log_trouble=output.trouble)


async def undisturbed(awaitable: Awaitable[Result]) -> Result:
    """Awaits something short to its end; a cancellation meanwhile is raised afterwards."""
    task = asyncio.ensure_future(awaitable)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return task.result()


def _start(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        raise NotStartedError(f"{plain(argv[0], 100)} cannot be started: {words}") from error


class Watcher:
    """Kills a process group at once when this process is gone, however it went (`kill -9`).

    A shell that waits for the end of a pipe whose other end is ours. It inherits whatever else is
    inheritable here, so that a lock which must outlast what we started does (see `holding`).
    """

    _SCRIPT = 'trap "" HUP INT TERM; read -r group && { read -r word; kill -KILL "-$group"; }'

    def __init__(self) -> None:
        try:
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", self._SCRIPT],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                close_fds=False,
                start_new_session=True,  # whoever kills our group does not kill it
            )
        except OSError as error:
            raise NotStartedError(
                f"/bin/sh cannot be started: {error.strerror or error}"
            ) from error

    def watch(self, group: int) -> None:
        """Says which group. Once."""
        assert self._shell.stdin is not None  # noqa: S101 - opened as a pipe; for the type checker
        with suppress(BrokenPipeError):  # somebody killed it: then nobody watches
            self._shell.stdin.write(b"%d\n" % group)
            self._shell.stdin.flush()

    def dismiss(self) -> None:
        """The group is gone, or never was: nothing is to be killed any more."""
        self._shell.kill()
        self._shell.wait()
        if self._shell.stdin is not None:
            with suppress(BrokenPipeError):
                self._shell.stdin.close()


class _Group:
    """A process group, known by its leader, which is not reaped before its group is gone.

    Until then nobody else can be given its number.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self._loop = process, asyncio.get_running_loop()
        self.over = asyncio.Event()
        threading.Thread(target=self._await_end, daemon=True).start()

    def _await_end(self) -> None:
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        else:  # macOS before Python 3.13
            self._process.wait()
        with suppress(RuntimeError):  # nobody waits any more: the loop is closed
            self._loop.call_soon_threadsafe(self.over.set)

    async def first(
        self, stop: asyncio.Event | None, timeout: float
    ) -> Literal["ended", "timed_out", "stopped"]:
        """What comes first: the end, the word to stop, or the time limit."""
        events = [self.over] if stop is None else [self.over, stop]
        waiting = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        if self.over.is_set():
            return "ended"
        return "stopped" if stop is not None and stop.is_set() else "timed_out"

    async def end(self, grace: float) -> None:
        """Asks the group to end. Whoever does not is left to `kill`."""
        self._send(signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), grace)

    def kill(self) -> None:
        """Ends the whole group."""
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        # Gone already, or (macOS) nobody is left but the leader, which has ended.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


class Output:
    """Keeps what a process writes, up to a limit, in a file, and drops the rest.

    Output that cannot be kept is dropped too: the process is not to blame for a full disk.
    `trouble` says so.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        log: Path,
        limit: int,
        said: Callable[[str], None] | None,
    ) -> None:
        assert process.stdout is not None  # noqa: S101 - opened as a pipe; for the type checker
        self.trouble: str | None = None
        self._source, self._said = process.stdout, said
        self._left = self._limit = limit
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._woken, self._wake = os.pipe()
        self._file = self._opened(log)
        threading.Thread(target=self._pump, daemon=True).start()

    async def finished(self) -> None:
        """The group is gone: takes what it wrote, and does not wait for others for long."""
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), DRAIN_SECONDS)
        finally:
            os.close(self._wake)

    def _opened(self, log: Path) -> int | None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            return os.open(log, flags, 0o644)
        except OSError as error:
            self.trouble = f"{log.name}: {error.strerror or error}"
            return None

    def _pump(self) -> None:
        source = self._source.fileno()
        while True:
            ready, _, _ = select.select([source, self._woken], [], [])
            data = os.read(source, _CHUNK) if source in ready else b""
            if not data:
                break
            self._keep(data)
            if self._said is not None and (words := _last_line(data)):
                self._said(words)
        self._source.close()
        os.close(self._woken)
        if self._file is not None:
            os.close(self._file)
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._over.set)

    def _keep(self, data: bytes) -> None:
        if self._file is None or self._left < 0:
            return
        kept = data[: self._left]
        self._left -= len(data)
        if self._left < 0:
            kept += f"\n[malagate: cut here, after {self._limit} bytes]\n".encode()
        try:
            while kept:
                kept = kept[os.write(self._file, kept) :]
        except OSError as error:
            self.trouble, self._left = f"output was lost: {error.strerror or error}", -1


def _last_line(data: bytes) -> str:
    lines = data[-_LAST:].decode("utf-8", "replace").split("\n")
    return next((words for line in reversed(lines) if (words := plain(line, 120))), "")
