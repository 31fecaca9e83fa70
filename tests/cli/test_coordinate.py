"""`malagate coordinate`: what it takes, what it refuses, what a person and a machine see."""

from __future__ import annotations

import argparse
import json
import os
import pty
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_malagate.cli.coordinate import configure
from pytest_malagate.report.coordination import Closing, Row, closing_lines, table_lines
from pytest_malagate.report.terminal import paint
from tests.agents.agents_project import Workshop
from tests.cli.queue_commands import Desk
from tests.conftest import Project
from tests.twin import Twin


@pytest.fixture
def workshop(project: Project) -> Workshop:
    return Workshop(project)


def called(desk: Desk, *options: str) -> str:
    """A call that has to be refused before anything starts; what it said."""
    given = {"--provider": "issues.yaml", "--command": "true"}
    words = [word for pair in given.items() if pair[0] not in options for word in pair]
    said = desk.says("coordinate", *words, *options)
    assert (said.exit, said.out) == (2, ""), said
    return said.err


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("github:o/r", "needs a token: set MALAGATE_TOKEN, GITHUB_TOKEN or GH_TOKEN"),
        ("github:nobody", "'github:nobody' is no github:OWNER/REPO"),
    ],
)
def test_issues_of_github_that_cannot_be_asked_for(desk: Desk, named: str, said: str) -> None:
    assert said in called(desk, "--provider", named)


