"""What is special about the logs of Codex."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_malagate.collect.agentlog import AgentReading, read_agent_log
from pytest_malagate.collect.agentlog.codex import unwrapped
from tests.collect.agentlogs import Story


def read(story: Story, directory: Path) -> AgentReading:
    return read_agent_log(story.write(directory), {"tests": "pytest"})


def completed(**more: Any) -> Story:
    item = {"type": "commandExecution", "id": "c", "command": "pytest", "status": "completed"}
    item = {key: value for key, value in (item | more).items() if value is not ...}
    return Story("codex").record({"method": "item/completed", "payload": {"item": item}})


@pytest.mark.parametrize(
    ("item", "exit_code"),
    [
        ({"exit_code": 0}, 0),
        ({"exitCode": 0}, 0),
        ({"exit_code": 2}, 2),
        ({"status": "COMPLETED", "exit_code": 0}, 0),
        ({"status": "failed", "exit_code": 2}, 2),
        ({"status": "failed", "exit_code": 0}, 1),
        ({"status": "failed"}, 1),
        ({"status": "completed"}, None),
        ({"status": "completed", "exit_code": "0"}, None),
        ({"status": "completed", "exit_code": True}, None),
        ({"status": "completed", "exit_code": 0.0}, None),
        ({"status": "declined", "exit_code": 0}, None),
        ({"status": "inProgress", "exit_code": 0}, None),
        ({"status": "succeeded", "exit_code": 0}, None),
        ({"status": "", "exit_code": 0}, None),
        ({"status": 7, "exit_code": 0}, None),
        ({"status": ..., "exit_code": 0}, None),
    ],
)
def test_a_completed_command_passes_only_with_a_known_status_and_exit_code_0(
    item: dict[str, Any], exit_code: int | None, tmp_path: Path
) -> None:
    (run,) = read(completed(**item), tmp_path).runs
    assert run.exit_code == exit_code


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("/bin/zsh -lc pytest", "pytest"),
        ("bash -lc 'pytest -q \"a b\"'", 'pytest -q "a b"'),
        ("sh -c 'ruff check .'", "ruff check ."),
        ("bash -lc 'bash -c pytest'", "bash -c pytest"),
        ("bash -lc ruff check .", "bash -lc ruff check ."),
        ("bash -x pytest", "bash -x pytest"),
        ("python -c pytest", "python -c pytest"),
        ("bash -lc 'unclosed", "bash -lc 'unclosed"),
        ("pytest", "pytest"),
    ],
)
def test_exactly_the_shell_that_codex_adds_is_taken_off(command: str, script: str) -> None:
    assert unwrapped(command) == script


@pytest.mark.parametrize("script", ["pytest || true", "cd /repo && pytest", "echo x && pytest"])
def test_the_summary_of_a_command_is_not_the_command(script: str, tmp_path: Path) -> None:
    # From this summary, made for display, Codex itself has dropped what is around `pytest`.
    actions = [{"type": "unknown", "command": "pytest"}]
    story = completed(command=f"/bin/zsh -lc '{script}'", command_actions=actions, exit_code=0)
    assert read(story, tmp_path).runs == ()


def test_a_wrapped_command_counts_whatever_its_summary_says(tmp_path: Path) -> None:
    story = completed(command="/bin/zsh -lc pytest", command_actions=[], exit_code=0)
    assert [run.exit_code for run in read(story, tmp_path).runs] == [0]


def test_the_events_of_codex_exec_are_read_too(tmp_path: Path) -> None:
    item = {"id": "item_1", "type": "command_execution", "command": "bash -lc pytest"}
    done = item | {"status": "completed", "exit_code": 0}
    story = Story("codex").record({"type": "item.started", "item": item})
    story.record({"type": "item.completed", "item": done})
    story.record(
        {"type": "item.completed", "item": {"type": "agent_message", "text": "ISSUE_OBSOLETE: a b"}}
    )
    reading = read(story, tmp_path)
    assert [run.exit_code for run in reading.runs] == [0]
    assert [found.marker for found in reading.resolutions] == ["ISSUE_OBSOLETE"]


def test_a_command_that_completes_twice_gets_no_credit(tmp_path: Path) -> None:
    story = completed(exit_code=0)
    (run,) = read(story.raw(story.lines[-1]), tmp_path).runs
    assert run.exit_code is None


def test_keys_sent_to_a_running_command_are_no_call(tmp_path: Path) -> None:
    assert read(completed(source="unifiedExecInteraction", exit_code=0), tmp_path).runs == ()


@pytest.mark.parametrize("kind", ["fileChange", "mcpToolCall", "collabToolCall", "new", None])
def test_an_item_that_may_change_files_withdraws_a_pass(kind: str | None, tmp_path: Path) -> None:
    story = completed(exit_code=0)
    story.record({"method": "item/started", "payload": {"item": {"type": kind, "id": "f"}}})
    assert read(story, tmp_path).runs[0].withdrawn is not None


@pytest.mark.parametrize("kind", ["reasoning", "webSearch", "todo_list", "userMessage"])
def test_an_item_that_changes_no_file_withdraws_nothing(kind: str, tmp_path: Path) -> None:
    story = completed(exit_code=0)
    story.record({"method": "item/completed", "payload": {"item": {"type": kind, "id": "f"}}})
    assert read(story, tmp_path).runs[0].withdrawn is None


@pytest.mark.parametrize("method", ["item/agentMessage/delta", "turn/completed", "x", 7])
def test_other_notifications_say_nothing(method: object, tmp_path: Path) -> None:
    item = {"type": "commandExecution", "id": "c", "command": "pytest", "status": "completed"}
    record = {"method": method, "payload": {"item": item | {"exit_code": 0}}}
    assert read(Story("codex").record(record), tmp_path).runs == ()


def test_a_rollout_is_recognised_and_shows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rollout-1.jsonl"
    path.write_text('{"type": "session_meta", "payload": {"cwd": "/repo"}}\n')
    reading = read_agent_log(path, {"tests": "pytest"})
    assert (reading.source, reading.runs) == ("codex", ())
