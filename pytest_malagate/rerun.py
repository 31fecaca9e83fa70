"""`--malagate-rerun`: failed tests once more, in a fresh process, to tell the flaky ones.

A test that fails and then passes on the very same files is flaky. It is no pass for that, but it is
not charged to whoever made the change either.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_malagate.collect.reading import read_outcomes

MAX_TESTS = 100
"""A run with more failures than this is broken, not flaky: nothing is run again."""

TIMEOUT = 1800.0  # seconds


def passed_again(config: pytest.Config, failed: Sequence[str]) -> list[str]:
    """Which of the failed tests pass in a process of their own; none if that cannot be told."""
    if not failed or len(failed) > MAX_TESTS:
        return []
    with tempfile.TemporaryDirectory(prefix="malagate-rerun-") as out:
        command = [
            sys.executable,
            "-m",
            "pytest",
            *_options(config),
            f"--malagate-out={out}",
            *failed,
        ]
        environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")}
        try:
            subprocess.run(
                command,
                cwd=config.invocation_params.dir,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return []
        outcomes = read_outcomes(Path(out) / "evidence.jsonl")
    return [nodeid for nodeid in failed if outcomes.get(nodeid) == "passed"]


_OURS = ("--malagate-rerun", "--malagate-out", "--malagate-collect")


def _options(config: pytest.Config) -> list[str]:
    """The options of this run, without its paths, in one process and in collecting mode."""
    paths = set(config.args)
    given = [
        str(arg)
        for arg in config.invocation_params.args
        if str(arg) not in paths and not str(arg).startswith(_OURS)
    ]
    alone = ["-n0"] if config.pluginmanager.hasplugin("xdist") else []
    return [
        *given,
        *alone,
        f"--rootdir={config.rootpath}",
        "--malagate-collect",
        "-p",
        "no:cacheprovider",
    ]
