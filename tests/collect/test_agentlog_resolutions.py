"""Resolution markers count in the agent's own text and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_malagate.collect.agentlog import FoundResolution, read_agent_log
from tests.collect.agentlogs import AGENTS, Story

MARKER = "ISSUE_NO_CHANGE: the bug is gone since 1.2"


def found(story: Story, directory: Path, offset: int = 0) -> list[FoundResolution]:
    return list(read_agent_log(story.write(directory), {}, offset=offset).resolutions)


@pytest.fixture(params=AGENTS)
def story(request: pytest.FixtureRequest) -> Story:
    return Story(request.param)


def test_a_whole_line_by_the_agent_counts(story: Story, tmp_path: Path) -> None:
    offset = story.size
    story.says(f"I looked.\n{MARKER}\nBye.")
    assert found(story, tmp_path) == [
        FoundResolution("ISSUE_NO_CHANGE", "the bug is gone since 1.2", offset)
    ]


@pytest.mark.parametrize(
    "text",
    ["ISSUE_NO_CHANGE:", "ISSUE_NO_CHANGE:\nthe bug is gone", f"I might say `{MARKER}` here."],
)
def test_a_marker_without_a_reason_or_within_a_sentence_does_not(
    story: Story, tmp_path: Path, text: str
) -> None:
    assert found(story.says(text), tmp_path) == []


def test_a_marker_in_a_users_message_does_not(story: Story, tmp_path: Path) -> None:
    assert found(story.user_says(MARKER), tmp_path) == []


def test_a_marker_before_the_offset_does_not(story: Story, tmp_path: Path) -> None:
    story.says(MARKER)
    offset = story.size
    assert found(story.says("Bye."), tmp_path, offset) == []


def test_a_marker_in_a_tools_output_or_in_thinking_does_not(tmp_path: Path) -> None:
    story = Story("claude")
    story.user({"type": "tool_result", "tool_use_id": "c", "content": MARKER})
    story.assistant({"type": "thinking", "thinking": MARKER, "text": MARKER})
    story.record({"type": "assistant", "message": {"role": "assistant", "content": MARKER}})
    assert found(story, tmp_path) == []


@pytest.mark.parametrize("more", [{"isSidechain": True}, {"parent_tool_use_id": "c"}])
def test_a_marker_of_a_sub_agent_does_not(more: dict[str, object], tmp_path: Path) -> None:
    story = Story("claude").assistant({"type": "text", "text": MARKER}, **more)
    assert found(story, tmp_path) == []


def test_a_message_of_codex_counts_when_it_is_complete(tmp_path: Path) -> None:
    item = {"type": "agentMessage", "id": "m", "text": MARKER}
    story = Story("codex").record({"method": "item/started", "payload": {"item": item}})
    assert found(story, tmp_path) == []
