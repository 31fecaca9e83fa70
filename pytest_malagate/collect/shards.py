"""Several test runs of one name as one run: shards of a suite, and legs of a matrix.

Runs with the same Python and the same operating system are one leg. Within a leg the runs are
either whole by themselves, or shards of one suite, of one of two sorts:

* Shards by deselection (pytest-split, pytest-shard, halves by `-k` or `-m`): all of them found the
  same tests, and each test that they found was reported by one of them. Which options chose the
  tests is of no matter then.
* Shards by path: each test file that one of them leaves out is in another.

What is neither is joined all the same, and says in `partial` what is missing; so it is no pass.
A run that is whole for its leg does not make up for another leg's missing tests.

Counts are sums, of shards and of legs alike. Every run's failures count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from itertools import chain
from typing import TypeVar

import msgspec

from pytest_malagate.collect.sharding import LEFT_OUT, SHARD_OPTIONS
from pytest_malagate.gate.evidence import (
    MAX_FAILURE_KEYS,
    MAX_FAILURES,
    SessionFinished,
    SessionStarted,
    TestFailure,
    TestRun,
)

_NAMED = 3
_MAX_FLAKY = 200
_SHARDING = {option for plugin in SHARD_OPTIONS for option, _ in plugin}
_DESELECTING = {"-k", "-m", "--deselect", "--lf", "--sw", *_SHARDING}
"""Options that only take tests out of those that were found."""

_WITHOUT_VALUE = {"--lf", "--sw"}

_Value = TypeVar("_Value")
_replace = msgspec.structs.replace


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """One part's test run, and each of its tests by node id with its outcome."""

    part: str
    run: TestRun
    outcomes: Mapping[str, str]


def join_runs(shards: Sequence[Shard]) -> TestRun:
    """All runs as one, without coverage. They are of one tree; that is the caller's to see to.

    `start.selection` is what is left to be judged of their selections: the one that all share.
    """
    legs: dict[tuple[str, str], list[Shard]] = {}
    for shard in shards:
        legs.setdefault(_leg(shard.run.start), []).append(shard)
    if len(legs) == 1:
        return _with_causes(_join_leg(shards), _contradictions(shards))
    joined = {_leg_name(leg): _join_leg(members) for leg, members in legs.items()}
    ends = [run.finish for run in joined.values() if run.finish is not None]
    some = any(finish.deselected for finish in ends)
    uneven = some and not all(finish.deselected for finish in ends)
    runs = [
        run if run.finish is None else _replace(run, finish=_labelled(run.finish, name, uneven))
        for name, run in joined.items()
    ]
    return _with_causes(_with_flaky(_as_legs(runs), shards), _contradictions(shards))


def _contradictions(shards: Sequence[Shard]) -> list[str]:
    """Parts whose own numbers do not add up. In a sum, one part's could make up for another's."""
    return [
        f"the journal of {shard.part} does not add up"
        for shard in shards
        for finish in [shard.run.finish]
        if finish is not None
        if shard.run.reported != finish.reported
        or finish.reported > finish.collected - finish.deselected
    ]


def _leg(start: SessionStarted) -> tuple[str, str]:
    return ".".join(start.python.split(".")[:2]), start.platform


def _leg_name(leg: tuple[str, str]) -> str:
    return " on ".join(filter(None, (f"Python {leg[0] or '?'}", leg[1])))


def _labelled(finish: SessionFinished, leg: str, uneven: bool) -> SessionFinished:
    """The causes with the leg's name. `uneven`: some other leg ran all that this one did not."""
    causes = list(finish.partial)
    if uneven and finish.deselected:
        causes.append(f"{finish.deselected} of {finish.collected} tests were deselected")
    return _replace(finish, partial=tuple(f"{leg}: {cause}" for cause in causes))


def _join_leg(shards: Sequence[Shard]) -> TestRun:
    runs = [shard.run for shard in shards]
    if len(runs) == 1:
        return runs[0]
    finishes = [run.finish for run in runs if run.finish is not None]
    if len(finishes) < len(runs):
        joined = _merged(runs)
    elif _each_is_whole(shards, finishes):
        joined = _as_legs(runs)
    elif _share_one_population(finishes):
        joined = _by_deselection(shards, finishes)
    else:
        joined = _by_path(runs, finishes)
    return _with_flaky(joined, shards)


# --- what sort of parts they are -----------------------------------------------------------------


def _each_is_whole(shards: Sequence[Shard], finishes: Sequence[SessionFinished]) -> bool:
    """True for runs of the same tests, chosen in the same way, with nothing left to another."""
    if any(finish.left_out for finish in finishes) or not _all_equal(_selections(shards)):
        return False
    untouched = all(finish.collected - finish.deselected >= _size(finish) for finish in finishes)
    # A selection of the policy's own deselects, and a conftest may; what ran is the same then.
    return untouched or _all_equal(shard.outcomes.keys() for shard in shards)


