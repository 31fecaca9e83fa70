"""What a person is told about a wrong policy: file, line, column, key, what to do."""

from __future__ import annotations

import pytest

from pytest_malagate.errors import ExitCode, UsageError
from pytest_malagate.policy import PolicyError, Problem, parse_policy
from tests.policy.examples import problems

ROOT_KEYS = (
    "known here: version, validations, scopes, coverage, retry, integrity, serial, freeze, "
    "reconcile, coordinate"
)
PERCENT = "must be a number from 0 to 100"
WRITE_PERCENT = "write percent as a number, such as 85, or leave the key out"
BLANK = 'must be text that is not blank, not the text ""'
BAD_NAME = (
    "must be a name of at most 64 letters, digits, dots, dashes and underscores, "
    "beginning with a letter or a digit"
)


def check(text: str | bytes, *expected: str) -> None:
    assert problems(text) == [f"malagate.yaml:{problem}" for problem in expected]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("101", f"{PERCENT}, not 101"),
        ("-0.5", f"{PERCENT}, not -0.5"),
        (".nan", f"{PERCENT}, not nan"),
        (".inf", f"{PERCENT}, not inf"),
        ("true", f"{PERCENT}, not true; {WRITE_PERCENT}"),
        ("yes", f"{PERCENT}, not yes (which YAML reads as true); {WRITE_PERCENT}"),
        ("null", f"{PERCENT}, not null; {WRITE_PERCENT}"),
        ("85%", f'{PERCENT}, not the text "85%"; {WRITE_PERCENT}'),
        ('"85"', f'{PERCENT}, not the text "85"; take the quotes away'),
        ("[85]", f"{PERCENT}, not a list; {WRITE_PERCENT}"),
        ("2024-01-01", f"{PERCENT}, not a date; {WRITE_PERCENT}"),
        ("1" * 65, f"{PERCENT}, not a number of too many digits; {WRITE_PERCENT}"),
        ("1" * 60, f"{PERCENT}, not a number of more than 64 bits"),
    ],
)
def test_a_threshold_that_is_no_percentage_is_refused(value: str, said: str) -> None:
    check(f"coverage:\n  min_percent: {value}\n", f"2:16: coverage.min_percent: {said}")


