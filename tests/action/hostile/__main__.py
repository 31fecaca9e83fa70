"""Plays every entry and prints what came of it: `python -m tests.action.hostile [PART OF A NAME]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.action.hostile.case import Outcome, played_alone
from tests.action.hostile.table import CASES


def main(parts: Sequence[str]) -> int:
    """Returns 1 if any entry was not answered as it must be."""
    outcomes: list[Outcome] = []
    for case in CASES:
        if parts and not any(part in case.name for part in parts):
            continue
        outcome = played_alone(case)
        outcomes.append(outcome)
        print(f"{case.name:<50} {outcome.verdict:<13} {outcome.code}")
        for fault in outcome.faults:
            print(f"    WRONG: {fault}")
    print(total(outcomes))
    return int(any(outcome.faults for outcome in outcomes))


def total(outcomes: Sequence[Outcome]) -> str:
    """The set in one line."""
    passes = sum(outcome.wrong_pass for outcome in outcomes)
    tracebacks = sum(outcome.tracebacks for outcome in outcomes)
    commands = sum(outcome.commands for outcome in outcomes)
    wrong = sum(bool(outcome.faults) for outcome in outcomes)
    return (
        f"{len(outcomes)} cases: {passes} wrong passes, {tracebacks} tracebacks, "
        f"{commands} commands, {wrong} not as promised"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
