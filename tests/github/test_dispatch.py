"""A workflow is started once for a claim, although answers are lost and lists lag."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_malagate.errors import UsageError
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.dispatch import CLOCK_SKEW, Started, dispatch, run_of_title, start
from tests.action.stage import PERMISSIONS
from tests.twin import Repository, Twin, routes_actions

AGENT = "agent.yml"
WORKFLOW = """\
name: agent
run-name: "${{ inputs.task }} [${{ inputs.claim }}]"
on:
  workflow_dispatch:
    inputs:
      task: {required: true, type: string}
      claim: {required: true, type: string}
"""
CLAIM = "5f3a9c"
INPUTS = {"task": "x-12"}


@pytest.fixture
def agent(twin: Twin, repo: Repository, make_client: Any) -> Client:
    """A client that may start workflows, in a repository with one that can be started."""
    repo.commit("main", {f".github/workflows/{AGENT}": WORKFLOW})
    twin.token("t-start", repo, permissions=PERMISSIONS | {"actions": "write"})
    made: Client = make_client("t-start")
    return made


def runs(repo: Repository) -> list[Any]:
    return [run for run in repo.runs.values() if run.event == "workflow_dispatch"]


def starting(client: Client, twin: Twin, *, doubtful: bool = False) -> Started:
    return start(client, AGENT, "main", INPUTS, CLAIM, since=twin.clock(), doubtful=doubtful)


def test_a_dispatch_says_which_run_it_began(repo: Repository, agent: Client) -> None:
    number = dispatch(agent, AGENT, "main", INPUTS | {"claim": CLAIM})
    (run,) = runs(repo)
    assert run.id == number
    assert run.inputs == INPUTS | {"claim": CLAIM}


def test_a_server_that_tells_no_run_is_fine(
    twin: Twin, repo: Repository, agent: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.twin.routing import Call

    fields = Call.fields
    monkeypatch.setattr(Call, "fields", lambda call: {**fields(call), "return_run_details": False})
    assert starting(agent, twin) == Started(run_id=None, found=False)
    assert len(runs(repo)) == 1


def test_a_claim_is_started_with_its_id(twin: Twin, repo: Repository, agent: Client) -> None:
    begun = starting(agent, twin)
    (run,) = runs(repo)
    assert begun == Started(run_id=run.id, found=False)
    assert run.title == f"x-12 [{CLAIM}]"
    assert agent.made == 1


@pytest.mark.parametrize("kind", ["applied-502", "applied-reset", "truncated", "malformed"])
def test_where_the_answer_is_lost_the_run_is_found_and_not_started_again(
    twin: Twin, repo: Repository, agent: Client, kind: str
) -> None:
    twin.faults.add(kind, method="POST")
    begun = starting(agent, twin)
    (run,) = runs(repo)
    assert begun == Started(run_id=run.id, found=True)


@pytest.mark.parametrize("kind", ["500", "502", "reset", "timeout", "html", "empty"])
def test_where_nobody_can_tell_it_stays_uncertain_and_is_sent_once(
    twin: Twin, repo: Repository, agent: Client, kind: str
) -> None:
    twin.faults.add(kind, method="POST")
    with pytest.raises(GitHubError) as caught:
        starting(agent, twin)
    assert caught.value.uncertain
    assert runs(repo) == []
    assert [request.method for request in twin.requests].count("POST") == 1


@pytest.mark.parametrize("doubtful", [False, True])
def test_a_lookup_that_fails_leaves_it_uncertain(
    twin: Twin, repo: Repository, agent: Client, doubtful: bool
) -> None:
    twin.faults.add("applied-502", method="POST")
    twin.faults.add("forbidden", times=99, method="GET")
    with pytest.raises(GitHubError) as caught:
        starting(agent, twin, doubtful=doubtful)
    assert caught.value.uncertain
    assert len(runs(repo)) == (0 if doubtful else 1)


@pytest.mark.parametrize("kind", ["forbidden", "not-found", "unauthorized"])
def test_a_refusal_is_certain_and_nothing_is_looked_for(
    twin: Twin, repo: Repository, agent: Client, kind: str
) -> None:
    twin.faults.add(kind, method="POST")
    with pytest.raises(GitHubError) as caught:
        starting(agent, twin)
    assert (caught.value.uncertain, agent.made) == (False, 1)


def test_a_doubtful_claim_is_looked_for_first(twin: Twin, repo: Repository, agent: Client) -> None:
    first = starting(agent, twin)
    assert starting(agent, twin, doubtful=True) == Started(run_id=first.run_id, found=True)
    assert len(runs(repo)) == 1


def test_a_doubtful_claim_that_was_not_started_is_started(
    twin: Twin, repo: Repository, agent: Client
) -> None:
    assert not starting(agent, twin, doubtful=True).found
    assert len(runs(repo)) == 1


def test_a_run_that_the_list_shows_late_is_found_by_looking_again(
    twin: Twin, repo: Repository, agent: Client
) -> None:
    twin.faults.add("applied-502", method="POST")
    twin.lag(2)
    begun = starting(agent, twin)
    assert begun.found
    assert len(runs(repo)) == 1


def test_of_several_runs_of_a_claim_the_oldest_is_meant(
    twin: Twin, repo: Repository, agent: Client
) -> None:
    since = twin.clock()
    numbers = [dispatch(agent, AGENT, "main", INPUTS | {"claim": CLAIM}) for _ in range(3)]
    dispatch(agent, AGENT, "main", INPUTS | {"claim": "0ther"})
    found = run_of_title(agent, AGENT, CLAIM, created_since=since)
    assert found is not None
    assert (found.id, found.display_title) == (numbers[0], f"x-12 [{CLAIM}]")


def test_a_run_of_another_event_or_workflow_is_none_of_the_claim(
    twin: Twin, repo: Repository, agent: Client
) -> None:
    since = twin.clock()
    repo.run(workflow=f".github/workflows/{AGENT}", event="push", title=CLAIM)
    repo.run(workflow=".github/workflows/tests.yml", event="workflow_dispatch", title=CLAIM)
    assert run_of_title(agent, AGENT, CLAIM, created_since=since) is None


def test_runs_from_before_the_claim_are_not_looked_at(
    twin: Twin, repo: Repository, agent: Client
) -> None:
    starting(agent, twin)
    twin.advance(int(CLOCK_SKEW) + 60)
    assert run_of_title(agent, AGENT, CLAIM, created_since=twin.clock()) is None
    twin.advance(-int(CLOCK_SKEW))
    assert run_of_title(agent, AGENT, CLAIM, created_since=twin.clock()) is not None


def test_a_list_that_is_too_long_says_nothing_of_a_claim(
    twin: Twin, repo: Repository, agent: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes_actions, "FILTERED_LIMIT", 2)
    monkeypatch.setattr("pytest_malagate.github.dispatch._LISTED", 2)
    starting(agent, twin)
    for _ in range(2):
        repo.run(workflow=f".github/workflows/{AGENT}", event="workflow_dispatch", title="x-1")
    with pytest.raises(GitHubError, match="GitHub lists 2"):
        run_of_title(agent, AGENT, CLAIM, created_since=twin.clock())


@pytest.mark.parametrize("words", ["", " "])
def test_nothing_is_looked_for_without_a_claim(agent: Client, words: str) -> None:
    with pytest.raises(UsageError):
        run_of_title(agent, AGENT, words, created_since=0.0)
