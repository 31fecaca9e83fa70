"""Hostile, broken and growing logs: bytes in, evidence or nothing out, never a traceback."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_malagate.collect.agentlog import read_agent_log
from pytest_malagate.collect.agentlog.reader import lines_of
from tests.collect.agentlogs import AGENTS, Story

COMMANDS = {"lint": "ruff check .", "tests": "pytest"}
SOURCES = pytest.mark.parametrize("source", ["auto", *AGENTS])

UNREADABLE = {
    "bad UTF-8": b'{"type": "assistant", "x": "\xff\xfe"}',
    "bad bytes": b"\xff\xfe",
    "truncated JSON": b'{"type": "assistant", "message": {"content": [',
    "a list": b"[1,2]",
    "a string": b'"str"',
    "a number": b"17",
    "null": b"null",
    "NUL bytes": b'{"type": "\x00\x00"}',
    "only NUL bytes": b"\x00" * 64,
    "a lone surrogate": b'{"type": "\\ud800"}',
    "endless nesting": b'{"message": ' + b"[" * 200_000,
    "balanced endless nesting": b'{"x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "two objects": b"{} {}",
    "NaN": b'{"x": NaN}',
    "prose": b"Session started",
}
OF_NO_INTEREST = {
    "no message": b'{"message": null}',
    "a message that is a list": b'{"type": "assistant", "message": [1]}',
    "a message that is text": b'{"type": "assistant", "message": "ISSUE_OBSOLETE: x y"}',
    "content that is an object": b'{"type": "user", "message": {"content": {}}}',
    "content that is deep": b'{"type": "user", "message": {"content": '
    + b"[" * 400
    + b"]" * 400
    + b"}}",
    "a huge number": b'{"message": {"content": [' + b"9" * 6000 + b"]}}",
    "a number out of range": b'{"type": "assistant", "message": {"content": [1e999]}}',
    "an empty object": b"{}",
    "a blank line": b"",
    "white space": b" \t\r",
    "an item that is null": b'{"method": "item/completed", "payload": {"item": null}}',
    "a payload that is a list": b'{"method": "item/completed", "payload": [1]}',
    "an item without anything": b'{"method": "item/started", "payload": null}',
}


@pytest.fixture(params=AGENTS)
def story(request: pytest.FixtureRequest) -> Story:
    return Story(request.param)


@pytest.mark.parametrize("line", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_line_that_is_no_record_is_counted_and_the_others_are_read(
    story: Story, tmp_path: Path, line: bytes
) -> None:
    story.ran("pytest").raw(line).ran("ruff check .")
    reading = read_agent_log(story.write(tmp_path), COMMANDS)
    assert reading.unreadable == 1
    assert [(run.name, run.exit_code) for run in reading.runs] == [("lint", 0), ("tests", 0)]
    assert reading.end == story.size


@pytest.mark.parametrize("line", OF_NO_INTEREST.values(), ids=OF_NO_INTEREST.keys())
def test_a_record_of_no_interest_is_not_counted_as_unreadable(
    story: Story, tmp_path: Path, line: bytes
) -> None:
    story.ran("pytest").raw(line).ran("ruff check .")
    reading = read_agent_log(story.write(tmp_path), COMMANDS)
    assert reading.unreadable == 0
    assert [run.exit_code for run in reading.runs] == [0, 0]


def test_an_offset_past_the_end_finds_nothing_and_goes_on_from_the_end(
    story: Story, tmp_path: Path
) -> None:
    story.ran("pytest")
    reading = read_agent_log(story.write(tmp_path), COMMANDS, offset=10**9)
    assert (reading.runs, reading.end) == ((), story.size)


def test_a_missing_log_holds_no_evidence(tmp_path: Path) -> None:
    reading = read_agent_log(tmp_path / "none.jsonl", COMMANDS, offset=7)
    assert (reading.source, reading.start, reading.end, reading.runs) == ("claude", 0, 0, ())


def test_a_directory_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read_agent_log(tmp_path, COMMANDS)


def test_an_unknown_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown source 'gemini'"):
        read_agent_log(tmp_path / "x", COMMANDS, source="gemini")


def test_an_offset_of_another_log_starts_at_the_beginning(story: Story, tmp_path: Path) -> None:
    story.ran("pytest")
    path = story.write(tmp_path)
    same = read_agent_log(path, COMMANDS)
    again = read_agent_log(path, COMMANDS, offset=same.end, identity=same.identity)
    assert (again.start, again.runs) == (same.end, ())
    other = read_agent_log(path, COMMANDS, offset=same.end, identity="sha256:0")
    assert (other.start, other.runs) == (0, same.runs)


def test_an_offset_within_a_line_discards_the_rest_of_that_line(
    story: Story, tmp_path: Path
) -> None:
    story.says("ISSUE_OBSOLETE: no longer there")
    inside = story.size - 1
    story.ran("pytest")
    reading = read_agent_log(story.write(tmp_path), COMMANDS, offset=inside - 5)
    assert reading.resolutions == ()
    assert [run.name for run in reading.runs] == ["tests"]


def test_a_last_record_without_a_newline_counts(story: Story, tmp_path: Path) -> None:
    story.ran("pytest")
    path = story.write(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    reading = read_agent_log(path, COMMANDS)
    assert [run.exit_code for run in reading.runs] == [0]
    assert reading.end == story.size - 1
    path.write_bytes(path.read_bytes() + b"\n")
    after = read_agent_log(path, COMMANDS, offset=reading.end, identity=reading.identity)
    assert (after.runs, after.unreadable) == ((), 0)


def test_half_a_record_at_the_end_is_left_for_the_next_reading(
    story: Story, tmp_path: Path
) -> None:
    story.ran("pytest")
    whole = story.size
    story.says("ISSUE_OBSOLETE: no longer there")
    path = story.write(tmp_path)
    text = path.read_bytes()
    path.write_bytes(text[:-9])
    first = read_agent_log(path, COMMANDS)
    assert (first.end, first.unreadable, first.resolutions) == (whole, 0, ())
    path.write_bytes(text)
    second = read_agent_log(path, COMMANDS, offset=first.end, identity=first.identity)
    assert [found.marker for found in second.resolutions] == ["ISSUE_OBSOLETE"]


def test_a_line_that_is_too_long_is_skipped_and_the_next_is_found() -> None:
    file = io.BytesIO(b"a" * 50 + b"\nb\n" + b"c" * 50)
    lines = [
        (line.start, line.end, line.data, line.complete) for line in lines_of(file, max_line=9)
    ]
    assert lines == [(0, 51, None, True), (51, 53, b"b", True), (53, 103, None, False)]


@pytest.mark.parametrize(
    ("opening", "name", "source"),
    [
        ({"method": "thread/started"}, "x.jsonl", "codex"),
        ({"type": "thread.started", "thread_id": "1"}, "x.jsonl", "codex"),
        ({"type": "system", "subtype": "init", "session_id": "T-1"}, "x.jsonl", "amp"),
        ({"type": "system", "subtype": "init", "session_id": "0-1"}, "x.jsonl", "claude"),
        ({"type": "user", "message": {}}, "T-1.jsonl", "amp"),
        ({"type": "user", "message": {}}, "x.jsonl", "claude"),
    ],
)
def test_whose_log_it_is_shows_in_its_first_records(
    opening: dict[str, object], name: str, source: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(b"noise\n" + json.dumps(opening).encode() + b"\n")
    assert read_agent_log(path, {}).source == source


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs") / "session.jsonl"


@SOURCES
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=400), offset=st.integers(-5, 500))
def test_any_bytes_give_a_reading(scratch: Path, source: str, data: bytes, offset: int) -> None:
    scratch.write_bytes(data)
    reading = read_agent_log(scratch, COMMANDS, offset=offset, source=source)
    assert reading.runs == ()
    assert 0 <= reading.end <= len(data)


_KEYS = (
    "type message content input command id tool_use_id is_error method payload item status "
    "exit_code name text cwd role"
)
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["pytest", "c1", "Bash", "assistant", "user", "tool_use", "tool_result"])
    | st.sampled_from(["item/completed", "commandExecution", "completed", "text"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(_KEYS.split()),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@SOURCES
@settings(deadline=None)
@given(records=st.lists(_json, max_size=5))
def test_any_records_give_a_reading(scratch: Path, source: str, records: list[object]) -> None:
    lines = [json.dumps(record).encode() + b"\n" for record in records]
    scratch.write_bytes(b"".join(lines))
    reading = read_agent_log(scratch, COMMANDS, source=source)
    assert reading.unreadable <= len(lines)
    assert reading.end == sum(map(len, lines))


_steps = st.lists(
    st.sampled_from(["pytest", "ruff check .", "fail", "edit", "say", "noise", "ls"]), max_size=12
)


def _told(agent: str, steps: list[str]) -> Story:
    story = Story(agent)
    for step in steps:
        if step == "edit":
            story.edits()
        elif step == "say":
            story.says("ISSUE_OBSOLETE: no longer there")
        elif step == "noise":
            story.raw(b"[1,2")
        else:
            story.ran("pytest" if step == "fail" else step, int(step == "fail"))
    return story


@pytest.mark.parametrize("agent", AGENTS)
@settings(deadline=None)
@given(steps=_steps, cut=st.integers(0, 3000))
def test_reading_from_any_offset_finds_what_begins_behind_it(
    scratch: Path, agent: str, steps: list[str], cut: int
) -> None:
    story = _told(agent, steps)
    path = story.write(scratch.parent, scratch.name)
    whole = read_agent_log(path, COMMANDS)
    part = read_agent_log(path, COMMANDS, offset=cut)
    # Codex's completed record holds the command too, so a call that the cut runs through counts.
    expected = {run.name: run for run in whole.runs if run.offset >= cut}
    found = {run.name: run for run in part.runs}
    assert expected.items() <= found.items()
    assert all(agent == "codex" and name not in expected for name in found.keys() - expected.keys())
    assert list(part.resolutions) == [said for said in whole.resolutions if said.offset >= cut]


@pytest.mark.parametrize("agent", AGENTS)
@settings(deadline=None)
@given(steps=_steps, cut=st.integers(0, 3000))
def test_reading_a_growing_log_in_two_parts_loses_no_line(
    scratch: Path, agent: str, steps: list[str], cut: int
) -> None:
    story = _told(agent, steps)
    path = story.write(scratch.parent, scratch.name)
    text = path.read_bytes()
    cut = max(cut, len(story.lines[0]) + 1)  # a log has an identity once its first line is whole
    whole = read_agent_log(path, COMMANDS)
    path.write_bytes(text[:cut])
    first = read_agent_log(path, COMMANDS)
    path.write_bytes(text)
    second = read_agent_log(path, COMMANDS, offset=first.end, identity=first.identity)
    assert first.resolutions + second.resolutions == whole.resolutions
    assert first.unreadable + second.unreadable == whole.unreadable
    assert second.end == whole.end
