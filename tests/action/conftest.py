"""The stage of the action's tests, and the office of those of queue and freeze."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.action.office import Office
from tests.action.stage import Stage
from tests.twin import Twin


@pytest.fixture
def stage(twin: Twin) -> Iterator[Stage]:
    """acme/shop, while the twin is listening."""
    with twin.serve():
        yield Stage(twin)


@pytest.fixture
def office(stage: Stage) -> Office:
    """acme/shop with people, before the first sweep of its queue."""
    return Office(stage)


@pytest.fixture
def armed(office: Office) -> Office:
    """After its first sweep."""
    told = office.tick()
    assert told.exit_code == 0, told.log
    return office
