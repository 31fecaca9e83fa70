"""Retry and progress from trusted history: whose state counts, and what stands in for a lost one."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_malagate.action.memory import Memory, encode_memory
from pytest_malagate.gate.retry import RetryState
from tests.action.stage import FAILING, GATE_YML, TESTS_YML, Stage

STATE = "malagate-state-pr-1"


def forged(attempt: int = 1, **changes: Any) -> dict[str, bytes]:
    """A state that says that nothing has been tried yet."""
    memory = Memory(
        repository="acme/shop", pull_request=1, retry=RetryState(gate_attempt=attempt), **changes
    )
    return {"state.json": encode_memory(memory)}


@pytest.fixture
def tried(stage: Stage) -> Any:
    """A pull request with two failed attempts, and a third head."""
    pull = stage.opened(fork=False)
    for number in (1, 2):
        pull.push({"shop.py": f"# {number}\n"})
        stage.gate(stage.tested(pull, tests=FAILING))
    pull.push({"shop.py": "# 3\n"})
    return pull


def test_the_state_of_a_trusted_run_is_found_again(stage: Stage, tried: Any) -> None:
    told = stage.gate(stage.tested(tried, tests=FAILING))
    assert told.outputs["attempt"] == "3"
    assert "history.refused" not in told.warnings


def test_a_state_from_the_change_s_own_workflow_is_passed_over(stage: Stage, tried: Any) -> None:
    run = stage.tested(tried, tests=FAILING)
    run.artifact(STATE, forged())
    told = stage.gate(run)
    assert told.outputs["attempt"] == "3"
    assert "history.refused" in told.warnings


def test_a_state_from_a_fork_s_branch_called_main_is_passed_over(stage: Stage) -> None:
    fork = stage.repo.fork("mallory")
    fork.commit("main", {"shop.py": "# mine\n"}, message="work")
    pull = stage.repo.open_pull(head="main", fork=fork, title="Work", author="mallory")
    stage.gate(stage.tested(pull, tests=FAILING))
    pull.push({"shop.py": "# 2\n"})
    run = stage.tested(pull, tests=FAILING)
    run.artifact(STATE, forged(attempt=1))
    told = stage.gate(run)
    assert told.outputs["attempt"] == "2"
    assert "history.refused" in told.warnings


@pytest.mark.parametrize(
    ("workflow", "event"),
    [(".github/workflows/other.yml", "workflow_run"), (GATE_YML, "pull_request")],
)
def test_a_state_from_another_workflow_or_event_is_passed_over(
    stage: Stage, tried: Any, workflow: str, event: str
) -> None:
    about = {"pull": tried} if event == "pull_request" else {}
    run = stage.repo.run(workflow=workflow, event=event, **about)
    run.artifact(STATE, forged())
    run.finish("success")
    assert stage.gate(stage.tested(tried, tests=FAILING)).outputs["attempt"] == "3"


@pytest.mark.parametrize(
    "files",
    [
        {"state.json": b"not json"},
        {"state.json": b"{}"},
        {"state.json": b'{"schema": "malagate/state@2"}'},
        {"state.json": encode_memory(Memory(repository="acme/shop", pull_request=2))},
        {"state.json": encode_memory(Memory(repository="evil/shop", pull_request=1))},
        {"../state.json": b"{}"},
        {"other.json": b"{}"},
        {},
    ],
    ids=["no-json", "empty", "newer", "other-pull", "other-repository", "path-out", "name", "none"],
)
def test_a_damaged_state_of_our_own_gives_way_to_the_one_before(
    stage: Stage, tried: Any, files: dict[str, bytes]
) -> None:
    run = stage.repo.run(workflow=GATE_YML, event="workflow_run")
    run.artifact(STATE, files)
    run.finish("success")
    told = stage.gate(stage.tested(tried, tests=FAILING))
    assert told.outputs["attempt"] == "3"
    assert "history.refused" in told.warnings


def test_a_state_whose_digest_differs_stops_until_a_person_begins_anew(
    stage: Stage, tried: Any
) -> None:
    stage.repo.permission("bob", "write")
    run = stage.repo.run(workflow=GATE_YML, event="workflow_run")
    run.artifact(STATE, forged(), digest="sha256:" + "0" * 64)
    run.finish("success")
    told = stage.gate(stage.tested(tried, tests=FAILING))
    assert (told.outputs["verdict"], told.codes) == ("inconclusive", ["machinery.github"])
    assert "/gate retry begins anew" in told.log
    told = stage.say(tried, "bob", "/gate stop")
    assert "refused" in told.log
    told = stage.say(tried, "bob", "/gate retry")
    assert (told.outputs["verdict"], told.outputs["attempt"]) == ("fail", "1")
    tried.push({"shop.py": "# 4\n"})
    assert stage.gate(stage.tested(tried, tests=FAILING)).outputs["attempt"] == "2"


def test_an_expired_history_is_rebuilt_from_the_runs_and_said_to_be(
    stage: Stage, tried: Any
) -> None:
    for artifact in stage.repo.artifacts():
        artifact.gone = artifact.name == STATE
    told = stage.gate(stage.tested(tried, tests=FAILING))
    assert told.outputs["attempt"] == "3"
    assert "history.rebuilt" in told.warnings
    assert "counted from the list of runs" in tried.comments[0].body


def test_rebuilding_counts_heads_and_not_runs(stage: Stage) -> None:
    pull = stage.opened()
    run = stage.tested(pull, tests=FAILING)
    run.rerun()
    run.finish("failure")
    stage.tested(pull, tests=FAILING)
    pull.push({"shop.py": "# 2\n"})
    stage.tested(pull, conclusion="cancelled")
    pull.push({"shop.py": "# 3\n"})
    told = stage.gate(stage.tested(pull, tests=FAILING))
    assert told.outputs["attempt"] == "2"


def test_rebuilding_does_not_count_another_s_branch_of_the_same_name(stage: Stage) -> None:
    stage.repo.commit("topic", {"x.py": "1\n"}, message="ours")
    other = stage.repo.open_pull(head="topic", base="main", title="Other", author="alice")
    for number in (1, 2):
        other.push({"x.py": f"{number}\n"})
        stage.tested(other, tests=FAILING)
    told = stage.gate(stage.tested(stage.opened(), tests=FAILING))
    assert told.outputs["attempt"] == "1"


def test_a_first_evaluation_is_not_called_rebuilt(stage: Stage) -> None:
    told = stage.gate(stage.tested(stage.opened(), tests=FAILING))
    assert "history.rebuilt" not in told.warnings


def test_what_could_not_be_read_is_not_overwritten(stage: Stage, tried: Any) -> None:
    run = stage.tested(tried, tests=FAILING)
    stage.twin.faults.add("500", nth=1, times=50, method="GET", path=r"/actions/artifacts\?")
    told = stage.gate(run)
    assert told.outputs["verdict"] == "inconclusive"
    assert "state-path" not in told.outputs
    stage.twin.faults.clear()
    told = stage.gate(run)
    assert told.outputs["attempt"] == "3"


def test_infrastructure_has_a_budget_of_its_own(stage: Stage) -> None:
    pull = stage.opened()
    for number in (1, 2, 3):
        pull.push({"shop.py": f"# {number}\n"})
        run = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
        run.finish("cancelled")
        told = stage.gate(run)
        assert (told.outputs["verdict"], told.outputs["attempt"]) == ("inconclusive", "1")
    assert "retry.infra-exhausted" in told.codes
