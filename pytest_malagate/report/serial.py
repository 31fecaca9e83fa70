"""The queue and the freeze in a terminal: why does my task not move?

All texts that come from people or from changes are made plain here. Times become ages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_malagate.queue.answers import Status
from pytest_malagate.queue.model import Freeze, Task
from pytest_malagate.report.terminal import Line, Segment
from pytest_malagate.report.text import MESSAGE, plain

MAX_WAITING = 50
"""How many tasks that wait are listed; the rest is a number. JSON holds them all."""

WEDGED_NEXT = (
    "If it stays so: freeze (mode pause), then set the repository variable MALAGATE_EPOCH one "
    "higher, and clear the freeze after the next sweep"
)
"""What to do about a concurrency group in which nothing moves."""

_NAME = 60
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def span(seconds: float) -> str:
    """A length of time in its greatest whole unit: `45 s`, `3 h`."""
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return "0 s"


def ago(moment: float, now: float) -> str:
    """How long ago a moment was. One of the future is `now`: another machine's clock goes ahead."""
    return "just now" if now - moment < 1 else f"{span(now - moment)} ago"


def lease(task: Task, now: float) -> str:
    """How a task's lease stands."""
    if task.claim is None:
        return ""
    left = task.claim.lease_until - now
    return f"lease ends in {span(left)}" if left > 0 else f"lease ended {span(-left)} ago"


def status_lines(status: Status, *, now: float) -> list[Line]:
    """Everything at a glance."""
    return [
        *_head(status),
        *_problem(status),
        *_freezes(status.freezes, now),
        *_active(status.active_tasks, now),
        *_waiting(status),
        *_end(status),
    ]


def task_lines(status: Status, task: str, known: Task | None, *, now: float) -> list[Line]:
    """One task: where it stands and what holds it up."""
    return [
        *_head(status),
        *_problem(status),
        _where(status, task, known, now),
        *_freezes(status.freezes, now),
        *_active(status.active_tasks, now),
        *_end(status),
    ]


def list_lines(tasks: Iterable[Task], *, now: float) -> list[Line]:
    """Tasks by ticket, one a line."""
    cells = [
        (
            str(task.ticket),
            plain(task.task, _NAME),
            task.stage if task.state == "active" else task.state,
            plain(task.claim.holder, _NAME) if task.claim else "",
            lease(task, now) if task.state == "active" else f"added {ago(task.added_at, now)}",
        )
        for task in tasks
    ]
    if not cells:
        return [(("no task is ready or active", "dim"),)]
    return _table(("ticket", "task", "stage", "holder", ""), cells)


def beyond_lines(
    *,
    swept_at: float | None,
    unfinished: int,
    requests: tuple[int | None, int | None],
    wedged: Iterable[str],
    notes: Iterable[str],
    now: float,
) -> list[Line]:
    """What a store on GitHub knows beside the queue: its last sweep, the rate limit, stuck locks.

    `requests` are those that are left, and the limit, in an hour.
    """
    words = f"last {ago(swept_at, now)}" if swept_at is not None else "none yet"
    if unfinished:
        words += f", {unfinished} pull requests still to be told"
    lines: list[Line] = [(("sweep: ", "bold"), (words, ""))]
    left, limit = requests
    if left is not None:
        of = f" of {limit}" if limit else ""
        lines.append((("requests: ", "bold"), (f"{left} left{of} in this hour", "")))
    stuck = [f"{why}. {WEDGED_NEXT}" for why in wedged]
    warnings = [(("warning: ", "yellow"), (plain(text, 2 * MESSAGE), "")) for text in stuck]
    return [*lines, *warnings, *((("note: ", "dim"), (plain(text, MESSAGE), "")) for text in notes)]


def _head(status: Status) -> list[Line]:
    state, style = ("frozen", "bold red") if status.frozen else ("not frozen", "green")
    if not status.freeze_enabled:
        state, style = "the freeze is off", "yellow"
    order = "one task at a time" if status.enabled else "the queue is off"
    name = plain(status.repository, 120)
    return [((f"{name}: ", "bold"), (state, style), (f", {order}", ""))]


def _problem(status: Status) -> list[Line]:
    lines: list[Line] = []
    if status.problem is not None:
        lines.append((("problem: ", "bold red"), (plain(status.problem, MESSAGE), "")))
    return lines + [(("warning: ", "yellow"), (plain(w, MESSAGE), "")) for w in status.warnings]


def _freezes(freezes: tuple[Freeze, ...], now: float) -> list[Line]:
    if not freezes:
        return []
    cells = [
        (
            str(freeze.id),
            freeze.mode
            if freeze.branch is None
            else f"{freeze.mode} on {plain(freeze.branch, _NAME)}",
            ago(freeze.at, now),
            plain(freeze.actor, _NAME),
            plain(freeze.work_item or "", _NAME),
            plain(freeze.reason, MESSAGE),
        )
        for freeze in freezes
    ]
    return [(), *_table(("freeze", "mode", "set", "by", "task", "reason"), cells)]


def _active(tasks: tuple[Task, ...], now: float) -> list[Line]:
    if not tasks:
        return []
    cells = [
        (
            plain(task.task, _NAME),
            task.stage,
            plain(task.claim.holder, _NAME) if task.claim else "",
            ago(task.claim.at, now) if task.claim else "",
            lease(task, now),
        )
        for task in tasks
    ]
    return [(), *_table(("active", "stage", "holder", "claimed", ""), cells)]


def _waiting(status: Status) -> list[Line]:
    if not status.waiting:
        return []
    shown = status.waiting[:MAX_WAITING]
    cells = [(str(w.position), plain(w.task, _NAME), plain(w.reason, MESSAGE)) for w in shown]
    lines: list[Line] = [(), *_table(("place", "waiting", "because"), cells)]
    if more := len(status.waiting) - len(shown):
        lines.append(((f"{more} more wait", "dim"),))
    return lines


def _end(status: Status) -> list[Line]:
    lines: list[Line] = [()]
    if status.ledger_ok is not None:
        words, style = ("whole", "green") if status.ledger_ok else ("not whole", "bold red")
        if status.problem is not None:
            words = "not readable"
        lines.append((("ledger: ", "bold"), (words, style)))
    return [*lines, (("next: ", "bold"), (plain(status.next, MESSAGE), ""))]


def _where(status: Status, task: str, known: Task | None, now: float) -> Line:
    name: Segment = (f"{plain(task, _NAME)} ", "bold")
    waits = next((waiting for waiting in status.waiting if waiting.task == task), None)
    if waits is not None:
        of = f"waits at place {waits.position} of {len(status.waiting)}: "
        return (name, (of, "yellow"), (plain(waits.reason, MESSAGE), ""))
    if known is None:
        what = "could not be looked up" if status.problem else "is not in the queue: add it first"
        return (name, (what, "yellow"))
    if known.state == "active":
        return (name, (f"is active at the stage {known.stage}, {lease(known, now)}", "green"))
    return (name, (f"is {known.state}, since {span(now - known.changed_at)}", ""))


def _table(head: tuple[str, ...], cells: Sequence[tuple[str, ...]]) -> list[Line]:
    """Aligned columns; the last is as long as it is. A column that is empty is left out."""
    kept = [column for column in range(len(head)) if any(row[column] for row in cells)]
    widths = {column: max(len(row[column]) for row in (head, *cells)) for column in kept}

    def line(row: tuple[str, ...]) -> str:
        return "  ".join(f"{row[column]:{widths[column]}}" for column in kept).rstrip()

    return [((line(head), "dim"),), *(((line(row), ""),) for row in cells)]
