"""A sweep with a budget is fair; checks are asked and repaired, each finding on its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.reconcile.answers import Budget
from pytest_malagate.reconcile.checks import Finding
from pytest_malagate.reconcile.config import ReconcileConfig
from pytest_malagate.reconcile.rounds import Cursor, rotated
from pytest_malagate.reconciling import FileCursor
from tests.reconcile.embedded import open_store
from tests.reconcile.scene import GRACE, Scene

__all__ = ["open_store"]  # a fixture

NAMES = ["x-1", "x-2", "x-3", "x-4", "x-5"]


class Listed:
    """A check that finds the items that are left of a list; those in `hopeless` raise."""

    def __init__(self, name: str, items: Iterable[str], hopeless: Iterable[str] = ()) -> None:
        self.name, self.left, self.hopeless = name, set(items), set(hopeless)
        self.tried: list[str] = []

    def find(self) -> Iterable[Finding]:
        for item in self.left:
            yield Finding(item=item, problem="broken", remedy="mend it", repair=self._repair(item))

    def _repair(self, item: str) -> Callable[[], bool]:
        def repair() -> bool:
            self.tried.append(item)
            if item in self.hopeless:
                raise OSError("no way")
            self.left.discard(item)
            return True

        return repair


# --- the cursor ---


@given(st.sets(st.text(alphabet="abcde\n:", max_size=3)), st.text(alphabet="abcde\n:", max_size=3))
def test_a_round_has_every_key_wherever_it_begins(keys: set[str], cursor: str) -> None:
    order = rotated(keys, cursor)
    assert set(order) == keys
    if len(order) > len(keys):  # the one in the middle of which the last sweep ended
        assert order[0] == order[-1] == cursor.partition("\n")[0]
    assert len(order) <= len(keys) + 1


@given(st.sets(st.text(alphabet="abcde", max_size=3), min_size=1))
def test_one_key_a_sweep_gets_round(keys: set[str]) -> None:
    seen, cursor = [], ""
    for _ in keys:
        cursor = rotated(keys, cursor)[0]
        seen.append(cursor)
    # The empty key is also what a cursor says that was never saved.
    assert set(seen) >= keys - {""}


@pytest.mark.parametrize("restarts", [False, True])
def test_with_a_budget_of_one_every_task_is_looked_at_even_if_the_first_always_raises(
    scene: Scene, tmp_path: Path, restarts: bool
) -> None:
    for name in NAMES:
        scene.task(name, green=False)
    scene.raises["x-1"] = RuntimeError("again")
    scene.clock.passes(GRACE)
    path = tmp_path / "out" / "reconcile.json"
    reconciler = scene.reconciler(cursor=FileCursor(path))
    for _ in range(2 * len(NAMES)):
        if restarts:
            reconciler = scene.reconciler(cursor=FileCursor(path))
        assert reconciler.sweep(budget=1).looked_at == 1
    assert scene.asked == 2 * NAMES


def test_a_sweep_that_got_round_says_so_and_the_next_begins_at_the_start(scene: Scene) -> None:
    for name in NAMES:
        scene.task(name, green=False)
    scene.clock.passes(GRACE)
    reconciler = scene.reconciler()
    assert reconciler.sweep(budget=2).next_cursor == "task:x-2"
    assert reconciler.sweep(budget=9).next_cursor == ""
    assert scene.asked == ["x-1", "x-2", "x-3", "x-4", "x-5", "x-1", "x-2"]


def test_a_task_that_has_gone_since_is_no_place_to_get_lost(scene: Scene) -> None:
    for name in NAMES:
        scene.task(name, green=False)
    scene.clock.passes(GRACE)
    reconciler = scene.reconciler()
    reconciler.sweep(budget=2)
    for name in ("x-2", "x-3"):
        scene.gate.finish(name, "alice")
    reconciler.sweep(budget=1)
    assert scene.asked == ["x-1", "x-2", "x-4"]


def test_tasks_for_which_nothing_is_asked_use_up_nothing(scene: Scene) -> None:
    for name in NAMES[:-1]:
        scene.task(name, "review")
    scene.task("x-5", green=False)
    scene.clock.passes(GRACE)
    sweep = scene.reconciler().sweep(budget=1)
    assert (sweep.looked_at, scene.asked) == (5, ["x-5"])


def test_a_budget_of_seconds_ends_a_sweep_and_always_allows_one_item(scene: Scene) -> None:
    for name in NAMES:
        scene.task(name, green=False)
    scene.clock.passes(GRACE)
    ticks = iter(range(0, 1000, 10))  # each look at the clock takes ten seconds
    reconciler = scene.reconciler(timer=lambda: float(next(ticks)))
    assert reconciler.sweep(budget=Budget(seconds=25)).looked_at == 3
    assert reconciler.sweep(budget=Budget(seconds=0.001)).looked_at == 1
    assert scene.asked == ["x-1", "x-2", "x-3", "x-4"]


def test_a_sweep_that_resumes_a_check_gets_round_to_its_first_findings(scene: Scene) -> None:
    checks = [Listed("a", ["1", "2", "3"], hopeless=["1"]), Listed("b", ["9"])]
    reconciler = scene.reconciler(checks=checks)
    reconciler.sweep(budget=1)
    sweep = reconciler.sweep()
    assert (checks[0].tried, checks[1].tried) == (["1", "2", "3", "1"], ["9"])
    assert (sweep.checked, sweep.next_cursor, len(sweep.findings)) == (2, "", 4)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"cursor": 3}', b"\xff\xfe", b"null"])
def test_a_damaged_cursor_is_a_warning_and_the_sweep_begins_afresh(
    scene: Scene, tmp_path: Path, content: bytes
) -> None:
    for name in NAMES:
        scene.task(name, green=False)
    scene.clock.passes(GRACE)
    path = tmp_path / "reconcile.json"
    path.write_bytes(content)
    reconciler = scene.reconciler(cursor=FileCursor(path))
    (warning,) = reconciler.sweep(budget=1).warnings
    assert "reconcile.json is damaged" in warning
    assert reconciler.sweep(budget=1).warnings == ()
    assert scene.asked == ["x-1", "x-2"]


def test_a_cursor_that_cannot_be_read_is_a_warning(scene: Scene, tmp_path: Path) -> None:
    sweep = scene.reconciler(cursor=FileCursor(tmp_path)).sweep()
    assert "cannot be read" in sweep.warnings[0]


class NoCursor:
    """One that cannot be kept."""

    def load(self) -> str:
        return ""

    def save(self, place: str) -> None:
        raise MachineryError("the disk is full")


def test_a_cursor_that_cannot_be_saved_is_a_warning_and_ends_nothing(scene: Scene) -> None:
    for name in NAMES:
        scene.task(name)
    scene.clock.passes(GRACE)
    cursor: Cursor = NoCursor()
    sweep = scene.reconciler(cursor=cursor).sweep(budget=2)
    assert len(sweep.advanced) == 2
    assert "the disk is full" in sweep.warnings[0]


def test_a_dry_run_leaves_the_cursor_where_it_is(scene: Scene, tmp_path: Path) -> None:
    for name in NAMES:
        scene.task(name)
    scene.clock.passes(GRACE)
    path = tmp_path / "reconcile.json"
    scene.reconciler(cursor=FileCursor(path)).sweep(dry_run=True, budget=1)
    assert not path.exists()


# --- checks ---


def test_what_a_check_finds_is_repaired_once(scene: Scene) -> None:
    check = Listed("labels", ["#2", "#1"])
    reconciler = scene.reconciler(checks=[check])
    sweep = reconciler.sweep()
    assert [(found.check, found.item) for found in sweep.repaired] == [
        ("labels", "#1"),
        ("labels", "#2"),
    ]
    assert reconciler.sweep().findings == ()
    assert reconciler.totals.repaired == 2


def test_a_dry_run_finds_and_repairs_nothing(scene: Scene) -> None:
    check = Listed("labels", ["#1"])
    (found,) = scene.reconciler(checks=[check]).sweep(dry_run=True).findings
    assert (found.repairable, found.repaired, check.tried) == (True, False, [])


def test_with_a_budget_of_one_every_finding_is_tried_even_if_the_first_always_raises(
    scene: Scene,
) -> None:
    for name in NAMES[:2]:
        scene.task(name, green=False)
    scene.clock.passes(GRACE)
    checks = [Listed("b", ["1", "2", "3"], hopeless=["1"]), Listed("a", ["9", "8"], ["8"])]
    reconciler = scene.reconciler(checks=checks)
    for _ in range(7):
        reconciler.sweep(budget=1)
    assert checks[0].left == {"1"}
    assert checks[1].left == {"8"}
    assert scene.asked == NAMES[:2]
    assert reconciler.totals.errors == 2


class Raising:
    """A check that cannot look."""

    name = "broken"

    def find(self) -> Iterable[Finding]:
        raise OSError("no connection")


def test_a_check_that_raises_is_logged_and_the_others_are_asked(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.task("x-1")
    scene.clock.passes(GRACE)
    check = Listed("labels", ["#1"])
    sweep = scene.reconciler(checks=[Raising(), check]).sweep()
    assert [trouble.item for trouble in sweep.errors] == ["broken"]
    assert (len(sweep.advanced), len(sweep.repaired)) == (1, 1)
    assert "broken could not be handled" in caplog.text


class Told:
    """A check whose finding only a person can help."""

    name = "told"
    there = True

    def find(self) -> Iterable[Finding]:
        return [Finding(item="#1", problem="odd", remedy="look at it")] if self.there else []


def test_what_only_a_person_can_help_is_logged_once_until_it_comes_again(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pytest_malagate.reconcile")
    check = Told()
    reconciler = scene.reconciler(checks=[check])
    for there in (True, True, True, False, True, True):
        check.there = there
        assert len(reconciler.sweep().findings) == there
    assert caplog.text.count("#1: found: odd") == 2


def test_two_checks_of_one_name_are_refused(scene: Scene) -> None:
    with pytest.raises(UsageError, match="two checks"):
        scene.reconciler(checks=[Listed("a", []), Listed("a", [])])


def test_without_its_half_no_task_is_looked_at(scene: Scene) -> None:
    scene.task("x-1")
    scene.clock.passes(GRACE)
    check = Listed("labels", ["#1"])
    sweep = scene.reconciler(config=ReconcileConfig(tasks=False), checks=[check]).sweep()
    assert (sweep.looked_at, len(sweep.repaired)) == (0, 1)
