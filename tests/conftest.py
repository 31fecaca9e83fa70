"""What several rooms' tests share: a project in a real git repository, and pytest run on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from pytest_malagate.collect.reading import read_evidence
from pytest_malagate.gate.evidence import Evidence

pytest_plugins = ["pytester", "tests.twin.fixtures"]

# A shell starts background jobs deaf to Ctrl-C, nohup to a hang-up; what the tests start must not
# inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGHUP, signal.SIGQUIT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "A Tester"), ("EMAIL", "tester@example.invalid"))
}


def clean_environment() -> dict[str, str]:
    """The environment of a user's shell: nothing of the test run around it."""
    ours = ("PYTEST_", "MALAGATE_", "COV_CORE", "GIT_", "COVERAGE_CORE", "COLUMNS", "CI", "GITHUB_")
    environ = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return environ | IDENTITY | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "HOME": "/nonexistent"}


@dataclass(frozen=True)
class Finished:
    """An ended process."""

    returncode: int
    stdout: str
    stderr: str


class Project:
    """A directory under git, and what its user types there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.out = path / "malagate-out"
        self.environ = clean_environment()

    def unmeasured(self) -> Project:
        """Its processes are not measured for this suite's own coverage, which they would notice."""
        self.environ = {k: v for k, v in self.environ.items() if not k.startswith("COVERAGE_")}
        return self

    def files(self, files: dict[str, str]) -> Project:
        """Writes files, indented as the test's own code may be."""
        for name, text in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), encoding="utf-8")
        return self

    def git(self, *args: str, when: int | None = None) -> str:
        environ = self.environ
        if when is not None:
            environ = environ | dict.fromkeys(
                ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), f"{when} +0000"
            )
        done = subprocess.run(
            ["git", *args], cwd=self.path, env=environ, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, message: str, *args: str, when: int | None = None) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message, *args, when=when)
        return self.git("rev-parse", "HEAD")

    def call(self, *argv: str, **environ: str) -> Finished:
        done = subprocess.run(
            argv,
            cwd=self.path,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def malagate(self, *args: str, **environ: str) -> Finished:
        """`malagate …` in a process of its own."""
        return self.call(sys.executable, "-m", "pytest_malagate", *args, **environ)

    def pytest(self, *args: str, **environ: str) -> Finished:
        """`pytest -p malagate …` in a process of its own."""
        return self.plain_pytest("-p", "malagate", *args, **environ)

    def plain_pytest(self, *args: str, **environ: str) -> Finished:
        """`pytest …`, without malagate."""
        return self.call(sys.executable, "-m", "pytest", *args, **environ)

    def result(self) -> dict[str, Any]:
        """gate-result.json as it is on the disk."""
        result: dict[str, Any] = json.loads((self.out / "gate-result.json").read_text())
        return result

    def check(self, *args: str) -> dict[str, Any]:
        """The GateResult of `malagate check --json`, with its exit code as `exit`."""
        done = self.malagate("check", "--json", *args)
        assert done.stdout, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result | {"exit": done.returncode}

    def evidence(self) -> Evidence:
        return read_evidence(self.out / "evidence.jsonl")


def codes(result: dict[str, Any]) -> list[str]:
    """The codes of a result's reasons, in order."""
    return [why["code"] for why in result["reasons"]]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty repository whose first branch is `main`."""
    path = tmp_path / "project"
    path.mkdir()
    project = Project(path)
    project.git("init", "-q", "-b", "main", ".")
    return project
