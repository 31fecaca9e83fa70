"""`malagate status`: why does my task not move?

Exits with 0 whatever the queue holds, with 3 if the store cannot be read or the ledger is not
whole. Ctrl-C ends `--watch` with 0.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_malagate.cli.serial_options import (
    add_common,
    opened,
    print_json,
    task_value,
)
from pytest_malagate.errors import ExitCode, MachineryError
from pytest_malagate.gate.encoding import encode_json
from pytest_malagate.queue.answers import Status
from pytest_malagate.queue.model import Task
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.report.serial import beyond_lines, status_lines, task_lines
from pytest_malagate.report.terminal import Line, paint, use_color
from pytest_malagate.report.text import plain

if TYPE_CHECKING:
    from pytest_malagate.cli.on_github import Beyond

WATCH_SECONDS = 2.0
GITHUB_WATCH_SECONDS = 30.0
"""How often GitHub is looked at, at most: its requests are counted."""

_CLEARED = "\x1b[H\x1b[2J"  # the screen, not what was scrolled away


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the store. `known` is the task that was asked for, None if nobody has it.

    `verified`: the whole ledger was asked for. `beyond` is there for a store on GitHub.
    """

    status: Status
    verified: bool = False
    ledger_problem: str | None = None
    known: Task | None = None
    beyond: Any = None  # a `Beyond`: its module needs PyGithub

    @property
    def sound(self) -> bool:
        """False if the store could not be read, or its ledger is not whole."""
        return self.status.problem is None and self.ledger_problem is None


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("--task", metavar="ID", help="only what concerns this task")
    parser.add_argument(
        "--verify", action="store_true", help="check that the ledger is whole (exit 3: it is not)"
    )
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        nargs="?",
        type=_interval,
        const=WATCH_SECONDS,
        help=f"look again, every so many seconds, until Ctrl-C (default: {WATCH_SECONDS:.0f})",
    )
    add_common(parser)


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0.1 to 86400")
    return seconds


def run(options: argparse.Namespace) -> int:
    """Looks once, or again and again."""
    place = opened(options)

    def look() -> Seen:
        found = seen(place.gate, task=options.task, verify=options.verify)
        beyond = place.hands.beyond() if place.hands is not None else None
        return msgspec.structs.replace(found, beyond=beyond)

    if options.watch is not None:
        options.watch = max(options.watch, GITHUB_WATCH_SECONDS if place.hands is not None else 0)
        return watch(look, options, sleep=time.sleep)
    found = look()
    if options.json:
        print_json(as_json(found, options.task))
    else:
        sys.stdout.write(_text(found, options.task))
    return ExitCode.PASSED if found.sound else ExitCode.INCONCLUSIVE


def seen(gate: SerialGate, *, task: str | None, verify: bool) -> Seen:
    """One look. Never raises for a store that fails."""
    status, problem, known = gate.status(verify=False if verify else None), None, None
    if (verify or status.ledger_ok is False) and status.problem is None:
        try:
            problem = gate.ledger_problem()
        except MachineryError as error:
            problem = str(error)
        status = msgspec.structs.replace(status, ledger_ok=problem is None)
    elif verify:
        status = msgspec.structs.replace(status, ledger_ok=False)
    if task is not None and status.problem is None:
        try:
            known = gate.task(task)
        except MachineryError as error:
            status = msgspec.structs.replace(status, problem=str(error))
    return Seen(status=status, verified=verify, ledger_problem=problem, known=known)


def as_json(found: Seen, task: str | None) -> dict[str, Any]:
    """What scripts read. `--task` leaves other tasks' places out and adds the task's own state."""
    value: dict[str, Any] = msgspec.to_builtins(found.status)
    value["active_tasks"] = [task_value(active) for active in found.status.active_tasks]
    value["ledger_problem"] = found.ledger_problem
    value["github"] = msgspec.to_builtins(found.beyond)
    if task is not None:
        value["waiting"] = [waiting for waiting in value["waiting"] if waiting["task"] == task]
        value["task"] = {"task": task, "state": found.known.state if found.known else None}
    return value


def _lines(found: Seen, task: str | None, now: float) -> list[Line]:
    status = found.status
    if status.ledger_ok and not found.verified:  # nobody asked, and nothing is wrong
        status = msgspec.structs.replace(status, ledger_ok=None)
    lines = (
        status_lines(status, now=now)
        if task is None
        else task_lines(status, task, found.known, now=now)
    )
    if found.ledger_problem is not None:
        lines.append((("ledger: ", "bold red"), (plain(found.ledger_problem, 300), "")))
    return lines + (_beyond(found.beyond, now) if found.beyond is not None else [])


def _beyond(beyond: Beyond, now: float) -> list[Line]:
    return beyond_lines(
        swept_at=beyond.last_sweep,
        unfinished=beyond.unfinished,
        requests=(beyond.requests_left, beyond.requests_limit),
        wedged=beyond.wedged,
        notes=beyond.notes,
        now=now,
    )


def _text(found: Seen, task: str | None) -> str:
    color = use_color(sys.stdout, os.environ)
    return paint(_lines(found, task, time.time()), color=color)


def watch(
    look: Callable[[], Seen], options: argparse.Namespace, *, sleep: Callable[[float], None]
) -> int:
    """Redraws in a terminal; elsewhere prints only what is new. Ctrl-C is how it ends."""
    last: Seen | None = None
    redraws = sys.stdout.isatty() and not options.json
    try:
        while True:
            found = look()
            if redraws:
                sys.stdout.write(_CLEARED + _text(found, options.task))
            elif found != last:
                sys.stdout.write(_news(found, options))
            sys.stdout.flush()
            last = found
            sleep(options.watch)
    except KeyboardInterrupt:
        if redraws:
            sys.stdout.write("\n")
    return ExitCode.PASSED


def _news(found: Seen, options: argparse.Namespace) -> str:
    if options.json:
        return encode_json(as_json(found, options.task)).decode() + "\n"
    moment = time.strftime("%H:%M:%S")
    return f"--- {moment}\n{_text(found, options.task)}"
