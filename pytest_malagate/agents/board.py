"""Where every issue of a run stands, from what the coordinator and the loop tell."""

from __future__ import annotations

import msgspec

from pytest_malagate.agents.steps import Step
from pytest_malagate.coordinate.events import Event
from pytest_malagate.report.coordination import Row

replace = msgspec.structs.replace

_STATES = {
    "started": "working",
    "waiting": "waiting",
    "blocked": "waiting",
    "refused": "failed",
    "finished": "completed",
    "failed": "failed",
    "released": "released",
}
_STEPS = {"attempt": "working", "agent_ended": "judging", "judged": "judging"}


class Board:
    """The rows of a table, in the order in which issues were first heard of."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}

    @property
    def rows(self) -> tuple[Row, ...]:
        """One row an issue."""
        return tuple(self._rows.values())

    def waiting(self) -> list[tuple[str, str]]:
        """The issues that wait, and why."""
        return [(row.issue, row.last) for row in self.rows if row.state == "waiting"]

    def take_event(self, event: Event) -> None:
        """What the coordinator told."""
        if event.issue is not None and event.kind in _STATES:
            self._put(event.issue, _STATES[event.kind], event.at, event.detail)

    def take_step(self, step: Step) -> None:
        """What the loop told."""
        if step.issue is None:
            return
        if step.kind in _STEPS:
            words = "" if step.kind == "attempt" else step.detail
            self._put(step.issue, _STEPS[step.kind], step.at, words)
        if step.attempt is not None and step.issue in self._rows:
            row = self._rows[step.issue]
            self._rows[step.issue] = replace(
                row, attempt=step.attempt, max_attempts=step.max_attempts
            )

    def says(self, issue: str, words: str) -> None:
        """The last words of an agent. Called from its own thread."""
        row = self._rows.get(issue)
        if row is not None and row.state == "working":
            self._rows[issue] = replace(row, last=words)

    def _put(self, issue: str, state: str, at: float, last: str) -> None:
        row = self._rows.get(issue) or Row(issue=issue, state=state, since=at)
        since = row.since if row.state == state else at
        self._rows[issue] = replace(row, state=state, since=since, last=last)
