"""What a run tells of itself: of issues that cannot start, and on a terminal that is small."""

from __future__ import annotations

import io
import re

import pytest

from pytest_malagate.agents.board import Board
from pytest_malagate.agents.steps import Step
from pytest_malagate.agents.telling import Finale, TableVoice
from pytest_malagate.coordinate.events import Event
from pytest_malagate.coordinate.outcomes import RunResult
from pytest_malagate.report.columns import columns
from tests.agents.agents_project import Workshop
from tests.conftest import Project

CLEARED = "\x1b[H\x1b[2J"


def test_issues_that_cannot_start_are_told_and_are_no_success(project: Project) -> None:
    workshop = Workshop(project)
    workshop.issues("e", "c", "b", e={"is_epic": True}, c={"epic": "e"}, b={"blocked_by": ["e"]})
    workshop.does("echo right > answer.txt")
    argv = [word for word in workshop.argv() if word != "--json"]
    done = workshop.project.call(*argv)
    assert done.returncode == 4
    story, _, closing = done.stdout.partition("\n\n")
    assert "b" not in [line.split(":")[0] for line in story.splitlines()]
    assert closing.splitlines() == [
        "c: completed, on malagate/c",
        "b: waiting: blocked by e, an epic, which a person ends",
        "ended: blocked (1)",
    ]


def test_an_epic_that_nobody_knows_is_warned_of(project: Project) -> None:
    workshop = Workshop(project)
    workshop.does("exit 1")
    run = workshop.run("--epic", "nope")
    assert (run.exit, run.result["started"]) == (0, 0)
    assert run.of("warning")[0]["detail"] == "no open issue is part of an epic nope"


@pytest.mark.parametrize("size", [(30, 6), (10, 3), (80, 10), (200, 60)], ids=str)
def test_no_frame_is_larger_than_the_terminal(size: tuple[int, int]) -> None:
    width, height = size
    stream, board = io.StringIO(), Board()
    voice = TableVoice(stream, board, color=True, size=lambda: size)
    issues = ["a-very-long-issue-name-that-goes-on-and-on-and-on", "wide 日本語日本語日本語"]
    for number, issue in enumerate([*issues, *(f"i-{n}" for n in range(60))]):
        event = Event(kind="waiting", issue=issue, detail="frozen by root: " + "日" * 60, at=number)
        board.take_event(event)
        voice.event(event)
    step = Step(kind="judged", issue=issues[0], verdict="fail", codes=("x.y",), detail="why " * 90)
    board.take_step(step)
    voice.step(step)
    for frame in stream.getvalue().split(CLEARED)[1:]:
        lines = re.sub(r"\x1b\[[0-9;]*m", "", frame).split("\n")
        assert max(map(columns, lines)) <= width
        assert len(lines) <= height
    last = stream.getvalue().rpartition(CLEARED)[2]
    assert ("62 issu" if height < 4 else "a-very-") in last  # the one that is judged


def test_a_terminal_that_is_made_larger_is_used() -> None:
    sizes = [(80, 8), (80, 80)]
    stream, board = io.StringIO(), Board()
    for number in range(20):
        board.take_event(Event(kind="blocked", issue=f"i-{number}", detail="by e", at=number))
    voice = TableVoice(stream, board, color=False, size=lambda: sizes.pop(0))
    voice.tick()
    voice.closes(
        Finale(
            result=RunResult(
                started=0, completed=(), failed=(), exit_code=4, exit_reason="blocked (20)"
            ),
            ended=(),
            waiting=tuple(board.waiting()),
        )
    )
    small, large = stream.getvalue().split(CLEARED)[1:]
    assert (small.count("\n"), "and 15 more: 15 waiting" in small) == (7, True)
    assert large.count("i-3 ") == 1
    assert large.endswith("i-19: waiting: by e\nended: blocked (20)\n")
