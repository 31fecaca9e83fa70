"""Reads an evidence log back, in bounded memory however long it is.

The log is read twice. The first pass looks at what opens and closes things and finds the latest
session of each name; the second decodes the tests of those sessions and of no other. A line that
is no record is counted and skipped: the rest of the log stays readable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import msgspec

from pytest_malagate.collect.identity import log_identity
from pytest_malagate.collect.lines import lines_from
from pytest_malagate.gate.evidence import (
    MAX_FAILURE_KEYS,
    MAX_FAILURES,
    MAX_NAMES,
    AnyRecord,
    CollectEnded,
    CommandRun,
    CommandStarted,
    CoverageMeasured,
    Evidence,
    Failure,
    Ingested,
    LogHeader,
    Receipt,
    Resolution,
    Retested,
    SessionFinished,
    SessionStarted,
    TestEnded,
    TestFailure,
    TestRun,
    failure_key,
)
from pytest_malagate.gate.spec import command_argv

_TEST = b'{"type":"test","session":"'
_ARGVS_PER_NAME = 16
_MAX_RESOLUTIONS = 200
_MAX_FLAKY = 200

_decoder = msgspec.json.Decoder(AnyRecord)


def read_evidence(
    path: Path, *, offset: int = 0, fresh_after: int = 0, identity: str | None = None
) -> Evidence:
    """What the log at `path` holds from byte `offset` on.

    `fresh` is true if anything was recorded at or after `fresh_after`. Both offsets belong to the
    log with `identity`; if the file has another one they count as 0. A missing log is empty
    evidence; one that cannot be read has `problem` set, which the judge never passes.
    """
    try:
        actual = log_identity(path)
        if identity is not None and identity != actual:
            offset = fresh_after = 0
        with path.open("rb") as file:
            return _read(file, actual, offset, fresh_after)
    except FileNotFoundError:
        return Evidence(log=actual)
    except OSError as error:
        return Evidence(problem=f"cannot read {path}: {error.strerror or error}")


def read_outcomes(path: Path) -> dict[str, str]:
    """Outcomes by test id of every test in a log; for one that this process has just made."""
    try:
        with path.open("rb") as file:
            records = [_decode(line) for _, line in lines_from(file)]
    except OSError:
        return {}
    return {record.nodeid: record.outcome for record in records if isinstance(record, TestEnded)}


def _read(file: BinaryIO, identity: str, offset: int, fresh_after: int) -> Evidence:
    index = _Index(fresh_after)
    end = offset
    for start, line in lines_from(file, offset):
        end = start + len(line) + 1
        if not line.startswith(_TEST):  # a test changes nothing before its session is known
            index.add(start, line)
    folds, unreadable = _fold_sessions(file, index.sessions)
    return Evidence(
        tests={name: fold.run() for name, fold in folds.items()},
        commands={name: tuple(runs.values()) for name, runs in index.commands.items()},
        resolutions=tuple(index.resolutions),
        log=identity,
        end=end,
        fresh=index.fresh,
        unreadable=index.unreadable + unreadable,
    )


def _decode(line: bytes) -> AnyRecord | None:
    try:
        record: AnyRecord = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return record


class _Index:
    """The first pass: everything but what belongs to a session."""

    def __init__(self, fresh_after: int) -> None:
        self.fresh = False
        self.unreadable = 0
        self.sessions: dict[str, tuple[int, SessionStarted]] = {}
        self.commands: dict[str, dict[tuple[str, ...], CommandRun]] = {}
        self.resolutions: list[Resolution] = []
        self._fresh_after = fresh_after
        self._latest_start: dict[str, str] = {}

    def add(self, start: int, line: bytes) -> None:
        if not line.strip():
            return
        record = _decode(line)
        if record is None:
            self.unreadable += 1
            return
        self.fresh |= start >= self._fresh_after and not isinstance(record, LogHeader)
        match record:
            case SessionStarted():
                if record.name in self.sessions or len(self.sessions) < MAX_NAMES:
                    self.sessions[record.name] = (start, record)
            case CommandStarted():
                self._latest_start[record.name] = record.run
                self._keep(_started(record))
            case Receipt() if self._latest_start.get(record.name, record.run) == record.run:
                self._keep(_ended(record))
            case Ingested():
                self._keep_ingested(record)
            case Resolution():
                self.resolutions = [*self.resolutions[1 - _MAX_RESOLUTIONS :], record]
            case _:
                pass

    def _keep(self, run: CommandRun) -> None:
        if run.name not in self.commands and len(self.commands) >= MAX_NAMES:
            return
        runs = self.commands.setdefault(run.name, {})
        runs.pop(run.argv, None)
        runs[run.argv] = run
        if len(runs) > _ARGVS_PER_NAME:
            del runs[next(iter(runs))]

    def _keep_ingested(self, record: Ingested) -> None:
        try:
            argv = command_argv(record.command)
        except ValueError:
            self.unreadable += 1
            return
        self._keep(
            CommandRun(
                name=record.name,
                argv=argv,
                at=record.at,
                source=record.source,
                finished=record.exit_code is not None,
                exit_code=record.exit_code,
                tree=record.tree,
                tree_after=record.tree,
                commit=record.commit,
                withdrawn=record.withdrawn,
            )
        )


def _started(record: CommandStarted) -> CommandRun:
    return CommandRun(
        name=record.name,
        argv=record.argv,
        at=record.at,
        finished=False,
        tree=record.tree,
        commit=record.commit,
        ci=record.ci,
    )


def _ended(record: Receipt) -> CommandRun:
    return CommandRun(
        name=record.name,
        argv=record.argv,
        at=record.at,
        exit_code=record.exit_code,
        signal=record.signal,
        tree=record.tree,
        tree_after=record.tree_after,
        commit=record.commit,
        duration=record.duration,
        output_digest=record.output_digest,
        ci=record.ci,
    )


def _fold_sessions(
    file: BinaryIO, sessions: dict[str, tuple[int, SessionStarted]]
) -> tuple[dict[str, _Fold], int]:
    """The second pass: each name's latest session with its tests, and the unreadable tests."""
    folds = {name: _Fold(start) for name, (_, start) in sessions.items()}
    if not folds:
        return {}, 0
    by_session = {fold.start.session: fold for fold in folds.values()}
    ours = tuple(_TEST + name.encode() + b'"' for name in by_session)
    unreadable = 0
    for _, line in lines_from(file, min(offset for offset, _ in sessions.values())):
        is_test = line.startswith(_TEST)
        if is_test and not line.startswith(ours):
            continue
        record = _decode(line)
        unreadable += is_test and record is None
        fold = by_session.get(getattr(record, "session", ""))
        if fold is not None:
            fold.add(record)
    return folds, unreadable


