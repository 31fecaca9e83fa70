"""examples/agent-loop, copied out and called as its README says."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Project
from tests.test_examples import EXAMPLES, blocks, comparable, copied, steps

EXAMPLE = EXAMPLES / "agent-loop"


@pytest.fixture
def example(project: Project) -> Project:
    return copied(project, "agent-loop")


def test_the_base_of_the_example_is_sound(example: Project) -> None:
    example.malagate("run", "compile")
    assert "malagate: passed" in example.pytest().stdout


def test_one_agent_learns_one_is_stopped_and_one_is_caught(example: Project) -> None:
    (block,) = blocks(EXAMPLE / "README.md", "console")
    _, (command, shown) = steps(block)
    done = example.call("sh", "-c", command)
    assert (done.returncode, done.stderr) == (1, "")
    assert comparable(done.stdout) == comparable(shown)
    for words in (
        "text-1: completed, on malagate/text-1",
        "No progress: the same failures on 3 versions of the files",
        "integrity.tests-removed: 2 tests that the base has are gone",
        "integrity.skips-added: 2 tests that ran on the base are set aside now",
        "integrity.policy-changed",
    ):
        assert words in done.stdout
    assert "test_a_slug_has_no_marks" in example.git("show", "malagate/text-1:tests/test_text.py")
    assert (example.path / "text.py").read_text() == (EXAMPLE / "text.py").read_text()
    again = example.malagate(
        *("coordinate", "--provider", "issues.yaml", "--command", "./agent.py {issue}"),
        *("--json", "--only", "text-1"),
    )
    assert (again.returncode, json.loads(again.stdout.splitlines()[-1])["started"]) == (0, 0)
