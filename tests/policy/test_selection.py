"""The options that define a suite have one spelling, whatever the policy's author wrote."""

from __future__ import annotations

import pytest

from pytest_malagate.policy import selection_tokens
from tests.policy.examples import problems, toml_policy, yaml_policy

NOT_SLOW = ("-m", "not slow")


@pytest.mark.parametrize(
    "options",
    [
        '-m "not slow"',
        "-m='not slow'",
        "-m'not slow'",
        '-m   "not   slow"',
        ["-m", "not slow"],
        ["-m=not slow"],
        ["-mnot slow"],
        ["-m not slow"],
    ],
)
def test_spellings_of_one_option_are_equal(options: str | list[str]) -> None:
    assert selection_tokens(options) == NOT_SLOW


def test_options_are_ordered_as_evidence_orders_them() -> None:
    options = "tests/a.py::test_b --ignore=x -m slow --deselect t.py::c[p=1] -k=name"
    assert selection_tokens(options) == (
        *("-k", "name", "-m", "slow", "--deselect", "t.py::c[p=1]", "--ignore", "x"),
        "tests/a.py::test_b",
    )


def test_a_value_that_looks_like_an_option_stays_a_value() -> None:
    assert selection_tokens(["-k", "-m=x"]) == ("-k", "-m=x")


def test_nothing_selected_is_no_tokens() -> None:
    assert selection_tokens("") == selection_tokens([]) == ()


def test_a_policy_takes_a_text_or_a_list() -> None:
    text = yaml_policy("validations: {t: {kind: test, selection: -m 'not slow'}}")
    listed = toml_policy(
        '[tool.malagate.validations.t]\nkind = "test"\nselection = ["-m=not slow"]\n'
    )
    assert text.validations[0].selection == listed.validations[0].selection == NOT_SLOW
    assert text.digest == listed.digest


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("3", "must be text or a list of texts, not 3"),
        ("-m 'not", "a quotation mark is not closed; close it, or escape it with a backslash"),
        ("-m x\\", "the backslash at its end escapes nothing; take it away, or double it"),
    ],
)
def test_a_selection_that_is_no_options_is_refused(value: str, problem: str) -> None:
    where = "malagate.yaml:1:42: validations.t.selection: "
    assert problems(f"validations: {{t: {{kind: test, selection: {value}}}}}")[0] == where + problem


def test_an_item_that_is_no_text_is_refused() -> None:
    text = "validations: {t: {kind: test, selection: [-m, true]}}"
    assert problems(text) == [
        "malagate.yaml:1:47: validations.t.selection[1]: must be text that is not blank, not true; "
        'put it in quotes: "true"'
    ]