@pytest.mark.parametrize(
    ("section", "key", "hint"),
    [
        ("coverage", "min_percnt", "did you mean min_percent?"),
        ("coverage", "threshold", "did you mean min_percent?"),
        ("coverage", "fail_under", "did you mean min_percent?"),
        ("coverage", "fail-under", "did you mean min_percent?"),
        ("coverage", "failUnder", "did you mean min_percent?"),
        ("coverage", "FAIL_UNDER", "did you mean min_percent?"),
        (
            "coverage",
            "timeout",
            "known here: source, branch, min_percent, min_changed_percent, no_decrease, report",
        ),
        ("retry", "max_retries", "did you mean max_attempts?"),
        ("freeze", "clear_need", "did you mean clear_needs?"),
        ("scopes", "pull_request", "did you mean task?"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest(section: str, key: str, hint: str) -> None:
    check(f"{section}:\n  {key}: 1\n", f"2:3: {section}.{key}: unknown key; {hint}")


def test_a_key_of_a_section_that_stands_at_the_root_is_recognised() -> None:
    check("min_percent: 85", "1:1: min_percent: unknown key; did you mean coverage.min_percent?")


def test_an_unknown_key_of_a_validation_is_placed_at_the_key() -> None:
    check(
        "validations:\n  lint: {command: ruff, cmd: x}\n",
        "2:25: validations.lint.cmd: unknown key; did you mean command?",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a", "1:1: must be a mapping, not a list"),
        ("just text", '1:1: must be a mapping, not the text "just text"'),
        ("null", "1:1: must be a mapping, not null; write a value, or leave the key out"),
        ("coverage:", "1:10: coverage: must be a mapping, not null; write a value, or leave the key out"),
        ("version: true", "1:10: version: must be 1, not true"),
        ('version: "1"', '1:10: version: must be 1, not the text "1"; take the quotes away'),
        ("retry: {max_attempts: 0}", "1:23: retry.max_attempts: must be a whole number from 1 to 1000, not 0"),
        ("retry: {max_attempts: 1.5}", "1:23: retry.max_attempts: must be a whole number from 1 to 1000, not 1.5"),
        ("coordinate: {max_agents: -1}", "1:26: coordinate.max_agents: must be a whole number from 0 to 1000, not -1"),
        ("coordinate: {max_issues: x}", '1:26: coordinate.max_issues: must be a whole number from 0 to 1000000, or null, not the text "x"'),
        ("coordinate: {workflow: a/b.yml}", '1:24: coordinate.workflow: must be the name of a .yml or .yaml file below .github/workflows, without folders, not the text "a/b.yml"'),
        ("coverage: {branch: 'true'}", '1:20: coverage.branch: must be true or false, not the text "true"; take the quotes away'),
        ("coverage: {source: src}", '1:20: coverage.source: must be a list, not the text "src"; write a list: ["src"]'),
        ("coverage: {source: [on]}", '1:21: coverage.source[0]: must be text that is not blank, not on (which YAML reads as true); put it in quotes: "on"'),
        ("freeze: {mode: pauze}", '1:16: freeze.mode: must be drain, pause or hard, not the text "pauze"; did you mean pause?'),
        ("integrity: {skips_added: on}", "1:26: integrity.skips_added: must be off, warn or fail, not on (which YAML reads as true)"),
        ("reconcile: {grace_overrides: {review: soon}}", '1:39: reconcile.grace_overrides.review: must be a number from 0 to 527040, not the text "soon"'),
        ("serial: {repos: {a: b}}", "1:17: serial.repos: must be a list, not a mapping"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_type_or_range_is_refused(text: str, problem: str) -> None:
    check(text, problem)


def test_another_version_is_reported_alone() -> None:
    check(
        "version: 2\nnew_key: 1\n",
        "1:10: version: must be 1, not 2; this malagate reads version 1 of the policy's language",
    )


@pytest.mark.parametrize(
    ("validations", "problem"),
    [
        ("a: {}", "1:18: validations.a: has no command; give it a command, or say `kind: test` for pytest"),
        ("a: {kind: command}", "1:18: validations.a: has no command; give it a command, or say `kind: test` for pytest"),
        ("a: ruff", '1:18: validations.a: must be a mapping, not the text "ruff"; write a mapping: {command: "ruff"}'),
        ('a: {command: ""}', f"1:28: validations.a.command: {BLANK}; leave the key out, or say `required: false`"),
        ("a: {command: [ls]}", "1:28: validations.a.command: must be text that is not blank, not a list; leave the key out, or say `required: false`"),
        ("a: {command: ls 'x}", "1:28: validations.a.command: a quotation mark is not closed; close it, or escape it with a backslash"),
        ("a: {command: ls \\}", "1:28: validations.a.command: the backslash at its end escapes nothing; take it away, or double it"),
        ("a: {command: \"''\"}", "1:28: validations.a.command: names no program"),
        ("a: {kind: tset}", '1:25: validations.a.kind: must be test or command, not the text "tset"; did you mean test?'),
        ("a: {command: x, selection: -m y}", "1:31: validations.a.selection: is only for `kind: test`; put the options into the command, or say `kind: test`"),
        ("-a: {command: x}", f"1:15: validations.-a: {BAD_NAME}"),
        ('"a b": {command: x}', f'1:15: validations."a b": {BAD_NAME}'),
        ("on: {command: x}", "1:15: validations: a key must be text, not on (which YAML reads as true); put it in quotes"),
    ],
)  # fmt: skip
def test_a_validation_that_cannot_be_run_or_told_is_refused(validations: str, problem: str) -> None:
    check(f"validations: {{{validations}}}", problem)


@pytest.mark.parametrize("other", ["ruff check .", "  ruff   check . ", "ruff check '.'"])
def test_two_validations_with_one_command_are_refused(other: str) -> None:
    check(
        f'validations:\n  a: {{command: ruff check .}}\n  b: {{command: "{other}"}}\n',
        "3:16: validations.b.command: the same command as a (line 2); "
        "one run would count for both: keep one of them",
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [("'echo \"a  b\"'", "'echo \"a b\"'"), ("'a | b'", "'a || b'"), ('"cd a\\nb"', "cd a b")],
)
def test_commands_that_differ_only_in_what_a_shell_keeps_are_two(one: str, other: str) -> None:
    assert problems(f"validations: {{a: {{command: {one}}}, b: {{command: {other}}}}}") == []


def test_two_test_validations_that_nothing_tells_apart_are_refused() -> None:
    text = "validations:\n  a: {kind: test}\n  b: {kind: test, selection: -m x}\n"
    check(
        text,
        "3:6: validations.b: nothing tells its test runs from those of a (line 2); "
        "give each a command of its own",
    )


def test_two_test_validations_with_commands_of_their_own_are_fine() -> None:
    text = "validations: {a: {kind: test}, b: {kind: test, command: pytest -p malagate slow}}"
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("scopes: {task: [test]}", "1:17: scopes.task[0]: no validation is called test; did you mean tests?"),
        ("validations: {}\nscopes: {task: [tests]}", "2:17: scopes.task[0]: no validation is called tests; none is defined"),
        ("validations: {a: {command: a}, b: {command: b}}\nscopes: {global: [zzz]}", "2:19: scopes.global[0]: no validation is called zzz; defined: a, b"),
        ("scopes: {task: [tests, tests]}", "1:24: scopes.task[1]: tests stands in this list twice"),
        ("scopes: {task: tests}", '1:16: scopes.task: must be a list, not the text "tests"; write a list: ["tests"]'),
    ],
)  # fmt: skip
def test_a_scope_names_each_defined_validation_once(text: str, problem: str) -> None:
    check(text, problem)


@pytest.mark.parametrize("validations", ["[lint]", "3", "null"])
def test_names_in_a_scope_are_not_held_against_validations_that_cannot_be_read(
    validations: str,
) -> None:
    lines = problems(f"validations: {validations}\nscopes: {{task: [lint, types]}}")
    assert [line.split(": ")[1] for line in lines] == ["validations"]


def test_a_name_whose_definition_is_wrong_still_counts_as_defined() -> None:
    text = "validations: {a: {command: 3}}\nscopes: {task: [a]}"
    assert [line.split(": ")[1] for line in problems(text)] == ["validations.a.command"]


def test_all_problems_are_reported_together_in_the_order_of_the_text() -> None:
    check(
        "coverage:\n  min_percnt: 85\n  branch: 1\n"
        "validations:\n  a: {}\n  b: {command: 1}\nscopes: {task: [c]}\ncoverage: {}\n",
        "2:3: coverage.min_percnt: unknown key; did you mean min_percent?",
        "3:11: coverage.branch: must be true or false, not 1",
        "5:6: validations.a: has no command; give it a command, or say `kind: test` for pytest",
        '6:16: validations.b.command: must be text that is not blank, not 1; put it in quotes: "1"',
        "7:17: scopes.task[0]: no validation is called c; defined: a, b",
        "8:1: coverage: given twice; the first is on line 1",
    )


def test_an_error_holds_its_problems_as_values_and_exits_with_2() -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy("coverage: {min_percnt: 1}", file="malagate.yaml")
    assert caught.value.problems == (
        Problem(
            file="malagate.yaml",
            line=1,
            column=12,
            key="coverage.min_percnt",
            message="unknown key",
            hint="did you mean min_percent?",
        ),
    )
    assert isinstance(caught.value, UsageError)
    assert caught.value.exit_code == ExitCode.USAGE == 2


def test_control_characters_of_a_policy_never_reach_the_message() -> None:
    text = '"\\e[2J\\u202e": 1\nfreeze: {mode: "\\e[31m\\nok"}\n'
    assert all(line.isprintable() for line in problems(text))
    assert len(problems(text)) == 2
    assert problems("", file="malagate.yaml") == []


def test_long_names_and_values_are_cut() -> None:
    lines = problems(f"{'x' * 100_000}: 1\nfreeze: {{mode: {'y' * 100_000}}}\nb: *{'z' * 1000}\n")
    assert all(len(line) < 500 for line in lines)


def test_a_long_text_that_holds_a_nul_is_refused_without_searching_it_again_and_again() -> None:
    # A pattern that backtracks would take hours for this text.
    (line,) = problems(f'validations: {{a: {{command: "{"x" * 1_000_000}\\0"}}}}')
    assert line.startswith("malagate.yaml:1:28: validations.a.command: must be text")


def test_among_very_many_names_no_nearest_one_is_sought() -> None:
    names = [f"check-{number}" for number in range(3000)]
    defined = ", ".join(f"{name}: {{command: {name}}}" for name in names)
    required = ", ".join(f"{name}x" for name in names)
    lines = problems(f"validations: {{{defined}}}\nscopes: {{task: [{required}]}}")
    assert lines[0].startswith(
        "malagate.yaml:2:17: scopes.task[0]: no validation is called check-0x; defined: check-0, "
    )


def test_a_flood_of_problems_is_counted_not_printed() -> None:
    lines = problems("".join(f"k{number}: 1\n" for number in range(200)))
    assert len(lines) == 51
    assert lines[-1] == "and 150 more problems"
