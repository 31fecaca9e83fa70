"""An issue's id, which anybody may have written, as a word, a path, a branch and a task."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.agents.environment import inherited, of_agent
from pytest_malagate.agents.names import command_template, filled, safe_name, task_of_issue
from pytest_malagate.errors import UsageError
from pytest_malagate.gate.commit import is_task_id

HOSTILE = (
    *("; rm -rf /", "two words", "..", "../../etc", "a\nb", "$(id)", "`id`", "x/../y", ".", "a..b"),
    *(
        "-rf",
        "x.lock",
        "{attempt}",
        "ä" * 80,
        "'",
        '"',
        "x" * 200,
        ".git",
        "@{1}",
        "~",
        "a:b",
        "\t",
    ),
)


@pytest.mark.parametrize("issue", HOSTILE)
def test_a_hostile_id_has_a_safe_name(issue: str) -> None:
    name = safe_name(issue)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}", name)
    assert ".." not in name
    done = subprocess.run(["git", "check-ref-format", f"refs/heads/malagate/{name}"], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("issue", ["x-1", "ABC-123", "12", "v1.2_b"])
def test_an_ordinary_id_is_its_own_name_and_task(issue: str) -> None:
    assert (safe_name(issue), task_of_issue(issue)) == (issue, issue)


@given(st.lists(st.text(max_size=30), min_size=2, max_size=2, unique=True))
def test_ids_that_differ_have_names_that_differ(ids: list[str]) -> None:
    one, other = map(safe_name, ids)
    assert one != other


@given(st.text())
def test_every_id_has_a_task_that_commits_may_name(issue: str) -> None:
    task = task_of_issue(issue)
    assert is_task_id(task)
    assert task.isprintable()


@pytest.mark.parametrize("issue", HOSTILE)
def test_an_id_stays_one_word_of_the_command(issue: str) -> None:
    template = command_template("agent --issue={issue} '{attempt} of it' {other}")
    words = filled(template, {"issue": issue, "attempt": "2"})
    assert words == ["agent", f"--issue={issue}", "2 of it", "{other}"]


@pytest.mark.parametrize("command", ["", "  ", "agent 'x"])
def test_a_command_that_is_none_is_refused(command: str) -> None:
    with pytest.raises(UsageError, match="--command"):
        command_template(command)


def test_neither_tokens_nor_the_store_are_handed_on() -> None:
    ours = {"MALAGATE_STORE": "/s", "GITHUB_TOKEN": "t", "GH_TOKEN": "t", "GIT_DIR": "/g"}
    kept = inherited(ours | {"PATH": "/bin", "HOME": "/h", "GIT_AUTHOR_NAME": "a"})
    assert kept.keys() == {"PATH", "HOME", "GIT_AUTHOR_NAME", "AI_AGENT"}
    kept = inherited(ours, keep_secrets=True)
    assert kept.keys() == {"PATH", "GITHUB_TOKEN", "GH_TOKEN", "AI_AGENT"}


def test_a_long_or_unprintable_text_still_fits_a_variable() -> None:
    env = of_agent({}, issue="x", title="a\x1b[2J\nb", body="é" * 90_000 + "\0", attempt=1,
                   max_attempts=3, worktree=Path("/w"), feedback=None)  # fmt: skip
    assert env["MALAGATE_TITLE"] == "a b"
    assert len(env["MALAGATE_BODY"].encode()) == 100_000
    assert "MALAGATE_FEEDBACK" not in env
