"""Each test's outcome, read back from a journal: which tests there are, and which of them ran."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import msgspec

from pytest_malagate.collect.lines import lines_from
from pytest_malagate.gate.evidence import CollectEnded, TestEnded, TestRun
from pytest_malagate.gate.population import SET_ASIDE, Population

_RANKS = ("incomplete", "error", "failed", "xpassed", "passed", "xfailed", "skipped")
_SESSION = (b'{"type":"test","session":"', b'{"type":"collect","session":"')

_decoder = msgspec.json.Decoder(TestEnded | CollectEnded)


class SessionTests(msgspec.Struct, kw_only=True):
    """The tests of one session: outcomes by node id, and collectors that skipped themselves."""

    outcomes: dict[str, str] = {}
    set_aside: set[str] = set()


def worst(outcomes: Iterable[str]) -> str:
    """The outcome of a test that was run several times: what proves least of it.

    A failure outweighs a pass, and a pass outweighs a skip: it ran, after all.
    """
    return min(outcomes, key=_RANKS.index)


def read_tests(log: Path, sessions: Collection[str]) -> dict[str, SessionTests]:
    """The tests of the named sessions. Lines that are no records are passed over.

    Of a test with several records the worst counts. Nothing of a log that cannot be read.
    """
    found = {session: SessionTests() for session in sessions}
    ours = tuple(start + name.encode("utf-8", "replace") for start in _SESSION for name in found)
    try:
        with log.open("rb") as file:
            for _, line in lines_from(file):
                if line.startswith(ours):
                    _take(line, found)
    except OSError:
        return {session: SessionTests() for session in sessions}
    return found


def _take(line: bytes, found: Mapping[str, SessionTests]) -> None:
    try:
        record = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    tests = found.get(record.session)
    if tests is None:
        return
    if isinstance(record, TestEnded):
        before = tests.outcomes.get(record.nodeid, record.outcome)
        tests.outcomes[record.nodeid] = worst((before, record.outcome))
    elif record.outcome == "skipped":
        tests.set_aside.add(record.nodeid)


def population(
    run: TestRun, outcomes: Mapping[str, str], set_aside: Iterable[str] = ()
) -> Population:
    """The population of a run whose tests came out so."""
    measured = run.coverage
    known = measured is not None and not measured.problems
    return Population(
        ran=frozenset(test for test, word in outcomes.items() if word not in SET_ASIDE),
        skipped=frozenset(test for test, word in outcomes.items() if word in SET_ASIDE),
        set_aside=frozenset(set_aside),
        percent=measured.percent if measured is not None and known else None,
        commit=run.start.commit,
        tree=run.start.tree,
    )


def read_population(log: Path, run: TestRun) -> Population:
    """The population of a run that `read_evidence` found in this log."""
    tests = read_tests(log, [run.start.session])[run.start.session]
    return population(run, tests.outcomes, tests.set_aside)