def test_agents_work_on_the_issues_of_github(workshop: Workshop, twin: Twin) -> None:
    repo = twin.repository("acme/shop")
    ready = repo.open_issue("Fix the sum", labels=("malagate:ready", "priority:1"))
    repo.open_issue("Not asked for")
    twin.token("t-reads", repo, permissions={"issues": "read"})
    with twin.serve() as url:
        workshop.does('echo right > answer.txt; echo "$1 $MALAGATE_TITLE" > who')
        done = workshop.project.call(
            *workshop.argv("--provider", f"github:{repo.full_name}"),
            GITHUB_API_URL=url,
            MALAGATE_TOKEN="t-reads",
        )
    assert done.returncode == 0, done.stderr
    branch = workshop.project.git("branch", "--list", "malagate/*", "--format=%(refname:short)")
    who = workshop.project.git("show", f"{branch.strip()}:who")
    assert who.strip() == f"#{ready.number} Fix the sum"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--command", "./nobody {issue}"), "./nobody is no program that can be run"),
        (("--command", "nobody-has-this"), "nobody-has-this is no program"),
        (("--command", ""), "needs a command"),
        (("--command", "agent 'x"), "No closing quotation"),
        (("--provider", "missing.yaml"), "missing.yaml: is not there"),
        (("--policy", "missing.yaml"), "missing.yaml"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_and_nothing_starts(
    desk: Desk, options: Sequence[str], said: str
) -> None:
    err = called(desk, *options)
    assert said in err
    assert (err.count("\n"), err[:17]) == (1, "malagate: error: ")


@pytest.mark.parametrize(
    "options",
    [
        ["--max-issues", "0"],
        ["--max-attempts", "x"],
        ["--poll", "0"],
        ["--timeout", "nan"],
        ["--timeout", "inf"],
        ["--no-such-option"],
    ],
)
def test_options_have_bounds(desk: Desk, options: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        desk.says("coordinate", "--provider", "store", "--command", "true", *options)


def test_a_wrong_file_of_issues_is_shown_with_its_place(workshop: Workshop) -> None:
    (workshop.root.parent / "issues.yaml").write_text("issues:\n  - {id: x-1, titel: x}\n")
    workshop.does("true")
    run = workshop.run()
    assert (run.exit, run.events) == (2, ())
    assert "issues.yaml:2:" in run.err
    assert "titel" in run.err


def test_a_directory_outside_of_git_has_no_worktrees(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "agents need worktrees" in called(desk, "--provider", "store")


def test_a_repository_without_a_commit_has_nothing_to_begin_at(desk: Desk) -> None:
    assert "no commit yet" in called(desk, "--provider", "store")


def test_a_base_that_nobody_knows_is_refused(workshop: Workshop) -> None:
    workshop.does("true")
    run = workshop.run("--base", "nobody")
    assert (run.exit, "not known in this repository" in run.err) == (2, True)


def test_an_empty_queue_is_nothing_to_do(workshop: Workshop) -> None:
    workshop.does("exit 1")
    done = workshop.project.malagate(
        "coordinate", "--provider", "store", "--command", str(workshop.agent)
    )
    assert (done.returncode, done.stdout) == (0, "\nended: none_ready\n")


def test_tasks_of_the_queue_are_issues(workshop: Workshop) -> None:
    for task in ("x-7", "x-8"):
        workshop.project.malagate("queue", "add", task)
    workshop.does('echo right > answer.txt; echo "$1" > who')
    command = f"{workshop.agent} {{issue}}"
    done = workshop.project.malagate(
        *("coordinate", "--provider", "store", "--command", command, "--max-issues", "1")
    )
    assert done.returncode == 0
    assert workshop.file_on("x-7", "who") == "x-7"
    assert workshop.queue() == {"x-8": "waiting"}


def test_only_some_issues_are_worked_on(workshop: Workshop) -> None:
    workshop.issues("x-1", "x-2", "x-3")
    workshop.does("echo right > answer.txt")
    assert list(workshop.run("--only", "x-3", "--only", "x-1").states) == ["x-3", "x-1"]


def test_a_named_policy_judges_in_place_of_the_bases(workshop: Workshop) -> None:
    easy = workshop.root.parent / "easy.yaml"
    easy.write_text("version: 1\nvalidations: {easy: {command: test -f easy}}\n"
                    "scopes: {task: [easy]}\n")  # fmt: skip
    workshop.does("touch easy")
    assert workshop.run("--policy", str(easy)).states == {"x-1": "completed"}


def test_another_base_is_where_work_begins_and_what_judges(workshop: Workshop) -> None:
    workshop.project.git("branch", "release")
    workshop.project.files({"later.txt": "later\n"}).commit("later")
    workshop.does("[ ! -e later.txt ] && echo right > answer.txt")
    assert workshop.run("--base", "release").states == {"x-1": "completed"}


def test_worktrees_are_kept_where_that_is_asked_for(workshop: Workshop) -> None:
    workshop.does("echo right > answer.txt")
    workshop.run("--keep-worktrees")
    assert (workshop.out / ".worktrees" / "x-1" / "answer.txt").exists()


def test_lines_of_a_log_tell_the_story_and_how_it_ended(workshop: Workshop) -> None:
    workshop.issues("x-1", "x-2")
    workshop.does('[ "$1" = x-1 ] && echo right > answer.txt; exit 0')
    argv = [word for word in workshop.argv("--max-attempts", "1") if word != "--json"]
    done = workshop.project.call(*argv)
    assert done.returncode == 1
    story, _, closing = done.stdout.partition("\n\n")
    assert story.splitlines() == [
        "x-1: attempt 1 of 1",
        "x-1: the gate: passed",
        "x-1: next: git merge malagate/x-1",
        "x-1: completed",
        "x-2: attempt 1 of 1",
        "x-2: the gate: commit.missing, retry.exhausted: No commit for x-2;"
        " Attempt 1 of 1 failed; there is no other",
        "x-2: escalated to a person",
    ]
    assert closing.splitlines() == [
        "x-1: completed, on malagate/x-1",
        "x-2: failed, on malagate/x-2",
        "    No commit for x-2; Attempt 1 of 1 failed; there is no other",
        "    see malagate-out/agents/x-2",
        "ended: none_ready",
    ]


def test_a_reader_that_goes_away_does_not_end_the_work(workshop: Workshop) -> None:
    workshop.does("echo right > answer.txt")
    process = workshop.begin()
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait()) == ("", 0)
    process.stderr.close()
    assert workshop.file_on("x-1", "answer.txt") == "right"


def test_a_terminal_is_shown_a_table(workshop: Workshop) -> None:
    workshop.does("echo thinking hard; echo right > answer.txt")
    argv = [word for word in workshop.argv() if word != "--json"]
    master, slave = pty.openpty()
    environ = workshop.project.environ | {"TERM": "xterm", "NO_COLOR": "1"}
    process = subprocess.Popen(argv, cwd=workshop.root, env=environ, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 4096):
            shown += piece
    except OSError:  # Linux: nobody holds the other end any more
        pass
    os.close(master)
    assert process.wait() == 0
    last = shown.decode().rpartition("\x1b[H\x1b[2J")[2]
    assert last.splitlines()[0].split() == ["issue", "state", "attempt", "since", "last", "words"]
    assert last.splitlines()[1].split()[:5] == ["x-1", "completed", "1", "of", "3"]
    assert "ended: none_ready" in last


def test_texts_of_strangers_cannot_draw_on_the_terminal() -> None:
    row = Row(
        issue="x\x1b[2J\n1", state="working", since=0, last="a\x1b]0;title\x07b\r" + "c" * 500
    )
    text = paint(table_lines([row], now=5, width=80), color=False)
    assert not set(text) & set("\x1b\r\x07")
    assert max(map(len, text.splitlines())) <= 80
    closing = Closing(
        issue="x\n1", state="failed", branch="b\x1b[1m", why="why\x1b[2J", records="r"
    )
    text = paint(closing_lines([closing], [("y\n", "w\x1b[2J")], "none\n"), color=False)
    assert "\x1b" not in text
    assert len(text.splitlines()) == 5


def test_every_option_is_explained() -> None:
    parser = argparse.ArgumentParser()
    configure(parser)
    assert all(action.help for action in parser._actions)


def test_events_are_json_lines_with_a_result_at_the_end(workshop: Workshop) -> None:
    workshop.does("echo right > answer.txt")
    run = workshop.run()
    assert all({"event", "issue", "detail", "at"} <= event.keys() for event in run.events[:-1])
    assert json.loads(json.dumps(run.result)).keys() == {
        *("event", "started", "completed", "failed", "exit_code", "exit_reason"),
        *("issues", "waiting"),
    }
