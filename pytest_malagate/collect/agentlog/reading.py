"""Reads one agent's session log from a byte offset on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec

from pytest_malagate.collect.agentlog.attribute import AgentRun, Attribution, FoundResolution
from pytest_malagate.collect.agentlog.claude import ClaudeFormat
from pytest_malagate.collect.agentlog.codex import CodexFormat
from pytest_malagate.collect.agentlog.events import Event, LogFormat
from pytest_malagate.collect.agentlog.reader import Line, lines_of
from pytest_malagate.collect.agentlog.records import (
    EMPTY,
    UNREADABLE,
    Record,
    decode_line,
    decode_part,
    text_or_none,
)
from pytest_malagate.collect.identity import EMPTY as NO_IDENTITY
from pytest_malagate.collect.identity import log_identity

__all__ = ["SOURCES", "AgentReading", "AgentRun", "FoundResolution", "Source", "read_agent_log"]

Source = Literal["claude", "amp", "codex"]
SOURCES: tuple[Source, ...] = ("claude", "amp", "codex")

_HEAD_LINES = 50
_HEAD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class AgentReading:
    """What a log holds between two byte offsets of the log with that identity.

    `start` is 0 if the offset asked for belongs to another log. `end` is where the next reading
    goes on. `unreadable` counts lines that are no JSON objects, or too long to be read.
    """

    source: Source
    identity: str
    start: int
    end: int
    runs: tuple[AgentRun, ...] = ()
    resolutions: tuple[FoundResolution, ...] = ()
    unreadable: int = 0


def read_agent_log(
    path: Path,
    commands: Mapping[str, str],
    *,
    offset: int = 0,
    identity: str | None = None,
    source: str = "auto",
) -> AgentReading:
    """Finds the latest call of each of the policy's commands, and the resolution markers.

    `commands` maps a validation's name to the policy's exact command. `offset` is in bytes and
    belongs to the log with `identity`; if the file is another log, reading starts at 0. A call
    whose result stands beyond the end of the file has no result, also for later readings.

    A log that is missing has no evidence, like an empty one. Raises OSError for one that cannot be
    read and ValueError for an unknown `source`.
    """
    if source not in (*SOURCES, "auto"):
        raise ValueError(f"unknown source {source!r}; one of auto, {', '.join(SOURCES)}")
    actual = log_identity(path)
    start = offset if identity in (None, actual) else 0
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return AgentReading(_named(source, path), NO_IDENTITY, 0, 0)
    with file:
        head = _look_at_head(file, path)
        found = next((known for known in SOURCES if known == source), head.source)
        reading = _Reading(found, Attribution(commands, directory=head.directory))
        reading.read(file, max(start, 0))
    return AgentReading(
        source=found,
        identity=actual,
        start=max(start, 0),
        end=reading.end,
        runs=reading.attribution.runs(),
        resolutions=reading.attribution.resolutions(),
        unreadable=reading.unreadable,
    )


class _Reading:
    """One pass over the lines."""

    def __init__(self, source: Source, attribution: Attribution) -> None:
        self._format: LogFormat = CodexFormat() if source == "codex" else ClaudeFormat()
        self.attribution = attribution
        self.unreadable = 0
        self.end = 0

    def read(self, file: BinaryIO, start: int) -> None:
        self.end = file.seek(0, 2)
        for line in lines_of(file, start):
            events = self._events(line)
            if events is None and not line.complete:
                # Half a record, which its writer may finish: the next reading begins with it. A
                # last line that is a whole record counts, newline or not: no object grows on.
                self.end = line.start
                return
            self.end = line.end
            if events is None:
                self.unreadable += 1
                continue
            for event in events:
                self.attribution.take(event, line.start)

    def _events(self, line: Line) -> list[Event] | None:
        """The events of a line, or None for one that is no record."""
        if line.data is None:
            return None
        if not line.data.strip():
            return []
        try:
            return self._format.events(line.data)
        except UNREADABLE:
            return None


@dataclass(frozen=True, slots=True)
class _Head:
    source: Source
    directory: str | None


class _Thread(Record, frozen=True):
    cwd: Any = None


class _Opening(Record, frozen=True):
    """What the first records of all formats are told apart by."""

    type: Any = None
    method: Any = None
    session_id: Any = None
    cwd: Any = None
    payload: msgspec.Raw = EMPTY
    params: msgspec.Raw = EMPTY


class _Nested(Record, frozen=True):
    cwd: Any = None
    thread: msgspec.Raw = EMPTY


_opening = msgspec.json.Decoder(_Opening)
_nested = msgspec.json.Decoder(_Nested)
_thread = msgspec.json.Decoder(_Thread)


def _look_at_head(file: BinaryIO, path: Path) -> _Head:
    """The agent and the directory that the session started in, from the log's first records."""
    source: Source | None = None
    directory: str | None = None
    for line in islice(lines_of(file, max_line=_HEAD_BYTES), _HEAD_LINES):
        if line.start > _HEAD_BYTES or (source and directory):
            break
        try:
            record = decode_line(_opening, line.data or b"")
        except UNREADABLE:
            continue
        source = source or _source_of(record, path)
        directory = directory or _directory_of(record)
    return _Head(source or _named("auto", path), directory)


def _source_of(record: _Opening, path: Path) -> Source | None:
    kind = record.type if isinstance(record.type, str) else ""
    if isinstance(record.method, str) or kind.startswith(("thread.", "turn.", "item.")):
        return "codex"
    if kind in ("session_meta", "response_item", "event_msg", "turn_context"):
        return "codex"  # a rollout, which says nothing about exit statuses: nothing is found
    if isinstance(record.session_id, str) and record.session_id.startswith("T-"):
        return "amp"
    if kind in ("assistant", "user"):
        return _named("auto", path)
    return None


def _directory_of(record: _Opening) -> str | None:
    if text_or_none(record.cwd):
        return text_or_none(record.cwd)
    for part in (record.payload, record.params):
        nested = decode_part(_nested, part) if part else None
        if nested is None:
            continue
        thread = decode_part(_thread, nested.thread)
        found = text_or_none(nested.cwd) or (text_or_none(thread.cwd) if thread else None)
        if found:
            return found
    return None


def _named(source: str, path: Path) -> Source:
    """The agent that was asked for, or else the one whose way of naming files this is."""
    for known in SOURCES:
        if source == known:
            return known
    return "amp" if path.name.startswith("T-") else "claude"
