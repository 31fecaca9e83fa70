"""A failure keeps its fingerprint, however and wherever the same code is run again (B.9, N14)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).parent / "fingerprint_suite"
TESTS = 24

ARGUMENTS = {
    "the same again": [],
    "two workers": ["-n2"],
    "verbose": ["-vv"],
    "short tracebacks": ["--tb=short"],
    "native tracebacks": ["--tb=native"],
    "full tracebacks": ["--full-trace"],
    "plain assertions": ["--assert=plain"],
    "local variables shown": ["-l"],
}
ENVIRONMENT = {
    "another hash seed": {"PYTHONHASHSEED": "4711"},
    "on CI": {"CI": "1"},
    "a wide terminal": {"COLUMNS": "200"},
}


def fingerprints(folder: Path, *arguments: str, **environment: str) -> dict[str, str]:
    """The fingerprints of the suite's failures in one run, by test id."""
    found = folder / "fingerprints.json"
    found.unlink(missing_ok=True)
    kept = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "TMPDIR")
    inherited = {name: os.environ[name] for name in kept if name in os.environ}
    pytest_command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "xdist",
        "-p",
        "write_fingerprints",
    ]
    run = subprocess.run(
        [*pytest_command, *arguments, "app"],
        cwd=folder,
        env={
            **inherited,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": str(folder),
            "PYTHONHASHSEED": "0",
            "FINGERPRINTS": str(found),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    failures = json.loads(found.read_text())
    assert all(failure["attached"] for failure in failures.values())
    return {nodeid: failure["fingerprint"] for nodeid, failure in failures.items()}


def copied(folder: Path) -> Path:
    shutil.copytree(SUITE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("original") / "suite")


@pytest.fixture(scope="module")
def expected(suite: Path) -> dict[str, str]:
    return fingerprints(suite)


def test_every_failure_has_a_fingerprint_of_its_own(expected: dict[str, str]) -> None:
    assert len(expected) == TESTS
    assert len(set(expected.values())) == TESTS


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
def test_options_of_pytest_change_no_fingerprint(
    suite: Path, expected: dict[str, str], arguments: list[str]
) -> None:
    assert fingerprints(suite, *arguments) == expected


@pytest.mark.parametrize("environment", ENVIRONMENT.values(), ids=ENVIRONMENT)
def test_the_environment_changes_no_fingerprint(
    suite: Path, expected: dict[str, str], environment: dict[str, str]
) -> None:
    assert fingerprints(suite, **environment) == expected


def test_moved_lines_change_no_fingerprint(tmp_path: Path, expected: dict[str, str]) -> None:
    folder = copied(tmp_path / "suite")
    for file in (folder / "app").glob("*.py"):
        file.write_text("# one\n# two\n# three\n" + file.read_text())
    assert fingerprints(folder) == expected


def test_another_folder_changes_no_fingerprint(tmp_path: Path, expected: dict[str, str]) -> None:
    folder = copied(tmp_path / "elsewhere" / "deeper" / "checkout")
    assert fingerprints(folder) == expected
