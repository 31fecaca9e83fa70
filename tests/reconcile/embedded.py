"""The embedded store alone, for tests of what does not depend on the store: others are slower."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.queue.conftest import STORES, OpenStore


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[OpenStore]:
    with STORES["sqlite"](tmp_path) as opened:
        yield opened
