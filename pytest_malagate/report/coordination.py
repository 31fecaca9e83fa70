"""A coordinator's run for a person: a table that is redrawn, lines for a log, a closing summary.

It takes plain values. All texts come from issues and agents, and are made plain here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pytest_malagate.report.serial import span
from pytest_malagate.report.terminal import Line, Segment
from pytest_malagate.report.text import MESSAGE, cut, plain

_NAME = 40
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


def table_lines(rows: Sequence[Row], *, now: float, width: int) -> list[Line]:
    """The issues of a run, each in one line of a terminal of `width` columns."""
    cells = [
        (
            plain(row.issue, _NAME),
            row.state,
            attempt_words(row.attempt, row.max_attempts),
            span(max(0.0, now - row.since)),
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(_HEAD[:-1], *cells, strict=True)]
    room = max(20, width - sum(widths) - 2 * len(widths) - 1)
    head = "  ".join(f"{word:{size}}" for word, size in zip(_HEAD[:-1], widths, strict=True))
    lines: list[Line] = [((f"{head}  {_HEAD[-1]}", "dim"),)]
    for row, (issue, state, tries, since) in zip(rows, cells, strict=True):
        style = _STYLES.get(state, "")
        lines.append(
            (
                (f"{issue:{widths[0]}}  ", ""),
                (f"{state:{widths[1]}}", style),
                (f"  {tries:{widths[2]}}  {since:{widths[3]}}  ", ""),
                (cut(plain(row.last, room), room), ""),
            )
        )
    return lines


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
    """What a run came to: each issue with its branch, those that wait with why."""
    lines: list[Line] = []
    for one in ended:
        lines.append(event_line(one.issue, one.state, "", style=_STYLES.get(one.state, "")))
        if one.branch and one.state != "released":
            lines[-1] += ((f", on {plain(one.branch, 100)}", ""),)
        if one.why:
            lines.append(((f"    {plain(one.why, 2 * MESSAGE)}", ""),))
            lines.append(((f"    see {plain(one.records, MESSAGE)}", "dim"),))
    lines += [event_line(issue, "waiting", why, style="yellow") for issue, why in waiting]
    return [*lines, (("ended: ", "bold"), (plain(reason, MESSAGE), ""))]
