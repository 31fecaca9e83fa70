"""Git without the configuration of the person who runs these tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import Project

CODE = {"src/parser.py": "VALUE = 1\n", "src/data.json": "{}\n", "tests/test_parser.py": "\n"}


@pytest.fixture(autouse=True)
def no_personal_configuration(monkeypatch):
    for name in os.environ:
        if name.startswith(("GIT_", "LC_", "LANG")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")


@pytest.fixture(scope="session")
def unchanging(tmp_path_factory) -> Project:
    """A project with one commit, which no test may change."""
    project = Project(tmp_path_factory.mktemp("unchanging"))
    project.git("init", "-q", "-b", "main", ".")
    project.files(CODE).commit("x-1: first", when=1_700_000_000)
    return project


@pytest.fixture
def committed(unchanging: Project, tmp_path: Path) -> Project:
    """The same project for one test alone."""
    shutil.copytree(unchanging.path, tmp_path / "project")
    return Project(tmp_path / "project")
