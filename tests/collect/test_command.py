"""The plumbing around a command: real processes, pipes, pseudo-terminals and signals."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest

from pytest_malagate.collect.command import CommandNotStartedError, Ended, run_command

PYTHON = sys.executable
RUNNER = """
import json, os, pathlib, sys
from pytest_malagate.collect.command import run_command
ended = run_command(sys.argv[2:], cwd=pathlib.Path.cwd(), env=os.environ)
pathlib.Path(sys.argv[1]).write_text(json.dumps(
    [ended.exit_code, ended.signal, ended.output_digest, ended.output_bytes, ended.output_lost]))
sys.exit(ended.shell_status)
"""
TRAP = """
import os, signal, sys, time
def caught(number, frame):  # by os.write: the signal may come while print() is at work
    os.write(1, f"caught {signal.Signals(number).name}\\n".encode())
    sys.exit(42)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, caught)
print("ready", flush=True)
while True:  # pause() would miss a signal that comes just before it
    time.sleep(0.05)
"""


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def run_here(argv: Sequence[str], directory: Path, **streams: int) -> tuple[Ended, bytes, bytes]:
    """Runs a command in this process, into two files."""
    out, err = directory / "out", directory / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        fds = {"stdout": stdout.fileno(), "stderr": stderr.fileno()} | streams
        ended = run_command(argv, cwd=directory, env=os.environ, **fds)
    return ended, out.read_bytes(), err.read_bytes()


class Runner:
    """A process of its own that runs a command, so that it can be signalled and killed."""

    def __init__(self, report: Path, argv: Sequence[str], **popen: object) -> None:
        self.report = report
        self.process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
            [PYTHON, "-c", RUNNER, str(report), *argv], **popen
        )

    def line(self) -> bytes:
        stdout: IO[bytes] | None = self.process.stdout
        assert stdout is not None
        return stdout.readline()

    def reported(self) -> list[object]:
        reported: list[object] = json.loads(self.report.read_text())
        return reported


@contextmanager
def runner(directory: Path, argv: Sequence[str], **popen: object) -> Iterator[Runner]:
    popen = {"stdout": subprocess.PIPE} | popen
    started = Runner(directory / "report.json", argv, **popen)
    with started.process:
        try:
            yield started
        finally:
            started.process.kill()


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def state_of(pid: int) -> str:
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False)
    return shown.stdout.decode().strip()[:1]


def wait_until(condition: object, *, patience: float = 20.0) -> bool:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


# --- how it ends ---


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_the_exit_code_is_the_commands(tmp_path: Path, code: int) -> None:
    ended, _, _ = run_here(["sh", "-c", f"exit {code}"], tmp_path)
    assert (ended.exit_code, ended.signal, ended.shell_status) == (code, None, code)


@pytest.mark.parametrize(
    ("number", "name"), [(9, "SIGKILL"), (15, "SIGTERM"), (13, "SIGPIPE"), (40, "signal 40")]
)
def test_death_by_a_signal_is_told_by_its_name(tmp_path: Path, number: int, name: str) -> None:
    ended, _, _ = run_here(["sh", "-c", f"kill -{number} $$"], tmp_path)
    assert (ended.exit_code, ended.signal, ended.shell_status) == (None, name, 128 + number)


def not_started(argv: Sequence[str], directory: Path) -> CommandNotStartedError:
    with pytest.raises(CommandNotStartedError) as caught:
        run_command(argv, cwd=directory, env={"PATH": os.defpath})
    return caught.value


def test_a_command_that_is_not_there_is_127(tmp_path: Path) -> None:
    error = not_started(["no-such-command"], tmp_path)
    assert error.exit_code == 127
    assert str(error).startswith("no-such-command: command not found")


def test_what_cannot_be_executed_is_126(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo hi\n")
    assert not_started([str(script)], tmp_path).exit_code == 126
    script.chmod(0o755)
    error = not_started([str(script)], tmp_path)
    assert error.exit_code == 126
    assert "needs a first line such as #!/bin/sh" in str(error)
    assert not_started([str(tmp_path)], tmp_path).exit_code == 126
    assert not_started(["sh", "a\0b"], tmp_path).exit_code == 126


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    error = not_started(["true"], tmp_path / "gone")
    assert error.exit_code == 126
    assert "gone" in str(error)


def test_a_command_that_did_not_start_leaves_nothing_open(tmp_path: Path) -> None:
    before = sorted(Path("/dev/fd").iterdir())
    not_started(["no-such-command"], tmp_path)
    assert sorted(Path("/dev/fd").iterdir()) == before


# --- what it writes ---


def test_each_stream_passes_byte_for_byte(tmp_path: Path) -> None:
    ended, out, err = run_here(
        ["sh", "-c", r"printf 'a\r\n\377\000b'; printf '\033[1mred' >&2"], tmp_path
    )
    assert (out, err) == (b"a\r\n\xff\0b", b"\x1b[1mred")
    assert ended.output_bytes == len(out) + len(err)


def test_the_digest_is_that_of_the_output(tmp_path: Path) -> None:
    assert run_here(["printf", "abc"], tmp_path)[0].output_digest == digest(b"abc")
    assert run_here(["true"], tmp_path)[0].output_digest == digest(b"")
    only_err = run_here(["sh", "-c", "printf abc >&2"], tmp_path)[0]
    assert only_err.output_digest == digest(b"abc")


def test_two_streams_have_a_digest_that_does_not_depend_on_their_order(tmp_path: Path) -> None:
    one, _, _ = run_here(["sh", "-c", "printf o; printf e >&2"], tmp_path)
    other, _, _ = run_here(["sh", "-c", "printf e >&2; printf o"], tmp_path)
    both = f"{hashlib.sha256(b'o').hexdigest()}\n{hashlib.sha256(b'e').hexdigest()}\n"
    assert one.output_digest == other.output_digest == digest(both.encode())


def test_streams_that_are_one_file_keep_their_order(tmp_path: Path) -> None:
    both = tmp_path / "both"
    script = "for n in 1 2 3 4 5; do echo o$n; echo e$n >&2; done"
    with both.open("wb") as file:
        ended, _, _ = run_here(
            ["sh", "-c", script], tmp_path, stdout=file.fileno(), stderr=file.fileno()
        )
    assert both.read_text().split() == [f"{s}{n}" for n in range(1, 6) for s in "oe"]
    assert ended.output_digest == digest(both.read_bytes())


def test_twenty_megabytes_pass_unchanged(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(1 << 20) * 20)
    ended, out, _ = run_here(["cat", str(source)], tmp_path)
    assert ended.output_bytes == len(out) == 20 << 20
    assert ended.output_digest == digest(out) == digest(source.read_bytes())


def test_memory_does_not_grow_with_the_output(tmp_path: Path) -> None:
    peak = "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss"
    measure = f"import resource; before = {peak}" + RUNNER.replace(
        "sys.exit(ended.shell_status)", f"print({peak} - before, file=sys.stderr)"
    )
    argv = [PYTHON, "-c", measure, str(tmp_path / "r"), "head", "-c", "100000000", "/dev/zero"]
    done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    unit = 1024 if sys.platform == "linux" else 1
    assert int(done.stderr) * unit < 40_000_000


def test_output_is_passed_on_while_the_command_runs(tmp_path: Path) -> None:
    argv = ["sh", "-c", "printf 'no newline'; read line; echo $line"]
    with runner(tmp_path, argv, stdin=subprocess.PIPE) as started:
        process = started.process
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.read(10) == b"no newline"
        process.stdin.write(b"answer\n")
        process.stdin.close()
        assert started.line() == b"answer\n"
        assert process.wait() == 0


def test_standard_input_is_the_commands(tmp_path: Path) -> None:
    data = os.urandom(300_000)
    source = tmp_path / "in"
    source.write_bytes(data)
    with source.open("rb") as stdin, runner(tmp_path, ["cat"], stdin=stdin) as started:
        assert started.process.stdout is not None
        assert started.process.stdout.read() == data


def test_a_slow_reader_that_is_not_blocked_on_loses_nothing(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETFL, fcntl.fcntl(writing, fcntl.F_GETFL) | os.O_NONBLOCK)
    argv = ["head", "-c", "1000000", "/dev/zero"]
    with runner(tmp_path, argv, stdout=writing):
        os.close(writing)
        with os.fdopen(reading, "rb") as stream:
            assert stream.read() == bytes(1_000_000)


# --- whoever reads it goes away ---


def test_a_command_ends_undisturbed_although_its_reader_went_away(tmp_path: Path) -> None:
    script = "head -c 3000000 /dev/zero && echo done >&2"
    with runner(tmp_path, ["sh", "-c", script], stderr=subprocess.PIPE) as started:
        process = started.process
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b"done\n"
        assert process.wait() == 0
    assert started.reported()[3:] == [3_000_005, None]


def test_a_command_without_an_end_ends_when_its_reader_went_away(tmp_path: Path) -> None:
    with runner(tmp_path, ["yes"]) as started:
        assert started.line() == b"y\n"
        assert started.process.stdout is not None
        started.process.stdout.close()
        assert started.process.wait() == 128 + signal.SIGPIPE
    assert started.reported()[:2] == [None, "SIGPIPE"]


def test_a_full_disk_is_no_fault_of_the_command_and_is_told(tmp_path: Path) -> None:
    with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123 - a device
        ended, _, _ = run_here(["echo", "hi"], tmp_path, stdout=full.fileno())
    assert ended.exit_code == 0
    assert ended.output_lost == "No space left on device"
    assert ended.output_digest == digest(b"hi\n")


def test_a_closed_stdout_is_no_error(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = f'exec "$@" >&- 2>{tmp_path}/err'
    argv = [
        "sh",
        "-c",
        command,
        "sh",
        PYTHON,
        "-c",
        RUNNER,
        str(report),
        "sh",
        "-c",
        "echo hi; exit 4",
    ]
    assert subprocess.run(argv, check=False).returncode == 4
    assert json.loads(report.read_text()) == [4, None, digest(b"hi\n"), 3, None]


# --- signals ---


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
def test_a_signal_goes_on_to_the_command_and_its_answer_counts(tmp_path: Path, name: str) -> None:
    with runner(tmp_path, [PYTHON, "-c", TRAP]) as started:
        assert started.line() == b"ready\n"
        started.process.send_signal(signal.Signals[name])
        assert started.line() == f"caught {name}\n".encode()
        assert started.process.wait() == 42


def test_a_signal_reaches_the_whole_process_group(tmp_path: Path) -> None:
    script = "sleep 60 & echo $!; wait"
    with runner(tmp_path, ["sh", "-c", script]) as started:
        grandchild = int(started.line())
        started.process.send_signal(signal.SIGTERM)
        assert started.process.wait() == 128 + signal.SIGTERM
    assert wait_until(lambda: not is_alive(grandchild) or state_of(grandchild) in ("Z", ""))


def test_a_command_that_does_not_mind_the_signal_is_waited_for(tmp_path: Path) -> None:
    script = "trap '' TERM; echo ready; read line; echo $line; exit 5"
    with runner(tmp_path, ["sh", "-c", script], stdin=subprocess.PIPE) as started:
        assert started.line() == b"ready\n"
        started.process.send_signal(signal.SIGTERM)
        assert started.process.stdin is not None
        started.process.stdin.write(b"still here\n")
        started.process.stdin.close()
        assert started.line() == b"still here\n"
        assert started.process.wait() == 5


def test_a_signal_that_is_ignored_here_stays_ignored(tmp_path: Path) -> None:
    argv = [PYTHON, "-c", "import signal; print(signal.getsignal(signal.SIGHUP)); input()"]
    with runner(
        tmp_path,
        argv,
        stdin=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    ) as started:
        assert started.line() == b"1\n"  # SIG_IGN
        started.process.send_signal(signal.SIGHUP)
        started.process.communicate(b"\n")
        assert started.process.returncode == 0


def test_a_stop_from_the_keyboard_stops_both_and_both_go_on(tmp_path: Path) -> None:
    script = "echo $$; read line; echo $line"
    with runner(tmp_path, ["sh", "-c", script], stdin=subprocess.PIPE) as started:
        process, child = started.process, int(started.line())
        process.send_signal(signal.SIGTSTP)
        assert wait_until(lambda: state_of(process.pid) == state_of(child) == "T")
        process.send_signal(signal.SIGCONT)
        assert wait_until(lambda: state_of(child) != "T")
        assert process.communicate(b"awake\n")[0] == b"awake\n"
        assert process.returncode == 0


def test_the_handlers_of_before_are_put_back(tmp_path: Path) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGTSTP, signal.SIGWINCH)
    before = [signal.getsignal(number) for number in numbers]
    run_here(["true"], tmp_path)
    assert [signal.getsignal(number) for number in numbers] == before


# --- processes that it leaves behind ---


@pytest.mark.parametrize("background", ["sleep 60", "yes"])
def test_a_background_process_that_holds_the_pipe_does_not_hold_us(
    tmp_path: Path, background: str
) -> None:
    script = f"{background} & echo $! >{tmp_path}/pid; echo mine >&2; exit 6"
    ended, _, err = run_here(["sh", "-c", script], tmp_path)
    pid = int((tmp_path / "pid").read_text())
    try:
        assert ended.exit_code == 6
        assert err == b"mine\n"
        if background != "yes":  # `yes` is told by SIGPIPE that nobody reads any more
            assert is_alive(pid)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_what_the_command_wrote_last_is_not_lost(tmp_path: Path) -> None:
    script = "sleep 60 & echo $!; head -c 60000 /dev/zero"
    ended, out, _ = run_here(["sh", "-c", script], tmp_path)
    pid, zeros = out.split(b"\n", 1)
    os.kill(int(pid), signal.SIGKILL)
    assert zeros == bytes(60_000)
    assert ended.output_digest == digest(out)


# --- terminals ---


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """A pseudo-terminal of 37 rows and 133 columns that changes nothing on the way through."""
    master, slave = pty.openpty()
    settings = termios.tcgetattr(slave)
    settings[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    termios.tcsetwinsize(slave, (37, 133))
    try:
        yield master, slave
    finally:
        os.close(master)
        os.close(slave)


def read_until(fd: int, end: bytes) -> bytes:
    data = b""
    while end not in data:
        ready, _, _ = select.select([fd], [], [], 20)
        assert ready, f"nothing came after {data!r}"
        data += os.read(fd, 65536)
    return data


LOOK = """
import os, sys
print(sys.stdin.isatty(), sys.stdout.isatty(), sys.stderr.isatty(), flush=True)
size = os.get_terminal_size(1 if sys.stdout.isatty() else 2)
print(size.lines, size.columns, flush=True)
print("end", flush=True)
"""


def test_a_terminal_stays_a_terminal_of_the_same_size(tmp_path: Path) -> None:
    with terminal() as (master, slave):
        streams = {"stdin": subprocess.DEVNULL, "stdout": slave, "stderr": slave}
        with runner(tmp_path, [PYTHON, "-c", LOOK], **streams) as started:
            assert read_until(master, b"end\n") == b"False True True\n37 133\nend\n"
            assert started.process.wait() == 0
    assert started.reported()[2] == digest(b"False True True\n37 133\nend\n")


def test_only_the_stream_that_is_a_terminal_here_is_one_there(tmp_path: Path) -> None:
    with terminal() as (master, slave):
        streams = {"stdin": subprocess.DEVNULL, "stderr": slave}
        with runner(tmp_path, [PYTHON, "-c", LOOK + "print('x', file=sys.stderr)"], **streams) as s:
            assert s.process.stdout is not None
            assert s.process.stdout.read() == b"False False True\n37 133\nend\n"
            assert read_until(master, b"\n") == b"x\n"


def test_newlines_are_not_translated_twice(tmp_path: Path) -> None:
    argv = ["printf", "a\nb\r\nend"]
    with terminal() as (master, slave), runner(tmp_path, argv, stdout=slave) as started:
        assert read_until(master, b"end") == b"a\nb\r\nend"
        started.process.wait()
    assert started.reported()[2:4] == [digest(b"a\nb\r\nend"), 8]


def test_a_window_that_changes_its_size_tells_the_command(tmp_path: Path) -> None:
    script = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
print("ready", flush=True)
signal.sigwait({signal.SIGWINCH})
print(*os.get_terminal_size(1), "end", flush=True)
"""
    argv = [PYTHON, "-c", script]
    with (
        terminal() as (master, slave),
        runner(tmp_path, argv, stdout=slave, stderr=slave) as started,
    ):
        read_until(master, b"ready\n")
        termios.tcsetwinsize(master, (11, 44))
        started.process.send_signal(signal.SIGWINCH)
        assert read_until(master, b"end\n") == b"44 11 end\n"


def test_the_command_may_read_from_our_terminal(tmp_path: Path) -> None:
    with terminal() as (master, slave):
        streams = {"stdin": slave, "stdout": slave, "stderr": slave}
        script = "read line; echo got $line"
        with runner(tmp_path, ["sh", "-c", script], start_new_session=True, **streams) as started:
            os.write(master, b"answer\n")
            assert b"got answer\n" in read_until(master, b"got answer\n")
            assert started.process.wait() == 0
