"""`malagate reconcile`: one sweep over the queue, or one after another.

Exits with 0, with 3 if the store cannot be read. What could not be handled is a warning. Ctrl-C
ends `--watch` with 0.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from time import sleep, strftime
from typing import Any

import msgspec

from pytest_malagate.cli.serial_options import add_common, opened, print_json, say, warn
from pytest_malagate.errors import ExitCode, MachineryError
from pytest_malagate.gate.encoding import encode_json
from pytest_malagate.reconcile.answers import Budget, Found, Look, Sweep
from pytest_malagate.reconcile.reconciler import Reconciler
from pytest_malagate.reconciling import ACTOR, DEFAULT_BASE, LocalOptions, local_reconciler
from pytest_malagate.report.serial import span

WATCH_SECONDS = 60.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.epilog = (
        "A task at the stage gate goes to review if `malagate check --task ID` would pass; one at "
        "landing is finished if a commit of it, made since it was added, is in the base. A review "
        "is a person's, and work that is red is left without a word. The policy's section "
        "reconcile sets how long a task may stand in a stage. MALAGATE_RECONCILE=off stops all, "
        "MALAGATE_RECONCILE_LABELS=off the checks beside the tasks; MALAGATE_GRACE_OVERRIDES is a "
        'JSON object of minutes by stage. Without --actor the ledger names "malagate reconcile".'
    )
    add = parser.add_argument
    add("--dry-run", action="store_true",
        help="say what would be done and why, and write nothing")  # fmt: skip
    add("--watch", metavar="SECONDS", nargs="?", type=_interval, const=WATCH_SECONDS,
        help="sweep again, every so many seconds, until Ctrl-C; prints what is new (default: "
        f"{WATCH_SECONDS:.0f})")  # fmt: skip
    add("--budget", metavar="N", type=_budget,
        help="how much one sweep may do: a number of items, or of seconds such as 30s; the next "
        "sweep begins where it ended")  # fmt: skip
    add("--base", metavar="REF",
        help="git revision that work lands in and whose policy judges (default for landing: "
        f"{DEFAULT_BASE})")  # fmt: skip
    add_common(parser)


def _interval(text: str) -> float:
    seconds = _number(text)
    if not 0.1 <= seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0.1 to 86400")
    return seconds


def _budget(text: str) -> Budget:
    seconds = _number(text.removesuffix("s")) if text.endswith("s") else 0.0
    if 0 < seconds <= 86400:
        return Budget(seconds=seconds)
    if text.isascii() and text.isdigit() and int(text[:10]) > 0:
        return Budget(items=int(text[:10]))
    raise argparse.ArgumentTypeError(f"{text!r} is no number of items, or of seconds such as 30s")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def run(options: argparse.Namespace) -> int:
    """Sweeps once, or again and again. Raises MachineryError if the store cannot be read."""
    reconciler = _reconciler(options)

    def sweep() -> Sweep:
        return reconciler.sweep(dry_run=options.dry_run, budget=options.budget)

    if options.watch is not None:
        return watch(sweep, options, sleep=sleep)
    done = sweep()
    _warn_of(done)
    if options.json:
        print_json(as_json(done))
    else:
        for line in lines(done):
            say(line)
    return ExitCode.PASSED


def _reconciler(options: argparse.Namespace) -> Reconciler:
    place = opened(options)
    silent = logging.Logger("malagate reconcile", logging.CRITICAL)  # the sweep says it all
    return local_reconciler(
        place.place,
        place.gate,
        LocalOptions(
            base=options.base,
            actor=place.person.name if options.actor is not None else ACTOR,
        ),
        environ=os.environ,
        log=silent,
    )


def watch(
    sweep: Callable[[], Sweep], options: argparse.Namespace, *, sleep: Callable[[float], None]
) -> int:
    """Sweeps until Ctrl-C, and prints what differs from the sweep before."""
    last: object = None
    try:
        while True:
            try:
                done = sweep()
            except MachineryError as error:
                news: object = str(error)
                if news != last:
                    warn([str(error)])
            else:
                news = _gist(done)
                if news != last or done.advanced or done.repaired:
                    _warn_of(done)
                    _print_news(done, options)
            last = news
            sys.stdout.flush()
            sleep(options.watch)
    except KeyboardInterrupt:
        return ExitCode.PASSED


def _gist(done: Sweep) -> object:
    """What of a sweep is worth a line. That one more task was looked at is not."""
    looks = [(look.task, look.stage, look.outcome) for look in done.advanced]
    return (done.off, looks, done.findings, done.errors, done.warnings)


def _print_news(done: Sweep, options: argparse.Namespace) -> None:
    if options.json:
        print(encode_json(as_json(done)).decode())
        return
    for line in lines(done):
        say(f"{strftime('%H:%M:%S')} {line}")


def as_json(done: Sweep) -> dict[str, Any]:
    """What scripts read."""
    value: dict[str, Any] = msgspec.to_builtins(done)
    return value


def _warn_of(done: Sweep) -> None:
    warn(done.warnings)
    warn(f"{trouble.item} could not be handled: {trouble.why}" for trouble in done.errors)


def lines(done: Sweep) -> list[str]:
    """What a person reads."""
    if done.off is not None:
        return [f"nothing was looked at: {done.off}"]
    looks = done.looks if done.dry_run else done.advanced
    told = [_look_line(look) for look in looks]
    told += [line for found in done.findings for line in _found_lines(found, done.dry_run)]
    if not (done.advanced or done.findings):
        tasks = "1 task" if done.looked_at == 1 else f"{done.looked_at} tasks"
        told.append(f"{tasks} looked at, nothing to do")
    return told


def _look_line(look: Look) -> str:
    if look.outcome == "advanced":
        stood = f"it had stood there for {span(look.stood)}"
        return f"{look.task}: advanced from {look.stage} to {look.to}; {stood}"
    if look.outcome == "would-advance":
        return f"{look.task}: would advance from {look.stage}: {look.why}"
    return f"{look.task}: stays at {look.stage}: {look.why} ({look.outcome})"


def _found_lines(found: Found, dry_run: bool) -> list[str]:
    if found.repaired:
        return [f"{found.item}: {found.problem}; repaired: {found.remedy}"]
    how = "would repair" if dry_run and found.repairable else "to do"
    return [f"{found.item}: {found.problem}; {how}: {found.remedy}"]
