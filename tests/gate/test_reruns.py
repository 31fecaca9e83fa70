"""A commit that was judged and counted before, and is judged again: it costs nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pytest_malagate.gate.facts import Facts
from pytest_malagate.gate.judge import Judgement, evaluate
from pytest_malagate.gate.result import Subject
from pytest_malagate.gate.retry import RetryState
from pytest_malagate.gate.spec import RetryRule
from tests.gate.cases import command_run, evidence, facts, only_tests, spec, test_run


def head(number: int, **changes: Any) -> Facts:
    """The facts about the n-th commit; each has a tree of its own."""
    tree, commit = str(number) * 40, f"{number:x}" * 40
    subject = Subject(repository="o/r", pull_request=7, commit=commit, tree=tree)
    world = facts(subject=subject, commits=None, judged_tree=tree, working_tree=tree)
    return msgspec.structs.replace(world, **changes)


def seen_of(number: int, *failed: str, **changes: Any):
    return evidence(test_run(*failed, tree=str(number) * 40, **changes))


def after(*failures: str, budget: int = 3) -> tuple[RetryState, list[Judgement]]:
    """The state after these attempts: each a space-separated list of failing tests."""
    state, judgements = RetryState(), []
    for number, failed in enumerate(failures, start=1):
        made = attempt(number, *failed.split(), state=state, budget=budget)
        assert made.past is not None
        state = state.after_failure(made.past, log_offset=0)
        judgements.append(made)
    return state, judgements


def attempt(number: int, *failed: str, state: RetryState, budget: int = 3, **more: Any):
    rule = only_tests(retry=RetryRule(max_attempts=budget))
    return evaluate(rule, seen_of(number, *failed), head(number), state, **more)


TABLE = [
    # failures of the attempts, of the rerun; then the rerun's state, its reasons' last code
    (("a",), "a", "first", "tests.failed"),
    (("a",), "b", "flaky", "tests.failed"),
    (("a b",), "a", "flaky", "tests.failed"),
    (("a b", "a"), "a", "progress", "tests.failed"),
    (("a b", "a"), "b", "flaky", "tests.failed"),
    (("a", "b"), "b", "changed", "tests.failed"),
    (("a", "a", "a"), "a", "no_progress", "progress.none"),
    (("a", "b", "a", "b"), "b", "oscillating", "progress.oscillating"),
    (("a", "b", "a", "b"), "c", "flaky", "tests.failed"),
]


@pytest.mark.parametrize(("attempts", "again", "state", "last"), TABLE)
def test_a_failed_rerun_keeps_number_and_state_and_is_not_charged(
    attempts: tuple[str, ...], again: str, state: str, last: str
) -> None:
    before, judgements = after(*attempts, budget=9)
    number = len(attempts)
    made = attempt(number, *again.split(), state=before, budget=9, rerun=True)
    result, original = made.result, judgements[-1].result
    assert (result.verdict, made.past, made.spoiled) == ("fail", None, False)
    assert (result.attempt.number, result.attempt.counted) == (number, False)
    assert result.attempt.remaining == original.attempt.remaining == 9 - number
    assert result.attempt.reason == "a rerun of the same commit"
    assert result.progress.state == state
    assert result.reasons[-1].code == last
    if state != "flaky":
        assert result.progress.state == original.progress.state
        assert result.no_progress == original.no_progress


@pytest.mark.parametrize(
    ("number", "remaining", "codes"),
    [
        (1, 2, ["tests.failed"]),
        (2, 1, ["tests.failed"]),
        (3, 0, ["tests.failed", "retry.exhausted"]),
    ],
)
def test_what_is_left_is_what_is_left(number: int, remaining: int, codes: list[str]) -> None:
    state, _ = after(*(["a b c", "a b", "a"][:number]))
    failed = ["a b c", "a b", "a"][number - 1].split()
    result = attempt(number, *failed, state=state, rerun=True).result
    assert result.attempt.remaining == remaining
    assert list(dict.fromkeys(why.code for why in result.reasons)) == codes
    assert (result.next_action.kind == "ask_human") is (number == 3)


def test_the_next_commit_after_reruns_is_the_next_attempt() -> None:
    state, _ = after("a")
    for _ in range(5):
        attempt(1, "a", state=state, rerun=True)
    result = attempt(2, "a", "b", state=state).result
    assert (result.attempt.number, result.attempt.remaining) == (2, 1)


@pytest.mark.parametrize(
    ("attempts", "state"), [(("a",), "flaky"), (("a", "b"), "flaky"), (("a b c", "a"), "flaky")]
)
def test_a_rerun_that_passes_passes_and_shows_that_the_tests_are_flaky(
    attempts: tuple[str, ...], state: str
) -> None:
    before, _ = after(*attempts)
    result = attempt(len(attempts), state=before, rerun=True).result
    assert result.passed
    assert result.reasons == ()
    assert (result.attempt.number, result.attempt.counted) == (len(attempts), False)
    assert result.progress.state == state


def test_even_the_last_attempt_passes_by_its_rerun() -> None:
    before, _ = after("a", "a", "a")
    result = attempt(3, state=before, rerun=True).result
    assert (result.passed, result.no_progress, result.attempt.remaining) == (True, False, 0)


def test_another_tree_of_the_same_commit_is_not_flaky() -> None:
    """The merge with a base that has moved: other files."""
    state, _ = after("a")
    world = head(1, judged_tree="9" * 40, working_tree="9" * 40)
    result = evaluate(only_tests(), seen_of(9, "b"), world, state, rerun=True).result
    assert result.progress.state == "first"


def test_a_partial_rerun_is_not_flaky() -> None:
    state, _ = after("a")
    seen = seen_of(1, "b", finish={"partial": ("x",), "tree_after": "1" * 40})
    result = evaluate(only_tests(), seen, head(1), state, rerun=True).result
    assert result.progress.state == "first"


def test_a_rerun_that_the_machinery_spoils_is_of_the_machinery_s_budget() -> None:
    state, _ = after("a")
    world = head(1, problems=(("artifact.damaged", "no zip"),))
    made = evaluate(only_tests(), evidence(), world, state, rerun=True)
    assert (made.result.verdict, made.spoiled, made.past) == ("inconclusive", True, None)
    assert (made.result.attempt.number, made.result.attempt.remaining) == (1, 2)
    assert made.result.attempt.counted is False


@pytest.mark.parametrize(("counted", "number", "remaining"), [(1, 1, 2), (2, 2, 1), (3, 3, 0)])
def test_with_a_rebuilt_history_the_number_is_still_the_same(
    counted: int, number: int, remaining: int
) -> None:
    state = RetryState(gate_attempt=counted + 1, previous_commit_hash="1" * 40)
    made = attempt(1, "a", state=state, rerun=True)
    assert (made.result.attempt.number, made.result.attempt.remaining) == (number, remaining)
    assert made.past is None


def test_a_rerun_of_a_commit_that_was_never_counted_is_an_ordinary_attempt() -> None:
    made = attempt(1, "a", state=RetryState(), rerun=True)
    assert made.past is not None
    assert (made.result.attempt.number, made.result.attempt.counted) == (1, True)


def test_another_failing_command_on_a_rerun_is_not_flaky() -> None:
    rule = spec(required=("lint", "types"))
    world = head(1)

    def run(*failing: str):
        tree = "1" * 40
        runs = [
            command_run(name, int(name in failing), tree=tree, tree_after=tree)
            for name in ("lint", "types")
        ]
        return evidence(*runs)

    made = evaluate(rule, run("lint"), world, RetryState())
    assert made.past is not None
    state = RetryState().after_failure(made.past, log_offset=0)
    again = evaluate(rule, run("types"), world, state, rerun=True).result
    assert (again.progress.state, again.attempt.number) == ("first", 1)
