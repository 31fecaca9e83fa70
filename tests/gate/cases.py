"""Values that the judge's tests are written with."""

from __future__ import annotations

from typing import Any

import msgspec

from pytest_malagate.gate.commit import Commit, CommitFinding
from pytest_malagate.gate.evidence import (
    CommandRun,
    CoverageMeasured,
    Evidence,
    Failure,
    SessionFinished,
    SessionStarted,
    TestFailure,
    TestRun,
)
from pytest_malagate.gate.facts import Facts
from pytest_malagate.gate.result import Subject
from pytest_malagate.gate.spec import (
    CoverageRule,
    Validation,
    ValidationKind,
    ValidationSpec,
    command_argv,
)

TREE, OTHER = "a" * 40, "b" * 40
COMMANDS = {"lint": "ruff check .", "format": "ruff format --check .", "types": "uv run mypy src"}


def spec(*, allow_fail: frozenset[str] = frozenset(), **changes: Any) -> ValidationSpec:
    """Tests, lint, format and types, all required, in this order."""
    validations = (
        Validation(name="tests", kind=ValidationKind.TEST, allow_fail="tests" in allow_fail),
        *(
            Validation(name=name, command=command, allow_fail=name in allow_fail)
            for name, command in COMMANDS.items()
        ),
    )
    whole = ValidationSpec(validations=validations, required=("tests", *COMMANDS))
    return msgspec.structs.replace(whole, **changes)


def only_tests(**changes: Any) -> ValidationSpec:
    return spec(required=("tests",), **changes)


def failure(nodeid: str, *, phase: str = "call", **changes: Any) -> TestFailure:
    values = {
        "fingerprint": f"v1:{nodeid}",
        "exception": "AssertionError",
        "message": "no",
        "phase": phase,
    }
    return TestFailure(nodeid=nodeid, failure=Failure(**(values | changes)))


def test_run(
    *failed: str,
    passed: int = 3,
    tree: str | None = TREE,
    start: dict[str, Any] | None = None,
    finish: dict[str, Any] | None = None,
    closed: bool = True,
    **changes: Any,
) -> TestRun:
    """A whole, closed run in which `failed` failed."""
    total = passed + len(failed)
    end = SessionFinished(
        session="s",
        at=2.0,
        duration=1.0,
        exitstatus=1 if failed else 0,
        collected=total,
        reported=total,
        executed=total,
        counts={"passed": passed, "failed": len(failed)},
        tree_after=tree,
    )
    run = TestRun(
        start=msgspec.structs.replace(
            SessionStarted(session="s", name="tests", at=1.0, tree=tree), **(start or {})
        ),
        finish=msgspec.structs.replace(end, **(finish or {})) if closed else None,
        reported=total,
        outcomes={"passed": passed, "failed": len(failed)},
        failures=tuple(failure(nodeid) for nodeid in failed),
        failures_total=len(failed),
        failure_keys=tuple(sorted(f"v1:{nodeid} {nodeid}" for nodeid in failed)),
    )
    return msgspec.structs.replace(run, **changes)


test_run.__test__ = False  # type: ignore[attr-defined]


def command_run(name: str, exit_code: int | None = 0, **changes: Any) -> CommandRun:
    run = CommandRun(
        name=name,
        argv=command_argv(COMMANDS.get(name, name)),
        at=1.0,
        exit_code=exit_code,
        tree=TREE,
        tree_after=TREE,
    )
    return msgspec.structs.replace(run, **changes)


def evidence(*runs: TestRun | CommandRun, **changes: Any) -> Evidence:
    """Evidence of these runs; a later one of a name and argv replaces an earlier one."""
    tests = {run.start.name: run for run in runs if isinstance(run, TestRun)}
    commands: dict[str, tuple[CommandRun, ...]] = {}
    for run in runs:
        if isinstance(run, CommandRun):
            others = tuple(r for r in commands.get(run.name, ()) if r.argv != run.argv)
            commands[run.name] = (*others, run)
    whole = Evidence(tests=tests, commands=commands, log="sha256:log", end=100, fresh=True)
    return msgspec.structs.replace(whole, **changes)


def all_green() -> tuple[TestRun | CommandRun, ...]:
    return (test_run(), *(command_run(name) for name in COMMANDS))


def commit(hash: str = "c" * 40, time: int = 1000, subject: str = "x-1: fix") -> Commit:
    return Commit(hash=hash, time=time, subject=subject)


def facts(**changes: Any) -> Facts:
    """A clean working tree of a task that has a fresh commit."""
    found = commit()
    whole = Facts(
        subject=Subject(repository="o/r", task="x-1", commit=found.hash, tree=TREE),
        commits=CommitFinding(commit=found, matches=(found,)),
        judged_tree=TREE,
        working_tree=TREE,
    )
    return msgspec.structs.replace(whole, **changes)


def measured(percent: float | None = 90.0, **changes: Any) -> CoverageMeasured:
    record = CoverageMeasured(session="s", at=1.0, tree=TREE, percent=percent)
    return msgspec.structs.replace(record, **changes)


def with_coverage(min_percent: float | None) -> ValidationSpec:
    return only_tests(coverage=CoverageRule(min_percent=min_percent))
