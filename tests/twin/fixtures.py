"""The pytest fixture `twin`: a GitHub that is up for one test and holds to its description."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.twin.twin import Twin


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Twin]:
    """A twin that answers at `twin.url`. The test fails if an answer, or a request that the twin
    took, is not as GitHub's published description says."""
    made = Twin(tmp_path)
    with made.serve():
        yield made
    if made.violations:
        pytest.fail("\n".join(made.violations), pytrace=False)
