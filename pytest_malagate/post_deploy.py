"""A smoke check after a deployment: run, judged, and turned into a freeze where it calls for one.

Failure direction: closed. A check that says no freezes the repository, and so does one of which
nobody knows what it would have said; the second asks a person. What could not be written is the
outcome's `problem`, never an exception: the verdict must reach whoever asked for it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from pytest_malagate.collect.command import CommandNotStartedError, Ended, run_command
from pytest_malagate.errors import MachineryError
from pytest_malagate.queue.model import FreezeMode, Person
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.report.serial import span
from pytest_malagate.report.text import plain

Verdict = Literal["HEALTHY", "DEGRADED", "INCONCLUSIVE"]

_KIND = "post-deploy"  # of the verdict's line on the ledger


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a check came to. `freeze` is the freeze's number, None if none was set.

    `duration` is in seconds; `problem` is what of it could not be written, in words.
    """

    verdict: Verdict
    reason: str
    task: str | None = None
    exit_code: int | None = None
    signal: str | None = None
    timed_out: bool = False
    duration: float = 0.0
    freeze: int | None = None
    problem: str | None = None


def check(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdout: int = 1,
    timeout: float | None = None,
    task: str | None = None,
    shown: str | None = None,
) -> Outcome:
    """Runs a check of the deployment of `task`. Nothing that it does or fails to do raises.

    `stdout` is the descriptor that its standard output goes to, `timeout` in seconds. `shown` is
    what the check is called in the reason, if it is not its own words.
    """
    shown = plain(shlex.join(argv) if shown is None else shown, 120)
    try:
        ended = run_command(argv, cwd=cwd, env=env, stdout=stdout, timeout=timeout)
    except CommandNotStartedError as error:
        return Outcome(
            verdict="INCONCLUSIVE",
            reason=f"the post-deploy check `{shown}` could not be started: {error}",
            task=task,
        )
    verdict, how = _judged(ended, timeout)
    return Outcome(
        verdict=verdict,
        reason=f"the post-deploy check `{shown}` {how}",
        task=task,
        exit_code=ended.exit_code,
        signal=ended.signal,
        timed_out=ended.timed_out,
        duration=round(ended.duration, 3),
    )


def _judged(ended: Ended, timeout: float | None) -> tuple[Verdict, str]:
    if ended.timed_out:
        return "INCONCLUSIVE", f"had not ended after {span(timeout or 0.0)}"
    if ended.signal is not None:
        return "INCONCLUSIVE", f"was killed by {ended.signal}"
    if ended.exit_code == 0:
        return "HEALTHY", "exited with 0"
    return "DEGRADED", f"exited with {ended.exit_code}"


def act_on(gate: SerialGate, person: Person, outcome: Outcome) -> Outcome:
    """Freezes where the outcome calls for it, and puts the verdict on the ledger.

    A check that said no freezes by the policy's mode; one that said nothing pauses all until a
    person has looked. With the freeze layer off it is only recorded. Trouble of the store becomes
    the outcome's `problem`; UsageError is raised for a person who may not freeze.
    """
    if outcome.verdict != "HEALTHY" and gate.rules.freeze_enabled:
        outcome = _freeze(gate, person, outcome)
    if outcome.freeze is not None:
        return outcome  # the verdict went onto the ledger with the freeze
    return _record(gate, person, outcome)


def freeze_of(outcome: Outcome) -> tuple[str, FreezeMode | None]:
    """The reason of the freeze that an outcome calls for, and its mode if not the policy's."""
    if outcome.verdict == "INCONCLUSIVE":
        return f"{outcome.verdict}: {outcome.reason}; a person has to look at it", "pause"
    return f"{outcome.verdict}: {outcome.reason}", None


def _freeze(gate: SerialGate, person: Person, outcome: Outcome) -> Outcome:
    reason, mode = freeze_of(outcome)
    try:
        made = gate.freeze(
            reason,
            person,
            mode=mode,
            work_item=outcome.task,
            because=(_KIND, f"{outcome.verdict}: {outcome.reason}"),
        )
    except MachineryError as error:
        return msgspec.structs.replace(outcome, problem=str(error))
    return msgspec.structs.replace(outcome, freeze=made.id)


def _record(gate: SerialGate, person: Person, outcome: Outcome) -> Outcome:
    detail = f"{outcome.verdict}: {outcome.reason}"
    try:
        gate.record(_KIND, person.name, detail, task=outcome.task)
    except MachineryError as error:
        return msgspec.structs.replace(outcome, problem=outcome.problem or str(error))
    return outcome
