"""Is another attempt worth it? Failures of this attempt against those of the attempts before.

The rules, first match wins, for a failed attempt after the first:

1. A whole test run that differs from another whole run *of the same tree* is `flaky`.
2. The same failures on the same tree, or on one that already had them: `no_progress`.
3. The same failures on three trees: `no_progress`. On two: `changed`, with a nudge.
4. A, B, A, B: `oscillating`.
5. A strict subset of what failed before, or a later phase: `progress`.
6. Anything else is a swap, `changed`; a third swap in a row is `no_progress`.

Without a failure set of the attempt before (a caller that keeps only the commit and the offset),
what is left is the ancestor's rule: another commit, another tree or new evidence is progress.

Two failure sets are the same if every failure is, its message included (rules 2 to 4). A test that
fails with another message still fails, so rules 1 and 5 compare what fails, not how.

A rerun that says the same again of the same tree is no new evidence: it cannot turn out otherwise,
and an agent that repeats it for hours is what this rule is there to stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from itertools import takewhile
from typing import get_args

import msgspec

from pytest_malagate.gate.result import Progress, ProgressState
from pytest_malagate.gate.retry import PastAttempt, RetryState

SWAPS_ALLOWED = 2
SAME_FAILURES_ALLOWED = 2
MAX_LISTED = 50


class Phase(IntEnum):
    """How far the work got: the earliest obstacle decides."""

    COMMIT = 0
    EVIDENCE = 1
    COLLECTION = 2
    TESTS = 3
    COMMANDS = 4
    COVERAGE = 5
    RULES = 6


class Finding(msgspec.Struct, frozen=True):
    """What the comparison found. `message` says it in words; None for plain progress."""

    state: ProgressState
    message: str | None = None
    nudge: bool = False

    @property
    def stuck(self) -> bool:
        """True if another attempt of this kind is not worth it."""
        return self.state in ("no_progress", "oscillating")


def assess(current: PastAttempt, state: RetryState, *, fresh: bool, dirty: bool) -> Finding:
    """Compares a failed attempt with those before it.

    `fresh`: evidence came since the last one. `dirty`: tracked files differ from the commit; it
    is asked only where the tree of the last attempt is not known.
    """
    if state.gate_attempt <= 1:
        return Finding("first")
    if not state.history:
        return _without_history(current, state, fresh=fresh, dirty=dirty)
    last = state.history[-1]
    if current.keys == last.keys:
        return _same_failures(current, state.history)
    if differs(current, last):
        return Finding("flaky", "the tests came out otherwise on the very same files")
    if _oscillates(current, state.history):
        return Finding("oscillating", "the failures go back and forth between two sets")
    if _names(current) < _names(last) or current.phase > last.phase:
        return Finding("progress")
    return _swap(state.history)


def _without_history(
    current: PastAttempt, state: RetryState, *, fresh: bool, dirty: bool
) -> Finding:
    if state.previous_tree is None:
        moved = dirty or current.commit != state.previous_commit_hash
    else:
        moved = current.tree != state.previous_tree
    if moved or fresh:
        return Finding("progress")
    return Finding("no_progress", "commit unchanged and no new validation evidence")


def _same_failures(current: PastAttempt, history: Sequence[PastAttempt]) -> Finding:
    before = list(takewhile(lambda past: past.keys == current.keys, reversed(history)))
    seen = next((past for past in before if past.tree == current.tree), None)
    if seen is not None:
        return Finding(
            "no_progress",
            f"the files are those of attempt {seen.number}, and nothing new is known of them",
        )
    versions = 1 + len({past.tree for past in before})
    if versions > SAME_FAILURES_ALLOWED:
        return Finding("no_progress", f"the same failures on {versions} versions of the files")
    return Finding(
        "changed",
        f"the files changed since attempt {before[0].number}, the failures did not",
        nudge=True,
    )


def differs(current: PastAttempt, last: PastAttempt) -> bool:
    """True if two whole test runs of the very same files failed otherwise."""
    return (
        current.tree == last.tree
        and current.tests_complete
        and last.tests_complete
        and _tests_differ(current, last)
    )


def state_of(past: PastAttempt) -> ProgressState:
    """The state that an attempt was recorded with; `changed` for a word of another version."""
    return next((state for state in get_args(ProgressState) if state == past.state), "changed")


def _tests_differ(current: PastAttempt, last: PastAttempt) -> bool:
    return _tests(current) != _tests(last)


def _tests(attempt: PastAttempt) -> set[str]:
    return {name_of(key) for key in attempt.keys if " " in key}


def _names(attempt: PastAttempt) -> set[str]:
    return set(map(name_of, attempt.keys))


def name_of(key: str) -> str:
    """What fails, without how: the test's id, or the whole of another key."""
    return key.partition(" ")[2] or key


def _oscillates(current: PastAttempt, history: Sequence[PastAttempt]) -> bool:
    if len(history) < 3:
        return False
    third, second, first = (past.keys for past in history[-3:])
    return current.keys == second and first == third


def _swap(history: Sequence[PastAttempt]) -> Finding:
    swaps = 0
    for past in reversed(history):
        if past.state != "changed":
            break
        swaps += 1
    if swaps >= SWAPS_ALLOWED:
        return Finding(
            "no_progress", f"failures were swapped for others {swaps + 1} times in a row"
        )
    return Finding("changed")


def compare(current: PastAttempt, last: PastAttempt | None) -> tuple[tuple[str, ...], ...]:
    """The tests that no longer fail, that are new and that persist, each sorted and bounded."""
    now = _tests(current)
    before = _tests(last) if last else set()
    parts = (before - now, now - before, now & before)
    return tuple(tuple(sorted(part)[:MAX_LISTED]) for part in parts)


def describe(
    finding: Finding, current: PastAttempt, last: PastAttempt | None, fingerprint: str | None
) -> Progress:
    """The finding as the result's `progress`."""
    fixed, new, persisting = compare(current, last)
    return Progress(
        state=finding.state, fingerprint=fingerprint, fixed=fixed, new=new, persisting=persisting
    )
