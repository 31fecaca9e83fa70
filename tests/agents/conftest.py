from __future__ import annotations

import subprocess
import sys

import pytest

from tests.agents.agents_project import Workshop
from tests.conftest import Project


@pytest.fixture
def workshop(project: Project) -> Workshop:
    return Workshop(project)


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid
