"""Whether another attempt is worth it: failures of this attempt against those before."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.gate.commit import CommitFinding
from pytest_malagate.gate.facts import Facts
from pytest_malagate.gate.judge import Judgement, evaluate
from pytest_malagate.gate.progress import assess
from pytest_malagate.gate.result import Subject
from pytest_malagate.gate.retry import HISTORY, PastAttempt, RetryState
from pytest_malagate.gate.spec import RetryRule, ValidationSpec
from tests.gate.cases import command_run, evidence, only_tests, spec, test_run

MANY = RetryRule(max_attempts=50)


class Story:
    """One attempt after another of one task, each on what the one before left behind."""

    def __init__(self, what: ValidationSpec | None = None) -> None:
        self.spec = what or only_tests(retry=MANY)
        self.state = RetryState()

    def attempt(
        self, tree: str, *failed: str, commit: str = "c", fresh: bool = True, **run
    ) -> Judgement:
        tree = tree * 40
        ran = test_run(*failed, tree=tree, **run)
        facts = Facts(
            subject=Subject(task="t", commit=commit * 40, tree=tree),
            judged_tree=tree,
            working_tree=tree,
        )
        judged = evaluate(self.spec, evidence(ran, fresh=fresh), facts, self.state)
        if judged.past is not None:
            self.state = self.state.after_failure(judged.past, log_offset=100)
        elif judged.spoiled:
            self.state = self.state.after_infrastructure()
        return judged

    def states(self, *attempts: tuple[str, str]) -> list[str]:
        """The progress of each attempt, given as (tree, failed tests)."""
        return [self.attempt(tree, *failed).result.progress.state for tree, failed in attempts]


def codes(judged: Judgement) -> list[str]:
    return [why.code for why in judged.result.reasons]


def test_progress_is_not_asked_of_the_first_attempt() -> None:
    assert Story().states(("1", "a")) == ["first"]


def test_the_reason_stands_last_and_the_others_are_kept() -> None:
    story = Story()
    story.attempt("1", "a", "b")
    judged = story.attempt("1", "a", "b", fresh=False)
    assert codes(judged) == ["tests.failed", "tests.failed", "progress.none"]
    assert judged.result.no_progress
    assert judged.result.next_action.kind == "ask_human"


def test_progress_is_not_asked_of_a_pass() -> None:
    story = Story()
    story.attempt("1", "a")
    judged = story.attempt("1")
    assert judged.result.passed
    assert not judged.result.no_progress
    assert judged.result.progress.fixed == ("a",)


@pytest.mark.parametrize("commit", ["c", "d"], ids=["same-commit", "empty-or-amended-commit"])
def test_the_same_tree_and_the_same_failures_are_no_progress(commit: str) -> None:
    story = Story()
    story.attempt("1", "a")
    assert story.attempt("1", "a", commit=commit, fresh=False).result.no_progress


def test_running_it_once_more_is_no_progress_either() -> None:
    story = Story()
    story.attempt("1", "a")
    assert story.attempt("1", "a", fresh=True).result.no_progress


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([("1", "abc"), ("2", "ab")], "progress"),
        ([("1", "abc"), ("2", "abd")], "changed"),
        ([("1", "abc"), ("2", "abcd")], "changed"),
        ([("1", "abc"), ("2", "abc")], "changed"),
        ([("1", "abc"), ("2", "abc"), ("3", "abc")], "no_progress"),
        ([("1", "abc"), ("2", "abc"), ("1", "abc")], "no_progress"),
        ([("1", "a"), ("1", "a"), ("2", "a")], "changed"),
        ([("1", "a"), ("2", "b"), ("3", "a"), ("4", "b")], "oscillating"),
        ([("1", "a"), ("2", "b"), ("3", "c")], "changed"),
        ([("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")], "no_progress"),
        ([("1", "ab"), ("1", "a")], "flaky"),
    ],
)
def test_failure_sets_are_compared(attempts: list[tuple[str, str]], expected: str) -> None:
    assert Story().states(*attempts)[-1] == expected


def test_the_same_failures_on_a_second_tree_are_a_nudge_and_no_stop() -> None:
    story = Story()
    story.attempt("1", "a")
    judged = story.attempt("2", "a")
    assert [w.code for w in judged.result.warnings] == ["progress.nudge"]
    assert judged.result.next_action.kind == "fix"


def test_what_was_fixed_and_what_is_new_is_listed() -> None:
    story = Story()
    story.attempt("1", "a", "b")
    progress = story.attempt("2", "b", "c").result.progress
    assert (progress.fixed, progress.new, progress.persisting) == (("a",), ("c",), ("b",))


def test_a_test_that_fails_otherwise_still_fails() -> None:
    story = Story()
    story.attempt("1", "a", "b")
    other = ("v1:other a",)
    judged = story.attempt("2", "a", failure_keys=other)
    assert judged.result.progress.state == "progress"
    assert judged.result.progress.persisting == ("a",)
    assert story.attempt("3", "a").result.progress.state == "changed"


def test_new_evidence_that_takes_a_reason_away_is_progress_on_the_same_commit() -> None:
    what = spec(required=("tests", "lint"), retry=MANY)
    story = Story(what)
    first = story.attempt("1", "a")
    assert "evidence.missing" in codes(first)
    tree = "1" * 40
    lint = command_run("lint", tree=tree, tree_after=tree)
    facts = Facts(subject=Subject(task="t", tree=tree), judged_tree=tree, working_tree=tree)
    seen = evidence(test_run("a", tree=tree), lint)
    assert evaluate(what, seen, facts, story.state).result.progress.state == "progress"


def test_asking_about_what_a_session_s_end_was_judged_by_is_the_same_attempt() -> None:
    run = test_run("a", "b")
    facts = Facts(judged_tree=run.start.tree, working_tree=run.start.tree)
    what = only_tests(retry=MANY)
    ended = evaluate(what, evidence(run), facts, RetryState(), claim=False)
    assert ended.past is not None
    state = RetryState().after_failure(ended.past, log_offset=100)

    asked = evaluate(what, evidence(run, fresh=False), facts, state)
    assert (asked.result.attempt.number, asked.resumed) == (1, True)
    assert not asked.result.no_progress

    assert asked.past is not None
    state = state.before_last().after_failure(asked.past, log_offset=100)
    again = evaluate(what, evidence(run, fresh=False), facts, state)
    assert (again.result.attempt.number, again.resumed) == (2, False)
    assert again.result.no_progress


def test_the_commands_name_what_was_named_when_it_was_judged() -> None:
    facts = Facts(subject=Subject(task="x 1", base="b" * 40, tree="t"), commits=CommitFinding())
    action = evaluate(spec(), evidence(), facts, RetryState()).result.next_action
    base = "b" * 40
    assert action.commands == (
        f"pytest -p malagate '--malagate-task=x 1' --malagate-base={base}",
        "malagate run lint",
        "malagate run format",
        "malagate run types",
        f"malagate check --task 'x 1' --base {base}",
    )


def test_flaky_tests_are_not_charged() -> None:
    story = Story()
    story.attempt("1", "a", "b")
    judged = story.attempt("1", "a")
    assert judged.past is None
    assert not judged.result.attempt.counted
    assert judged.result.attempt.reason


# --- a caller that keeps only the commit and the offset ---


@pytest.mark.parametrize(
    ("before", "now", "fresh", "dirty", "stuck"),
    [
        ("a", "a", False, False, True),
        ("a", "b", False, False, False),
        (None, "b", False, False, False),
        ("a", None, False, False, False),
        (None, None, False, False, True),
        ("a", "a", True, False, False),
        ("a", "a", False, True, False),
    ],
)
def test_without_a_history_a_commit_an_edit_or_evidence_is_progress(
    before: str | None, now: str | None, fresh: bool, dirty: bool, stuck: bool
) -> None:
    state = RetryState(gate_attempt=2, previous_commit_hash=before)
    found = assess(PastAttempt(number=2, commit=now), state, fresh=fresh, dirty=dirty)
    assert found.stuck is stuck


def test_a_commit_that_changes_no_file_is_no_progress_once_the_tree_is_known() -> None:
    state = RetryState(gate_attempt=2, previous_commit_hash="a", previous_tree="t")
    current = PastAttempt(number=2, commit="b", tree="t")
    assert assess(current, state, fresh=False, dirty=False).stuck


# --- the budget ---


def test_a_failure_hands_its_offset_and_commit_to_the_next_attempt() -> None:
    state = RetryState().after_failure(
        PastAttempt(number=1, commit="abc"), log_offset=100, log_identity="sha256:x"
    )
    assert (state.gate_attempt, state.log_offset, state.previous_commit_hash) == (2, 100, "abc")
    assert state.log_identity == "sha256:x"


def test_the_last_attempt_exhausts_the_budget_and_asks_a_person() -> None:
    story = Story(only_tests(retry=RetryRule(max_attempts=2)))
    assert "retry.exhausted" not in codes(story.attempt("1", "a", "b"))
    judged = story.attempt("2", "a")
    assert "retry.exhausted" in codes(judged)
    assert judged.result.next_action.kind == "ask_human"
    assert judged.result.attempt.remaining == 0


@pytest.mark.parametrize("how", [{"exit_code": 137}, {"exit_code": 143}, {"finished": False}])
def test_what_the_machinery_spoiled_is_not_charged_and_has_a_budget_of_its_own(how) -> None:
    what = spec(required=("lint",), retry=RetryRule(max_attempts=1, max_infra_attempts=2))
    run = msgspec.structs.replace(command_run("lint"), **how)
    facts = Facts(judged_tree=run.tree, working_tree=run.tree)
    first = evaluate(what, evidence(run), facts, RetryState())
    assert first.result.verdict == "inconclusive"
    assert (first.result.progress.state, first.result.attempt.counted) == ("infra", False)
    assert first.result.next_action.kind == "rerun"
    second = evaluate(what, evidence(run), facts, RetryState().after_infrastructure())
    assert "retry.infra-exhausted" in codes(second)
    assert second.result.next_action.kind == "ask_human"


def test_a_cancelled_run_is_not_charged() -> None:
    judged = Story().attempt("1", finish={"interrupted": "interrupted (Ctrl-C)", "exitstatus": 2})
    assert judged.result.attempt.reason == "the run was cancelled"
    assert judged.past is None


@pytest.mark.parametrize(
    ("run", "counted"),
    [
        (test_run("a"), True),
        (test_run(), False),
        (test_run("a", start={"selection": ("-k", "a")}), False),
    ],
    ids=["whole-and-failed", "whole-and-green", "partial"],
)
def test_the_end_of_a_test_run_is_an_attempt_only_if_it_was_whole_and_failed(run, counted) -> None:
    facts = Facts(judged_tree=run.start.tree, working_tree=run.start.tree)
    judged = evaluate(spec(), evidence(run), facts, RetryState(), claim=False)
    assert not judged.result.passed
    assert judged.result.attempt.counted is counted
    assert evaluate(spec(), evidence(run), facts, RetryState()).result.attempt.counted


@given(
    st.lists(
        st.tuples(st.sampled_from("123"), st.sets(st.sampled_from("abc"), min_size=1)), max_size=60
    )
)
def test_the_history_is_bounded_and_every_failure_has_a_number(attempts) -> None:
    story = Story()
    for number, (tree, failed) in enumerate(attempts, 1):
        judged = story.attempt(tree, *sorted(failed))
        assert judged.result.attempt.number <= number
        assert (judged.result.progress.state == "first") is (judged.result.attempt.number == 1)
    assert len(story.state.history) <= HISTORY


@given(st.lists(st.sets(st.sampled_from("abcd"), min_size=1), min_size=3, max_size=12))
def test_an_agent_that_repeats_itself_is_stopped_before_its_fourth_turn(sets) -> None:
    """Whatever happened before, three equal failure sets in a row are a stop."""
    story = Story()
    for tree, failed in enumerate(sets):
        story.attempt(chr(65 + tree), *sorted(failed))
    last = [story.attempt(chr(100 + i), "z", "y") for i in range(3)]
    assert last[-1].result.no_progress
