"""The simulation of a thousand tasks, with twenty: `python -m tests.simulation` is the long one."""

from __future__ import annotations

import pytest

from pytest_malagate.admission import starting
from pytest_malagate.admission.claimed_runs import ClaimedRuns
from tests import simulation


def test_every_task_ends_whatever_is_lost() -> None:
    done = simulation.simulate(20, seed=1)
    assert done.broken == [], "\n".join(done.lines())
    assert done.count["ledger: finished"] == 20
    assert done.count["freezes"] >= 1
    assert done.count["events lost"] > 0


def test_a_run_in_which_work_is_doubled_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can fail: an agent that does not ask whether its claim counts, started twice."""
    monkeypatch.setattr(simulation, "still_mine", lambda *_: True)
    monkeypatch.setattr(simulation, "is_first", lambda *_: True)
    monkeypatch.setattr(starting, "runs_of_claim", lambda *_: ClaimedRuns())
    done = simulation.simulate(5, seed=1)
    assert any("twice at once" in text for text in done.broken), done.lines()


def test_a_run_in_which_finished_work_is_passed_by_is_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It can fail: a queue that does not ask for the pull request of a run that has ended."""
    monkeypatch.setattr(starting, "open_of", lambda *_: None)
    done = simulation.simulate(5, seed=2)
    assert any("is open" in text for text in done.broken), done.lines()
