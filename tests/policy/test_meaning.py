"""What a right policy means: its values, its defaults, its digest."""

from __future__ import annotations

import msgspec
import pytest

from pytest_malagate.gate.spec import (
    CoverageRule,
    IntegrityRule,
    RetryRule,
    Severity,
    Validation,
    ValidationKind,
    ValidationScope,
)
from pytest_malagate.policy import (
    CoordinatePolicy,
    CoveragePolicy,
    FreezePolicy,
    Policy,
    ReconcilePolicy,
    SerialPolicy,
)
from tests.policy.examples import TOML, YAML, toml_policy, yaml_policy

TASK, GLOBAL = ValidationScope.TASK, ValidationScope.GLOBAL


def test_every_key_of_a_full_policy_is_read() -> None:
    assert yaml_policy(YAML) == Policy(
        validations=(
            Validation(name="tests", kind=ValidationKind.TEST),
            Validation(name="lint", command="ruff check ."),
            Validation(name="format", command="ruff format --check ."),
            Validation(name="types", command="mypy src", allow_fail=True),
            Validation(name="setup", command="uv sync", required=False),
        ),
        scopes=dict.fromkeys((TASK, GLOBAL), ("tests", "lint", "format", "types")),
        coverage=CoveragePolicy(
            source=("src",),
            branch=True,
            min_percent=85.0,
            min_changed_percent=90.0,
            no_decrease=True,
        ),
        retry=RetryRule(max_attempts=3, max_infra_attempts=3),
        integrity=IntegrityRule(protected_paths=(".github/**", "malagate.yaml", "conftest.py")),
        serial=SerialPolicy(enabled=True, repos=()),
        freeze=FreezePolicy(enabled=True, mode="pause", clear_needs="maintain"),
        reconcile=ReconcilePolicy(grace_minutes=10.0, grace_overrides={"review": 120.0}),
        coordinate=CoordinatePolicy(max_agents=2, max_issues=None, workflow="agent.yml"),
        file="malagate.yaml",
        unjudged=(
            "coverage.min_changed_percent",
            "integrity.checks_weakened",
            "integrity.pragmas_added",
        ),
        explicit=(
            "coverage.no_decrease",
            "integrity.tests_removed",
            "integrity.skips_added",
            "integrity.protected_paths",
        ),
    )


def test_both_formats_of_one_policy_are_equal_but_for_the_file() -> None:
    from_yaml, from_toml = yaml_policy(YAML), toml_policy(TOML)
    assert from_toml.file == "pyproject.toml"
    assert msgspec.structs.replace(from_toml, file=from_yaml.file) == from_yaml
    assert from_toml.digest == from_yaml.digest


@pytest.mark.parametrize(
    "text", ["", "\n", "# nothing yet\n", "---\n", "{}", "\ufeff", b"\xef\xbb\xbf"]
)
def test_an_empty_policy_requires_the_tests_alone(text: str | bytes) -> None:
    policy = yaml_policy(text)
    assert policy == Policy(file="malagate.yaml")
    assert policy.validations == (Validation(name="tests", kind=ValidationKind.TEST),)
    assert policy.scopes == {"task": ("tests",), "global": ("tests",)}


@pytest.mark.parametrize("text", ["", "[project]\nname = 'x'\n", "tool = 3\n", "[tool.malagate]\n"])
def test_toml_without_the_table_or_with_an_empty_one_is_the_default_policy(text: str) -> None:
    assert toml_policy(text) == Policy(file="pyproject.toml")


@pytest.mark.parametrize("text", ["validations: {}", "scopes: {task: [], global: []}"])
def test_a_policy_may_require_nothing(text: str) -> None:
    assert yaml_policy(text).scopes == {"task": (), "global": ()}


def test_without_scopes_every_required_validation_is_required_in_both_in_order() -> None:
    policy = yaml_policy(
        "validations:\n"
        "  b: {command: b}\n"
        "  setup: {command: s, required: false}\n"
        "  a: {command: a, allow_fail: true}\n"
    )
    assert policy.scopes == {"task": ("b", "a"), "global": ("b", "a")}


def test_a_scope_that_is_left_out_requires_every_required_validation() -> None:
    policy = yaml_policy("validations: {a: {command: a}, b: {command: b}}\nscopes: {task: [b]}")
    assert policy.scopes == {"task": ("b",), "global": ("a", "b")}


def test_a_spec_holds_what_its_scope_requires_and_the_rules() -> None:
    policy = yaml_policy(
        "validations: {a: {command: a}, b: {command: b}}\n"
        "scopes: {task: [b], global: [b, a]}\n"
        "coverage: {min_percent: 80}\nretry: {max_attempts: 5}\nintegrity: {policy_changed: fail}\n"
    )
    spec = policy.spec(GLOBAL)
    assert (spec.scope, spec.required) == (GLOBAL, ("b", "a"))
    assert spec.validations == policy.validations
    assert spec.coverage == CoverageRule(min_percent=80.0)
    assert (spec.retry.max_attempts, spec.integrity.policy_changed) == (5, Severity.FAIL)
    assert policy.spec(TASK).required == ("b",)


