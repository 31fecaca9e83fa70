"""Table R: switches and graces, by the policy and by the environment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from pytest_malagate.policy.model import ReconcilePolicy
from pytest_malagate.reconcile.checks import Finding
from pytest_malagate.reconcile.config import configured
from tests.reconcile.embedded import open_store
from tests.reconcile.scene import GRACE, Scene

__all__ = ["open_store"]  # a fixture

# --- R4: graces ---


def minutes(policy: ReconcilePolicy, **environ: str) -> tuple[dict[str, float], tuple[str, ...]]:
    config = configured(policy, environ)
    stages = ("work", "gate", "landing")
    return {stage: config.grace(stage) / 60 for stage in stages}, config.warnings  # type: ignore[arg-type]


def test_a_stage_has_its_own_grace_and_one_that_is_not_named_the_default() -> None:
    found, warnings = minutes(ReconcilePolicy(grace_minutes=5, grace_overrides={"gate": 120}))
    assert found == {"work": 5, "gate": 120, "landing": 5}
    assert warnings == ()


def test_the_environment_goes_over_the_policy() -> None:
    policy = ReconcilePolicy(grace_overrides={"gate": 120, "landing": 30})
    found, warnings = minutes(policy, MALAGATE_GRACE_OVERRIDES='{"gate": 0.5}')
    assert found == {"work": 10, "gate": 0.5, "landing": 30}
    assert warnings == ()


@pytest.mark.parametrize(
    "text",
    ["{", "gate: 30", "[1]", "30", "null", '{"gate": 30', "[" * 100_000, "\x1b[2J{", '"gate"'],
    ids=range(9),
)
def test_overrides_that_cannot_be_read_leave_the_default_with_a_warning(text: str) -> None:
    policy = ReconcilePolicy(grace_overrides={"gate": 120})
    found, (warning,) = minutes(policy, MALAGATE_GRACE_OVERRIDES=text)
    assert found == {"work": 10, "gate": 120, "landing": 10}
    assert "MALAGATE_GRACE_OVERRIDES" in warning
    assert "\x1b" not in warning


@pytest.mark.parametrize(
    "value",
    ['"soon"', "true", "null", "-1", "NaN", "Infinity", "1e99", "[3]", "{}", "9" * 400],
    ids=range(10),
)
def test_a_grace_that_is_no_number_of_minutes_is_dropped_with_a_warning(value: str) -> None:
    text = f'{{"gate": {value}, "work": 3}}'
    found, (warning,) = minutes(ReconcilePolicy(), MALAGATE_GRACE_OVERRIDES=text)
    assert found == {"work": 3, "gate": 10, "landing": 10}
    assert "gate" in warning


def test_a_stage_that_there_is_not_is_named_in_a_warning() -> None:
    found, warnings = minutes(
        ReconcilePolicy(grace_overrides={"reveiw": 5}),
        MALAGATE_GRACE_OVERRIDES='{"la\\u001b[2J": 7}',
    )
    assert set(found.values()) == {10}
    assert len(warnings) == 2
    assert "'reveiw' is no stage: work, gate" in warnings[0]
    assert "\x1b" not in warnings[1]


def test_graces_hold_in_a_sweep(scene: Scene) -> None:
    scene.task("x-1", "gate")
    scene.task("x-2", "landing")
    policy = ReconcilePolicy(grace_overrides={"gate": 20})
    reconciler = scene.reconciler(config=configured(policy, {}))
    scene.clock.passes(GRACE)
    assert [look.task for look in reconciler.sweep().advanced] == ["x-2"]
    scene.clock.passes(GRACE)
    assert [look.task for look in reconciler.sweep().advanced] == ["x-1"]


def test_what_the_settings_warn_of_is_told_by_every_sweep(scene: Scene) -> None:
    config = configured(ReconcilePolicy(), {"MALAGATE_GRACE_OVERRIDES": "{"})
    assert scene.reconciler(config=config).sweep().warnings == config.warnings
    assert len(config.warnings) == 1


# --- R8: switches ---


class Broken:
    """A check that finds one thing, which it repairs."""

    name = "broken"

    def __init__(self) -> None:
        self.found = self.repaired = 0

    def find(self) -> Iterable[Finding]:
        self.found += 1
        return [Finding(item="#1", problem="broken", remedy="repair it", repair=self._repair)]

    def _repair(self) -> bool:
        self.repaired += 1
        return True


OFF = ["off", "0", "false", "no", " OFF "]


@pytest.mark.parametrize(
    ("policy", "environ", "tasks", "checks"),
    [
        ({}, {}, 1, 1),
        ({}, {"MALAGATE_RECONCILE": "on", "MALAGATE_RECONCILE_LABELS": "1"}, 1, 1),
        ({"enabled": False}, {}, 0, 0),
        ({"enabled": False}, {"MALAGATE_RECONCILE": "on"}, 0, 0),
        *(({}, {"MALAGATE_RECONCILE": word}, 0, 0) for word in OFF),
        *(({}, {"MALAGATE_RECONCILE_LABELS": word}, 1, 0) for word in OFF),
    ],
)
def test_a_switch_stops_what_it_names_and_nothing_else(
    scene: Scene, policy: dict[str, Any], environ: dict[str, str], tasks: int, checks: int
) -> None:
    scene.task("x-1")
    scene.clock.passes(GRACE)
    check, config = Broken(), configured(ReconcilePolicy(**policy), environ)
    sweep = scene.reconciler(config=config, checks=[check]).sweep()
    assert (len(sweep.advanced), len(scene.asked)) == (tasks, tasks)
    assert (check.found, check.repaired, len(sweep.repaired)) == (checks, checks, checks)
    assert (sweep.off is None) is bool(tasks)


def test_what_switched_all_off_is_said() -> None:
    assert configured(ReconcilePolicy(enabled=False), {}).off is not None
    assert configured(ReconcilePolicy(), {"MALAGATE_RECONCILE": "off"}).off == (
        "MALAGATE_RECONCILE=off"
    )


def test_a_switch_that_says_neither_leaves_it_on_with_a_warning() -> None:
    config = configured(ReconcilePolicy(), {"MALAGATE_RECONCILE": "perhaps\x1b[2J"})
    assert (config.off, len(config.warnings)) == (None, 1)
    assert "\x1b" not in config.warnings[0]
