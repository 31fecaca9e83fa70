"""What stands between a command's output and ours: pipes or pseudo-terminals, and the pumps."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import pty
import select
import signal
import termios
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

CHUNK = 1 << 18
PIPE_BYTES = 1 << 20
QUIET_SECONDS = 0.2
"""How long a pipe that outlives the command has to be silent to count as finished."""
UNREAD = 1 << 26
"""How many bytes are still taken from a command whose reader went away (`malagate run x | head`):
plenty for any check to end undisturbed, and an end for a command that writes without one."""


@dataclass(frozen=True, slots=True)
class _Channel:
    """Where the command writes (`inlet`), where we read it, and where it goes (None: nowhere)."""

    inlet: int
    outlet: int
    sink: int | None
    terminal: bool


class Streams:
    """The command's stdout and stderr, passed on to two descriptors of ours.

    `stdout` and `stderr` are what the command is to be started with. A descriptor that is closed,
    whose reader went away or whose disk is full gets nothing more, and the command runs on; only
    when it has written UNREAD bytes more for nobody does it get SIGPIPE, as in any pipeline.
    """

    def __init__(self, stdout: int, stderr: int) -> None:
        sinks = [fd if _is_open(fd) else None for fd in (stdout, stderr)]  # before we open any
        if _same_file(*sinks):
            del sinks[1]
        self._channels = [_channel(sink) for sink in sinks]
        self.stdout, self.stderr = self._channels[0].inlet, self._channels[-1].inlet
        self._over, self._tell_over = os.pipe()
        self._pumps: list[_Pump] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Closes what is left if the command was never started."""
        if not self._pumps:
            for channel in self._channels:
                os.close(channel.inlet)
                os.close(channel.outlet)
            os.close(self._tell_over)
            os.close(self._over)

    def started(self) -> None:
        """The command holds its own copies now: closes ours, and starts to read."""
        for channel in self._channels:
            os.close(channel.inlet)
            pump = _Pump(channel, self._over)
            self._pumps.append(pump)
            pump.start()

    def finish(self, patience_until: Callable[[], float | None]) -> None:
        """The command has ended: waits until everything it wrote is passed on.

        `patience_until` is asked again and again for the (monotonic) time to give up at.
        """
        os.close(self._tell_over)
        for pump in self._pumps:
            while pump.is_alive():
                until = patience_until()
                if until is not None and time.monotonic() > until:
                    return  # the pumps are daemons, and hold `_over` and their outlets
                pump.join(0.1)
        os.close(self._over)

    def resize(self) -> None:
        """Our window has another size: the command's window gets the same."""
        for channel in self._channels:
            if channel.terminal and channel.sink is not None:
                _copy_window_size(channel.sink, channel.outlet)

    @property
    def bytes(self) -> int:
        """How many bytes the command wrote."""
        return sum(pump.bytes for pump in self._pumps)

    @property
    def trouble(self) -> str | None:
        """Why output was lost, in words, if it was; a reader that went away wanted no more."""
        return next((pump.trouble for pump in self._pumps if pump.trouble), None)

    def digest(self) -> str:
        """`sha256:` and the digest of what the command wrote.

        Of two streams of their own nobody knows the common order. Then, if both carried
        anything, it is the digest of their two digests in hexadecimal, stdout's first, each
        followed by a newline.
        """
        wrote = [pump.sha256 for pump in self._pumps if pump.bytes] or [hashlib.sha256()]
        if len(wrote) == 1:
            return f"sha256:{wrote[0].hexdigest()}"
        both = "".join(f"{one.hexdigest()}\n" for one in wrote)
        return f"sha256:{hashlib.sha256(both.encode()).hexdigest()}"


class _Pump(threading.Thread):
    """Moves bytes from a channel's outlet to its sink until the outlet ends or falls silent.

    A thread for each stream, so that a reader of stdout who pauses does not hold up stderr.
    """

    def __init__(self, channel: _Channel, over: int) -> None:
        super().__init__(daemon=True)  # may be stuck writing to a reader that never reads
        self._outlet, self._sink, self._over = channel.outlet, channel.sink, over
        self._unread = 0
        self.sha256 = hashlib.sha256()
        self.bytes = 0
        self.trouble: str | None = None

    def run(self) -> None:
        # Signals are for the main thread, which may be asleep until one wakes it.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._pump()
        finally:
            os.close(self._outlet)

    def _pump(self) -> None:
        ended, leftover = False, PIPE_BYTES
        while leftover > 0 and self._unread < UNREAD:
            watched = [self._outlet] if ended else [self._outlet, self._over]
            ready, _, _ = select.select(watched, [], [], QUIET_SECONDS if ended else None)
            ended = ended or self._over in ready
            if self._outlet in ready:
                data = _read(self._outlet)
                if not data:
                    return
                self._take(data)
                # A pipe holds no more than this, so what follows is not the command's own.
                leftover -= len(data) if ended else 0
            elif self._over not in ready:
                return

    def _take(self, data: bytes) -> None:
        self.sha256.update(data)
        self.bytes += len(data)
        if self._sink is None:
            self._unread += len(data)
            return
        try:
            _write(self._sink, data)
        except OSError as error:  # nobody reads, or the disk is full: no fault of the command
            self._sink = None
            if error.errno != errno.EPIPE:
                self.trouble = error.strerror


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, CHUNK)
    except OSError as error:
        if error.errno == errno.EIO:  # so a pseudo-terminal says that its other side is closed
            return b""
        raise


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:  # somebody who shares it with us made it non-blocking
            select.select([], [fd], [])


def _channel(sink: int | None) -> _Channel:
    if sink is not None and os.isatty(sink):
        master, slave = pty.openpty()
        _keep_bytes(slave)
        _copy_window_size(sink, master)
        return _Channel(inlet=slave, outlet=master, sink=sink, terminal=True)
    outlet, inlet = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):  # the user's share of pipe memory is used up: slower, no worse
            fcntl.fcntl(inlet, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return _Channel(inlet, outlet, sink, terminal=False)


def _keep_bytes(terminal: int) -> None:
    """No `\\n` becomes `\\r\\n` on the way through: our own terminal does that, once."""
    settings = termios.tcgetattr(terminal)
    settings[1] &= ~termios.OPOST
    termios.tcsetattr(terminal, termios.TCSANOW, settings)


def _copy_window_size(source: int, target: int) -> None:
    with suppress(termios.error, OSError):  # no size is known: then the command has to guess too
        termios.tcsetwinsize(target, termios.tcgetwinsize(source))


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _same_file(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and os.path.sameopenfile(one, other)
