"""The published JSON Schema says what the loader says."""

from __future__ import annotations

import tomllib

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from pytest_malagate.gate.spec import Validation
from pytest_malagate.policy import Policy, policy_schema
from pytest_malagate.policy.rules import Table
from pytest_malagate.policy.table import POLICY
from pytest_malagate.schemas import generated, published
from tests.policy.examples import TOML, YAML, problems

VALIDATOR = Draft202012Validator(policy_schema())


def test_the_published_file_is_what_the_table_gives() -> None:
    again = "run `python -m pytest_malagate.schemas` to write it anew"
    assert published("policy") == generated("policy"), again


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(policy_schema())
    assert policy_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    "policy", [{}, yaml.safe_load(YAML), tomllib.loads(TOML)["tool"]["malagate"]]
)
def test_a_full_and_an_empty_policy_are_valid(policy: object) -> None:
    assert list(VALIDATOR.iter_errors(policy)) == []


@pytest.mark.parametrize(
    "text",
    [
        "integrity: {tests_removed: off}",
        'integrity: {tests_removed: "off"}',
        "retry: {max_attempts: 4.0}",
        "coordinate: {max_issues: null}",
        "coverage: {}",
        "validations: {t: {kind: test, selection: -m x}, u: {kind: test, command: p}}",
        "validations: {t: {kind: test, selection: [-m, x]}}",
        'validations: {a: {command: "a\\nb\\n"}}',
        "serial: {repos: ['a b']}",
    ],
)
def test_what_the_loader_accepts_the_schema_accepts(text: str) -> None:
    assert problems(text) == []
    assert list(VALIDATOR.iter_errors(yaml.safe_load(text))) == []


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "unknown: 1",
        "version: 2",
        "version: true",
        "version: '1'",
        "coverage: null",
        "coverage: {min_percnt: 1}",
        "coverage: {min_percent: 101}",
        "coverage: {min_percent: -1}",
        "coverage: {min_percent: true}",
        "coverage: {min_percent: null}",
        "coverage: {min_percent: '85'}",
        "coverage: {branch: 1}",
        "coverage: {source: src}",
        "coverage: {source: ['']}",
        "coverage: {report: ' '}",
        "retry: {max_attempts: 0}",
        "retry: {max_attempts: 1.5}",
        "retry: {max_attempts: 1001}",
        "integrity: {skips_added: on}",
        "integrity: {skips_added: 0}",
        "integrity: {skips_added: error}",
        "serial: {repos: o/r}",
        "freeze: {mode: stop}",
        "freeze: {mode: off}",
        "freeze: {clear_needs: read}",
        "reconcile: {grace_minutes: -1}",
        "reconcile: {grace_overrides: {review: x}}",
        "reconcile: {grace_overrides: {'': 1}}",
        "coordinate: {max_agents: null}",
        "coordinate: {workflow: a/b.yml}",
        "coordinate: {workflow: agent.sh}",
        "validations: {a: {}}",
        "validations: {a: ruff}",
        "validations: {a: {kind: command}}",
        "validations: {a: {kind: unit}}",
        "validations: {a: {command: ''}}",
        'validations: {a: {command: "a\\0"}}',
        "validations: {a: {command: x, selection: -m y}}",
        "validations: {a: {kind: test, selection: 3}}",
        "validations: {-a: {command: x}}",
        "validations: {a: {command: x, timeout: 3}}",
        "scopes: {pr: [tests]}",
        "scopes: {task: tests}",
        "scopes: {task: [tests, tests]}",
    ],
)
def test_what_the_schema_refuses_the_loader_refuses(text: str) -> None:
    assert problems(text) != []
    assert list(VALIDATOR.iter_errors(yaml.safe_load(text))) != []


def test_every_key_of_the_table_is_a_field_of_the_policy_and_the_other_way_round() -> None:
    read_not_written = {"file", "unjudged", "explicit"}
    assert set(POLICY.keys) == set(Policy.__struct_fields__) - read_not_written
    sections = [rule for rule in POLICY.keys.values() if isinstance(rule, Table) and rule.defaults]
    assert len(sections) == 7
    for rule in sections:
        assert rule.defaults is not None
        assert tuple(rule.keys) == rule.defaults.__struct_fields__
    validation = policy_schema()["properties"]["validations"]["additionalProperties"]
    assert {"name", *validation["properties"]} == set(Validation.__struct_fields__)


def test_the_defaults_in_the_schema_are_the_policys_own() -> None:
    defaults = msgspec.to_builtins(Policy())
    for section, schema in policy_schema()["properties"].items():
        for key, item in schema.get("properties", {}).items():
            if "default" in item and section != "coverage":
                assert item["default"] == defaults[section][key]
