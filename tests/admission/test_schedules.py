"""Random schedules in short, and that whoever watches them would see what may never happen.

`python -m tests.admission.schedules` plays thousands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from pytest_malagate.admission.starting import Nothing, Starter
from pytest_malagate.github.dispatch import start
from pytest_malagate.queue import serial
from pytest_malagate.queue.answers import FreezeReading
from pytest_malagate.queue.view import View
from tests.admission.scene import AGENT
from tests.admission.schedules import play
from tests.admission.witness import BROKEN

SCHEDULES = 60


def played(seeds: range) -> tuple[Counter[str], list[str]]:
    total: Counter[str] = Counter()
    told: list[str] = []
    for seed in seeds:
        count, said = play(seed)
        total += count
        told += said
    return total, told


def test_whatever_happens_nothing_happens_that_may_not() -> None:
    count, said = played(range(1, SCHEDULES + 1))
    assert said == []
    assert {name: count[name] for name in BROKEN} == dict.fromkeys(BROKEN, 0)
    happened = (
        *("dispatches", "processes that died", "two at once", "pages that came too late"),
        "volumes of the ledger",
        *("entries: frozen", "entries: cleared", "entries: requeued", "entries: restarted"),
    )
    assert [name for name in happened if not count[name]] == []


def test_a_schedule_is_the_same_each_time() -> None:
    assert play(7) == play(7)


# --- the witness sees it ---


def freezes_are_not_seen(patch: pytest.MonkeyPatch) -> None:
    looked = View.freezes

    def freezes(view: View, branch: str | None = None) -> FreezeReading:
        return FreezeReading() if view._problem is None else looked(view, branch)

    patch.setattr(View, "freezes", freezes)


def starts_without_a_look(patch: pytest.MonkeyPatch) -> None:
    """A start goes by what its claim saw."""

    def dispatch(starter: Any, task: Any, claim: Any, *, again: bool) -> object:
        client = starter._store.client(starter._gate.repository)
        return start(client, AGENT, "main", {"task": task.task}, claim.id, since=claim.at)

    patch.setattr(Starter, "_dispatch", dispatch)


def clears_for_anybody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(serial, "check_clear", lambda *_: None)


def claims_beside_another(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(serial, "next_task", lambda session, *_, **__: (None, session.first("waiting")))
    patch.setattr(Starter, "_looked_after", lambda *_: None)


def forgets_what_was_claimed(patch: pytest.MonkeyPatch) -> None:
    """A claim whose process died is left alone for ever."""
    left = Nothing(why="not mine", code="queue.waiting")
    patch.setattr(Starter, "_unstarted", lambda *_: left)


@pytest.mark.parametrize(
    ("wrong", "kinds"),
    [
        (freezes_are_not_seen, {"starts while frozen", "admissions while frozen"}),
        (starts_without_a_look, {"starts without a fresh look"}),
        (clears_for_anybody, {"clears without an authorised record"}),
        (claims_beside_another, {"two live claims at once"}),
        (forgets_what_was_claimed, {"never quiet", "ready tasks that never started"}),
    ],
)
def test_what_may_never_happen_is_seen(
    monkeypatch: pytest.MonkeyPatch, wrong: Callable[[pytest.MonkeyPatch], None], kinds: set[str]
) -> None:
    wrong(monkeypatch)
    for seed in range(1, 100):
        count, _ = play(seed)
        if any(count[kind] for kind in kinds):
            return
    pytest.fail(f"nobody saw any of {sorted(kinds)}")