def _share_one_population(finishes: Sequence[SessionFinished]) -> bool:
    return (
        finishes[0].population is not None
        and _all_equal(finish.population for finish in finishes)
        and _all_equal(_size(finish) for finish in finishes)
        and _all_equal(finish.left_out for finish in finishes)
    )


def _size(finish: SessionFinished) -> int:
    """How many tests the suite has that a run is a shard of.

    Some plugins (pytest-shard) take the other shards' tests away without a word to anybody.
    """
    return finish.collected if finish.deselected else max(finish.collected, finish.found)


def _selections(shards: Sequence[Shard]) -> list[tuple[str, ...]]:
    return [shard.run.start.selection for shard in shards]


def _all_equal(values: Iterable[object]) -> bool:
    first, *others = values
    return all(value == first for value in others)


# --- joining them --------------------------------------------------------------------------------


def _as_legs(runs: Sequence[TestRun]) -> TestRun:
    """Runs that each stand for the whole suite. Another selection makes one of them partial."""
    joined = _merged(runs)
    if joined.finish is None or _all_equal(run.start.selection for run in runs):
        return joined
    texts = dict.fromkeys(" ".join(run.start.selection) or "no selection" for run in runs)
    return _partial(joined, f"the parts ran with different selections: {'; '.join(texts)}")


def _by_deselection(shards: Sequence[Shard], finishes: Sequence[SessionFinished]) -> TestRun:
    """Runs that found the same tests and shared them among them."""
    joined = _merged([shard.run for shard in shards])
    reported = set(chain.from_iterable(shard.outcomes for shard in shards))
    size = _size(finishes[0])
    if (absent := size - len(reported)) > 0 and _all_shards(_selections(shards)):
        # What no shard has was left out by the selection that all of them share.
        start = _replace(joined.start, selection=_without(_SHARDING, shards[0].run.start.selection))
        return _replace(joined, start=start, finish=_shared(joined, finishes, size, absent))
    if (absent := size - len(reported)) > 0:
        text = f"{absent} of {size} tests are in none of the {len(shards)} parts"
        return _partial(joined, text)
    selections = _selections(shards)
    kept = selections if _all_equal(selections) else [_without(_DESELECTING, s) for s in selections]
    if not _all_equal(kept):
        return _partial(joined, "the parts looked for tests in different ways")
    kept = [_without(_SHARDING, selection) for selection in kept]
    start = _replace(joined.start, selection=kept[0])
    return _replace(joined, start=start, finish=_shared(joined, finishes, size, 0))


def _shared(
    joined: TestRun, finishes: Sequence[SessionFinished], size: int, absent: int
) -> SessionFinished:
    """The end of runs that shared a suite: what one left to another was not left out of it."""
    assert joined.finish is not None  # noqa: S101 - a fact for the type checker: all have ended
    asked = sum(finish.collected - finish.deselected for finish in finishes)
    counts = {word: n for word, n in joined.finish.counts.items() if word != "deselected"}
    if absent:
        counts["deselected"] = absent
    return _replace(
        joined.finish, collected=asked + absent, deselected=absent, found=size, counts=counts
    )


def _all_shards(selections: Sequence[tuple[str, ...]]) -> bool:
    """True if a sharding plugin ran each of its shards, all with one selection beside."""
    if not _all_equal(_without(_SHARDING, selection) for selection in selections):
        return False
    for (total, _), (which, _) in SHARD_OPTIONS:
        pairs = [(_value(total, words), _value(which, words)) for words in selections]
        if any(None in pair for pair in pairs) or not _all_equal(shards for shards, _ in pairs):
            continue
        return len({shard for _, shard in pairs}) == pairs[0][0]
    return False


def _value(option: str, selection: Sequence[str]) -> int | None:
    if option not in selection:
        return None
    after = selection[selection.index(option) + 1 :]
    return int(after[0]) if after and after[0].isdecimal() and len(after[0]) < 6 else None


def _without(options: Set[str], selection: Sequence[str]) -> tuple[str, ...]:
    """A selection without some of its options and their values."""
    kept: list[str] = []
    words = iter(selection)
    for word in words:
        if word not in options:
            kept.append(word)
        elif word not in _WITHOUT_VALUE:
            next(words, None)
    return tuple(kept)


