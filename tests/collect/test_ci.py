"""Which workflow run a process belongs to."""

from __future__ import annotations

import pytest

from pytest_malagate.collect.ci import ci_run
from tests.conftest import Project

RUN = {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "8123456789", "GITHUB_RUN_ATTEMPT": "2"}


def test_a_job_of_github_names_its_run_and_attempt() -> None:
    assert ci_run(RUN) == "8123456789.2"


@pytest.mark.parametrize(
    "changes",
    [
        {"GITHUB_ACTIONS": "false"},
        {"GITHUB_ACTIONS": ""},
        {"GITHUB_RUN_ID": ""},
        {"GITHUB_RUN_ID": "12a"},
        {"GITHUB_RUN_ID": "12\n"},
        {"GITHUB_RUN_ID": "١٢"},
        {"GITHUB_RUN_ATTEMPT": "-1"},
        {"GITHUB_RUN_ATTEMPT": "1.2"},
    ],
)
def test_anything_else_is_no_run(changes: dict[str, str]) -> None:
    assert ci_run(RUN | changes) is None


def test_a_session_and_a_command_record_their_run(project: Project) -> None:
    project.files(
        {
            "test_it.py": "def test_a(): pass\n",
            "malagate.yaml": "validations: {tests: {kind: test}, lint: {command: 'true'}}\n",
        }
    ).commit("a change")
    project.pytest("--malagate-collect", **RUN)
    project.malagate("run", "lint", **RUN)
    evidence = project.evidence()
    assert evidence.tests["tests"].start.ci == "8123456789.2"
    assert [run.ci for run in evidence.commands["lint"]] == ["8123456789.2"]


def test_outside_of_a_workflow_nothing_is_recorded(project: Project) -> None:
    project.files({"test_it.py": "def test_a(): pass\n"}).commit("a change")
    project.pytest("--malagate-collect")
    assert project.evidence().tests["tests"].start.ci is None
