"""Runs a command as if nobody stood between it and the terminal, and notes what it did.

What is promised:

* The output passes byte for byte while it is produced, stdout to stdout and stderr to stderr, in
  memory that does not grow with it. Standard input is the command's own.
* A stream that is a terminal here is a terminal for the command too, so that colours and progress
  bars stay. Two streams that are one file here are one for the command, so that their order stays.
* SIGINT, SIGTERM, SIGHUP, SIGQUIT and a stop from the keyboard go on to the command's whole
  process group, and this process waits for the command: it is not left behind. A signal that is
  ignored here (`nohup`) stays ignored.
* A process that the command leaves in the background does not hold this one up, though it may
  hold the pipes open.

POSIX only. To be called from the main thread, where Python handles signals.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from pytest_malagate.collect.streams import Streams

NOT_EXECUTABLE, NOT_FOUND = 126, 127  # the exit codes of a POSIX shell
PATIENCE_SECONDS = 2.0
"""How long, after a signal and the command's end, a reader that does not read is waited for."""

GRACE_SECONDS = 5.0
"""How long a command whose time is up may take to end by itself."""

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    `status` is what the operating system reports: the exit code, or a signal's number below zero.
    `timed_out` is true if it was ended here because its time was up, whatever its status then is.
    `duration` is in seconds. `output_digest` is described at `Streams.digest`. `output_lost` says
    why not all output could be passed on (a full disk), if so.
    """

    status: int
    duration: float
    output_digest: str
    output_bytes: int
    output_lost: str | None = None
    timed_out: bool = False

    @property
    def exit_code(self) -> int | None:
        """The exit code; None if a signal ended the command."""
        return self.status if self.status >= 0 else None

    @property
    def signal(self) -> str | None:
        """The name of the signal that ended the command, if one did."""
        if self.status >= 0:
            return None
        number = -self.status
        known = number in {member.value for member in signal.Signals}
        return signal.Signals(number).name if known else f"signal {number}"

    @property
    def shell_status(self) -> int:
        """What a shell would report: the exit code, or 128 and the signal's number."""
        return self.status if self.status >= 0 else 128 - self.status


class CommandNotStartedError(Exception):
    """The command could not be started. `exit_code` is 127 (not found) or 126, as in a shell."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run_command(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdout: int = 1,
    stderr: int = 2,
    timeout: float | None = None,
) -> Ended:
    """Runs `argv` in `cwd` until it ends and passes what it writes on to the two descriptors.

    After `timeout` seconds its process group is told to end (SIGTERM), a while later made to.

    Raises CommandNotStartedError. Trouble with the descriptors is no error: the command is not
    to blame for a reader that went away (see `Streams`).
    """
    with _forwarded_signals() as signals, Streams(stdout, stderr) as streams:
        began = time.monotonic()
        child = _start(argv, cwd, env, streams)
        signals.attach(child, streams)
        streams.started()
        status, timed_out = signals.wait(child, timeout)
        duration = time.monotonic() - began
        streams.finish(lambda: signals.patience_until(began + duration))
        return Ended(status, duration, streams.digest(), streams.bytes, streams.trouble, timed_out)


def _start(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str], streams: Streams
) -> subprocess.Popen[bytes]:
    """Starts the command in a session of its own.

    Its process group can then be signalled as a whole. And as our terminal is not the controlling
    terminal of that session, the command may read from it without being stopped for it.
    """
    try:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdout=streams.stdout,
            stderr=streams.stderr,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise _not_started(argv, cwd, error) from error


def _not_started(
    argv: Sequence[str], cwd: Path, error: OSError | ValueError
) -> CommandNotStartedError:
    name = argv[0]
    if isinstance(error, ValueError):
        return CommandNotStartedError(NOT_EXECUTABLE, f"{name}: {error}")
    if str(error.filename) == str(cwd):
        return CommandNotStartedError(NOT_EXECUTABLE, f"cannot enter {cwd}: {error.strerror}")
    if error.errno == errno.ENOENT:
        message = f"{name}: command not found (or the interpreter that its first line names)"
        return CommandNotStartedError(NOT_FOUND, message)
    if error.errno == errno.ENOEXEC:
        message = f"{name}: not a program; a script needs a first line such as #!/bin/sh"
        return CommandNotStartedError(NOT_EXECUTABLE, message)
    return CommandNotStartedError(NOT_EXECUTABLE, f"{name}: {error.strerror}")


class _Signals:
    """Passes signals on to the command's process group; those that come too early are kept."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._streams: Streams | None = None
        self._early: list[int] = []
        self._told_to_stop = False
        self._impatient = False

    def attach(self, child: subprocess.Popen[bytes], streams: Streams) -> None:
        """From now on signals go to `child`, those that were kept first."""
        self._child, self._streams = child, streams
        for number in self._early:
            self._send(number)

    def wait(self, child: subprocess.Popen[bytes], timeout: float | None) -> tuple[int, bool]:
        """The command's status, and whether its time was up."""
        try:
            return child.wait(timeout), False
        except subprocess.TimeoutExpired:
            self._told_to_stop = True
            self._send(signal.SIGTERM)
        try:
            return child.wait(GRACE_SECONDS), True
        except subprocess.TimeoutExpired:
            self._send(signal.SIGKILL)
        return child.wait(), True

    def patience_until(self, ended: float) -> float | None:
        """Until when output may still be written after the end; None: as long as it takes."""
        if self._impatient:
            return ended
        return ended + PATIENCE_SECONDS if self._told_to_stop else None

    def forward(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler
        self._told_to_stop = True
        if self._child is None:
            self._early.append(number)
        elif self._child.returncode is None:
            self._send(number)
        else:  # the command is over; whoever sent this waits for us
            self._impatient = True

    def stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler
        """Ctrl-Z. A session of its own has no shell that could continue it, so SIGTSTP would be
        dropped there; SIGSTOP is not."""
        self._send(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        self._send(signal.SIGCONT)  # we were continued

    def resize(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler
        if self._streams is not None:
            self._streams.resize()
            self._send(signal.SIGWINCH)

    def _send(self, number: int) -> None:
        if self._child is None or self._child.returncode is not None:
            return
        # Gone already, or it runs as another user (sudo): either way there is nothing to do.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, number)


@contextmanager
def _forwarded_signals() -> Iterator[_Signals]:
    """Installs the handlers and puts the old ones back. What is ignored stays ignored."""
    signals = _Signals()
    handlers = dict.fromkeys(_FORWARDED, signals.forward)
    handlers |= {signal.SIGTSTP: signals.stop, signal.SIGWINCH: signals.resize}
    before = {}
    try:
        for number, handler in handlers.items():
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, handler)
        yield signals
    finally:
        for number, old in before.items():
            signal.signal(number, old)
