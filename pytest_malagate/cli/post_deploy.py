"""`malagate post-deploy [--task ID] -- CMD…`: a smoke check after a deployment.

Failure direction: closed. A check that says no freezes the repository, and so does one of which
nobody knows what it would have said; the second asks a person. A freeze that cannot be written is
said aloud, and the exit code is 3 then. What cannot be recorded of a check that said yes is only a
warning: nobody should undo a good deployment for it.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import Literal

import msgspec

from pytest_malagate.cli.serial_options import Opened, add_common, opened, print_json, say
from pytest_malagate.collect.command import CommandNotStartedError, Ended, run_command
from pytest_malagate.errors import ExitCode, MachineryError, UsageError
from pytest_malagate.queue.model import FreezeMode
from pytest_malagate.report.serial import span
from pytest_malagate.report.text import plain

Verdict = Literal["HEALTHY", "DEGRADED", "INCONCLUSIVE"]

_USAGE = "malagate post-deploy [OPTIONS] -- CMD ..."
_EXIT = {
    "HEALTHY": ExitCode.PASSED,
    "DEGRADED": ExitCode.FAILED,
    "INCONCLUSIVE": ExitCode.INCONCLUSIVE,
}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a check came to. `freeze` is the freeze's number, None if none was set."""

    verdict: Verdict
    reason: str
    task: str | None = None
    exit_code: int | None = None
    signal: str | None = None
    timed_out: bool = False
    duration: float = 0.0
    freeze: int | None = None
    problem: str | None = None


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options. What follows `--` is the check."""
    parser.usage = _USAGE
    parser.epilog = (
        "CMD runs in the current directory, its output passed through (to stderr with --json). "
        "Exit 0 is HEALTHY. Another exit code is DEGRADED and freezes the repository by the "
        "policy's freeze.mode (exit 1). A check that was killed, ran out of time or could not be "
        "started is INCONCLUSIVE: it pauses all until a person has looked (exit 3)."
    )
    parser.add_argument("--task", metavar="ID", help="the task that was deployed")
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=_seconds, help="how long the check may take"
    )
    add_common(parser)
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="-- CMD ...", help="the check")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 30 * 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def run(options: argparse.Namespace) -> int:
    """Checks, freezes where that is called for, and returns the verdict's exit code."""
    argv = _argv(options.words)
    if options.task is not None and not (options.task.strip() and options.task.isprintable()):
        raise UsageError("--task needs the id of a task, such as x-12")
    place = opened(options)
    actor = place.person  # a wrong --actor is told before the check runs
    outcome = _outcome(argv, options)
    if outcome.verdict != "HEALTHY":
        outcome = _freeze(place, outcome)
    outcome = _record(place, actor.name, outcome)
    _tell(options, place, outcome)
    if outcome.problem is not None and outcome.verdict != "HEALTHY":
        return ExitCode.INCONCLUSIVE
    return _EXIT[outcome.verdict]


def _argv(words: list[str]) -> tuple[str, ...]:
    """The command after the first `--`; ours are the options before it."""
    if words[:1] != ["--"] or len(words) < 2:
        unexpected = f"unexpected {plain(words[0], 80)!r}: " if words and words[0] != "--" else ""
        raise UsageError(f"{unexpected}the check is written after `--`: {_USAGE}")
    return tuple(words[1:])


def _outcome(argv: tuple[str, ...], options: argparse.Namespace) -> Outcome:
    """Runs the check. Nothing that it does or fails to do raises."""
    shown = plain(shlex.join(argv), 120)
    try:
        ended = run_command(
            argv,
            cwd=Path.cwd(),
            env=os.environ,
            stdout=2 if options.json else 1,
            timeout=options.timeout,
        )
    except CommandNotStartedError as error:
        return Outcome(
            verdict="INCONCLUSIVE",
            reason=f"the post-deploy check `{shown}` could not be started: {error}",
            task=options.task,
        )
    verdict, how = _judged(ended, options.timeout)
    return Outcome(
        verdict=verdict,
        reason=f"the post-deploy check `{shown}` {how}",
        task=options.task,
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


def _freeze(place: Opened, outcome: Outcome) -> Outcome:
    if not place.gate.rules.freeze_enabled:
        return outcome
    asks = outcome.verdict == "INCONCLUSIVE"
    mode: FreezeMode | None = "pause" if asks else None
    reason = f"{outcome.reason}; a person has to look at it" if asks else outcome.reason
    try:
        made = place.for_writing().freeze(
            f"{outcome.verdict}: {reason}", place.person, mode=mode, work_item=outcome.task
        )
    except MachineryError as error:
        return msgspec.structs.replace(outcome, problem=str(error))
    return msgspec.structs.replace(outcome, freeze=made.id)


def _record(place: Opened, actor: str, outcome: Outcome) -> Outcome:
    detail = f"{outcome.verdict}: {outcome.reason}"
    try:
        place.for_writing().record("post-deploy", actor, detail, task=outcome.task)
    except MachineryError as error:
        return msgspec.structs.replace(outcome, problem=outcome.problem or str(error))
    return outcome


def _tell(options: argparse.Namespace, place: Opened, outcome: Outcome) -> None:
    layer_on, name = place.gate.rules.freeze_enabled, plain(place.gate.repository, 120)
    if options.json:
        frozen = outcome.freeze is not None
        print_json({**msgspec.to_builtins(outcome), "frozen": frozen, "freeze_enabled": layer_on})
    else:
        say(f"{outcome.verdict}: {outcome.reason}")
        if outcome.freeze is not None:
            say(f"{name} is frozen (freeze {outcome.freeze}) until a person clears it: "
                f"malagate unfreeze {outcome.freeze} --reason WHY")  # fmt: skip
        elif outcome.verdict != "HEALTHY" and not layer_on:
            say("nothing was frozen: the freeze layer is off (freeze.enabled: false)")
    if outcome.problem is None:
        return
    problem = plain(outcome.problem, 300)
    if outcome.verdict != "HEALTHY" and layer_on and outcome.freeze is None:
        text = f"{name} IS NOT FROZEN though it ought to be: {problem}"
        print(f"malagate: error: {text}", file=sys.stderr)
    else:
        text = f"the verdict is not on the ledger: {problem}"
        print(f"malagate: warning: {text}", file=sys.stderr)
