"""`malagate freeze REASON…`: lets nothing start or land until a person clears it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pytest_malagate.cli.serial_options import Opened, add_common, opened, print_json, say
from pytest_malagate.errors import ExitCode
from pytest_malagate.queue.model import MODES

if TYPE_CHECKING:
    from pytest_malagate.cli.on_github import Hands


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("reason", metavar="REASON", nargs="+", help="who waits must know for what")
    parser.add_argument(
        "--mode",
        choices=MODES,
        help="drain: what runs may land; pause: nothing starts or lands; hard: what runs is told "
        "to stop (default: the policy's freeze.mode)",
    )
    parser.add_argument("--task", metavar="ID", help="the task that it is about")
    add_common(parser)


def run(options: argparse.Namespace) -> int:
    """Sets the freeze beside those that stand. Raises UsageError where the freeze is off."""
    place = opened(options)
    if (hands := place.by_hand) is not None:
        return _by_label(options, place, hands)
    made = place.for_writing().freeze(
        " ".join(options.reason), place.person, mode=options.mode, work_item=options.task
    )
    if options.json:
        print_json(made)
    else:
        say(f"{place.gate.repository} is frozen (freeze {made.id}, {made.mode}): {made.reason}")
    return ExitCode.PASSED


def _by_label(options: argparse.Namespace, place: Opened, hands: Hands) -> int:
    """On GitHub, with a token that does not write the ledger: a label freezes as well."""
    reason, mode = " ".join(options.reason), options.mode
    number = hands.freeze(reason, mode, options.task)
    mode = mode or place.gate.rules.mode
    if options.json:
        value = {"id": None, "reason": reason, "actor": place.person.name, "mode": mode}
        print_json({**value, "work_item": options.task, "issue": number})
    else:
        say(f"{place.gate.repository} is frozen (issue #{number}, {mode}): {reason}")
    return ExitCode.PASSED
