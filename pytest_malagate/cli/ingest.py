"""`malagate ingest NAME FILE…`: records what an agent's session log shows.

A call counts for the tree at ingestion. So that a second ingestion of one log cannot lift an old
run onto a new tree, what was recorded once from a place in a log is not recorded again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pytest_malagate.collect.agentlog import (
    AgentReading,
    AgentRun,
    FoundResolution,
    read_agent_log,
)
from pytest_malagate.collect.lines import lines_from
from pytest_malagate.collect.log import EvidenceLog
from pytest_malagate.errors import ExitCode, MachineryError, UsageError
from pytest_malagate.gate.evidence import Ingested, Resolution
from pytest_malagate.gate.spec import ValidationKind
from pytest_malagate.local import Place
from pytest_malagate.policy import Policy
from pytest_malagate.policy.suggest import nearest_word
from pytest_malagate.report.text import plain

ALL = "all"
_SNIFFED = 4096
_INGESTED = (b'{"type":"ingested",', b'{"type":"resolution",')
_Recorded = Ingested | Resolution
_decoder: msgspec.json.Decoder[_Recorded] = msgspec.json.Decoder(_Recorded)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares what the command takes."""
    parser.add_argument(
        "name",
        metavar="NAME",
        help="a validation of the policy, or `all` for every one that has a command",
    )
    parser.add_argument(
        "files", metavar="FILE", nargs="+", type=Path, help="an agent's session log"
    )
    parser.add_argument(
        "--source",
        choices=("auto", "claude", "amp", "codex"),
        default="auto",
        help="whose log it is (default: look at its first lines)",
    )
    parser.add_argument(
        "--offset", type=_offset, default=0, metavar="N", help="read from this byte on (default: 0)"
    )
    parser.add_argument(
        "--identity",
        metavar="ID",
        help="the log that the offset belongs to, as --json shows it; another log is read whole",
    )
    parser.add_argument("--task", metavar="ID", help="the task that resolution markers speak of")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="the policy to read")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where malagate writes")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _offset(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise argparse.ArgumentTypeError(f"{text!r} is no byte offset (a whole number from 0)")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Reads every file before anything is recorded, records, and prints what was found."""
    place = Place.find(Path.cwd(), out=options.out, policy=options.policy)
    commands = _commands(place.policy, options.name)
    readings = [(file, _read(file, commands, options)) for file in options.files]
    tree, commit = place.tree_and_commit()
    known = _recorded(place.log_path, {reading.identity for _, reading in readings})
    stamp = _Stamp(round(time.time(), 3), tree, commit, options.task)
    found = [_Found(file, reading, stamp, known) for file, reading in readings]
    with EvidenceLog(place.log_path) as log:
        for records in found:
            for record in records.new:
                log.append(record)
    if options.json:
        print(msgspec.json.encode([records.document() for records in found]).decode())
    else:
        for records in found:
            print("\n".join(records.lines(commands)))
    return int(ExitCode.PASSED)


def _commands(policy: Policy, name: str) -> dict[str, str]:
    """The commands to look for, by validation. A validation called `all` means itself."""
    kept = {v.name: v for v in policy.validations}
    if name == ALL and ALL not in kept:
        commands = {
            v.name: v.command
            for v in policy.validations
            if v.command is not None and v.kind is ValidationKind.COMMAND
        }
        if not commands:
            raise UsageError("the policy names no command, so no log can show that one ran")
        return commands
    if name not in kept:
        hint = nearest_word(name, (*kept, ALL)) or f"known here: {', '.join((*kept, ALL))}"
        raise UsageError(f"the policy has no validation {plain(name, 80)!r}; {hint}")
    if kept[name].kind is ValidationKind.TEST:
        raise UsageError(
            f"the evidence of {name} comes from `pytest -p malagate`, not from an agent's log: "
            "an exit status does not say which tests ran"
        )
    return {name: kept[name].command or ""}


def _read(file: Path, commands: Mapping[str, str], options: argparse.Namespace) -> AgentReading:
    try:
        if not file.is_file():
            what = "is no regular file" if file.exists() else "was not found"
            raise UsageError(f"{file} {what}; name an agent's session log (JSONL)")
        with file.open("rb") as opened:
            kind = _other_kind(file, opened.read(_SNIFFED))
        if kind:
            raise UsageError(
                f"{file} is {kind}; this version of malagate ingests session logs of Claude Code, "
                "Amp and Codex only"
            )
        return read_agent_log(
            file,
            commands,
            offset=options.offset,
            identity=options.identity,
            source=options.source,
        )
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror or error}") from error


