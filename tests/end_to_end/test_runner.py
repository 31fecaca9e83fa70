"""GateRunner on a real repository, with evidence logs and agents' own session logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_malagate import GateRunner, LocalGate, PerIssueGateInput, RetryState
from tests.conftest import Project

POLICY = """
    validations:
      lint: {command: ruff check .}
      types: {command: mypy src}
"""


@pytest.fixture
def worked(project: Project) -> Project:
    project.files({"malagate.yaml": POLICY, "src/a.py": "x = 1\n"}).commit("x-1: begin")
    return project


class Session:
    """A Claude Code session log, a call and its result a step."""

    def __init__(self, path: Path) -> None:
        self.path, self._calls = path, 0

    def says(self, text: str, *, role: str = "assistant") -> Session:
        return self._write(role, {"type": "text", "text": text})

    def runs(self, command: str, *, failed: bool | None = False) -> Session:
        self._calls += 1
        call = f"toolu_{self._calls}"
        tool = {"type": "tool_use", "id": call, "name": "Bash", "input": {"command": command}}
        self._write("assistant", tool)
        if failed is not None:
            result = {"type": "tool_result", "tool_use_id": call, "content": "", "is_error": failed}
            self._write("user", result)
        return self

    def _write(self, role: str, block: dict) -> Session:
        line = {"type": role, "message": {"role": role, "content": [block]}}
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        return self


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path / "session.jsonl")


def gate(project: Project, session: Session, **state):
    runner = GateRunner(LocalGate(project.path))
    return runner.run_per_issue_gate(
        PerIssueGateInput(issue_id="x-1", log_path=session.path, retry_state=RetryState(**state))
    )


def statuses(output) -> list[str]:
    return [found.status for found in output.gate_result.validation_evidence]


def test_commands_of_the_policy_that_ran_exactly_are_evidence(worked, session) -> None:
    session.runs("ruff check .").runs("mypy src")
    output = gate(worked, session)
    assert output.gate_result.passed
    assert output.gate_result.commit_hash == worked.git("rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("failed", "status"), [(False, "passed"), (True, "failed"), (None, "missing")]
)
def test_a_run_is_what_its_result_says(worked, session, failed, status: str) -> None:
    assert (
        statuses(gate(worked, session.runs("mypy src").runs("ruff check .", failed=failed)))[0]
        == status
    )


@pytest.mark.parametrize(
    "command",
    [
        "echo ruff check .",
        'git commit -m "ruff check ."',
        "ruff check . || true",
        "ruff check .; true",
        "ruff check . | tail",
        "cd src && ruff check .",
        "ruff check . --fix",
        "RUFF=1 ruff check .",
    ],
)
def test_anything_but_the_command_itself_gets_no_credit(worked, session, command: str) -> None:
    assert statuses(gate(worked, session.runs(command)))[0] == "missing"


def test_evidence_before_the_offset_does_not_count(worked, session) -> None:
    session.says("\N{FIREWORKS}").runs("ruff check .")
    offset = session.path.stat().st_size
    session.runs("mypy src")
    assert statuses(gate(worked, session, log_offset=offset)) == ["missing", "passed"]


def test_in_another_log_the_offset_is_zero(worked, session) -> None:
    session.runs("ruff check .").runs("mypy src")
    state = {"log_offset": 10**6, "log_identity": "sha256:another"}
    assert gate(worked, session, **state).gate_result.passed


def test_an_attempt_hands_its_offset_to_the_next(worked, session) -> None:
    session.runs("ruff check .", failed=True).runs("mypy src")
    first = gate(worked, session)
    assert first.new_log_offset == session.path.stat().st_size
    session.runs("ruff check .").runs("mypy src")
    runner = GateRunner(LocalGate(worked.path))
    second = runner.run_per_issue_gate(
        PerIssueGateInput(issue_id="x-1", log_path=session.path, retry_state=first.retry_state)
    )
    assert second.gate_result.passed
    assert second.gate_result.attempt.number == 2


def test_a_missing_log_is_no_evidence(worked, session) -> None:
    assert statuses(gate(worked, session)) == ["missing", "missing"]


def test_a_marker_by_the_agent_resolves_and_by_anybody_else_does_not(project, session) -> None:
    project.files({"malagate.yaml": POLICY}).commit("begin")
    session.says("ISSUE_NO_CHANGE: it works as documented", role="user")
    assert gate(project, session).gate_result.reasons[0].code == "commit.missing"
    session.says("Looked into it.\nISSUE_NO_CHANGE: it works as documented")
    result = gate(project, session).gate_result
    assert (result.passed, result.resolution) == (True, "ISSUE_NO_CHANGE")


@pytest.mark.parametrize(
    "text",
    [
        "ISSUE_NO_CHANGE:",
        "ISSUE_NO_CHANGE:\nbecause",
        "I could say ISSUE_NO_CHANGE: but no",
        "> ISSUE_NO_CHANGE: x",
    ],
)
def test_a_marker_without_its_reason_on_a_line_of_its_own_is_none(project, session, text) -> None:
    project.files({"malagate.yaml": POLICY}).commit("begin")
    assert not gate(project, session.says(text)).gate_result.passed


@pytest.mark.parametrize(("when", "passes"), [(None, False), (1_700_000_000, True)])
def test_already_complete_needs_the_commit_that_it_names(project, session, when, passes) -> None:
    project.files({"malagate.yaml": POLICY}).commit("begin")
    if when is not None:
        project.files({"a.py": ""}).commit("x-0: did it", when=when)
    session.says("ISSUE_ALREADY_COMPLETE: x-0 did it")
    result = gate(project, session, baseline_timestamp=1_750_000_000).gate_result
    assert result.passed is passes
    if passes:
        assert result.commit_hash == project.git("rev-parse", "HEAD")
    else:
        assert "x-0" in result.failure_reasons[0]


DOCS = {"README.md": "x", "docs/guide.md": "x"}


@pytest.mark.parametrize(
    ("commits", "passes"),
    [
        ([DOCS], True),
        ([DOCS | {"src/b.py": ""}], False),
        ([DOCS | {"pyproject.toml": ""}], False),
        ([{"malagate.yaml": POLICY + "#"}], False),
        ([{"src/b.py": "y"}, DOCS], False),
    ],
    ids=["docs", "code", "build", "policy", "code-then-docs"],
)
def test_docs_only_is_held_against_every_commit_of_the_task(
    project, session, commits, passes
) -> None:
    project.files({"malagate.yaml": POLICY}).commit("begin")
    for files in commits:
        project.files(files).commit("x-1: write")
    result = gate(project, session.says("ISSUE_DOCS_ONLY: words")).gate_result
    assert result.passed is passes


def test_docs_only_sees_the_files_of_a_root_commit(project, session) -> None:
    project.files({"malagate.yaml": POLICY, "src/a.py": "", "README.md": ""}).commit("x-1: write")
    result = gate(project, session.says("ISSUE_DOCS_ONLY: words")).gate_result
    assert [why.code for why in result.reasons] == ["resolution.not-docs"]


def test_an_evidence_log_is_read_as_what_it_is(project: Project) -> None:
    project.files({"test_a.py": "def test_a(): pass\n"}).commit("x-1: begin")
    project.pytest("-q")
    runner = GateRunner(LocalGate(project.path))
    log = project.out / "evidence.jsonl"
    for path in (None, log):
        output = runner.run_per_issue_gate(PerIssueGateInput(issue_id="x-1", log_path=path))
        assert output.gate_result.passed
        assert output.new_log_offset == log.stat().st_size
