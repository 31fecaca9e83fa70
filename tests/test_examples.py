"""The examples do what their READMEs say, and what the documents show is what is really printed."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import Project, codes

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


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
    return project.unmeasured()


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


def blocks(document: Path, kind: str) -> list[str]:
    """The fenced blocks of a kind (`console`, `yaml`), in their order."""
    return re.findall(
        rf"^```{kind}\n(.*?)^```", document.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )


def steps(block: str) -> list[tuple[str, str]]:
    """The commands of a console block, and below each what it prints (empty: not shown)."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in parts)]


def comparable(text: str) -> str:
    """An output without what differs from run to run: hashes, seconds, the directory's name."""
    text = re.sub(r"\b[0-9a-f]{12}\b", "HASH", text)
    text = re.sub(r"\bin \d+\.\d+s", "in SECONDS", text)
    text = re.sub(r"^\w+, task ", "NAME, task ", text, flags=re.MULTILINE)
    return "\n".join(line.rstrip() for line in text.splitlines())


def replay(project: Project, block: str) -> str:
    """Types the block's commands. What they print must be what is shown; returns all of it."""
    everything = ""
    for command, shown in steps(block):
        done = project.call("sh", "-c", command)
        everything += done.stdout
        if shown:
            assert comparable(done.stdout) == comparable(shown), f"after: {command}"
    return everything


def console(document: Path, beginning: str) -> str:
    """The document's console block that begins with a command."""
    return next(b for b in blocks(document, "console") if b.startswith(f"$ {beginning}"))


def test_the_agents_log_is_told_as_its_readme_says(agent_session: Project) -> None:
    readme = EXAMPLES / "agent-session" / "README.md"
    ingest = next(step for step in steps(blocks(readme, "console")[0]) if "ingest" in step[0])
    printed = replay(agent_session, "$ {}\n{}".format(*ingest))
    assert "no credit" in printed


def test_the_agents_claim_is_not_believed(agent_session: Project) -> None:
    agent_session.malagate("ingest", "all", "session.jsonl")
    result = agent_session.check()
    assert result["exit"] == 1
    assert codes(result) == ["evidence.withdrawn", "evidence.missing"]
    status = {item["name"]: item["status"] for item in result["validation_evidence"]}
    assert status == {"lint": "passed", "format": "missing", "types": "invalid"}


def test_the_main_readme_shows_what_is_printed(project: Project) -> None:
    readme = ROOT / "README.md"
    policy, _ = blocks(readme, "yaml")  # the other is of workflows
    copied(project, "quickstart").files({"malagate.yaml": policy})
    # Outside this repository the module is the project's own, which import order depends on.
    tests = project.path / "tests" / "test_shop.py"
    tests.write_text(tests.read_text("utf-8").replace("import pytest\n", "import pytest\n\n"))
    project.commit("use the readme's policy")
    assert "malagate: passed" in replay(project, console(readme, "malagate run lint"))
    assert "evidence.stale" in replay(project, console(readme, "malagate explain"))


def test_the_tutorial_shows_what_is_printed(quickstart: Project) -> None:
    tutorial = ROOT / "docs" / "tutorial.md"
    assert "malagate: failed" in replay(quickstart, console(tutorial, "malagate check"))
    printed = replay(quickstart, console(tutorial, "malagate run compile\n"))
    (verdict,) = blocks(tutorial, "text")
    assert comparable(verdict) in comparable(printed)
    assert "evidence.stale" in replay(quickstart, console(tutorial, "echo"))
    assert "malagate: passed" in replay(quickstart, console(tutorial, "git checkout"))
    assert "evidence.partial" in replay(quickstart, console(tutorial, "pytest -p malagate -k"))


def test_the_tutorials_agent_that_tries_the_same_again_is_stopped(quickstart: Project) -> None:
    tutorial = ROOT / "docs" / "tutorial.md"
    (policy,) = blocks(tutorial, "yaml")
    assert policy == (quickstart.path / "malagate.yaml").read_text("utf-8")
    module = quickstart.path / "shop.py"
    module.write_text(re.sub(r"return sum\(prices\).*", "return sum(prices)", module.read_text()))
    first = replay(quickstart, console(tutorial, "malagate run compile &&"))
    again = quickstart.pytest().stdout
    assert ("tests.failed" in first, "progress.none" in first) == (True, False)
    assert "progress.none" in again
    assert "ask a person" in again
