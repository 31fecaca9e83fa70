"""`malagate unfreeze [ID…] --reason WHY`: clears freezes. Only a person may."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pytest_malagate.cli.serial_options import Opened, add_common, opened, print_json, say
from pytest_malagate.errors import ExitCode, UsageError
from pytest_malagate.report.text import plain

if TYPE_CHECKING:
    from pytest_malagate.cli.on_github import Hands


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument(
        "ids", metavar="ID", nargs="*", type=int, help="freezes to clear; none means all that stand"
    )
    parser.add_argument("--reason", metavar="WHY", required=True, help="why it is safe again")
    add_common(parser)


def run(options: argparse.Namespace) -> int:
    """Clears, and says how many. Raises UsageError for whoever may not."""
    place = opened(options)
    if (mark := place.machine_mark) is not None:
        name = plain(place.person.name, 100)
        raise UsageError(
            f"{name} may not clear a freeze: only a person may, and {mark}. Ask a person to run it"
        )
    if (hands := place.by_hand) is not None:
        return _asked(options, place, hands)
    cleared = place.for_writing().unfreeze(place.person, options.reason, only=options.ids or None)
    return _told(options, place, cleared)


def _told(options: argparse.Namespace, place: Opened, cleared: tuple[int, ...]) -> int:
    status = place.gate.status()
    standing = [freeze.id for freeze in status.freezes]
    if options.json:
        print_json(
            {
                "cleared": cleared,
                "count": len(cleared),
                "frozen": status.frozen,
                "standing": standing,
            }
        )
        return ExitCode.PASSED
    which = f": {_listed(cleared)}" if cleared else ""
    say(f"{len(cleared)} {'freeze' if len(cleared) == 1 else 'freezes'} cleared{which}")
    if unknown := [number for number in options.ids if number not in cleared]:
        say(f"not standing: {_listed(unknown)}")
    rest = f"still frozen by {_listed(standing)}" if standing else "not frozen"
    say(f"{place.gate.repository} is {'frozen' if status.problem else rest}")
    return ExitCode.PASSED


def _asked(options: argparse.Namespace, place: Opened, hands: Hands) -> int:
    """On GitHub, with a token that does not write the ledger: the workflow is asked to clear."""
    asked = hands.unfreeze(options.reason, options.ids or None)
    if options.json:
        standing = [freeze.id for freeze in place.gate.status(verify=False).freezes]
        print_json({"cleared": (), "count": 0, "frozen": bool(standing), "standing": standing,
                    "asked": asked.issues, "without_issue": asked.freezes})  # fmt: skip
        return ExitCode.PASSED
    where = ", ".join(f"#{number}" for number in asked.issues)
    name = place.gate.repository
    say(f"asked on {where}: the workflow decides" if where else f"{name}: no freeze to ask about")
    if asked.freezes:
        say(f"without an issue as yet, so that nothing could be said: {_listed(asked.freezes)}")
    return ExitCode.PASSED


def _listed(numbers: tuple[int, ...] | list[int]) -> str:
    return ", ".join(map(str, numbers))
