"""Running git: bounded in time and memory, deaf to the caller's redirections, never prompting."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pytest_malagate.errors import MachineryError

TIMEOUT = 120.0  # seconds that one git command may take
MAX_OUTPUT = 256 * 1024 * 1024  # bytes that one git command may print

# What git may still learn from variables that begin with GIT_: how a person set git up, but not
# where the repository, its index or its objects are (a hook sets those) and not how to print.
_KEPT = frozenset(
    {
        "GIT_ASKPASS",
        "GIT_ATTR_NOSYSTEM",
        "GIT_CEILING_DIRECTORIES",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_PARAMETERS",
        "GIT_CONFIG_SYSTEM",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_EXEC_PATH",
    }
)
_KEPT_FAMILIES = ("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_", "GIT_SSH", "GIT_SSL_", "GIT_PROXY_")

_GLOBAL_OPTIONS = ("--no-pager", "--no-optional-locks", "--literal-pathspecs")
_CONFIG = (
    "core.fsmonitor=false",  # would start a program, and could hide an edit
    "core.hooksPath=/dev/null",
    "core.quotePath=false",
    "core.safecrlf=false",  # a warning at most, never a refusal to hash a file
    "index.sparse=false",  # would keep folders in an index, not their files
    "core.splitIndex=false",  # would write beside the repository's own index
    "core.trustctime=true",  # an edit with its old size and time put back is still seen
    "core.checkStat=default",
    "core.ignoreStat=false",
    "core.warnAmbiguousRefs=true",
    "color.ui=false",
    "diff.orderFile=/dev/null",  # git's own order; and one that is missing would be fatal
    "log.showSignature=false",
    "trailer.separators=:",
)

# Controls, line and paragraph separators, bidirectional marks, halves of surrogate pairs.
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


class GitError(MachineryError):
    """git failed, is missing, took too long or printed too much."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A git command that ended with one of the expected exit codes."""

    returncode: int
    stdout: bytes
    stderr: str

    @property
    def line(self) -> str:
        """Standard output without the line end."""
        return decode(self.stdout).removesuffix("\n")


def decode(data: bytes) -> str:
    """A path or a name as git prints it; bytes that are no UTF-8 become lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The reverse of `decode`."""
    return text.encode("utf-8", "surrogateescape")


def printable(text: str, limit: int) -> str:
    """Text from git that a terminal may show: no controls, `limit` characters and an ellipsis."""
    text = text if len(text) <= limit else text[:limit] + "…"
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)


def readable(path: str) -> str:
    """A decoded path as one line that a terminal may show and UTF-8 can hold.

    What is unsafe stands as backslash escapes of its bytes (`\\x0a`); other paths stay as they are.
    """
    return _UNSAFE.sub(lambda match: "".join(f"\\x{b:02x}" for b in encode(match[0])), path)


def git_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment git is run in: `environ` without what would redirect git or change its words.

    Kept of the GIT_ variables are those that say where the configuration is and how a remote is
    reached (a partial clone fetches what it lacks). Replacement objects are not followed: a fact is
    about the object that bears the hash.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("GIT_") or name in _KEPT or name.startswith(_KEPT_FAMILIES)
    }
    return kept | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1"}


def git(
    directory: Path,
    *args: str,
    stdin: bytes | None = None,
    extra: Mapping[str, str] | None = None,
    expect: tuple[int, ...] = (0,),
    limit: int = MAX_OUTPUT,
) -> Completed:
    """Runs `git ARGS` in a directory.

    `stdin` is what it reads (nothing by default), `extra` are variables for this command alone,
    `expect` the exit codes that are answers. Raises GitError if git is not installed, and,
    naming the command and the first line of its complaint, for any other exit code, after TIMEOUT
    seconds, and for more than `limit` bytes of output.
    """
    command = ["git", *_GLOBAL_OPTIONS, "-C", str(directory)]
    for setting in _CONFIG:
        command += ["-c", setting]
    environment = git_environment(os.environ) | dict(extra or {})
    name = f"git {args[0]}"
    try:
        code, stdout, complaint = _run([*command, *args], stdin, environment, name, limit)
    except FileNotFoundError as error:
        raise GitError("git is not installed, or not on PATH") from error
    except OSError as error:
        raise GitError(f"{name} could not be started: {error}") from error
    stderr = complaint.decode("utf-8", "replace")
    if code not in expect:
        raise GitError(f"{name} failed (exit code {code}): {first_complaint(stderr)}")
    return Completed(code, stdout, stderr)


def first_complaint(stderr: str) -> str:
    """The first line that says what is wrong; warnings and hints before it are passed over."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    wrong = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return printable(next(iter(wrong or lines), "no message"), 300)


def _run(
    command: list[str], stdin: bytes | None, environment: dict[str, str], name: str, limit: int
) -> tuple[int, bytes, bytes]:
    """Exit code, standard output, and the first 64 KiB of standard error."""
    # Input and errors go through files, so one pipe is left and nothing can wait for another.
    with _source(stdin) as source, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,  # no terminal to prompt on; and its helpers end with it
        )
        with process:
            try:
                stdout = _read(process, name, limit)
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        errors.seek(0)
        return process.returncode, stdout, errors.read(65536)


@contextlib.contextmanager
def _source(stdin: bytes | None) -> Iterator[int | IO[bytes]]:
    if stdin is None:
        yield subprocess.DEVNULL
        return
    with tempfile.TemporaryFile() as file:
        file.write(stdin)
        file.seek(0)
        yield file


def _read(process: subprocess.Popen[bytes], name: str, limit: int) -> bytes:
    assert process.stdout is not None  # noqa: S101  (opened as a pipe above; for the type checker)
    deadline = time.monotonic() + TIMEOUT
    chunks: list[bytes] = []
    size = 0
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            if not chunk:
                _await_end(process, deadline, name)
                return b"".join(chunks)
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise GitError(f"{name} printed more than {limit} bytes")
    raise GitError(f"{name} took longer than {TIMEOUT:.0f} s")


def _await_end(process: subprocess.Popen[bytes], deadline: float, name: str) -> None:
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise GitError(f"{name} took longer than {TIMEOUT:.0f} s") from error
