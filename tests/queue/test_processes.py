"""Many processes at once, killed at random: nothing is handed out twice, nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 60.0 if os.environ.get("MALAGATE_TORTURE") == "1" else 2.5


@pytest.mark.timeout(SECONDS + 300)
def test_32_processes_that_are_killed_at_random_lose_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # In a process of its own: it forks, and pytest may have threads.
    done = subprocess.run(
        [sys.executable, "-m", "tests.queue.torture", "--seconds", str(SECONDS)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    if SECONDS >= 60:
        with capsys.disabled():
            print(f"\n{done.stdout}")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
