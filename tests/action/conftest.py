"""The stage of the action's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.action.stage import Stage
from tests.twin import Twin


@pytest.fixture
def stage(twin: Twin) -> Iterator[Stage]:
    """acme/shop, while the twin is listening."""
    with twin.serve():
        yield Stage(twin)
