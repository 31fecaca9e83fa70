"""One policy with every key, in both formats, and how tests read a text's problems."""

from __future__ import annotations

from pytest_malagate.policy import Policy, PolicyError, parse_policy

YAML = """\
version: 1
validations:                       # what the gate requires, by name
  tests:  {kind: test}             # evidence comes from `pytest -p malagate`
  lint:   {command: ruff check .}
  format: {command: ruff format --check .}
  types:  {command: mypy src, allow_fail: true}   # must have run; may fail
  setup:  {command: uv sync, required: false}
scopes:
  task: [tests, lint, format, types]     # a pull request, an issue
  global: [tests, lint, format, types]   # the default branch, before a release
coverage:
  source: [src]
  branch: true
  min_percent: 85
  min_changed_percent: 90          # of the lines that this change touches
  no_decrease: true                # against the base
retry:
  max_attempts: 3                  # in total: the first and two more
  max_infra_attempts: 3            # attempts that the machinery spoiled have their own budget
integrity:                         # off | warn | fail, each
  tests_removed: fail
  skips_added: fail
  checks_weakened: fail
  pragmas_added: warn
  policy_changed: warn
  protected_paths: [.github/**, malagate.yaml, conftest.py]
serial:    {enabled: true, repos: []}               # no repos listed: every repository
freeze:    {enabled: true, mode: pause, clear_needs: maintain}
reconcile: {enabled: true, grace_minutes: 10, grace_overrides: {review: 120}, notify: true}
coordinate: {max_agents: 2, max_issues: null, workflow: agent.yml}
"""

# TOML has no null: a key without a limit is left out.
TOML = """\
[tool.malagate]
version = 1

[tool.malagate.validations]
tests = {kind = "test"}
lint = {command = "ruff check ."}
format = {command = "ruff format --check ."}
types = {command = "mypy src", allow_fail = true}
setup = {command = "uv sync", required = false}

[tool.malagate.scopes]
task = ["tests", "lint", "format", "types"]
global = ["tests", "lint", "format", "types"]

[tool.malagate.coverage]
source = ["src"]
branch = true
min_percent = 85
min_changed_percent = 90
no_decrease = true

[tool.malagate.retry]
max_attempts = 3
max_infra_attempts = 3

[tool.malagate.integrity]
tests_removed = "fail"
skips_added = "fail"
checks_weakened = "fail"
pragmas_added = "warn"
policy_changed = "warn"
protected_paths = [".github/**", "malagate.yaml", "conftest.py"]

[tool.malagate.serial]
enabled = true
repos = []

[tool.malagate.freeze]
enabled = true
mode = "pause"
clear_needs = "maintain"

[tool.malagate.reconcile]
enabled = true
grace_minutes = 10
grace_overrides.review = 120
notify = true

[tool.malagate.coordinate]
max_agents = 2
workflow = "agent.yml"
"""


def yaml_policy(text: str | bytes) -> Policy:
    return parse_policy(text, file="malagate.yaml")


def toml_policy(text: str | bytes) -> Policy:
    return parse_policy(text, file="pyproject.toml")


def problems(text: str | bytes, file: str = "malagate.yaml") -> list[str]:
    """What a person is told about a text, one entry a problem; empty if it is a policy."""
    try:
        parse_policy(text, file=file)
    except PolicyError as error:
        return str(error).splitlines()
    return []
