"""One look at a repository's store, and whether a pull request may land by it."""

from __future__ import annotations

from collections.abc import Callable

from pytest_malagate.admission.landing import task_of
from pytest_malagate.errors import MachineryError
from pytest_malagate.github.records import Pull
from pytest_malagate.github.session import GitHubSession
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.queue.answers import Admission
from pytest_malagate.queue.model import Value
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.view import View


class Look(Value, frozen=True, kw_only=True):
    """What was seen, and when (seconds). Without a session the store could not be read: frozen."""

    session: GitHubSession | None
    view: View
    at: float

    def admission(self, pull: Pull) -> Admission:
        """May it land?"""
        tasks = self.session.state.tasks if self.session is not None else {}

        def is_queued(name: str) -> bool:
            return name in tasks and tasks[name].state != "finished"

        return self.view.admission(task_of(pull, is_queued), branch=pull.base.ref)

    @property
    def active(self) -> tuple[str, ...]:
        """The active tasks; none where the store could not be read."""
        found = self.session.tasks("active") if self.session is not None else ()
        return tuple(task.task for task in found)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(1 for _ in self.session.tasks("waiting")) if self.session is not None else 0


def look(gate: SerialGate, store: GitHubStore, now: Callable[[], float]) -> Look:
    """Looks now. Never raises for a store that fails: that is frozen."""
    at = now()
    try:
        with store.reading(gate.repository) as session:
            view = View(session, gate.rules, serial=gate.enabled)
            return Look(session=session, view=view, at=at)
    except MachineryError as error:
        view = View(None, gate.rules, serial=gate.enabled, problem=error)
        return Look(session=None, view=view, at=at)
