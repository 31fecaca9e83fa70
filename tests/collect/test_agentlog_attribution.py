"""Which commands of an agent's session count, in the logs of all three agents."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_malagate.collect.agentlog import AgentRun, read_agent_log
from tests.collect.agentlogs import AGENTS, Story

COMMANDS = {"lint": "ruff check .", "types": "mypy src", "tests": "pytest"}


@pytest.fixture(params=AGENTS)
def story(request: pytest.FixtureRequest) -> Story:
    return Story(request.param)


def runs(story: Story, directory: Path, offset: int = 0) -> dict[str, AgentRun]:
    reading = read_agent_log(story.write(directory), COMMANDS, offset=offset)
    assert reading.source == story.agent
    return {run.name: run for run in reading.runs}


@pytest.mark.parametrize(
    "command",
    [
        "echo pytest ruff",
        "echo 'ruff check .'",
        'git commit -m "run pytest, ruff check . and mypy src"',
        "pytest || true",
        "pytest; true",
        "pytest | tail",
        "pytest &",
        "pytest\ntrue",
        "pytest && true",
        "cd /repo && pytest",
        "CI=1 pytest",
        "env pytest",
        "pytest tests/test_one.py",
        "pytest --version",
        "'pytest'",
        "(pytest)",
        "pytest # done",
        "ruff  check .",
        "ruff check",
        "RUFF CHECK .",
        "bash -c 'bash -c pytest'",
        "",
    ],
)
def test_a_command_that_is_not_exactly_the_policys_gets_no_credit(
    story: Story, tmp_path: Path, command: str
) -> None:
    story.ran(command)
    assert runs(story, tmp_path) == {}


@pytest.mark.parametrize("command", ["pytest", "  pytest", "pytest \n", "\n\tpytest\n"])
def test_white_space_around_the_command_does_not_matter(
    story: Story, tmp_path: Path, command: str
) -> None:
    story.ran(command)
    assert runs(story, tmp_path)["tests"].exit_code == 0


@pytest.mark.parametrize(("status", "expected"), [(0, 0), (1, 1)])
def test_a_call_has_the_status_that_its_tool_reports(
    story: Story, tmp_path: Path, status: int, expected: int
) -> None:
    start = story.size
    call = story.calls("ruff check .")
    story.answers(call, status)
    assert runs(story, tmp_path)["lint"] == AgentRun(
        "lint", "ruff check .", call, expected, start, None
    )


def test_a_call_without_a_result_has_no_status(story: Story, tmp_path: Path) -> None:
    story.calls("pytest")
    assert runs(story, tmp_path)["tests"].exit_code is None


def test_runs_come_in_the_policys_order(story: Story, tmp_path: Path) -> None:
    story.ran("pytest").ran("mypy src").ran("ruff check .")
    assert list(runs(story, tmp_path)) == ["lint", "types", "tests"]


@pytest.mark.parametrize(("first", "then"), [(0, 1), (1, 0)])
def test_the_latest_call_wins(story: Story, tmp_path: Path, first: int, then: int) -> None:
    story.ran("pytest", first).ran("pytest", then)
    assert runs(story, tmp_path)["tests"].exit_code == then


def test_a_rerun_without_a_result_withdraws_the_pass_before_it(
    story: Story, tmp_path: Path
) -> None:
    story.ran("pytest").calls("pytest")
    assert runs(story, tmp_path)["tests"].exit_code is None


def test_a_late_result_of_the_first_call_is_not_one_of_the_rerun(
    story: Story, tmp_path: Path
) -> None:
    first = story.calls("pytest")
    story.calls("pytest")
    story.answers(first, 0)
    assert runs(story, tmp_path)["tests"].exit_code is None


def test_two_calls_with_one_id_get_no_credit(story: Story, tmp_path: Path) -> None:
    story.calls("pytest", id="same")
    story.calls("echo", id="same")
    story.answers("same", 0)
    run = runs(story, tmp_path)["tests"]
    assert (run.exit_code, run.withdrawn) == (None, "two calls in the log have its id")


def test_a_call_that_takes_the_id_of_an_unanswered_one_gets_no_credit(
    story: Story, tmp_path: Path
) -> None:
    story.calls("echo", id="same")
    story.calls("pytest", id="same")
    story.answers("same", 0)
    assert runs(story, tmp_path)["tests"].withdrawn == "two calls in the log have its id"


def test_a_call_without_an_id_gets_no_credit_and_withdraws_a_pass(
    story: Story, tmp_path: Path
) -> None:
    story.ran("pytest")
    story.calls("pytest", id="")
    run = runs(story, tmp_path)["tests"]
    assert run.exit_code is None
    assert run.withdrawn is not None


def test_a_file_change_after_a_pass_withdraws_it(story: Story, tmp_path: Path) -> None:
    story.ran("pytest").edits()
    run = runs(story, tmp_path)["tests"]
    assert run.exit_code == 0
    assert run.withdrawn is not None
    assert "may change files" in run.withdrawn


def test_a_file_change_before_the_run_does_not_matter(story: Story, tmp_path: Path) -> None:
    story.edits().ran("pytest")
    assert runs(story, tmp_path)["tests"].withdrawn is None


def test_a_file_change_between_call_and_result_withdraws_the_pass(
    story: Story, tmp_path: Path
) -> None:
    call = story.calls("pytest")
    story.edits()
    story.answers(call, 0)
    assert runs(story, tmp_path)["tests"].withdrawn is not None


def test_a_failure_stays_a_failure_when_files_change_after_it(story: Story, tmp_path: Path) -> None:
    story.ran("pytest", 1).edits()
    run = runs(story, tmp_path)["tests"]
    assert (run.exit_code, run.withdrawn) == (1, None)


def test_the_policys_other_commands_and_harmless_ones_withdraw_nothing(
    story: Story, tmp_path: Path
) -> None:
    story.ran("pytest").ran("ruff check .").ran("git commit -m 'x: done'").ran("git status | cat")
    found = runs(story, tmp_path)
    assert [(run.exit_code, run.withdrawn) for run in found.values()] == [(0, None)] * 2


def test_a_shell_command_that_is_not_known_to_be_harmless_withdraws_a_pass(
    story: Story, tmp_path: Path
) -> None:
    story.ran("pytest").ran("sed -i s/a/b/ src/a.py")
    withdrawn = runs(story, tmp_path)["tests"].withdrawn
    assert withdrawn == "`sed -i s/a/b/ src/a.py` followed it and may change files"


def test_only_what_stands_behind_the_offset_counts(story: Story, tmp_path: Path) -> None:
    story.ran("pytest").ran("mypy src")
    offset = story.size
    story.ran("ruff check .")
    assert list(runs(story, tmp_path, offset=offset)) == ["lint"]


def test_offsets_are_bytes_not_characters(story: Story, tmp_path: Path) -> None:
    story.says("🚀" * 100)
    offset = story.size
    story.ran("ruff check .")
    assert runs(story, tmp_path, offset=offset)["lint"].offset == offset


@pytest.mark.parametrize("agent", ["claude", "amp"])
def test_a_result_whose_call_stands_before_the_offset_belongs_to_nothing(
    agent: str, tmp_path: Path
) -> None:
    # A Codex record holds the command and its status at once, so this is about the other two.
    story = Story(agent)
    call = story.calls("pytest")
    offset = story.size
    story.answers(call, 0)
    assert runs(story, tmp_path, offset=offset) == {}


@pytest.mark.parametrize("agent", ["claude", "amp"])
def test_a_result_before_its_call_gets_no_credit(agent: str, tmp_path: Path) -> None:
    story = Story(agent).answers("call_1", 0)
    story.calls("pytest")
    assert runs(story, tmp_path)["tests"].exit_code is None


def test_an_empty_command_of_the_policy_matches_nothing(story: Story, tmp_path: Path) -> None:
    story.ran("")
    assert read_agent_log(story.write(tmp_path), {"odd": "  "}).runs == ()


def test_a_command_that_ran_in_another_directory_gets_no_credit(tmp_path: Path) -> None:
    story = Story("codex")
    story.calls("pytest", cwd="/tmp/empty")
    run = runs(story, tmp_path)["tests"]
    assert run.withdrawn == "it ran in `/tmp/empty`, not in the session's directory"