def _by_path(runs: Sequence[TestRun], finishes: Sequence[SessionFinished]) -> TestRun:
    """Runs of different files of one suite."""
    joined = _as_legs(runs)
    if not any(finish.left_out for finish in finishes):
        return _partial(joined, "the parts do not add up: they are no shards of one suite")
    if any(finish.left_out_cut for finish in finishes):
        return _partial(joined, "the parts leave out too many test files to be compared")
    if any(finish.found > finish.collected for finish in finishes):
        return _partial(joined, "a plugin took tests away in some of the parts")
    absent = sorted(set.intersection(*({*finish.left_out} for finish in finishes)))
    if absent:
        more = f" and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
        text = f"{LEFT_OUT} of all {len(runs)} parts: {', '.join(absent[:_NAMED])}{more}"
        return _partial(joined, text)
    assert joined.finish is not None  # noqa: S101 - a fact for the type checker: all have ended
    causes = tuple(text for text in joined.finish.partial if not text.startswith(LEFT_OUT))
    return _replace(joined, finish=_replace(joined.finish, partial=causes))


def _partial(run: TestRun, cause: str) -> TestRun:
    return _with_causes(run, [cause])


def _with_causes(run: TestRun, causes: Sequence[str]) -> TestRun:
    """The run with more causes why it is partial; one that never ended is none already."""
    if run.finish is None or not causes:
        return run
    return _replace(run, finish=_replace(run.finish, partial=(*run.finish.partial, *causes)))


def _merged(runs: Sequence[TestRun]) -> TestRun:
    """The sum of the runs, whatever they are to each other."""
    finishes = [run.finish for run in runs if run.finish is not None]
    failures = _unique(chain.from_iterable(run.failures for run in runs))
    keys = {key for run in runs for key in run.failure_keys}
    return TestRun(
        start=_start([run.start for run in runs]),
        finish=_finish(runs, finishes) if len(finishes) == len(runs) else None,
        reported=sum(run.reported for run in runs),
        outcomes=_sum(run.outcomes for run in runs),
        failures=tuple(failures[:MAX_FAILURES]),
        failures_total=sum(run.failures_total for run in runs),
        failure_keys=tuple(sorted(keys)[:MAX_FAILURE_KEYS]),
        collect_failed=sum(run.collect_failed for run in runs),
        collect_skipped=sum(run.collect_skipped for run in runs),
        flaky=tuple(dict.fromkeys(chain.from_iterable(run.flaky for run in runs))),
    )


def _start(starts: Sequence[SessionStarted]) -> SessionStarted:
    return _replace(
        starts[0],
        at=min(start.at for start in starts),
        workers=max(start.workers for start in starts),
        python=", ".join(dict.fromkeys(start.python for start in starts)),
        platform=", ".join(dict.fromkeys(start.platform for start in starts)),
        ci=_agreed([start.ci for start in starts], lambda: None),
    )


def _finish(runs: Sequence[TestRun], finishes: Sequence[SessionFinished]) -> SessionFinished:
    first = finishes[0]
    moved = (run.finish for run in runs if run.finish and run.finish.tree_after != run.start.tree)
    trees = next(moved, first).tree_after  # of one whose files changed, if there is any
    common = set.intersection(*({*finish.left_out} for finish in finishes))
    return SessionFinished(
        session=first.session,
        at=max(finish.at for finish in finishes),
        duration=round(sum(finish.duration for finish in finishes), 3),
        exitstatus=next((f.exitstatus for f in finishes if f.exitstatus), 0),
        collected=sum(finish.collected for finish in finishes),
        reported=sum(finish.reported for finish in finishes),
        deselected=sum(finish.deselected for finish in finishes),
        executed=sum(finish.executed for finish in finishes),
        counts=_sum(finish.counts for finish in finishes),
        partial=tuple(dict.fromkeys(chain.from_iterable(f.partial for f in finishes))),
        interrupted=next((f.interrupted for f in finishes if f.interrupted), None),
        internal_error=next((f.internal_error for f in finishes if f.internal_error), None),
        lost_workers=tuple(chain.from_iterable(f.lost_workers for f in finishes)),
        tree_after=trees,
        found=sum(finish.found for finish in finishes),
        population=_agreed([finish.population for finish in finishes], lambda: None),
        left_out=tuple(sorted(common)),
        left_out_cut=any(finish.left_out_cut for finish in finishes),
    )


def _agreed(values: Sequence[_Value], otherwise: Callable[[], _Value]) -> _Value:
    return values[0] if _all_equal(values) else otherwise()


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in counts:
        total.update(part)
    return dict(sorted(total.items()))


def _unique(failures: Iterable[TestFailure]) -> list[TestFailure]:
    """A failure that several legs have is told once."""
    seen = {(f.nodeid, f.failure.phase, f.failure.fingerprint): f for f in failures}
    return list(seen.values())


def _with_flaky(run: TestRun, shards: Sequence[Shard]) -> TestRun:
    """A test is flaky only if no part of the run has it fail for good."""
    failed = {
        test
        for shard in shards
        for test, outcome in shard.outcomes.items()
        if outcome in ("failed", "error") and test not in {*shard.run.flaky}
    }
    flaky = [test for test in run.flaky if test not in failed]
    return _replace(run, flaky=tuple(flaky[:_MAX_FLAKY]))
