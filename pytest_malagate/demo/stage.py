"""The stage: a temporary git repository, real commands in it, and the real gate's answers.

A command is started without a shell. `pytest` and `malagate` are modules of the interpreter that
runs the demo, and `git` is the one on PATH; neither the user's configuration of git nor variables
that steer pytest, git, coverage or malagate reach them.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from pytest_malagate.demo.project import FILES
from pytest_malagate.demo.story import CHECK, Chapter, Command, Edit, Expected, Part
from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.result import GateResult, decode

TIMEOUT = 120.0  # seconds that one command may take
PATIENCE = 5.0  # seconds that an interrupted one may take to end

_DROPPED = ("COVERAGE_", "COV_CORE_", "GITHUB_", "GIT_", "MALAGATE_", "PYTEST_", "PYTHON")
_DROPPED_NAMES = frozenset({"CI", "COLUMNS", "FORCE_COLOR", "NO_COLOR", "PY_COLORS"})
# Where the interpreter finds its modules, malagate among them.
_KEPT_NAMES = frozenset({"PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONPATH", "PYTHONUSERBASE"})

_SETTINGS = {
    "GIT_AUTHOR_EMAIL": "agent@example.invalid",
    "GIT_AUTHOR_NAME": "An Agent",
    "GIT_COMMITTER_EMAIL": "agent@example.invalid",
    "GIT_COMMITTER_NAME": "An Agent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    # A person's own two files of this kind are read even where no configuration names them.
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "core.excludesFile",
    "GIT_CONFIG_VALUE_0": "/dev/null",
    "GIT_CONFIG_KEY_1": "core.attributesFile",
    "GIT_CONFIG_VALUE_1": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTHONUTF8": "1",
}

_PYTEST_SUMMARY = re.compile(r"^=* ?(\d+ [a-z][a-z0-9, ]*?) in [0-9.]+s\b", re.MULTILINE)


class Ran(Part, frozen=True, kw_only=True):
    """A command that ended. `summary` is pytest's own count of outcomes, or empty."""

    command: str
    exit_code: int
    summary: str = ""


class Played(Part, frozen=True, kw_only=True):
    """A chapter that was played. `deviations` is empty if everything came as declared."""

    number: int
    chapter: Chapter
    ran: tuple[Ran, ...]
    result: GateResult
    deviations: tuple[str, ...] = ()


class Finished(Part, frozen=True, kw_only=True):
    """An ended process."""

    returncode: int
    stdout: str
    stderr: str


class Audience:
    """Whoever follows the story while it is played; this one waits for the end."""

    def opens(self) -> None:
        """The repository is ready."""

    def begins(self, number: int, chapter: Chapter) -> None:
        """A chapter begins; numbers start with 1."""

    def starts(self, command: str) -> None:
        """A command is about to run."""

    def ended(self, ran: Ran) -> None:
        """It ended."""

    def judged(self, played: Played) -> None:
        """The gate has spoken; the chapter is over."""


class Stage:
    """A repository in `directory`, which exists and is empty, with the project's first commit.

    Raises MachineryError if there is no git, or if a command cannot do its part.
    """

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self.directory = directory
        self._environ = environment(environ, Path(sys.executable))
        self._git("init", "-q", ".")
        for path, text in FILES.items():
            self._edit(Edit(path=path, after=_for_interpreter(text)))
        self._git("add", "-A")
        self._git("commit", "-q", "-m", "Say what a cart has to do")

    def play(self, number: int, chapter: Chapter, audience: Audience) -> Played:
        """Plays a chapter and compares the gate's answer with what the story declares."""
        audience.begins(number, chapter)
        for edit in chapter.edits:
            self._edit(edit)
        check = Command(line=CHECK, exit_code=0 if chapter.expected.verdict == "pass" else 1)
        commands = (*chapter.commands, check)
        ran = []
        for command in commands:
            audience.starts(command.line)
            done = self._run(command)
            ran.append(_ran(command, done))
            audience.ended(ran[-1])
        result = _result(done)
        played = Played(
            number=number,
            chapter=chapter,
            ran=tuple(ran),
            result=result,
            deviations=(*_exits(commands, ran), *deviations(chapter.expected, result)),
        )
        audience.judged(played)
        return played

    def _edit(self, edit: Edit) -> None:
        path = self.directory / edit.path
        if edit.after is None:
            path.unlink()
        elif edit.before is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(edit.after, encoding="utf-8")
        else:
            text = path.read_text(encoding="utf-8")
            if text.count(edit.before) != 1:
                raise MachineryError(f"the story does not fit its own file {edit.path}")
            path.write_text(text.replace(edit.before, edit.after), encoding="utf-8")

    def _run(self, command: Command) -> Finished:
        for part in command.line.split(" && "):
            argv = shlex.split(part)
            done = self._call(argv)
            if done.returncode and argv[0] == "git":
                raise MachineryError(f"`{part}` failed: {_complaint(done)}")
        return done

    def _git(self, *args: str) -> None:
        done = self._call(("git", *args))
        if done.returncode:
            raise MachineryError(f"`git {args[0]}` failed: {_complaint(done)}")

    def _call(self, argv: Sequence[str]) -> Finished:
        try:
            with subprocess.Popen(
                _really(argv),
                cwd=self.directory,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # a Ctrl-C reaches the demo alone, and `_end` tells it on
            ) as process:
                try:
                    stdout, stderr = process.communicate(timeout=TIMEOUT)
                except BaseException:
                    _end(process)
                    raise
        except FileNotFoundError as error:
            text = f"malagate demo needs {argv[0]}, which is not installed or not on PATH"
            raise MachineryError(text) from error
        except subprocess.TimeoutExpired as error:
            raise MachineryError(
                f"`{shlex.join(argv)}` took longer than {TIMEOUT:.0f} s"
            ) from error
        except OSError as error:
            raise MachineryError(f"cannot start {argv[0]}: {error.strerror or error}") from error
        return Finished(returncode=process.returncode, stdout=stdout, stderr=stderr)