def _other_kind(file: Path, head: bytes) -> str | None:
    """What a file is that is no agent's log, as far as that can be seen."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if file.suffix.lower() == ".xml" or text.startswith(b"<"):
        return "XML (a JUnit report?)"
    sarif = b'"$schema"' in text and b"sarif" in text.lower()
    return "a SARIF report" if file.suffix.lower() == ".sarif" or sarif else None


@dataclass(frozen=True, slots=True)
class _Stamp:
    """When and for what everything of one ingestion is recorded."""

    at: float
    tree: str | None
    commit: str | None
    task: str | None


class _Found:
    """What one file holds, as records and in words."""

    def __init__(
        self, file: Path, reading: AgentReading, stamp: _Stamp, known: set[tuple[object, ...]]
    ) -> None:
        self._file = file
        self._reading = reading
        records: list[_Recorded] = [*map(self._ingested, reading.runs)]
        records += map(self._resolution, reading.resolutions)
        stamped = [_stamped(record, stamp) for record in records]
        self._is_new = [_key(record) not in known for record in stamped]
        self.new = [record for record, new in zip(stamped, self._is_new, strict=True) if new]
        known.update(map(_key, stamped))

    def _ingested(self, run: AgentRun) -> Ingested:
        return Ingested(
            name=run.name,
            source=self._reading.source,
            command=run.command,
            at=0.0,
            exit_code=run.exit_code,
            call=run.call,
            log=self._reading.identity,
            offset=run.offset,
            withdrawn=run.withdrawn,
        )

    def _resolution(self, found: FoundResolution) -> Resolution:
        return Resolution(
            marker=found.marker,
            rationale=found.rationale,
            at=0.0,
            source=self._reading.source,
            log=self._reading.identity,
            offset=found.offset,
        )

    def document(self) -> dict[str, object]:
        """What `--json` prints for this file."""
        reading = self._reading
        return {
            "file": str(self._file),
            "source": reading.source,
            "identity": reading.identity,
            "start": reading.start,
            "end": reading.end,
            "unreadable": reading.unreadable,
            "runs": msgspec.to_builtins(reading.runs),
            "resolutions": msgspec.to_builtins(reading.resolutions),
            "recorded": len(self.new),
        }

    def lines(self, commands: Mapping[str, str]) -> Iterator[str]:
        """The same for a person."""
        reading = self._reading
        span = f"{reading.source} log, bytes {reading.start} to {reading.end}"
        yield f"{plain(str(self._file), 200)}: {span}"
        new = iter(self._is_new)
        runs = {run.name: (_told(run), next(new)) for run in reading.runs}
        for name, command in commands.items():
            absent = f"not found; a call counts if its command is exactly {command.strip()}"
            text, is_new = runs.get(name, (absent, True))
            yield _line(f"{name}: {text}", is_new=is_new)
        for marker in reading.resolutions:
            text = f"{marker.marker}: {marker.rationale}"
            yield _line(f"{plain(text, 200)} (at byte {marker.offset})", is_new=next(new))
        if reading.unreadable:
            yield f"  {reading.unreadable} unreadable lines were skipped"


def _line(text: str, *, is_new: bool) -> str:
    return f"  {plain(text, 400)}{'' if is_new else ' (recorded before, not recorded again)'}"


def _told(run: AgentRun) -> str:
    where = f"call {run.call or 'without id'} at byte {run.offset}"
    if run.withdrawn is not None:
        return f"no credit: {run.withdrawn} ({where})"
    if run.exit_code is None:
        return f"no credit: its call has no result ({where})"
    return f"{'failed' if run.exit_code else 'passed'} (exit {run.exit_code}), {where}"


def _stamped(record: _Recorded, stamp: _Stamp) -> _Recorded:
    if isinstance(record, Ingested):
        return msgspec.structs.replace(record, at=stamp.at, tree=stamp.tree, commit=stamp.commit)
    return msgspec.structs.replace(record, at=stamp.at, tree=stamp.tree, task=stamp.task)


def _key(record: _Recorded) -> tuple[object, ...]:
    """What makes a record the same as one from an earlier ingestion, whatever the tree is now.

    A call that has got its result since then, or has lost its credit, is told anew.
    """
    if isinstance(record, Ingested):
        verdict = (record.exit_code, record.withdrawn)
        return (record.log, record.offset, record.name, record.command, record.call, verdict)
    return (record.log, record.offset, record.marker, record.rationale, record.task)


def _recorded(path: Path, logs: set[str]) -> set[tuple[object, ...]]:
    """The keys of all records of these agent logs that the evidence log holds."""
    keys: set[tuple[object, ...]] = set()
    try:
        with path.open("rb") as file:
            for _, line in lines_from(file):
                if not line.startswith(_INGESTED):
                    continue
                record = _decoded(line)
                if record is not None and record.log in logs:
                    keys.add(_key(record))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise MachineryError(f"cannot read {path}: {error.strerror or error}") from error
    return keys


def _decoded(line: bytes) -> _Recorded | None:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
