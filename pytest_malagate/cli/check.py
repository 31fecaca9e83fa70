"""`malagate check`: judges what the evidence log holds now."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from pytest_malagate.errors import ExitCode, UsageError
from pytest_malagate.gate.admission import not_admitted
from pytest_malagate.gate.result import GateResult, encode
from pytest_malagate.gate.spec import ValidationScope
from pytest_malagate.local import STORE_VARIABLE, LocalGate, Place
from pytest_malagate.report.agent import agent_view
from pytest_malagate.report.terminal import lines, paint, use_color
from pytest_malagate.serial_gate import SerialOptions

_EXIT = {
    "pass": ExitCode.PASSED,
    "fail": ExitCode.FAILED,
    "inconclusive": ExitCode.INCONCLUSIVE,
    "error": ExitCode.INCONCLUSIVE,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    add = parser.add_argument
    add("--task", metavar="ID", help="the task whose commit must exist (default: the branch)")
    add("--base", metavar="REF", help="git revision that the policy is read from")
    add("--scope", choices=[str(scope) for scope in ValidationScope], default="task",
        help="which of the policy's scopes to judge by")  # fmt: skip
    add("--baseline", metavar="TIME", type=_time,
        help="a commit older than this is stale: seconds since the epoch, or ISO 8601")  # fmt: skip
    add("--admission", action="store_true",
        help="exit 4 where it passes but its task waits or the repository is frozen")  # fmt: skip
    add("--store", metavar="STORE",
        help=f"the store of the queue (default: ${STORE_VARIABLE}, else state.db)")  # fmt: skip
    add("--repository", metavar="OWNER/REPO",
        help="whose queue it is (default: as `origin` or the directory says)")  # fmt: skip
    add("--json", action="store_true", help="print the GateResult")
    add("--agent", action="store_true", help="print the GateResult in short, for an agent")
    add("--dry-run", action="store_true", help="judge, but do not count an attempt")
    add("--verbose", action="store_true", help="print every reason")
    add("--out", metavar="DIR", type=Path, help="where malagate writes (default: malagate-out)")
    add("--policy", metavar="FILE", type=Path, help="the policy")


def _time(text: str) -> int:
    if text.isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither seconds since the epoch nor an ISO 8601 time"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def run(options: argparse.Namespace) -> int:
    """Judges, prints, and returns the verdict's exit code; 4 where the change only has to wait."""
    if options.task is not None and not options.task.strip():
        raise UsageError("--task needs the id of a task, such as x-12")
    place = Place.find(Path.cwd(), out=options.out, policy=options.policy)
    gate = LocalGate(
        place,
        task=options.task,
        base=options.base,
        scope=ValidationScope(options.scope),
        baseline=options.baseline,
        serial=SerialOptions(
            admission=options.admission,
            store=options.store or os.environ.get(STORE_VARIABLE) or None,
            repository=options.repository,
        ),
    )
    result = gate.evaluate(record=not options.dry_run)
    _print(result, options)
    return int(_exit_code(result))


def _exit_code(result: GateResult) -> ExitCode:
    return ExitCode.NOT_ADMITTED if not_admitted(result) else _EXIT[result.verdict]


def _print(result: GateResult, options: argparse.Namespace) -> None:
    if options.json or options.agent:
        shown = agent_view(result) if options.agent else result
        sys.stdout.write(encode(shown).decode())
        return
    width = shutil.get_terminal_size().columns
    text = lines(result, width=width, verbose=options.verbose)
    sys.stdout.write(paint(text, color=use_color(sys.stdout, os.environ)))
