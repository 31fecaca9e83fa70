"""What to do now: commands that may be run as they stand, and when to stop."""

from __future__ import annotations

import shlex

from pytest_malagate.gate.case import Case
from pytest_malagate.gate.facts import Facts
from pytest_malagate.gate.progress import Finding
from pytest_malagate.gate.result import Attempt, NextAction, NextKind, Verdict
from pytest_malagate.gate.spec import Validation, ValidationKind, ValidationScope, ValidationSpec

_RERUN = frozenset(
    {
        "coverage.missing",
        "coverage.stale",
        "evidence.killed",
        "evidence.missing",
        "evidence.moved",
        "evidence.partial",
        "evidence.stale",
        "evidence.unfinished",
        "evidence.withdrawn",
        "evidence.wrong-command",
    }
)


def next_action(case: Case, verdict: Verdict, finding: Finding, attempt: Attempt) -> NextAction:
    """The next step. An agent can reach its `stop_when` by itself, or is sent to a person."""
    if verdict == "pass":
        return NextAction(kind="none")
    kind = _kind(case, verdict, finding)
    if kind == "ask_human":
        return NextAction(kind=kind, stop_when="now, until a person has looked at it")
    spec, options = case.spec, _Options(case.spec, case.facts)
    if kind == "wait":
        stop_when = f"`{options.check}` exits with 0"
        return NextAction(kind=kind, commands=(options.status, options.check), stop_when=stop_when)
    open_names = {found.evidence.name for found in case.examined if found.blocks}
    # After a fix the files are others, and no evidence counts any more.
    names = [n for n in spec.required if kind == "fix" or not case.examined or n in open_names]
    commands = [options.of(spec.validation(name)) for name in names]
    return NextAction(
        kind=kind,
        commands=(*dict.fromkeys(filter(None, commands)), options.check),
        stop_when=f"`{options.check}` exits with 0, or attempt {attempt.max} has failed",
    )


def _kind(case: Case, verdict: Verdict, finding: Finding) -> NextKind:
    codes = {why.code for why in case.reasons}
    if finding.stuck or codes & {"retry.exhausted", "retry.infra-exhausted", "retry.stopped"}:
        return "ask_human"
    if case.hold is not None and not case.reasons:
        return "wait"
    if verdict != "fail" or codes <= _RERUN:
        return "rerun"
    return "fix"


class _Options:
    """The commands of one subject: what was named when it was judged is named again."""

    def __init__(self, spec: ValidationSpec, facts: Facts) -> None:
        task = facts.subject.task if facts.commits is not None else None
        given = {"task": task, "base": facts.subject.base}
        if spec.scope is not ValidationScope.TASK:
            given["scope"] = str(spec.scope)
        self._given = {name: value for name, value in given.items() if value is not None}
        self._asked = facts.admission is not None
        self._task = facts.subject.task

    @property
    def check(self) -> str:
        """`malagate check` of the same subject."""
        words = [word for name, value in self._given.items() for word in (f"--{name}", value)]
        if self._asked:
            words.append("--admission")
        return shlex.join(["malagate", "check", *words])

    @property
    def status(self) -> str:
        """The command that shows why the subject has to wait."""
        of_task = ["--task", self._task] if self._task else []
        return shlex.join(["malagate", "status", *of_task])

    def of(self, validation: Validation | None) -> str | None:
        """The command that brings the evidence of a validation."""
        if validation is None:
            return None
        if validation.kind is not ValidationKind.TEST or validation.command is not None:
            return f"malagate run {validation.name}"
        options = [f"--malagate-{name}={value}" for name, value in self._given.items()]
        if self._asked:
            options.append("--malagate-admission")
        return shlex.join(["pytest", "-p", "malagate", *options, *validation.selection])
