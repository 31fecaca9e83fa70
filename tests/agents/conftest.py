from __future__ import annotations

import pytest

from tests.agents.agents_project import Workshop
from tests.conftest import Project


@pytest.fixture
def workshop(project: Project) -> Workshop:
    return Workshop(project)
