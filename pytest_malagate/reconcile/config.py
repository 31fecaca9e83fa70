"""How the reconciler is set: by the policy, and over it by the environment.

Failure direction: what cannot be read of the environment counts for nothing, with a warning. A
grace that somebody mistyped is then the policy's, never none at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from pytest_malagate.policy.model import ReconcilePolicy
from pytest_malagate.queue.model import Stage, Value
from pytest_malagate.repository.git import printable

SWITCH = "MALAGATE_RECONCILE"
LABELS_SWITCH = "MALAGATE_RECONCILE_LABELS"
OVERRIDES = "MALAGATE_GRACE_OVERRIDES"
"""The switches (`off`, `0`, `false`, `no`), and minutes of grace by stage as a JSON object."""

_STAGES: tuple[str, ...] = get_args(Stage)
_ON = ("", "on", "1", "true", "yes")
_OFF = ("off", "0", "false", "no")
_LONGEST = 366 * 24 * 60.0


class ReconcileConfig(Value, frozen=True, kw_only=True):
    """The switches, and how many minutes a task may stand in a stage before it is looked at.

    `off` says who switched all of it off; None if nobody did. `tasks` and `labels` are its halves:
    tasks against the gate, and the checks. `warnings` are about settings that count for nothing.
    """

    off: str | None = None
    tasks: bool = True
    labels: bool = True
    notify: bool = True
    grace_minutes: float = 10.0
    grace_overrides: dict[str, float] = msgspec.field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def grace(self, stage: Stage) -> float:
        """The grace of a stage in seconds."""
        return 60.0 * self.grace_overrides.get(stage, self.grace_minutes)


def configured(policy: ReconcilePolicy, environ: Mapping[str, str]) -> ReconcileConfig:
    """The policy's settings, and the environment's over them. Never raises."""
    warnings: list[str] = []
    overrides = _overrides(policy.grace_overrides, "reconcile.grace_overrides", warnings)
    overrides |= _overrides(_decoded(environ.get(OVERRIDES, ""), warnings), OVERRIDES, warnings)
    off = None if policy.enabled else "reconcile.enabled is false in the policy"
    if not _switched_on(environ, SWITCH, warnings):
        off = f"{SWITCH}={printable(environ[SWITCH], 20)}"
    return ReconcileConfig(
        off=off,
        labels=_switched_on(environ, LABELS_SWITCH, warnings),
        notify=policy.notify,
        grace_minutes=policy.grace_minutes,
        grace_overrides=overrides,
        warnings=tuple(warnings),
    )


def _switched_on(environ: Mapping[str, str], name: str, warnings: list[str]) -> bool:
    value = environ.get(name, "").strip().lower()
    if value not in _ON + _OFF:
        warnings.append(f"{name}: {printable(repr(value), 40)} is neither on nor off; it is on")
    return value not in _OFF


def _decoded(text: str, warnings: list[str]) -> Mapping[str, Any]:
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return value
    warnings.append(
        f'{OVERRIDES} is no JSON object such as {{"gate": 30}}; the policy\'s grace holds'
    )
    return {}


def _overrides(given: Mapping[str, Any], source: str, warnings: list[str]) -> dict[str, float]:
    good: dict[str, float] = {}
    for stage, minutes in given.items():
        if stage not in _STAGES:
            known = ", ".join(_STAGES)
            warnings.append(f"{source}: {printable(repr(stage), 40)} is no stage: {known}")
        elif not _is_grace(minutes):
            shown = printable(repr(minutes), 40)
            warnings.append(f"{source}: {stage}: {shown} is no number of minutes; it is dropped")
        else:
            good[stage] = float(minutes)
    return good


def _is_grace(minutes: object) -> bool:
    number = isinstance(minutes, int | float) and not isinstance(minutes, bool)
    return number and 0 <= minutes <= _LONGEST  # type: ignore[operator] # nan is not within
