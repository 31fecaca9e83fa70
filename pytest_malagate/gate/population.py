"""The tests of a whole run, to compare a change's with its base's.

A test that is gone does not fail, and one that is set aside stays green: only the tests that were
there before show it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Population(msgspec.Struct, frozen=True, kw_only=True):
    """The node ids of a whole test run, by whether they proved anything.

    `skipped` holds the expected failures (xfail) too: whatever such a test does, the run stays
    green. All others are in `ran`, whether they passed or failed; one that did both in several
    runs that were joined is in `ran` only. `set_aside` are modules and other collectors that
    skipped themselves whole, so that nobody knows their tests. `percent` is the coverage of the
    same run, None where none was measured.
    """

    ran: frozenset[str] = frozenset()
    skipped: frozenset[str] = frozenset()
    set_aside: frozenset[str] = frozenset()
    percent: float | None = None
    commit: str | None = None
    tree: str | None = None


SET_ASIDE = frozenset({"skipped", "xfailed"})
"""Outcomes of a test that proves nothing. See `gate.evidence.Outcome`."""


def removed(base: Population, head: Population) -> tuple[str, ...]:
    """Tests that the base has and the head has not, sorted.

    A test is known by its node id, so one that moved or was renamed is gone from where it was.
    Tests of a module that the head sets aside are not gone: see `newly_skipped`.
    """
    known = base.ran | base.skipped
    gone = known - head.ran - head.skipped
    return tuple(sorted(test for test in gone if not _is_below(test, head.set_aside)))


def newly_skipped(base: Population, head: Population) -> tuple[str, ...]:
    """Tests that ran on the base and are set aside on the head, sorted."""
    aside = {
        test
        for test in base.ran - head.ran
        if test in head.skipped or _is_below(test, head.set_aside)
    }
    return tuple(sorted(aside))


def _is_below(test: str, collectors: Iterable[str]) -> bool:
    return any(test.startswith((f"{name}::", f"{name}/")) for name in collectors)
