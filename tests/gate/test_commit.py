"""Which commit belongs to a task, and which is fresh."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.gate.commit import (
    Commit,
    CommitFinding,
    is_for_task,
    is_task_id,
    judge_commits,
)

BASELINE = 1703501000


def commit(subject="something else", *, hash="a" * 40, time=BASELINE, **rest):
    return Commit(hash=hash, time=time, subject=subject, **rest)


@pytest.mark.parametrize(
    "subject",
    [
        "x-1: fix the parser",
        "x-1 fix the parser",
        "x-1",
        "x-1:",
        "[x-1] fix the parser",
        "[x-1]: fix the parser",
        "(x-1) fix the parser",
        "fix(x-1): the parser",
        "feat(x-1)!: another parser",
        "fix the parser (x-1)",
        "fix the parser (x-1) (#45)",
        "fix: the parser (x-1)",
    ],
)
def test_a_subject_that_names_the_task_in_its_place_is_a_commit_for_it(subject):
    assert is_for_task(commit(subject), "x-1")


@pytest.mark.parametrize(
    ("subject", "task"),
    [
        ("x-10: other", "x-1"),
        ("x-1.2: other", "x-1"),
        ("x-1-b: other", "x-1"),
        ("x-1_b: other", "x-1"),
        ("ax-1: other", "x-1"),
        ("a.x-1: other", "x-1"),
        ("xA1: other", "x.1"),
        ("X-1: other", "x-1"),
        ("x-1:2: other", "x-1"),
        ("[x-10] other", "x-1"),
        ("fix(x-10): other", "x-1"),
        ("fix(core/x-1): other", "x-1"),
        ("other (x-10)", "x-1"),
        ("other (see x-1)", "x-1"),
        ("other x-1", "x-1"),
        ("prepare x-1: nothing done yet", "x-1"),
        ("fix: x-1 partly", "x-1"),
        ("other (x-1) and more", "x-1"),
        ("fixup! x-1: fix", "x-1"),
        ("Merge branch 'x-1'", "x-1"),
        ("", "x-1"),
    ],
)
def test_an_id_inside_another_id_or_inside_prose_does_not_count(subject, task):
    assert not is_for_task(commit(subject), task)


@pytest.mark.parametrize("key", ["Task", "Issue", "Fixes", "Closes", "Resolves", "TASK", "fixes"])
@pytest.mark.parametrize("value", ["x-1", "#x-1", " x-1 "])
def test_a_trailer_whose_value_is_the_id_alone_counts(key, value):
    assert is_for_task(commit(trailers=((key, value),)), "x-1")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Task", "x-10"),
        ("Task", "x-1, x-2"),
        ("Task", "see x-1"),
        ("Task", "X-1"),
        ("Task", ""),
        ("Relates-to", "x-1"),
        ("Signed-off-by", "x-1"),
    ],
)
def test_any_other_trailer_does_not_count(key, value):
    assert not is_for_task(commit(trailers=((key, value),)), "x-1")


@pytest.mark.parametrize(
    "reverting",
    [
        commit('Revert "x-1: fix"'),
        commit('Revert "something" (x-1)'),
        commit('Revert "something"', trailers=(("Task", "x-1"),)),
        commit("revert: something (x-1)"),
        commit("revert(x-1): something"),
        commit("x-1: take it back", reverts=True),
    ],
)
def test_a_revert_is_no_commit_for_the_task(reverting):
    assert not is_for_task(reverting, "x-1")


@pytest.mark.parametrize(
    ("subject", "counts"),
    [
        ("#12 fix", True),
        ("#12: fix", True),
        ("12: fix", True),
        ("[#12] fix", True),
        ("fix (#12)", True),
        ("fix (#12) (#13)", True),
        ("12 tests fixed", False),
        ("fix (#120)", False),
    ],
)
def test_a_number_may_carry_a_hash_sign_and_is_not_taken_from_prose(subject, counts):
    assert is_for_task(commit(subject), "12") is counts


def test_a_hash_sign_that_belongs_to_the_id_is_required_in_a_subject_but_not_in_a_trailer():
    assert is_for_task(commit("#12: fix"), "#12")
    assert not is_for_task(commit("12: fix"), "#12")
    assert is_for_task(commit(trailers=(("Closes", "12"),)), "#12")


@pytest.mark.parametrize("task", ["", " ", "x 1", "x\n1", "\x00", "#", "---", "x" * 201, "\udcff1"])
def test_what_can_be_no_id_is_never_found(task):
    assert not is_task_id(task)
    assert not is_for_task(commit(f"{task}: fix", trailers=(("Task", task),)), task)


FORMS = (
    "{}: text",
    "{} text",
    "{}",
    "[{}] text",
    "({}) text",
    "fix({}): text",
    "text ({})",
    "text ({}) (#7)",
)
ID_CHARACTERS = st.sampled_from("abzAZ019_.-")
IDS = st.text(ID_CHARACTERS, min_size=1, max_size=8).filter(is_task_id)


@given(
    task=IDS,
    before=st.text(ID_CHARACTERS, max_size=3),
    behind=st.text(ID_CHARACTERS, max_size=3),
    form=st.sampled_from(FORMS),
)
def test_an_id_never_matches_inside_a_longer_id(task, before, behind, form):
    longer = before + task + behind
    found = is_for_task(commit(form.format(longer), trailers=(("Task", longer),)), task)
    assert found is (longer == task)


@given(task=st.text(min_size=1, max_size=8).filter(is_task_id), form=st.sampled_from(FORMS[3:]))
def test_every_id_is_taken_literally(task, form):
    assert is_for_task(commit(form.format(task)), task)


def test_a_commit_before_the_baseline_is_stale():
    old = commit("x-1: fix", time=1703500000)
    assert judge_commits([old], "x-1", BASELINE) == CommitFinding(stale=old, matches=(old,))


def test_a_commit_at_the_baseline_is_fresh():
    equal = commit("x-1: fix", time=BASELINE)
    assert judge_commits([equal], "x-1", BASELINE).commit == equal


def test_without_a_baseline_every_commit_is_fresh():
    old = commit("x-1: fix", time=0)
    assert judge_commits([old], "x-1", None).commit == old


def test_a_task_without_commits_has_neither_a_fresh_nor_a_stale_one():
    assert judge_commits([commit("x-10: other")], "x-1", BASELINE) == CommitFinding()


def test_a_fresh_commit_counts_wherever_it_stands_among_stale_ones():
    stale = commit("x-1: rebased", hash="b" * 40, time=BASELINE - 1)
    fresh = commit("x-1: fix", time=BASELINE + 5)
    finding = judge_commits([stale, fresh, stale], "x-1", BASELINE)
    assert finding.commit == fresh
    assert finding.stale is None
    assert finding.matches == (stale, fresh, stale)


def test_the_newest_of_several_commits_is_named_and_the_first_given_of_equals():
    old, first, second = (
        commit("x-1: fix", hash=sign * 40, time=BASELINE + age)
        for sign, age in (("a", 1), ("b", 2), ("c", 2))
    )
    assert judge_commits([old, first, second], "x-1", BASELINE).commit == first
    assert judge_commits([old, first, second], "x-1", BASELINE + 9).stale == first


@given(times=st.lists(st.integers(0, 20), max_size=6), baseline=st.integers(0, 20))
def test_some_commit_is_fresh_exactly_if_one_time_reaches_the_baseline(times, baseline):
    finding = judge_commits([commit("x-1: fix", time=time) for time in times], "x-1", baseline)
    assert (finding.commit is not None) is any(time >= baseline for time in times)
    assert (finding.stale is not None) is (bool(times) and finding.commit is None)
