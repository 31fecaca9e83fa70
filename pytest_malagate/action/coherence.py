"""Does a log contradict itself? Asked of each log before it is judged.

Whoever can write a log by hand can write one that adds up, so this proves nobody honest. But a log
that malagate's own recorder cannot have written is not evidence, whatever verdict it leads to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from pytest_malagate.collect.lines import lines_from
from pytest_malagate.gate.evidence import (
    SCHEMA,
    CommandStarted,
    LogHeader,
    Receipt,
    SessionStarted,
)
from pytest_malagate.report.text import plain

_LOOKED_AT = CommandStarted | Receipt | SessionStarted
_TEST = b'{"type":"test",'  # nearly every line; one that is written otherwise is decoded in vain
MAX_BEGUN = 10_000
_MAX_TOLD = 5

_decoder = msgspec.json.Decoder(_LOOKED_AT)
_header_decoder = msgspec.json.Decoder(LogHeader)


def contradictions(name: str, log: Path) -> tuple[tuple[str, str], ...]:
    """What is wrong with a log, as (reason code, message); `name` is what people call the log.

    A log that is not of this schema is unreadable, and then nothing else is said of it. Whether a
    session's numbers add up is the judge's own question.
    """
    try:
        with log.open("rb") as file:
            lines = lines_from(file)
            if not _is_header(next(lines, (0, b""))[1]):
                text = f"{plain(name, 80)}: its first line is no header of {SCHEMA}"
                return (("evidence.unreadable", text),)
            found = [*islice(_odd_records(line for _, line in lines), _MAX_TOLD)]
    except OSError as error:
        text = f"{plain(name, 80)}: cannot be read: {error.strerror or error}"
        return (("evidence.unreadable", text),)
    return tuple(
        ("evidence.inconsistent", f"{plain(name, 80)}: {text}")
        for text in [*dict.fromkeys(found)][:_MAX_TOLD]
    )


def _is_header(line: bytes) -> bool:
    try:
        return _header_decoder.decode(line).schema == SCHEMA
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _odd_records(lines: Iterable[bytes]) -> Iterator[str]:
    """A session that began twice, and a result of what was never started."""
    sessions: set[str] = set()
    started: set[tuple[str, str, tuple[str, ...]]] = set()
    for line in lines:
        record = None if line.startswith(_TEST) else _decode(line)
        if isinstance(record, SessionStarted):
            if record.session in sessions:
                yield "a test session began twice"
            sessions.add(record.session)
        elif isinstance(record, CommandStarted):
            started.add((record.run, record.name, record.argv))
        elif isinstance(record, Receipt) and (record.run, record.name, record.argv) not in started:
            yield f"{plain(record.name, 80)} has a result and was never started"
        if len(sessions) + len(started) > MAX_BEGUN:
            yield f"more than {MAX_BEGUN} sessions and commands were begun"
            return


def _decode(line: bytes) -> CommandStarted | Receipt | SessionStarted | None:
    try:
        record: CommandStarted | Receipt | SessionStarted = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return record
