"""`malagate queue mine`: an agent's first step asks whether it may work, and writes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.queue_commands import Desk
from tests.cli.test_store_on_github import BOT, MAJA, Away, away
from tests.conftest import Finished
from tests.twin import Run

__all__ = ["away"]  # a fixture

AGENT = ".github/workflows/agent.yml"


# --- on a file ---


def claimed(desk: Desk) -> str:
    desk.does("queue", "add", "x-1")
    return str(desk.does("queue", "claim")["claim"])


def test_a_claim_that_counts_is_mine_and_nothing_is_written(desk: Desk) -> None:
    claim = claimed(desk)
    before = desk.does("queue", "list")
    assert desk.does("queue", "mine", "x-1", "--claim", claim) == {
        "task": "x-1",
        "mine": True,
        "stop": False,
    }
    assert desk.says("queue", "mine", "x-1", "--claim", claim).out == "x-1 is yours: go on\n"
    assert desk.does("queue", "list") == before


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (("queue", "finish", "x-1"), "claim.over", "x-1 is not active"),
        (("queue", "requeue", "x-1"), "claim.over", "x-1 is not active"),
        (("freeze", "stop it all", "--mode", "hard"), "freeze.active", "stop it all"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_whose_claim_is_over_or_told_to_stop_has_to_stop(
    desk: Desk, argv: tuple[str, ...], code: str, said: str
) -> None:
    claim = claimed(desk)
    desk.does(*argv)
    answer = desk.says("queue", "mine", "x-1", "--claim", claim, "--json")
    assert (answer.exit, answer.json["mine"], answer.json["stop"]) == (4, False, True)
    assert (answer.json["code"], said in answer.json["reason"]) == (code, True)
    plain = desk.says("queue", "mine", "x-1", "--claim", claim)
    assert plain.exit == 4
    assert plain.out.startswith("stop the work: ")


def test_another_claim_and_an_unknown_task_are_not_mine(desk: Desk) -> None:
    claim = claimed(desk)
    for argv in (("x-1", "--claim", "another"), ("x-2", "--claim", claim)):
        assert desk.says("queue", "mine", *argv).exit == 4


@pytest.mark.parametrize("mode", ["drain", "pause"])
def test_a_milder_freeze_does_not_hold_up_work_that_has_begun(desk: Desk, mode: str) -> None:
    claim = claimed(desk)
    desk.does("freeze", "on fire", "--mode", mode)
    assert desk.says("queue", "mine", "x-1", "--claim", claim).exit == 0


def test_a_run_is_known_on_github_only(desk: Desk) -> None:
    said = desk.says("queue", "mine", "x-1", "--claim", claimed(desk), "--run", "7")
    assert (said.exit, said.out) == (2, "")
    assert "--run: the number of a workflow run" in said.err


def test_where_nobody_can_tell_it_is_nobodys(desk: Desk) -> None:
    claim = claimed(desk)
    desk.breaks_the_store()
    said = desk.says("queue", "mine", "x-1", "--claim", claim)
    assert (said.exit, said.out, len(said.err.splitlines())) == (3, "", 1)


# --- on GitHub ---


class Worker:
    """An agent's job: a token that may read, and the run that it is."""

    def __init__(self, away: Away) -> None:
        self.away = away.armed()
        reads = {"issues": "read", "actions": "read"}
        away.twin.token("t-agent", away.repo, login=BOT, permissions=reads)
        self.task = f"#{away.repo.open_issue('Work').number}"
        away.gate().add(self.task, "alice")
        claim = away.gate().claim("malagate-start").task.claim  # type: ignore[union-attr]
        assert claim is not None
        self.claim = claim.id

    def run(self, title: str | None = None) -> Run:
        title = f"{self.task} [{self.claim}]" if title is None else title
        return self.away.repo.run(AGENT, "workflow_dispatch", title=title)

    def asks(self, run: Run | None = None, *, claim: str = "", who: str = "agent") -> Finished:
        argv = ("--run", str(run.id)) if run is not None else ()
        claim = claim or self.claim
        return self.away.call(who, "queue", "mine", self.task, "--claim", claim, "--json", *argv)

    def told(self, done: Finished) -> Any:
        assert len(done.stderr.splitlines()) == 0, done.stderr
        return done.returncode, json.loads(done.stdout).get("code")


@pytest.fixture
def worker(away: Away) -> Worker:
    return Worker(away)


def test_the_first_run_of_a_claim_works_and_a_later_one_does_not(worker: Worker) -> None:
    first, second = worker.run(), worker.run()
    before = worker.away.writes()
    assert worker.told(worker.asks(first)) == (0, None)
    assert worker.told(worker.asks(second)) == (4, "claim.second-run")
    assert worker.told(worker.asks()) == (0, None)
    first.jobs.clear()
    first.finish("cancelled")
    assert worker.told(worker.asks(second)) == (0, None), "the first was never at work"
    assert worker.away.writes() == before


def test_a_run_that_does_not_show_the_claim_is_not_its_run(worker: Worker) -> None:
    assert worker.told(worker.asks(worker.run("agent"))) == (4, "claim.second-run")


def test_a_claim_that_was_taken_over_or_stopped_is_not_mine(worker: Worker) -> None:
    run, gate = worker.run(), worker.away.gate()
    assert worker.told(worker.asks(run, claim="another")) == (4, "claim.over")
    gate.freeze("stop it all", MAJA, mode="hard")
    assert worker.told(worker.asks(run)) == (4, "freeze.active")
    gate.unfreeze(MAJA, "it is out")
    gate.requeue(worker.task, "walt")
    assert worker.told(worker.asks(run)) == (4, "claim.over")


def test_what_github_does_not_tell_is_trouble(worker: Worker) -> None:
    run = worker.run()
    worker.away.repo.runs = {}
    for done in (worker.asks(run), worker.asks(who="nobody")):
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 1)
