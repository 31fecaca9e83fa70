"""One required validation against its latest evidence."""

from __future__ import annotations

from pathlib import PurePath

import msgspec

from pytest_malagate.gate.evidence import (
    CommandRun,
    Evidence,
    SessionFinished,
    TestFailure,
    TestRun,
)
from pytest_malagate.gate.reasons import reason
from pytest_malagate.gate.result import Reason, ValidationEvidence
from pytest_malagate.gate.spec import Validation, ValidationKind

MAX_TEST_REASONS = 100
_KILLED = frozenset({137, 143})  # 128 + SIGKILL, 128 + SIGTERM, as a shell reports them
_FATAL_SIGNALS = frozenset({"SIGKILL", "SIGTERM", "SIGHUP"})


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one validation.

    `keys` are its part of the failure set. `whole` is true for a test run that ended and left
    nothing out; `cancelled` for one that a person stopped.
    """

    evidence: ValidationEvidence
    reasons: tuple[Reason, ...] = ()
    keys: tuple[str, ...] = ()
    run: TestRun | None = None
    whole: bool = False
    cancelled: bool = False

    @property
    def flaky(self) -> bool:
        """True if tests failed, and each of them passed when it was run again on these files."""
        if self.run is None or self.evidence.status != "failed":
            return False
        return {failure.nodeid for failure in self.run.failures} <= set(self.run.flaky)

    @property
    def blocks(self) -> bool:
        """True if the gate cannot pass because of it."""
        return self.evidence.status not in ("passed", "allowed")


def examine(
    name: str, validation: Validation | None, evidence: Evidence, tree: str | None
) -> Examined:
    """Holds the latest evidence of `name` against its definition and the judged tree."""
    if validation is None:
        undefined = reason(
            "evidence.undefined", f"{name} is required, but the policy defines no such validation"
        )
        return _examined(ValidationEvidence(name=name, status="missing"), undefined)
    if validation.kind is ValidationKind.TEST:
        return _examine_tests(validation, evidence.tests.get(name), tree)
    return _examine_command(validation, evidence.commands.get(name, ()), tree)


def _examined(evidence: ValidationEvidence, *reasons: Reason) -> Examined:
    return Examined(
        evidence=evidence, reasons=reasons, keys=(f"{evidence.status}:{evidence.name}",)
    )


def short(tree: str | None) -> str:
    """A hash as people read it."""
    return tree[:12] if tree else "no tree"


# --- commands -----------------------------------------------------------------------------------


def _examine_command(
    validation: Validation, runs: tuple[CommandRun, ...], tree: str | None
) -> Examined:
    name = validation.name
    run = next((run for run in reversed(runs) if run.argv == validation.argv), None)
    if run is None:
        return _never_ran(validation, runs)
    seen = ValidationEvidence(
        name=name,
        status="passed",
        command=validation.command,
        exit_code=run.exit_code,
        source=run.source,
        tree=run.tree,
        commit=run.commit,
        duration=run.duration,
        output_digest=run.output_digest,
    )
    status, why = _judge_command(validation, run, tree)
    seen = msgspec.structs.replace(seen, status=status)
    if status in ("passed", "allowed"):
        return Examined(evidence=seen)
    return _examined(seen, *([why] if why else []))


def _never_ran(validation: Validation, runs: tuple[CommandRun, ...]) -> Examined:
    missing = ValidationEvidence(name=validation.name, status="missing", command=validation.command)
    if not runs:
        return _examined(missing)
    other = " ".join(runs[-1].argv)
    wrong = reason(
        "evidence.wrong-command",
        f"{validation.name}: `{other}` ran, but the policy asks for `{validation.command}`",
    )
    return _examined(missing, wrong)


def _judge_command(
    validation: Validation, run: CommandRun, tree: str | None
) -> tuple[str, Reason | None]:
    name, tool = validation.name, display_name(run.argv)
    if run.tree is None or run.tree != tree:
        return "stale", stale(name, run.tree, tree)
    if not run.finished and run.source != "run":  # a log shows the call and no result to believe
        why = f"{name}: {tool} ran, but {run.withdrawn}" if run.withdrawn else None
        return "missing", reason("evidence.withdrawn", why) if why else None
    if not run.finished:
        unfinished = f"{name}: {tool} was started and has no result"
        return "unfinished", reason("evidence.unfinished", unfinished)
    if run.withdrawn:
        return "invalid", reason("evidence.withdrawn", f"{name}: {tool} ran, but {run.withdrawn}")
    if run.signal in _FATAL_SIGNALS or run.exit_code in _KILLED:
        killed = f"{name}: {tool} was killed ({run.signal or f'exit {run.exit_code}'})"
        return "unfinished", reason("evidence.killed", killed)
    if run.exit_code != 0:
        return _failed_command(validation, run, tool)
    if run.tree_after != run.tree:
        return "invalid", moved(name, tool)
    return "passed", None


def _failed_command(
    validation: Validation, run: CommandRun, tool: str
) -> tuple[str, Reason | None]:
    if validation.allow_fail:
        return "allowed", None
    how = run.signal or f"exit {run.exit_code}"
    return "failed", reason("evidence.failed", f"{validation.name}: {tool} failed ({how})")


def stale(name: str, tree: str | None, judged: str | None) -> Reason:
    """Evidence of other files than the judged ones."""
    return reason(
        "evidence.stale",
        f"{name}: the evidence is of other files (tree {short(tree)}, judged {short(judged)})",
    )


def moved(name: str, tool: str) -> Reason:
    """The files changed while the validation ran, so nobody knows which ones it saw."""
    return reason("evidence.moved", f"{name}: the files changed while {tool} ran")


_WRAPPERS = {
    ("uv", "run"): 2,
    ("poetry", "run"): 2,
    ("pdm", "run"): 2,
    ("hatch", "run"): 2,
    ("pipx", "run"): 2,
    ("uvx",): 1,
    ("npx",): 1,
    ("sh", "-c"): 2,
}


def display_name(argv: tuple[str, ...]) -> str:
    """The tool that a command runs, without the wrapper it runs under.

    >>> display_name(("uv", "run", "pytest", "-x"))
    'pytest'
    >>> display_name(("python", "-m", "mypy", "src"))
    'mypy'
    """
    rest = argv
    for wrapper, length in _WRAPPERS.items():
        if rest[:length] == wrapper and len(rest) > length:
            rest = rest[length:]
    if len(rest) > 2 and PurePath(rest[0]).name.startswith("python") and rest[1] == "-m":
        rest = rest[2:]
    return PurePath(rest[0].split()[0]).name if rest and rest[0].split() else "the command"


# --- tests --------------------------------------------------------------------------------------


def _examine_tests(validation: Validation, run: TestRun | None, tree: str | None) -> Examined:
    seen = ValidationEvidence(
        name=validation.name, status="missing", kind="test", command=validation.command
    )
    if run is None:
        return _examined(seen)
    seen = msgspec.structs.replace(
        seen,
        exit_code=run.finish.exitstatus if run.finish else None,
        source="pytest",
        tree=run.start.tree,
        commit=run.start.commit,
        duration=run.finish.duration if run.finish else None,
    )
    if run.start.tree is None or run.start.tree != tree:
        seen = msgspec.structs.replace(seen, status="stale")
        return _examined(seen, stale(validation.name, run.start.tree, tree))
    if run.finish is None:
        seen = msgspec.structs.replace(seen, status="unfinished")
        return _examined(seen, _unfinished(validation.name, run))
    return _examine_closed(validation, run, run.finish, seen)


def _unfinished(name: str, run: TestRun) -> Reason:
    return reason(
        "evidence.unfinished",
        f"{name}: the pytest run never ended; its journal stops after {run.reported} tests",
    )


def _examine_closed(
    validation: Validation, run: TestRun, finish: SessionFinished, seen: ValidationEvidence
) -> Examined:
    left_out = left_out_of(validation, run, finish)
    failed = _test_failures(run)
    broken = _broken(validation.name, run, finish, explained=bool(failed or left_out))
    reasons = [*broken, *failed]
    if left_out:
        text = f"{validation.name}: not the whole suite: {'; '.join(left_out)}"
        reasons.insert(0, reason("evidence.partial", text))
    status = "partial" if left_out else "failed" if failed else "invalid" if broken else "passed"
    if validation.allow_fail and status == "failed" and not broken:
        status, reasons = "allowed", []
    keys = () if status in ("passed", "allowed") else _keys(validation.name, status, run, broken)
    return Examined(
        evidence=msgspec.structs.replace(seen, status=status),
        reasons=tuple(reasons),
        keys=keys,
        run=run,
        whole=not left_out and not finish.internal_error,
        cancelled=finish.interrupted is not None,
    )


def _keys(name: str, status: str, run: TestRun, broken: list[Reason]) -> tuple[str, ...]:
    other = [f"{why.code}:{name}" for why in broken]
    if status == "partial" or not (run.failure_keys or other):
        other.append(f"{status}:{name}")
    return (*run.failure_keys, *other)


def left_out_of(validation: Validation, run: TestRun, finish: SessionFinished) -> list[str]:
    """Why the run was not of the whole suite, one entry a cause; empty if it was.

    The policy's `selection` is what defines the suite: exactly those options are no partial run.
    """
    causes = [finish.interrupted] if finish.interrupted else []
    declared = run.start.selection == validation.selection
    if not declared:
        chosen = " ".join(run.start.selection) or "no selection"
        wanted = " ".join(validation.selection)
        causes.append(f"ran with {chosen}" + (f", the suite is {wanted}" if wanted else ""))
    if finish.deselected and not (declared and validation.selection):
        causes.append(f"{finish.deselected} of {finish.collected} tests were deselected")
    causes.extend(cause for cause in finish.partial if cause not in causes)
    open_tests = run.outcomes.get("incomplete", 0)
    if open_tests:
        causes.append(f"{open_tests} tests began and never ended")
    unreported = finish.collected - finish.deselected - finish.reported
    if unreported > 0 and not finish.internal_error:
        causes.append(f"{unreported} of {finish.collected} tests never ran")
    return causes


def _broken(name: str, run: TestRun, finish: SessionFinished, *, explained: bool) -> list[Reason]:
    """Reasons why a closed journal cannot be believed, whatever its tests say.

    `explained`: it is known already why the run is no pass, so its exit status adds nothing.
    """
    reasons = []
    if finish.internal_error:
        text = f"{name}: pytest broke: {finish.internal_error}"
        reasons.append(reason("tests.internal-error", text))
    if finish.lost_workers:
        text = f"{name}: worker lost: {', '.join(finish.lost_workers)}"
        reasons.append(reason("tests.worker-lost", text))
    if (
        run.reported != finish.reported
        or finish.reported > finish.collected - finish.deselected
        or min(finish.collected, finish.reported, finish.deselected) < 0
        or not 0 <= finish.executed <= finish.reported
    ):
        text = (
            f"{name}: the journal does not add up: {finish.collected} collected, "
            f"{finish.deselected} deselected, {finish.reported} reported, "
            f"{run.reported} on record, {finish.executed} executed"
        )
        reasons.append(reason("evidence.inconsistent", text))
    failed = run.collect_failed + sum(run.outcomes.get(word, 0) for word in ("failed", "error"))
    if failed > run.failures_total:
        text = f"{name}: {failed} failed, and what failed is on record for {run.failures_total}"
        reasons.append(reason("evidence.inconsistent", text))
    if not finish.executed and not explained and not reasons:
        reasons.append(reason("evidence.empty", f"{name}: pytest executed no test"))
    elif finish.exitstatus != 0 and not explained and not reasons:
        text = f"{name}: pytest exited with {finish.exitstatus}, though no test failed"
        reasons.append(reason("tests.exit-status", text))
    if finish.tree_after != run.start.tree:
        reasons.append(moved(name, "pytest"))
    return reasons


_PHASE_CODES = {
    "setup": ("tests.errors", "failed in set-up"),
    "call": ("tests.failed", "failed"),
    "teardown": ("tests.errors", "failed in tear-down"),
    "collect": ("tests.collection", "could not be collected"),
    "crash": ("tests.failed", "took its worker down"),
}


def _test_failures(run: TestRun) -> list[Reason]:
    return [_test_failure(failure) for failure in run.failures[:MAX_TEST_REASONS]]


def _test_failure(entry: TestFailure) -> Reason:
    failure = entry.failure
    code, words = _PHASE_CODES[failure.phase]
    what = ": ".join(part for part in (failure.exception, failure.message) if part)
    return reason(
        code,
        f"pytest: {entry.nodeid} {words}" + (f": {what}" if what else ""),
        file=failure.path,
        line=failure.line,
        nodeid=entry.nodeid,
        fingerprint=failure.fingerprint,
    )
