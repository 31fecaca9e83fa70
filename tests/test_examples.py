"""The examples do what their READMEs say."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import Project, codes

EXAMPLES = Path(__file__).parents[1] / "examples"


def copied(project: Project, name: str) -> Project:
    """The example as a repository of its own, its user's PATH beginning with this Python's."""
    shutil.copytree(
        EXAMPLES / name,
        project.path,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("malagate-out", "__pycache__", ".pytest_cache"),
    )
    here = str(Path(sys.executable).parent)
    project.environ["PATH"] = os.pathsep.join([here, os.environ["PATH"]])
    project.commit("start")
    return project


@pytest.fixture
def quickstart(project: Project) -> Project:
    return copied(project, "quickstart")


@pytest.fixture
def agent_session(project: Project) -> Project:
    return copied(project, "agent-session")


def test_the_quickstart_fails_before_anything_has_run(quickstart: Project) -> None:
    result = quickstart.check()
    assert (result["exit"], codes(result)) == (1, ["evidence.missing"])


def test_the_quickstart_passes_with_all_its_evidence(quickstart: Project) -> None:
    assert quickstart.malagate("run", "compile").returncode == 0
    done = quickstart.pytest()
    assert done.returncode == 0, done.stdout
    assert "malagate: passed" in done.stdout
    result = quickstart.check()
    assert (result["exit"], result["tests"]["passed"], result["coverage"]["percent"]) == (0, 3, 100)


def test_the_quickstart_fails_after_an_edit(quickstart: Project) -> None:
    quickstart.malagate("run", "compile")
    quickstart.pytest()
    with (quickstart.path / "shop.py").open("a") as file:
        file.write("# a thought\n")
    assert codes(quickstart.check()) == ["evidence.stale", "evidence.stale"]


def test_the_quickstart_fails_for_a_part_of_its_tests(quickstart: Project) -> None:
    quickstart.malagate("run", "compile")
    assert quickstart.pytest("-k", "discount").returncode == 1
    assert codes(quickstart.result()) == ["evidence.partial"]


def printed_in(readme: Path, command: str) -> list[str]:
    """What a README shows below a command, up to the next one."""
    _, _, rest = readme.read_text("utf-8").partition(f"$ {command}\n")
    return re.split(r"^(?:\$ |```)", rest, maxsplit=1, flags=re.MULTILINE)[0].splitlines()


def test_the_agents_log_is_told_as_its_readme_says(agent_session: Project) -> None:
    done = agent_session.malagate("ingest", "all", "session.jsonl")
    assert done.returncode == 0, done.stderr
    shown = printed_in(
        EXAMPLES / "agent-session" / "README.md", "malagate ingest all session.jsonl"
    )
    assert done.stdout.splitlines() == shown


def test_the_agents_claim_is_not_believed(agent_session: Project) -> None:
    agent_session.malagate("ingest", "all", "session.jsonl")
    result = agent_session.check()
    assert result["exit"] == 1
    assert codes(result) == ["evidence.withdrawn", "evidence.missing"]
    status = {item["name"]: item["status"] for item in result["validation_evidence"]}
    assert status == {"lint": "passed", "format": "missing", "types": "invalid"}