class _Fold:
    """One session's records, folded as they come."""

    def __init__(self, start: SessionStarted) -> None:
        self.start = start
        self._finish: SessionFinished | None = None
        self._coverage: CoverageMeasured | None = None
        self._outcomes: Counter[str] = Counter()
        self._failures: list[TestFailure] = []
        self._failures_total = 0
        self._keys: set[str] = set()
        self._collect: Counter[str] = Counter()
        self._flaky: list[str] = []

    def add(self, record: AnyRecord | None) -> None:
        match record:
            case TestEnded():
                self._outcomes[record.outcome] += 1
                self._fail(record.nodeid, record.failures)
                if record.reruns and record.outcome == "passed" and len(self._flaky) < _MAX_FLAKY:
                    self._flaky.append(record.nodeid)
            case Retested() if len(self._flaky) < _MAX_FLAKY:
                self._flaky.append(record.nodeid)
            case CollectEnded():
                self._collect[record.outcome] += 1
                self._fail(record.nodeid, record.failures)
            case SessionFinished():
                self._finish = record
            case CoverageMeasured():
                self._coverage = record
            case _:
                pass

    def _fail(self, nodeid: str, failures: Iterable[Failure]) -> None:
        for failure in failures:
            self._failures_total += 1
            if len(self._failures) < MAX_FAILURES:
                self._failures.append(TestFailure(nodeid=nodeid, failure=failure))
            if len(self._keys) < MAX_FAILURE_KEYS:
                self._keys.add(failure_key(failure, nodeid))

    def run(self) -> TestRun:
        return TestRun(
            start=self.start,
            finish=self._finish,
            reported=self._outcomes.total(),
            outcomes=dict(self._outcomes),
            failures=tuple(self._failures),
            failures_total=self._failures_total,
            failure_keys=tuple(sorted(self._keys)),
            collect_failed=self._collect["failed"],
            collect_skipped=self._collect["skipped"],
            flaky=tuple(self._flaky),
            coverage=self._coverage,
        )
