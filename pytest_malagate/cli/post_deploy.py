"""`malagate post-deploy [--task ID] -- CMD…`: a smoke check after a deployment.

Failure direction: closed. A check that says no freezes the repository, and so does one of which
nobody knows what it would have said; the second asks a person. A freeze that cannot be written is
said aloud, and the exit code is 3 then. What cannot be recorded of a check that said yes is only a
warning: nobody should undo a good deployment for it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pytest_malagate.cli.serial_options import Opened, add_common, opened, print_json, say
from pytest_malagate.errors import ExitCode, MachineryError, UsageError
from pytest_malagate.post_deploy import Outcome, act_on, check, freeze_of
from pytest_malagate.report.text import plain

if TYPE_CHECKING:
    from pytest_malagate.cli.on_github import Hands

_OURS = "MALAGATE_TOKEN"  # the check gets what the shell has, but not what is ours alone
_USAGE = "malagate post-deploy [OPTIONS] -- CMD ..."
_EXIT = {
    "HEALTHY": ExitCode.PASSED,
    "DEGRADED": ExitCode.FAILED,
    "INCONCLUSIVE": ExitCode.INCONCLUSIVE,
}


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
    # A wrong --actor, or a token that may do nothing, is told before the check runs.
    actor, by_hand = place.person, place.by_hand
    outcome = check(
        argv,
        cwd=Path.cwd(),
        env={name: value for name, value in os.environ.items() if name != _OURS},
        stdout=2 if options.json else 1,
        timeout=options.timeout,
        task=options.task,
    )
    issue = None
    try:
        if (hands := by_hand) is not None:
            issue = _by_label(place, hands, outcome)
        else:
            outcome = act_on(place.for_writing(), actor, outcome)
    except MachineryError as error:
        outcome = msgspec.structs.replace(outcome, problem=str(error))
    _tell(options, place, outcome, issue)
    if outcome.problem is not None and outcome.verdict != "HEALTHY":
        return ExitCode.INCONCLUSIVE
    return _EXIT[outcome.verdict]


def _by_label(place: Opened, hands: Hands, outcome: Outcome) -> int | None:
    """On GitHub, with a token that does not write the ledger: a freeze is an issue's label."""
    if outcome.verdict == "HEALTHY" or not place.gate.rules.freeze_enabled:
        return None
    reason, _ = freeze_of(outcome)
    return hands.freeze(reason, None, outcome.task)


def _argv(words: list[str]) -> tuple[str, ...]:
    """The command after the first `--`; ours are the options before it."""
    if words[:1] != ["--"] or len(words) < 2:
        unexpected = f"unexpected {plain(words[0], 80)!r}: " if words and words[0] != "--" else ""
        raise UsageError(f"{unexpected}the check is written after `--`: {_USAGE}")
    return tuple(words[1:])


def _tell(options: argparse.Namespace, place: Opened, outcome: Outcome, issue: int | None) -> None:
    layer_on, name = place.gate.rules.freeze_enabled, plain(place.gate.repository, 120)
    if options.json:
        frozen = outcome.freeze is not None or issue is not None
        value = {**msgspec.to_builtins(outcome), "frozen": frozen, "freeze_enabled": layer_on}
        print_json(value | ({"issue": issue} if issue is not None else {}))
    else:
        say(f"{outcome.verdict}: {outcome.reason}")
        if outcome.freeze is not None:
            how = place.gate.how.clear(outcome.freeze)
            say(f"{name} is frozen (freeze {outcome.freeze}) until a person clears it: {how}")
        elif issue is not None:
            say(f"{name} is frozen (issue #{issue}) until a person clears it")
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
