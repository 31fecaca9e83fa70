"""A coordinator's run for a person: a table that is redrawn, lines for a log, a closing summary.

It takes plain values. All texts come from issues and agents, and are made plain here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from pytest_malagate.report.columns import columns, fitted, fitted_line, padded
from pytest_malagate.report.serial import span
from pytest_malagate.report.terminal import Line, Segment
from pytest_malagate.report.text import MESSAGE, plain

_NAME, _LEAST_NAME = 40, 8
_WORDS, _LEAST_WORDS = 20, 10
"""What the last words get before a name gets more than its least, and what they are shown for."""

_WAITING = 20
"""How many issues that wait a closing summary names."""

_AT_WORK = ("working", "judging")
_STYLES = {
    "working": "cyan",
    "judging": "cyan",
    "completed": "green",
    "failed": "red",
    "waiting": "yellow",
    "released": "yellow",
}
_HEAD = ("issue", "state", "attempt", "since", "last words")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Where an issue stands. `since` is in seconds since the epoch; `last` are the last words of
    its agent, or why it does not move."""

    issue: str
    state: str
    attempt: int | None = None
    max_attempts: int | None = None
    since: float = 0.0
    last: str = ""


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """How one issue ended.

    `branch` is where its work is, `why` the first reason of a failure, `records` the directory of
    the agent's output and the gate's results.
    """

    issue: str
    state: str
    branch: str = ""
    why: str = ""
    records: str = ""


def screen_lines(
    rows: Sequence[Row], news: Sequence[Line], *, now: float, width: int, height: int
) -> list[Line]:
    """The issues of a run and below them the latest news, for a terminal of this size.

    No line is wider than it, and one row is left for the cursor. Where not all of it fits, the
    table has two thirds at least, and of the issues those are shown that are worked on, then the
    ones that changed last.
    """
    room = max(height - 1, 1)
    lines: list[Line] = []
    if rows:
        gap = 1 if news else 0
        for_news = min(len(news), max(room // 3 - gap, room - len(rows) - 1 - gap))
        lines = _table(rows, now, width, room - (for_news + gap if for_news > 0 else 0))
        room = for_news
        lines += [()] if room > 0 else []
    latest = news[-room:] if room > 0 else ()
    return [*lines, *(fitted_line(line, _limit(width)) for line in latest)]


def _limit(width: int) -> int:
    """The last column stays free: some terminals begin a new line as soon as it is written to."""
    return max(width - 1, 1)


def _table(rows: Sequence[Row], now: float, width: int, height: int) -> list[Line]:
    """The table in `height` lines at most."""
    if len(rows) < height:
        return table_lines(rows, now=now, width=width)
    shown = _most_telling(rows, height - 2)
    hidden = Counter(row.state for number, row in enumerate(rows) if number not in shown)
    states = ", ".join(f"{number} {state}" for state, number in hidden.most_common())
    count = f"and {hidden.total()} more" if shown else f"{len(rows)} issues"
    rest = fitted_line(((f"{count}: {states}", "dim"),), _limit(width))
    if not shown:
        return [rest]
    table = table_lines([rows[number] for number in sorted(shown)], now=now, width=width)
    return [*table, rest]


def _most_telling(rows: Sequence[Row], number: int) -> frozenset[int]:
    """The places of so many rows: what is worked on, then what changed last."""

    def weight(place: int) -> tuple[bool, float, int]:
        return rows[place].state in _AT_WORK, rows[place].since, place

    return frozenset(sorted(range(len(rows)), key=weight, reverse=True)[: max(number, 0)])


def table_lines(rows: Sequence[Row], *, now: float, width: int) -> list[Line]:
    """The issues of a run, each in one line of a terminal of `width` columns.

    Where it is narrow, names are cut first; then columns are left out, the last one first.
    """
    limit = _limit(width)
    cells = [
        (
            plain(row.issue, _NAME),
            row.state,
            attempt_words(row.attempt, row.max_attempts),
            span(max(0.0, now - row.since)),
        )
        for row in rows
    ]
    sizes = _sizes(
        [max(map(columns, column)) for column in zip(_HEAD[:-1], *cells, strict=True)], limit
    )
    head = "  ".join(padded(word, size) for word, size in zip(_HEAD, sizes, strict=False))
    lines: list[Line] = [((fitted(head.rstrip(), limit), "dim"),)]
    for row, cell in zip(rows, cells, strict=True):
        texts = (*cell, plain(row.last, limit))[: len(sizes)]
        styles = ("", _STYLES.get(row.state, ""), "", "", "")
        parts = [
            (padded(text, size) + "  ", style)
            for text, size, style in zip(texts, sizes, styles, strict=False)
        ]
        parts[-1] = (fitted(texts[-1], sizes[-1]), parts[-1][1])
        lines.append(fitted_line(tuple(parts), limit))
    return lines


def _sizes(natural: list[int], limit: int) -> list[int]:
    """The columns' widths, of as many as there is room for, the last words' included."""

    def spare() -> int:
        return limit - sum(sizes) - 2 * (len(sizes) - 1)

    name, *others = natural
    sizes = [min(name, _LEAST_NAME), *others, _LEAST_WORDS]
    while len(sizes) > 2 and spare() < 0:
        sizes.pop()
    has_words = len(sizes) == len(_HEAD)
    if has_words:
        sizes[-1] += max(0, min(_WORDS - _LEAST_WORDS, spare()))
    sizes[0] += max(0, min(name - sizes[0], spare()))
    if has_words:
        sizes[-1] += max(0, spare())
    return sizes


def attempt_words(number: int | None, of: int | None) -> str:
    """`2 of 3`; nothing before the first."""
    if number is None:
        return ""
    return str(number) if of is None else f"{number} of {of}"


def event_line(issue: str | None, words: str, detail: str, *, style: str = "") -> Line:
    """One thing that happened, in one line of a log."""
    parts: list[Segment] = [] if issue is None else [(f"{plain(issue, _NAME)}: ", "bold")]
    parts.append((words, style))
    if detail:
        parts.append((f"{': ' if words else ''}{plain(detail, MESSAGE)}", ""))
    return tuple(parts)


def closing_lines(
    ended: Iterable[Closing], waiting: Iterable[tuple[str, str]], reason: str
) -> list[Line]:
    """What a run came to: each issue with its branch, some of those that wait with why."""
    lines: list[Line] = []
    for one in ended:
        lines.append(event_line(one.issue, one.state, "", style=_STYLES.get(one.state, "")))
        if one.branch and one.state != "released":
            lines[-1] += ((f", on {plain(one.branch, 100)}", ""),)
        if one.why:
            lines.append(((f"    {plain(one.why, 2 * MESSAGE)}", ""),))
            lines.append(((f"    see {plain(one.records, MESSAGE)}", "dim"),))
    left = list(waiting)
    lines += [event_line(issue, "waiting", why, style="yellow") for issue, why in left[:_WAITING]]
    if len(left) > _WAITING:
        lines.append(((f"and {len(left) - _WAITING} more that wait", "dim"),))
    return [*lines, (("ended: ", "bold"), (plain(reason, MESSAGE), ""))]
