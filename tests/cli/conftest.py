"""The desk at which the commands of queue and freeze are tested."""

from __future__ import annotations

import pytest

from tests.cli.queue_commands import Desk
from tests.conftest import Project


@pytest.fixture
def desk(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Desk:
    return Desk(project.path, monkeypatch, capfd)
