"""malagate decides, from evidence and never from a claim, whether a change may land.

The public names are imported when they are first used: pytest loads this package in every run
where it is installed, and an idle plugin must cost nothing.

What these take and answer is public, too, where their docstrings name it: the coordinator's
issues and outcomes (`pytest_malagate.coordinate.issues`, `.outcomes`, `.events`, `.yaml_issues`,
`.store_issues`), the queue's stores and answers (`pytest_malagate.queue.sqlite`, `.answers`,
`.model`), the reconciler's settings and answers (`pytest_malagate.reconcile.config`, `.answers`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "AsyncGateRunner": "pytest_malagate.gate.runner",
    "CoordinatorConfig": "pytest_malagate.coordinate.config",
    "GateResult": "pytest_malagate.gate.result",
    "GateRunner": "pytest_malagate.gate.runner",
    "GateRunnerConfig": "pytest_malagate.gate.runner",
    "IssueExecutionCoordinator": "pytest_malagate.coordinate.coordinator",
    "LocalGate": "pytest_malagate.local",
    "PerIssueGateInput": "pytest_malagate.gate.runner",
    "PerIssueGateOutput": "pytest_malagate.gate.runner",
    "Reconciler": "pytest_malagate.reconcile.reconciler",
    "RetryState": "pytest_malagate.gate.retry",
    "SerialGate": "pytest_malagate.queue.serial",
    "ValidationScope": "pytest_malagate.gate.spec",
    "ValidationSpec": "pytest_malagate.gate.spec",
}

if TYPE_CHECKING:
    from pytest_malagate.coordinate.config import CoordinatorConfig
    from pytest_malagate.coordinate.coordinator import IssueExecutionCoordinator
    from pytest_malagate.gate.result import GateResult
    from pytest_malagate.gate.retry import RetryState
    from pytest_malagate.gate.runner import (
        AsyncGateRunner,
        GateRunner,
        GateRunnerConfig,
        PerIssueGateInput,
        PerIssueGateOutput,
    )
    from pytest_malagate.gate.spec import ValidationScope, ValidationSpec
    from pytest_malagate.local import LocalGate
    from pytest_malagate.queue.serial import SerialGate
    from pytest_malagate.reconcile.reconciler import Reconciler

__all__ = [
    "AsyncGateRunner",
    "CoordinatorConfig",
    "GateResult",
    "GateRunner",
    "GateRunnerConfig",
    "IssueExecutionCoordinator",
    "LocalGate",
    "PerIssueGateInput",
    "PerIssueGateOutput",
    "Reconciler",
    "RetryState",
    "SerialGate",
    "ValidationScope",
    "ValidationSpec",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
