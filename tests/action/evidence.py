"""Evidence as a workflow run records it, made in memory: what `pytest -p malagate` would write."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_malagate.collect.log import encode_record
from pytest_malagate.gate.evidence import (
    SCHEMA,
    CommandStarted,
    CoverageMeasured,
    Failure,
    LogHeader,
    Receipt,
    Record,
    SessionFinished,
    SessionStarted,
    TestEnded,
)
from pytest_malagate.gate.spec import command_argv

PASSING = {"tests/test_shop.py::test_total": "passed", "tests/test_shop.py::test_empty": "passed"}


@dataclass(frozen=True)
class Recorded:
    """What one job recorded, and the bytes that it uploads."""

    commit: str | None
    tree: str | None
    ci: str | None
    tests: Mapping[str, str] = field(default_factory=lambda: dict(PASSING))
    commands: Mapping[str, tuple[str, int]] = field(default_factory=dict)  # name: (command, exit)
    messages: Mapping[str, str] = field(default_factory=dict)
    percent: float | None = None
    partial: Sequence[str] = ()
    ended: bool = True
    exitstatus: int | None = None
    identity: str = "0"

    def records(self) -> list[Record]:
        records: list[Record] = [LogHeader(schema=SCHEMA, id=self.identity, at=1.0)]
        for name, (command, code) in self.commands.items():
            records += self._command(name, command, code)
        return [*records, *self._session()]

    def _command(self, name: str, command: str, code: int) -> list[Record]:
        argv, run = command_argv(command), f"run-{name}"
        common = {"tree": self.tree, "commit": self.commit, "ci": self.ci}
        return [
            CommandStarted(run=run, name=name, argv=argv, at=2.0, **common),
            Receipt(
                run=run,
                name=name,
                argv=argv,
                at=2.0,
                duration=0.1,
                exit_code=code,
                tree_after=self.tree,
                **common,
            ),
        ]

    def _session(self) -> list[Record]:
        records: list[Record] = [
            SessionStarted(
                session="s1",
                name="tests",
                at=3.0,
                tree=self.tree,
                commit=self.commit,
                ci=self.ci,
                python="3.12.1",
            )
        ]
        records += [self._test(nodeid, outcome) for nodeid, outcome in self.tests.items()]
        if self.percent is not None:
            measured = CoverageMeasured(
                session="s1", at=4.0, tree=self.tree, percent=self.percent, display="x"
            )
            records.append(measured)
        if self.ended:
            records.append(self._finish())
        return records

    def _test(self, nodeid: str, outcome: str) -> TestEnded:
        failures: tuple[Failure, ...] = ()
        if outcome in ("failed", "error"):
            text = self.messages.get(nodeid, "assert 1 == 2")
            digest = hashlib.sha256(f"{nodeid}{text}".encode()).hexdigest()[:16]
            path = nodeid.partition("::")[0]
            failures = (
                Failure(
                    fingerprint=f"v1:{digest}",
                    exception="AssertionError",
                    message=text,
                    path=path,
                    line=7,
                ),
            )
        return TestEnded(session="s1", nodeid=nodeid, outcome=outcome, failures=failures)  # type: ignore[arg-type]  # the tests name outcomes as text

    def _finish(self) -> SessionFinished:
        counts: dict[str, int] = {}
        for outcome in self.tests.values():
            counts[outcome] = counts.get(outcome, 0) + 1
        failed = any(outcome in ("failed", "error") for outcome in self.tests.values())
        status = self.exitstatus if self.exitstatus is not None else int(failed)
        return SessionFinished(
            session="s1",
            at=5.0,
            duration=1.0,
            exitstatus=status,
            collected=len(self.tests),
            reported=len(self.tests),
            executed=len(self.tests) - counts.get("skipped", 0),
            counts=counts,
            partial=tuple(self.partial),
            tree_after=self.tree,
        )

    def log(self) -> bytes:
        return b"".join(encode_record(record) for record in self.records())

    def files(self) -> dict[str, bytes]:
        return {"evidence.jsonl": self.log()}


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip archive as actions/upload-artifact makes it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()
