"""One installation of the action's packages for all tests that run action.yml.

Each run has a RUNNER_TEMP of its own, as each job has, so each would install. With this fixture
the first one does, by the real install.sh, and `reuse` puts its directory where the others look.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory `malagate-DIGEST` of a complete installation for this Python."""
    return install(tmp_path_factory.mktemp("installation"))


def install(temp: Path) -> Path:
    """Runs install.sh with `temp` for RUNNER_TEMP and returns the directory that it made."""
    output = temp / "output"
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {
        "PATH": tools,
        "RUNNER_TEMP": str(temp),
        "GITHUB_OUTPUT": str(output),
        "MALAGATE_INPUT_PYTHON": sys.executable,
    }
    script = str(ROOT / ".action" / "install.sh")
    done = subprocess.run(
        ["bash", script], env=os.environ | own, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    values = dict(line.split("=", 1) for line in output.read_text("utf-8").splitlines())
    return Path(values["site"]).parent


def reuse(installation: Path, environ: Mapping[str, str]) -> None:
    """Lets a job find it. The action's input `python` must be `sys.executable`."""
    place = Path(environ["RUNNER_TEMP"]) / installation.name
    if not place.exists():
        place.symlink_to(installation, target_is_directory=True)
