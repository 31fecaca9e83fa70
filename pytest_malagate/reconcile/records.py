"""The ledger against the tasks: what is written of a task, and what the store says that it is.

Both are written in one session, so they differ only where somebody wrote to the store by hand or
the store lost something. Nobody can know which of the two is right: a person is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from pytest_malagate.queue.model import Entry, Task, TaskState
from pytest_malagate.queue.serial import SHORT_LEDGER, SerialGate
from pytest_malagate.reconcile.checks import Finding

_LEAVES: dict[str, TaskState] = {
    **dict.fromkeys(("added", "requeued"), "waiting"),
    **dict.fromkeys(("claimed", "reclaimed", "advanced", "reworked"), "active"),
    **dict.fromkeys(("finished", "withdrawn"), "finished"),
}
"""The state that an entry of a kind leaves its task in. Entries of other kinds change none."""

_REMEDY = "somebody has to look at it: malagate status --verify, malagate queue list"


class LedgerAgainstTasks:
    """Finds tasks that are not as the ledger has them. A ledger too long to read is left out.

    `ledger` gives the repository's ledger, oldest entry first; at most `limit` entries are read.
    """

    name = "ledger"

    def __init__(
        self,
        gate: SerialGate,
        ledger: Callable[[], Iterable[Entry]],
        *,
        limit: int = SHORT_LEDGER,
    ) -> None:
        self._gate, self._ledger, self._limit = gate, ledger, limit

    def find(self) -> Iterable[Finding]:
        """One finding a task. Raises MachineryError."""
        before = self._known()
        entries = list(islice(self._ledger(), self._limit + 1))
        if len(entries) > self._limit:
            return []
        written = {
            entry.task: _LEAVES[entry.kind]
            for entry in entries
            if entry.task and entry.kind in _LEAVES
        }
        after = self._known()
        # What changed meanwhile may be of two moments: the next sweep looks at it.
        return [
            Finding(item=name, problem=problem, remedy=_REMEDY)
            for name in sorted({*written, *after})
            if before.get(name) == after.get(name)
            and (problem := _difference(written.get(name), after.get(name))) is not None
        ]

    def _known(self) -> dict[str, Task]:
        """All that wait or are active. Whoever is not among them is finished, or was forgotten."""
        return {task.task: task for task in self._gate.tasks()}


def _difference(written: TaskState | None, task: Task | None) -> str | None:
    state: TaskState = "finished" if task is None else task.state
    if written is None:
        return f"it is {state}, and the ledger does not know it"
    return None if written == state else f"it is {state}, and by the ledger it is {written}"
