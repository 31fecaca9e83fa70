"""From a session's events to the commands that count.

Attribution is exact. A call counts for a validation if its command is the policy's, outer
whitespace aside: `cd x && CMD`, `CMD || true`, `CMD | tail`, an environment in front, an argument
behind are other commands. The latest call of a command decides, with or without a result, so
that a rerun which was killed withdraws the pass before it.
"""

from __future__ import annotations

import posixpath
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_malagate.collect.agentlog.events import Call, Event, Result, Said
from pytest_malagate.collect.agentlog.shell import may_change_files
from pytest_malagate.gate.resolution import find_markers

MAX_RESOLUTIONS = 100
"""How many markers are kept, the latest ones. An agent writes one."""

_MAX_OPEN = 4096  # calls of other commands whose ids are remembered until they are answered
_MAX_RATIONALE = 2000
_SHOWN = 80  # characters of a command within a reason


@dataclass(frozen=True, slots=True)
class AgentRun:
    """The latest call of a validation's command in a log.

    `exit_code` is 0 for a call that ran well, another number for one that failed (1 where the log
    says only that it failed) and None where the log holds no believable result. `withdrawn` says
    why a call that looks well does not count. `offset` is that of the line with the call.
    """

    name: str
    command: str
    call: str
    exit_code: int | None
    offset: int
    withdrawn: str | None


@dataclass(frozen=True, slots=True)
class FoundResolution:
    """A resolution marker in the agent's own text, and the offset of the line that holds it."""

    marker: str
    rationale: str
    offset: int


@dataclass(slots=True)
class _Latest:
    """What is known so far about the latest call of one validation's command."""

    name: str
    command: str
    call: str
    offset: int
    trouble: str | None = None
    answered: bool = False
    exit_code: int | None = None
    changed_by: str | None = None

    def run(self) -> AgentRun:
        # A pass ends with a change to the files; a failure stays one, whatever follows it.
        stale = self.changed_by if self.exit_code == 0 else None
        return AgentRun(
            name=self.name,
            command=self.command,
            call=self.call[:200],
            exit_code=None if self.trouble else self.exit_code,
            offset=self.offset,
            withdrawn=self.trouble or stale,
        )


class Attribution:
    """Takes the events of one log in their order; holds only the latest call of each command."""

    def __init__(self, commands: Mapping[str, str], *, directory: str | None = None) -> None:
        self._order = tuple(commands)
        self._names: dict[str, list[str]] = {}
        for name, command in commands.items():
            if command.strip():
                self._names.setdefault(command.strip(), []).append(name)
        self._directory = directory
        self._latest: dict[str, _Latest] = {}
        self._open: dict[str, None] = {}
        self._background: str | None = None
        self._resolutions: deque[FoundResolution] = deque(maxlen=MAX_RESOLUTIONS)

    def take(self, event: Event, offset: int) -> None:
        """Accounts for one event of the line at byte `offset`."""
        if isinstance(event, Call):
            self._call(event, offset)
        elif isinstance(event, Result):
            self._result(event)
        else:
            self._said(event, offset)

    def runs(self) -> tuple[AgentRun, ...]:
        """The latest call of each command that was called at all, in the policy's order."""
        return tuple(self._latest[name].run() for name in self._order if name in self._latest)

    def resolutions(self) -> tuple[FoundResolution, ...]:
        """The markers, in the order they were written."""
        return tuple(self._resolutions)

    def _call(self, event: Call, offset: int) -> None:
        reused = bool(event.call) and self._reuse(event.call)
        command = None if event.command is None else event.command.strip()
        names = self._names.get(command, []) if command else []
        for name in names:
            self._latest[name] = _Latest(
                name, command or "", event.call, offset, self._trouble(event, reused=reused)
            )
        if not names:
            self._other_call(event, command)

    def _reuse(self, call: str) -> bool:
        """Whether a call has an id that an earlier one holds: then neither can be told apart."""
        reused = call in self._open
        for latest in self._latest.values():
            if latest.call == call:
                latest.trouble = "two calls in the log have its id"
                reused = True
        return reused

    def _trouble(self, event: Call, *, reused: bool) -> str | None:
        if not event.call:
            return "its call has no id, so no result belongs to it"
        if reused:
            return "two calls in the log have its id"
        if event.background:
            return "it ran in the background, so its exit status is not known"
        if self._background is not None:
            return f"{self._background} was running in the background and may change files"
        if self._elsewhere(event.directory):
            return f"it ran in {_shown(event.directory or '')}, not in the session's directory"
        return None

    def _elsewhere(self, directory: str | None) -> bool:
        # `ruff check .` in an empty directory passes. A log that names no directory is believed.
        if directory is None or self._directory is None:
            return False
        return posixpath.normpath(directory) != posixpath.normpath(self._directory)

    def _other_call(self, event: Call, command: str | None) -> None:
        if event.call:
            self._open[event.call] = None
            if len(self._open) > _MAX_OPEN:
                self._open.pop(next(iter(self._open)))
        unchanged = [latest for latest in self._latest.values() if latest.changed_by is None]
        if not unchanged and not event.background:
            return  # nothing hangs on the answer, and parsing a command takes time
        if not (may_change_files(command) if command is not None else not event.harmless):
            return
        what = _shown(event.tool if command is None else command)
        if event.background:
            self._background = what
        for latest in unchanged:
            latest.changed_by = f"{what} followed it and may change files"

    def _result(self, event: Result) -> None:
        self._open.pop(event.call, None)
        for latest in self._latest.values():
            if latest.call != event.call:
                continue
            if latest.answered:
                latest.trouble = "two results in the log have its id"
            latest.answered = True
            latest.exit_code = event.exit_code
            latest.trouble = latest.trouble or event.invalid

    def _said(self, event: Said, offset: int) -> None:
        if "ISSUE_" not in event.text:
            return
        for marker, rationale in find_markers(event.text):
            self._resolutions.append(
                FoundResolution(str(marker), rationale[:_MAX_RATIONALE], offset)
            )


def _shown(text: str) -> str:
    """A command as it stands within a reason: one line, bounded, in backquotes."""
    plain = "".join(char if char.isprintable() else " " for char in text[: _SHOWN + 1])
    return f"`{plain}`" if len(plain) <= _SHOWN else f"`{plain[:_SHOWN]}…`"
