"""What to do now: commands that may be run as they stand, and when to stop."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_malagate.gate.progress import Finding
from pytest_malagate.gate.result import Attempt, NextAction, NextKind, Reason, Verdict
from pytest_malagate.gate.spec import Validation, ValidationKind, ValidationSpec
from pytest_malagate.gate.validations import Examined

_RERUN = frozenset(
    {
        "evidence.missing",
        "evidence.stale",
        "evidence.partial",
        "evidence.unfinished",
        "evidence.killed",
        "evidence.moved",
        "evidence.withdrawn",
        "evidence.wrong-command",
        "coverage.missing",
        "coverage.stale",
    }
)


def next_action(
    spec: ValidationSpec,
    reasons: Sequence[Reason],
    examined: Sequence[Examined],
    verdict: Verdict,
    finding: Finding,
    attempt: Attempt,
) -> NextAction:
    """The next step. An agent can reach its `stop_when` by itself, or is sent to a person."""
    if verdict == "pass":
        return NextAction(kind="none")
    kind = _kind(reasons, verdict, finding)
    if kind == "ask_human":
        return NextAction(kind=kind, stop_when="now, until a person has looked at it")
    open_names = {found.evidence.name for found in examined if found.blocks}
    names = [n for n in spec.required if kind == "fix" or not examined or n in open_names]
    commands = [_command(spec.validation(name)) for name in names]
    return NextAction(
        kind=kind,
        commands=(*dict.fromkeys(filter(None, commands)), "malagate check"),
        stop_when=f"malagate check exits with 0, or attempt {attempt.max} has failed",
    )


def _kind(reasons: Sequence[Reason], verdict: Verdict, finding: Finding) -> NextKind:
    codes = {why.code for why in reasons}
    if finding.stuck or codes & {"retry.exhausted", "retry.infra-exhausted"}:
        return "ask_human"
    if verdict != "fail" or codes <= _RERUN:
        return "rerun"
    return "fix"


def _command(validation: Validation | None) -> str | None:
    if validation is None:
        return None
    if validation.kind is ValidationKind.TEST and validation.command is None:
        return " ".join(("pytest -p malagate", *map(_quoted, validation.selection)))
    return f"malagate run {validation.name}"


def _quoted(word: str) -> str:
    return f"'{word}'" if " " in word else word
