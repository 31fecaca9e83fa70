"""What a run tells, as it tells it: a table in a terminal, lines in a log, JSON for machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol, TextIO

import msgspec

from pytest_malagate.agents.board import Board
from pytest_malagate.agents.process import QUIET_END
from pytest_malagate.agents.steps import Step
from pytest_malagate.coordinate.events import Event
from pytest_malagate.coordinate.outcomes import RunResult
from pytest_malagate.gate.encoding import encode_json
from pytest_malagate.report.coordination import (
    Closing,
    attempt_words,
    closing_lines,
    event_line,
    screen_lines,
)
from pytest_malagate.report.terminal import Line, paint, use_color

_CLEARED = "\x1b[H\x1b[2J"  # the screen, not what was scrolled away
_NEWS = 8
"""How many lines stand below the table."""

_EVENT_WORDS = {
    "waiting": ("waits", "yellow"),
    "refused": ("failed", "red"),
    "finished": ("completed", "green"),
    "failed": ("escalated to a person", "red"),
    "released": ("given back", "yellow"),
    "limit": ("the limit is reached", ""),
    "no_agents": ("nothing may start", "yellow"),
    "idle": ("idle", "dim"),
    "poll_failed": ("the issues could not be asked for", "yellow"),
    "warning": ("warning", "yellow"),
    "aborted": ("aborted", "bold red"),
    "draining": ("draining", "yellow"),
}
_STEP_WORDS = {
    "base": ("base", "dim"),
    "agent_ended": ("the agent ended", ""),
    "repeated": ("again", "yellow"),
    "resumed": ("goes on", "yellow"),
    "stopping": ("its agent is told to end", "yellow"),
    "branch": ("next", "bold"),
    "done": ("completed by an earlier run", "dim"),
    "warning": ("warning", "yellow"),
}


class Finale(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended, with each issue that did."""

    result: RunResult
    ended: tuple[Closing, ...]
    waiting: tuple[tuple[str, str], ...]


class Voice(Protocol):
    """Where a run is told. No method raises: a reader that went away does not end the work."""

    def event(self, event: Event) -> None:
        """The coordinator told something."""

    def step(self, step: Step) -> None:
        """The loop told something."""

    def tick(self) -> None:
        """Time has passed."""

    def closes(self, finale: Finale) -> None:
        """The run is over."""


def voice(
    stream: TextIO,
    board: Board,
    environ: Mapping[str, str],
    *,
    json: bool,
    size: Callable[[], tuple[int, int]],
) -> Voice:
    """The voice that fits: JSON if it is asked for, a table on a terminal, else lines.

    `size` says how many columns and lines the terminal has now.
    """
    if json:
        return JsonVoice(stream)
    color = use_color(stream, environ)
    if stream.isatty() and environ.get("TERM") != "dumb":
        return TableVoice(stream, board, color=color, size=size)
    return LineVoice(stream, color=color)


class _Writer:
    """A stream that is written to for as long as somebody reads it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lost = stream, False

    def _write(self, text: str) -> None:
        if self._lost:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._lost = True


class JsonVoice(_Writer):
    """One JSON object a line: `event` says what it is, the last is `result`."""

    def event(self, event: Event) -> None:
        self._say(event.kind, {"issue": event.issue, "detail": event.detail, "at": event.at})

    def step(self, step: Step) -> None:
        rest = {key: value for key, value in msgspec.to_builtins(step).items() if key != "kind"}
        self._say(step.kind, rest)

    def tick(self) -> None:
        pass

    def closes(self, finale: Finale) -> None:
        result = msgspec.to_builtins(finale.result)
        issues = msgspec.to_builtins(finale.ended)
        waiting = [{"issue": issue, "why": why} for issue, why in finale.waiting]
        self._say("result", {**result, "issues": issues, "waiting": waiting})

    def _say(self, kind: str, rest: Mapping[str, object]) -> None:
        self._write(encode_json({"event": kind, **rest}).decode() + "\n")


class LineVoice(_Writer):
    """One line for each thing that happens."""

    def __init__(self, stream: TextIO, *, color: bool) -> None:
        super().__init__(stream)
        self._color = color

    def event(self, event: Event) -> None:
        self._say(line_of_event(event))

    def step(self, step: Step) -> None:
        self._say(line_of_step(step))

    def tick(self) -> None:
        pass

    def closes(self, finale: Finale) -> None:
        lines = closing_lines(finale.ended, finale.waiting, finale.result.exit_reason)
        self._write("\n" + paint(lines, color=self._color))

    def _say(self, line: Line | None) -> None:
        if line is not None:
            self._write(paint([line], color=self._color))


class TableVoice(_Writer):
    """The table of all issues, redrawn in place, with the latest news below it."""

    def __init__(
        self, stream: TextIO, board: Board, *, color: bool, size: Callable[[], tuple[int, int]]
    ) -> None:
        super().__init__(stream)
        self._board, self._color, self._size = board, color, size
        self._news: list[Line] = []

    def event(self, event: Event) -> None:
        self._add(line_of_event(event))

    def step(self, step: Step) -> None:
        self._add(line_of_step(step))

    def tick(self) -> None:
        (width, height), rows = self._size(), self._board.rows
        screen = screen_lines(rows, self._news, now=time.time(), width=width, height=height)
        self._write(_CLEARED + paint(screen, color=self._color))

    def closes(self, finale: Finale) -> None:
        self._news.clear()
        self.tick()
        lines = closing_lines(finale.ended, finale.waiting, finale.result.exit_reason)
        self._write(paint(lines, color=self._color))

    def _add(self, line: Line | None) -> None:
        if line is not None:
            self._news = [*self._news[1 - _NEWS :], line]
        self.tick()


def line_of_event(event: Event) -> Line | None:
    """What a person reads of it; None for what other lines say."""
    if event.kind == "interrupted":
        words = "interrupted: " + (event.detail or "no attempt begins; Ctrl-C again ends what runs")
        return event_line(None, words, "", style="yellow")
    if event.kind not in _EVENT_WORDS:
        return None
    words, style = _EVENT_WORDS[event.kind]
    # Why it failed was said with the verdict, and is in the closing summary.
    detail = "" if event.kind in ("finished", "failed") else event.detail
    return event_line(event.issue, words, detail, style=style)


def line_of_step(step: Step) -> Line | None:
    """What a person reads of it."""
    if step.kind == "agent_ended" and step.detail == QUIET_END:
        return None
    if step.kind == "attempt":
        words = f"attempt {attempt_words(step.attempt, step.max_attempts)}"
        return event_line(step.issue, words, "", style="cyan")
    if step.kind == "judged":
        if step.verdict == "pass":
            return event_line(step.issue, "the gate: passed", "", style="green")
        codes = ", ".join(dict.fromkeys(step.codes))
        return event_line(step.issue, f"the gate: {codes}", step.detail, style="red")
    words, style = _STEP_WORDS.get(step.kind, (step.kind, ""))
    return event_line(step.issue, words, step.detail, style=style)
