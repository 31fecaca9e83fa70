"""What is special about the logs of Claude Code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_malagate.collect.agentlog import AgentRun, read_agent_log
from tests.collect.agentlogs import Story


def only_run(story: Story, directory: Path) -> AgentRun:
    (run,) = read_agent_log(story.write(directory), {"tests": "pytest"}).runs
    return run


def called(**more: Any) -> Story:
    story = Story("claude")
    story.calls("pytest", id="c", **more)
    return story


def result(**more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "c", "content": "x"} | more


@pytest.mark.parametrize("value", ["false", "true", None, 0, 1, [], {}])
def test_an_is_error_that_is_no_boolean_invalidates_the_result(value: Any, tmp_path: Path) -> None:
    run = only_run(called().user(result(is_error=value)), tmp_path)
    assert run.exit_code is None
    assert run.withdrawn == "its result is malformed: is_error is no boolean"


def test_a_result_that_says_nothing_of_an_error_is_a_success(tmp_path: Path) -> None:
    assert only_run(called().user(result()), tmp_path).exit_code == 0


@pytest.mark.parametrize("is_error", [False, True])
def test_two_results_of_one_call_get_no_credit(is_error: bool, tmp_path: Path) -> None:
    run = only_run(called().user(result(), result(is_error=is_error)), tmp_path)
    assert (run.exit_code, run.withdrawn) == (None, "two results in the log have its id")


def test_a_call_in_the_background_gets_no_credit(tmp_path: Path) -> None:
    run = only_run(called(run_in_background=True).user(result()), tmp_path)
    assert run.exit_code is None


@pytest.mark.parametrize(
    "detail",
    [
        {"interrupted": True},
        {"interrupted": False, "backgroundTaskId": "b1", "timedOutAfterMs": 120000},
    ],
)
@pytest.mark.parametrize("key", ["toolUseResult", "tool_use_result"])
def test_a_call_that_did_not_end_gets_no_credit(
    detail: dict[str, Any], key: str, tmp_path: Path
) -> None:
    run = only_run(called().user(result(is_error=False), **{key: detail}), tmp_path)
    assert run.exit_code is None
    assert run.withdrawn is not None


def test_a_status_that_claude_excuses_is_still_a_failure(tmp_path: Path) -> None:
    detail = {"returnCodeInterpretation": "No matches found", "interrupted": False}
    assert only_run(called().user(result(), toolUseResult=detail), tmp_path).exit_code == 1


@pytest.mark.parametrize("detail", ["Error: Exit code 2", None, [], {"interrupted": False}])
def test_details_of_another_shape_change_nothing(detail: Any, tmp_path: Path) -> None:
    assert only_run(called().user(result(), toolUseResult=detail), tmp_path).exit_code == 0


def test_a_command_that_may_change_files_in_the_background_taints_what_runs_beside_it(
    tmp_path: Path,
) -> None:
    story = Story("claude")
    story.calls("sleep 9; rm src/a.py", run_in_background=True)
    run = only_run(story.ran("pytest"), tmp_path)
    assert run.exit_code is None


@pytest.mark.parametrize("tool", ["Edit", "Write", "MultiEdit", "NotebookEdit", "Task", "mcp__x"])
def test_a_tool_that_may_change_files_withdraws_a_pass(tool: str, tmp_path: Path) -> None:
    story = Story("claude").ran("pytest")
    story.assistant({"type": "tool_use", "id": "e", "name": tool, "input": {}})
    assert only_run(story, tmp_path).withdrawn == f"`{tool}` followed it and may change files"


@pytest.mark.parametrize("tool", ["Read", "Grep", "Glob", "TodoWrite", "WebFetch", "BashOutput"])
def test_a_tool_that_only_reads_withdraws_nothing(tool: str, tmp_path: Path) -> None:
    story = Story("claude").ran("pytest")
    story.assistant({"type": "tool_use", "id": "e", "name": tool, "input": {}})
    assert only_run(story, tmp_path).withdrawn is None


def test_an_edit_behind_the_call_in_one_message_withdraws_the_pass(tmp_path: Path) -> None:
    story = Story("claude").assistant(
        {"type": "tool_use", "id": "c", "name": "Bash", "input": {"command": "pytest"}},
        {"type": "tool_use", "id": "e", "name": "Edit", "input": {}},
    )
    assert only_run(story.user(result()), tmp_path).withdrawn is not None


def test_a_call_in_a_users_record_is_no_call(tmp_path: Path) -> None:
    block = {"type": "tool_use", "id": "c", "name": "Bash", "input": {"command": "pytest"}}
    story = Story("claude").user(block).user(result())
    assert read_agent_log(story.write(tmp_path), {"tests": "pytest"}).runs == ()


def test_a_result_in_the_agents_own_record_is_no_result(tmp_path: Path) -> None:
    assert only_run(called().assistant(result()), tmp_path).exit_code is None


def test_the_role_of_the_message_stands_in_for_a_missing_type(tmp_path: Path) -> None:
    call = {"type": "tool_use", "id": "c", "name": "bash", "input": {"command": "pytest"}}
    story = Story("claude")
    story.record({"message": {"role": "assistant", "content": [call]}})
    story.record({"message": {"role": "user", "content": [result()]}})
    assert only_run(story, tmp_path).exit_code == 0


@pytest.mark.parametrize("other", [7, None, "text", [], {"type": "unknown"}, {"type": 1}])
def test_blocks_of_other_shapes_are_dropped(other: Any, tmp_path: Path) -> None:
    story = Story("claude").assistant(
        other, {"type": "tool_use", "id": "c", "name": "Bash", "input": {"command": "pytest"}}
    )
    reading = read_agent_log(story.user(other, result()).write(tmp_path), {"tests": "pytest"})
    assert [run.exit_code for run in reading.runs] == [0]
    assert reading.unreadable == 0


@pytest.mark.parametrize(("directory", "exit_code"), [("/repo/", 0), ("/elsewhere", None)])
def test_a_call_counts_in_the_directory_that_the_session_started_in(
    directory: str, exit_code: int | None, tmp_path: Path
) -> None:
    block = {"type": "tool_use", "id": "c", "name": "Bash", "input": {"command": "pytest"}}
    story = Story("claude").assistant(block, cwd=directory).user(result())
    assert only_run(story, tmp_path).exit_code == exit_code


def test_an_amp_log_is_known_by_its_name_alone(tmp_path: Path) -> None:
    path = Story("claude").write(tmp_path, "T-123.jsonl")
    path.write_bytes(b"")
    assert read_agent_log(path, {}).source == "amp"