def _end(process: subprocess.Popen[str]) -> None:
    """Ends a command and what it has started, so that nobody writes where things are removed."""
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGINT)  # pytest and malagate then end their own children
        process.wait(PATIENCE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def environment(environ: Mapping[str, str], interpreter: Path) -> dict[str, str]:
    """The variables of the commands: `environ` without what steers them, and the story's own.

    The interpreter's directory comes first on PATH, so that the policy's commands find it.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name in _KEPT_NAMES or not (name.startswith(_DROPPED) or name in _DROPPED_NAMES)
    }
    path = f"{interpreter.parent}:{environ.get('PATH', '/usr/local/bin:/usr/bin:/bin')}"
    return kept | _SETTINGS | {"PATH": path}


def _for_interpreter(text: str) -> str:
    """A system may know its interpreter as `python3` alone."""
    return text.replace("{command: python ", f"{{command: {Path(sys.executable).name} ")


_MODULES = {"pytest": "pytest", "malagate": "pytest_malagate"}


def _really(argv: Sequence[str]) -> list[str]:
    if argv[0] in _MODULES:
        return [sys.executable, "-m", _MODULES[argv[0]], *argv[1:]]
    return list(argv)


def _ran(command: Command, done: Finished) -> Ran:
    counted = _PYTEST_SUMMARY.findall(done.stdout)
    return Ran(
        command=command.line,
        exit_code=done.returncode,
        summary=counted[-1] if counted else "",
    )


def _result(done: Finished) -> GateResult:
    try:
        return decode(done.stdout.encode())
    except msgspec.DecodeError as error:
        raise MachineryError(f"`{CHECK}` gave no result: {_complaint(done)}") from error


def _complaint(done: Finished) -> str:
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"


def _exits(commands: Sequence[Command], ran: Sequence[Ran]) -> Iterator[str]:
    for command, ended in zip(commands, ran, strict=True):
        if ended.exit_code != command.exit_code:
            yield (
                f"`{command.line}` must exit with {command.exit_code}, "
                f"it exited with {ended.exit_code}"
            )


def deviations(expected: Expected, result: GateResult) -> Iterator[str]:
    answers = (
        ("verdict", expected.verdict, result.verdict),
        ("progress", expected.progress, result.progress.state),
        ("next action", expected.next_action, result.next_action.kind),
    )
    for what, wanted, got in answers:
        if wanted != got:
            yield f"the {what} must be {wanted}, it is {got}"
    codes = [why.code for why in result.reasons]
    if expected.reason and expected.reason not in codes:
        yield f"a reason must be {expected.reason}, there is {', '.join(codes) or 'none'}"
    codes = [why.code for why in result.warnings]
    if expected.warning and expected.warning not in codes:
        yield f"a warning must be {expected.warning}, there is {', '.join(codes) or 'none'}"


@contextmanager
def temporary_directory(*, keep: bool = False) -> Iterator[Path]:
    """A directory that is removed at the end, however it comes, unless it is to be kept."""
    try:
        directory = Path(tempfile.mkdtemp(prefix="malagate-demo-")).resolve()
    except OSError as error:
        raise MachineryError(f"cannot make a temporary directory: {error}") from error
    try:
        yield directory
    finally:
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)


def play(story: Sequence[Chapter], stage: Stage, audience: Audience) -> list[Played]:
    """Plays the chapters in turn."""
    audience.opens()
    return [stage.play(number, chapter, audience) for number, chapter in enumerate(story, 1)]
