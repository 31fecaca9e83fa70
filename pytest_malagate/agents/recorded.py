"""What validations came to, as it was seen when each had ended.

The evidence log lies where the judged code can find it. So what a command came to is not read back
from there, a test run only from the part that was written while it ran, and neither of them again:
code that runs later cannot undo what failed. What tests say of themselves in their own process is
taken at its word, but for the exit code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from pytest_malagate.agents.process import Ending
from pytest_malagate.collect.population import read_population
from pytest_malagate.collect.reading import read_evidence
from pytest_malagate.gate.evidence import CommandRun, Evidence, SessionFinished, TestRun
from pytest_malagate.gate.population import Population

_SIGNALLED = 128
"""What a shell adds to the number of the signal that ended a command."""

replace = msgspec.structs.replace


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """The commands and the test runs by name, and which tests each of the runs had."""

    commands: Mapping[str, CommandRun] = {}
    tests: Mapping[str, TestRun] = {}
    populations: Mapping[str, Population] = {}

    def over(self, evidence: Evidence) -> Evidence:
        """A log's evidence with these in place of what the log holds.

        Without what only an agent's word stands behind: markers, and calls in a session's log.
        """
        return replace(
            evidence,
            commands={name: (run,) for name, run in self.commands.items()},
            tests=dict(self.tests),
            resolutions=(),
            fresh=evidence.fresh or bool(self.commands or self.tests),
        )

    def population(self) -> Population | None:
        """The tests of all whole runs; None where one is not whole, so that nobody knows."""
        if not self.tests or not all(_whole(run) for run in self.tests.values()):
            return None
        return _joined(self.populations.values())


def session_of(
    log: Path, offset: int, name: str, ending: Ending
) -> tuple[TestRun, Population] | None:
    """The test run that a process wrote into a log from byte `offset` on; None if it wrote none.

    `ending` is how the process ended.
    """
    run = read_evidence(log, offset=offset).tests.get(name)
    if run is None:
        return None
    return _ended(run, ending), read_population(log, run)


def _ended(run: TestRun, ending: Ending) -> TestRun:
    """With an end for a run whose time was up, and with the exit code that its process had.

    A run without an end is nobody's fault, and would be repeated; one that hangs is the work's.
    """
    finish = run.finish
    if finish is None:
        return replace(run, finish=_cut_short(run)) if ending.why == "timed_out" else run
    if finish.exitstatus != 0 or ending.status == 0:
        return run
    code = ending.status if ending.status > 0 else _SIGNALLED - ending.status
    return replace(run, finish=replace(finish, exitstatus=code))


def _cut_short(run: TestRun) -> SessionFinished:
    return SessionFinished(
        session=run.start.session,
        at=run.start.at,
        duration=0.0,
        exitstatus=1,
        collected=run.reported,
        reported=run.reported,
        counts=run.outcomes,
        partial=("its time was up",),
        tree_after=run.start.tree,
    )


def _whole(run: TestRun) -> bool:
    finish = run.finish
    return finish is not None and not (finish.partial or finish.interrupted or run.collect_failed)


def _joined(every: Iterable[Population]) -> Population:
    parts = list(every)
    return Population(
        ran=frozenset().union(*(part.ran for part in parts)),
        skipped=frozenset().union(*(part.skipped for part in parts)),
        set_aside=frozenset().union(*(part.set_aside for part in parts)),
        percent=next((part.percent for part in parts if part.percent is not None), None),
        commit=parts[0].commit,
        tree=parts[0].tree,
    )
