"""The scene of the reconciler's tests, over every store that the queue's tests know."""

from __future__ import annotations

import pytest

from tests.queue.conftest import Clock, OpenGate, OpenStore, clock, open_gate, open_store
from tests.reconcile.scene import Scene

__all__ = ["clock", "open_gate", "open_store", "scene"]


@pytest.fixture
def scene(open_gate: OpenGate, open_store: OpenStore, clock: Clock) -> Scene:
    return Scene(open_gate, open_store, clock)