def test_a_policy_that_is_silent_on_coverage_has_no_coverage_rule() -> None:
    assert Policy().spec(TASK).coverage is None
    assert yaml_policy("coverage: {}").spec(TASK).coverage == CoverageRule(min_percent=None)


@pytest.mark.parametrize("word", ["off", '"off"', "no", "false"])
def test_a_yaml_off_means_off_though_yaml_reads_a_boolean(word: str) -> None:
    policy = yaml_policy(f"integrity: {{tests_removed: {word}}}")
    assert policy.integrity.tests_removed is Severity.OFF
    assert policy.unjudged == ()


@pytest.mark.parametrize(
    ("text", "unjudged"),
    [
        ("", ()),
        ("coverage: {min_percent: 85, no_decrease: false}", ()),
        ("coverage: {min_changed_percent: 0}", ("coverage.min_changed_percent",)),
        ("integrity: {policy_changed: fail, skips_added: off, protected_paths: []}", ()),
        ("integrity: {pragmas_added: warn}", ("integrity.pragmas_added",)),
        ("serial: {enabled: true}\nfreeze: {}\nreconcile: {}\ncoordinate: {max_agents: 1}", ()),
    ],
)
def test_keys_that_are_set_but_not_judged_yet_are_named(text: str, unjudged: tuple[str]) -> None:
    assert yaml_policy(text).unjudged == unjudged


@pytest.mark.parametrize(
    ("text", "explicit"),
    [
        ("", ()),
        ("coverage: {no_decrease: false}", ()),
        ("coverage: {no_decrease: true}", ("coverage.no_decrease",)),
        ("integrity: {tests_removed: off, skips_added: warn}", ("integrity.skips_added",)),
        ("integrity: {protected_paths: [a]}", ("integrity.protected_paths",)),
        ("integrity: {policy_changed: fail, protected_paths: []}", ()),
    ],
)
def test_keys_that_are_judged_only_where_the_base_is_known_are_named(
    text: str, explicit: tuple[str, ...]
) -> None:
    policy = yaml_policy(text)
    assert policy.explicit == explicit
    assert policy.spec(ValidationScope.TASK).explicit == explicit


def test_a_default_that_is_written_out_does_not_change_the_digest() -> None:
    assert yaml_policy("integrity: {tests_removed: fail}").digest == yaml_policy("").digest


def test_no_decrease_reaches_the_judge() -> None:
    rule = yaml_policy("coverage: {no_decrease: true}").spec(ValidationScope.TASK).coverage
    assert rule is not None
    assert rule.no_decrease


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\nretry: {max_attempts: 4}\ncoverage: {branch: true, min_percent: 85}\n",
        "coverage: {min_percent: 85.0, branch: yes}\nretry: {max_attempts: 4.0}\n",
        "coverage:\n  'min_percent': 85\n  branch: true\nretry:\n  max_attempts: 4\n",
        "coverage: {min_percent: 85, branch: true}\nretry: {max_attempts: 4}\nversion: 1\n"
        "freeze: {mode: pause}\n",
    ],
)
def test_the_digest_ignores_comments_layout_order_of_keys_and_defaults(text: str) -> None:
    plain = "coverage: {min_percent: 85, branch: true}\nretry: {max_attempts: 4}\n"
    assert yaml_policy(text).digest == yaml_policy(plain).digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "validations: {a: {command: a}, b: {command: b}}",
            "validations: {b: {command: b}, a: {command: a}}",
        ),
        ("validations: {a: {command: a}}", "validations: {a: {command: b}}"),
        ("coverage: {min_percent: 85}", "coverage: {min_percent: 85.01}"),
        ("coverage: {}", ""),
        ("integrity: {tests_removed: warn}", ""),
    ],
)
def test_the_digest_tells_different_rules_apart(one: str, other: str) -> None:
    assert yaml_policy(one).digest != yaml_policy(other).digest


def test_the_digest_of_the_default_policy_has_a_fixed_form() -> None:
    algorithm, _, digits = Policy().digest.partition(":")
    assert (algorithm, len(digits)) == ("sha256", 64)
    assert Policy().digest == yaml_policy("").digest == toml_policy("").digest


def test_an_anchored_list_may_be_used_again() -> None:
    policy = yaml_policy("scopes:\n  task: &all [tests]\n  global: *all\n")
    assert policy.scopes == {"task": ("tests",), "global": ("tests",)}


def test_a_command_may_be_a_script_of_several_lines() -> None:
    policy = yaml_policy("validations:\n  a:\n    command: |\n      cd docs\n      make html\n")
    assert policy.validations[0].argv == ("sh", "-c", "cd docs\nmake html\n")


def test_null_lifts_the_limit_on_issues() -> None:
    assert yaml_policy("coordinate: {max_issues: null}").coordinate.max_issues is None
    assert yaml_policy("coordinate: {max_issues: 0}").coordinate.max_issues == 0


def test_a_repository_name_of_any_form_is_left_to_the_queue() -> None:
    assert yaml_policy("serial: {repos: ['a b; c', o/r]}").serial.repos == ("a b; c", "o/r")
