"""What a terminal shows of a coordinator's run, however small it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.report.columns import columns, fitted
from pytest_malagate.report.coordination import (
    Closing,
    Row,
    closing_lines,
    event_line,
    screen_lines,
    table_lines,
)
from pytest_malagate.report.terminal import Line, paint

LONG = "a-very-long-issue-name-that-goes-on-and-on-and-on"
WIDE = "wide 日本語日本語日本語日本語"


def shown(lines: list[Line]) -> list[str]:
    return paint(lines, color=False).splitlines()


def rows(number: int, *at_work: int) -> list[Row]:
    return [
        Row(issue=f"i-{n}", state="working" if n in at_work else "waiting", since=n, last="words")
        for n in range(number)
    ]


# --- how wide a text is ---


@pytest.mark.parametrize(
    ("text", "width"),
    [("abc", 3), ("日本", 4), ("e\u0301", 1), ("🎉", 2), ("\uff41", 2), ("…", 1), ("", 0)],
)
def test_a_text_is_as_wide_as_a_terminal_shows_it(text: str, width: int) -> None:
    assert columns(text) == width


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
        ("ab… cdef", 5, "ab…"),
        ("abc", -1, ""),
        ("ae\u0301bc", 3, "ae\u0301…"),
    ],
)
def test_a_text_that_is_too_wide_says_that_it_goes_on(text: str, width: int, expected: str) -> None:
    assert fitted(text, width) == expected


# --- the table ---


TALKING = [
    Row(issue=LONG, state="completed", attempt=2, max_attempts=3, since=0, last="said " * 30),
    Row(issue=WIDE, state="working", attempt=1, max_attempts=3, since=9_000, last="日本語" * 30),
    Row(issue="x-3", state="waiting", last="frozen by root"),
]
NEWS = [
    event_line(LONG, "the gate: commit.missing", "No commit " * 40),
    event_line(WIDE, "waits", WIDE),
]


@pytest.mark.parametrize("width", [1, 5, 10, 20, 30, 40, 60, 80, 200])
@pytest.mark.parametrize("height", [1, 2, 3, 5, 10, 24])
def test_nothing_is_wider_or_higher_than_the_terminal(width: int, height: int) -> None:
    lines = shown(screen_lines([*TALKING, *rows(40)], NEWS, now=9_999, width=width, height=height))
    assert max(map(columns, lines)) <= width
    assert 0 < len(lines) < max(height, 2)  # the cursor stands below them


ISSUES = st.builds(
    Row,
    issue=st.text(max_size=60),
    state=st.sampled_from(["working", "waiting", "completed"]),
    attempt=st.none() | st.integers(1, 3),
    since=st.floats(0, 1e6),
    last=st.text(max_size=60),
)


@given(
    st.lists(ISSUES, max_size=20), st.lists(st.text(max_size=60), max_size=8),
    st.integers(1, 100), st.integers(1, 30),
)  # fmt: skip
def test_whatever_is_told_fits(issues: list[Row], told: list[str], width: int, height: int) -> None:
    news = [event_line(None, "warning", text) for text in told]
    lines = shown(screen_lines(issues, news, now=1e6, width=width, height=height))
    assert all(columns(line) <= width for line in lines)
    assert len(lines) <= max(height - 1, 1)


def test_on_a_wide_terminal_names_are_whole_and_columns_stand_below_each_other() -> None:
    lines = shown(table_lines(TALKING, now=10_000, width=140))
    assert lines[1].startswith("a-very-long-issue-name-that-goes-on-and…  completed  2 of 3")
    starts = {columns(line[: line.index(word)]) for line, word in zip(lines, ("state", "completed", "working", "waiting"), strict=True)}  # fmt: skip
    assert len(starts) == 1


@pytest.mark.parametrize(
    ("width", "head", "first"),
    [
        (80, ["issue", "state", "attempt", "since", "last", "words"], LONG[:25]),
        (60, ["issue", "state", "attempt", "since", "last", "words"], LONG[:7]),
        (42, ["issue", "state", "attempt", "since"], LONG[:8]),
        (32, ["issue", "state", "attempt"], LONG[:10]),
        (20, ["issue", "state"], LONG[:7]),
    ],
)
def test_a_narrow_terminal_costs_names_first_then_columns_from_the_right(
    width: int, head: list[str], first: str
) -> None:
    lines = shown(table_lines(TALKING, now=9_060, width=width))
    assert lines[0].split() == head
    assert lines[1].startswith(first)
    assert "completed" in lines[1]


# --- a low terminal ---


def test_what_works_is_shown_and_then_the_latest_and_the_rest_is_counted() -> None:
    lines = shown(screen_lines(rows(60, 3, 30), [], now=100, width=80, height=8))
    assert [line.split()[0] for line in lines] == [
        "issue",
        "i-3",
        "i-30",
        "i-57",
        "i-58",
        "i-59",
        "and",
    ]
    assert lines[-1] == "and 55 more: 55 waiting"


def test_all_is_shown_where_there_is_room() -> None:
    lines = shown(screen_lines(rows(4), NEWS, now=100, width=80, height=9))
    assert [line.split(":")[0].split()[0] for line in lines if line] == ["issue", "i-0", "i-1", "i-2", "i-3", LONG[:39] + "…", "wide"]  # fmt: skip
    assert lines[5] == ""


def test_news_leave_most_of_the_room_to_the_table_and_the_latest_stay() -> None:
    news = [event_line(None, f"news {number}", "") for number in range(8)]
    lines = shown(screen_lines(rows(60, 5), news, now=100, width=80, height=13))
    assert lines[-4:] == ["", "news 5", "news 6", "news 7"]
    assert lines[-5] == "and 54 more: 54 waiting"
    assert shown(screen_lines([], news, now=0, width=80, height=5)) == [f"news {n}" for n in range(4, 8)]  # fmt: skip


# --- the end ---


def test_a_hundred_that_wait_do_not_hide_how_the_rest_ended() -> None:
    waiting = [(f"i-{number}", "frozen") for number in range(100)]
    ended = [Closing(issue="x-1", state="completed", branch="malagate/x-1")]
    lines = shown(closing_lines(ended, waiting, "waiting (100)"))
    assert lines[:2] == ["x-1: completed, on malagate/x-1", "i-0: waiting: frozen"]
    assert lines[-2:] == ["and 80 more that wait", "ended: waiting (100)"]
    assert len(lines) == 1 + 20 + 1 + 1
