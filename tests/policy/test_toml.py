"""TOML: problems stand where the key or the value stands, whatever surrounds it."""

from __future__ import annotations

import pytest

from pytest_malagate.policy.problems import Position
from pytest_malagate.policy.toml_positions import locate
from tests.policy.examples import problems


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[tool.malagate]\nfoo = 1", "2:1: foo"),
        ("[tool.malagate.coverage]\nmin_percent = 101", "2:15: coverage.min_percent"),
        ("[tool.malagate]\ncoverage.min_percent = 101", "2:24: coverage.min_percent"),
        ("[tool]\nmalagate.coverage = {branch = true, min_percent = 101}", "2:51: coverage.min_percent"),
        ("tool.malagate.coverage.'min_percent' = 101", "1:40: coverage.min_percent"),
        ('["tool" . "mala\\u0067ate" . coverage]\n  min_percent=nan', "2:15: coverage.min_percent"),
        ("[tool.malagate.scopes]\ntask = [\n  'tests', # ]\n  'tets',\n]", "4:3: scopes.task[1]"),
        ("[x]\na = '''\n[tool.malagate]\nfoo = 1'''\n[tool.malagate]\nfoo = 1", "6:1: foo"),
        ('[x]\na = """\\"""""\nb = "]#"\n[tool.malagate]\nfoo = 1', "5:1: foo"),
        ("[x]\na = [[1, {b = 2, c = ['}']}], 1979-05-27 07:32:32]\n[tool.malagate]\nfoo = 1", "4:1: foo"),
        ("[[x.y]]\n[x.y.z]\n[[x.y]]\n[tool.malagate]\r\nfoo = 1", "5:1: foo"),
        ("[tool.malagate.coverag]\nmin_percent = 1", "1:16: coverag"),
        ("[[tool.malagate.retry]]\na = 1", "1:1: retry"),
        ("[tool.malagate]\nretry = 1979-05-27", "2:9: retry"),
        ("[tool]\nmalagate = 3", "2:12: must be a mapping"),
    ],
)  # fmt: skip
def test_a_problem_is_placed_where_it_stands(text: str, place: str) -> None:
    (problem,) = problems(text, file="pyproject.toml")
    assert problem.startswith(f"pyproject.toml:{place}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = 1\nb = [", ":2:6: not valid TOML: Invalid value"),
        ("a = 1\na = 2", ":2:6: not valid TOML: Cannot overwrite a value"),
        ("a", ":1:2: not valid TOML: Expected '=' after a key in a key/value pair"),
    ],
)
def test_a_syntax_error_carries_its_own_place(text: str, problem: str) -> None:
    assert problems(text, file="pyproject.toml") == [f"pyproject.toml{problem}"]


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 50_000,
        "a = " + "9" * 5000,
        "[tool.malagate.retry]\nmax_attempts = 0x" + "F" * 5000,
        "[tool.malagate]\n" + ".".join("a" * 300) + " = 1",
        ".".join("a" * 500_000) + " = 1",
        "x = {" + " . ".join(['"\\""'] * 100_000) + " = 1}",
        "[tool.malagate]\nx = " + "[" * 60 + "]" * 60,
    ],
)
def test_a_text_that_overtaxes_a_parser_is_refused(text: str) -> None:
    assert len(problems(text, file="pyproject.toml")) == 1


def test_a_key_that_was_not_found_is_placed_at_the_table_around_it() -> None:
    positions = locate("[tool.malagate]\nretry = {}\n")
    assert positions.of_value(("tool", "malagate", "coverage", "branch")) == Position(1, 1)
    assert positions.of_key(("tool", "malagate", "retry", "x")) == Position(2, 9)
    assert locate("").of_key(("tool",)) == Position(1, 1)


@pytest.mark.parametrize(
    "text", ["[a", "a = ", 'a = "', "=", "a = [1 2", "a = {b}", "\0", '"\\q" = 1']
)
def test_looking_for_places_in_what_is_not_toml_finds_none_and_ends(text: str) -> None:
    assert locate(text).of_value(("tool", "malagate")) == Position(1, 1)
