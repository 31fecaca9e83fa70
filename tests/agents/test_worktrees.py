"""Worktrees of agents: where they lie, and what becomes of what an agent left there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_malagate.agents.worktrees import Left, Worktree, Worktrees, gather, state_of, touched
from pytest_malagate.errors import MachineryError
from pytest_malagate.repository import GitError, Repository
from tests.conftest import Project

TASK = "x-1"


class Scene:
    """A repository of two commits, and a worktree that begins at the second."""

    def __init__(self, project: Project) -> None:
        self.old = project.files({"old.txt": "old\n"}).commit("old")
        self.base = project.files({"new.txt": "new\n"}).commit("new")
        repository = Repository.discover(project.path)
        assert repository is not None
        self.project = project
        self.worktrees = Worktrees(repository, project.path, project.out)
        self.worktree: Worktree = self.worktrees.prepare(TASK, self.base)
        self.there = Project(self.worktree.path)

    def gathered(self) -> Left:
        return gather(self.worktree, TASK, 1)

    def branch(self) -> list[str]:
        """The subjects of the branch's own commits, newest first."""
        return self.project.git("log", "--format=%s", f"{self.base}..malagate/{TASK}").splitlines()


@pytest.fixture
def scene(project: Project) -> Scene:
    return Scene(project)


def test_a_worktree_lies_where_the_main_checkouts_pytest_does_not_look(scene: Scene) -> None:
    scene.there.files({"tests/test_agent.py": "def test(): raise SystemExit('not mine')"})
    scene.project.files({"test_mine.py": "def test(): pass"})
    done = scene.project.plain_pytest("-q")
    assert (done.returncode, "1 passed" in done.stdout) == (0, True)
    assert scene.project.git("status", "--porcelain") == "?? test_mine.py"


def test_what_is_not_committed_is_committed_for_the_task(scene: Scene) -> None:
    scene.there.files({"new.txt": "changed\n", "more.txt": "more\n"})
    (scene.worktree.path / "old.txt").unlink()
    left = scene.gathered()
    assert left.changed
    body = scene.project.git("log", "-1", "--format=%B", left.commit)
    assert body == "x-1: what was left of attempt 1\n\nTask: x-1"
    assert touched(scene.worktree, left.commit) == ("more.txt", "new.txt", "old.txt")
    assert scene.project.git("rev-parse", f"malagate/{TASK}") == left.commit


def test_an_agents_own_commits_are_kept(scene: Scene) -> None:
    commit = scene.there.files({"new.txt": "a\n"}).commit("x-1: my own")
    assert scene.gathered() == Left(commit=commit, changed=True)
    assert scene.branch() == ["x-1: my own"]


def test_work_whose_commits_do_not_name_the_task_is_said_to_be_its(scene: Scene) -> None:
    scene.there.files({"new.txt": "a\n"}).commit("fix rounding")
    scene.gathered()
    assert scene.branch() == ["x-1: this is its work, attempt 1", "fix rounding"]


def test_nothing_is_committed_where_nothing_was_done(scene: Scene) -> None:
    assert scene.gathered() == Left(commit=scene.base, changed=False)


def test_no_identity_and_no_hook_is_needed(scene: Scene) -> None:
    hook = scene.project.path / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    scene.there.files({"new.txt": "a\n"})
    assert scene.gathered().changed


def test_what_an_agents_own_malagate_wrote_is_no_part_of_its_work(scene: Scene) -> None:
    scene.there.files({"malagate-out/evidence.jsonl": "forged", "malagate-out/.gitignore": ""})
    assert scene.gathered() == Left(commit=scene.base, changed=False)


def _switches(scene: Scene) -> None:
    scene.there.git("checkout", "-q", "-b", "elsewhere")


def _detaches(scene: Scene) -> None:
    scene.there.git("checkout", "-q", "--detach")


def _deletes(scene: Scene) -> None:
    _detaches(scene)
    scene.there.git("branch", "-D", f"malagate/{TASK}")


@pytest.mark.parametrize("move", [_switches, _detaches, _deletes])
def test_work_is_found_wherever_the_agent_left_its_head(
    scene: Scene, move: Callable[[Scene], None]
) -> None:
    move(scene)
    scene.there.files({"new.txt": "a\n"}).commit("x-1: elsewhere")
    scene.there.files({"more.txt": "b\n"})
    left = scene.gathered()
    assert scene.project.git("rev-parse", f"malagate/{TASK}") == left.commit
    assert scene.branch() == ["x-1: what was left of attempt 1", "x-1: elsewhere"]


def _resets(scene: Scene) -> None:
    scene.there.git("reset", "-q", "--hard", scene.old)


def _begins_anew(scene: Scene) -> None:
    scene.there.git("checkout", "-q", "--orphan", "orphan")
    scene.there.git("rm", "-q", "-f", "new.txt")


@pytest.mark.parametrize("rewrite", [_resets, _begins_anew])
def test_rewritten_history_is_put_onto_the_base_so_that_losses_show(
    scene: Scene, rewrite: Callable[[Scene], None]
) -> None:
    rewrite(scene)
    scene.there.files({"more.txt": "b\n"}).commit("x-1: on another ground")
    left = scene.gathered()
    assert touched(scene.worktree, left.commit) == ("more.txt", "new.txt")
    assert scene.project.git("merge-base", left.commit, scene.base) == scene.base


@pytest.mark.parametrize("lock", ["index.lock", "HEAD.lock", f"refs/heads/malagate/{TASK}.lock"])
@pytest.mark.parametrize("move", [None, _detaches])
def test_a_lock_that_a_killed_git_left_holds_nobody_up(
    scene: Scene, lock: str, move: Callable[[Scene], None] | None
) -> None:
    if move is not None:
        move(scene)
    scene.there.files({"new.txt": "a\n"})
    scene.there.path.joinpath(scene.there.git("rev-parse", "--git-path", lock)).touch()
    left = scene.gathered()
    assert left.changed
    assert scene.project.git("rev-parse", f"malagate/{TASK}") == left.commit


def test_a_lock_on_a_branch_that_an_agent_removed_does_not_keep_it_from_being_made_again(
    scene: Scene,
) -> None:
    _deletes(scene)
    kept = scene.project.git("rev-parse", "--git-path", f"refs/heads/malagate/{TASK}.lock")
    lock = scene.project.path / kept
    lock.parent.mkdir(exist_ok=True)
    lock.touch()
    scene.worktrees.prepare(TASK, scene.base)
    assert scene.there.git("rev-parse", "HEAD") == scene.base


def test_a_worktree_that_was_removed_is_not_taken_for_the_main_checkout(scene: Scene) -> None:
    (scene.worktree.path / ".git").unlink()
    with pytest.raises(MachineryError, match="no git worktree of this repository any more"):
        scene.gathered()
    with pytest.raises(MachineryError, match="no git worktree of this repository any more"):
        state_of(scene.worktree)


def test_a_branch_in_the_way_of_ours_is_named_by_git(scene: Scene) -> None:
    scene.worktrees.remove(scene.worktree.path)
    scene.project.git("branch", "-D", f"malagate/{TASK}")
    scene.project.git("branch", "malagate")
    with pytest.raises(GitError, match="refs/heads/malagate"):
        scene.worktrees.prepare(TASK, scene.base)


def test_a_clone_in_a_worktrees_place_is_not_taken_for_it(scene: Scene) -> None:
    (scene.worktree.path / ".git").unlink()
    scene.project.git("clone", "-q", "--bare", ".", str(scene.worktree.path / ".git"))
    scene.there.git("config", "core.bare", "false")
    with pytest.raises(MachineryError, match="no git worktree of this repository any more"):
        scene.gathered()


def test_a_clean_checkout_holds_a_commit_and_nothing_else(scene: Scene) -> None:
    scene.there.files({".gitignore": "ignored\n", "ignored": "", "new.txt": "a\n"})
    left = scene.gathered()
    made = scene.worktrees.detached("judged", left.commit, base=scene.base)
    (made.path / "litter").touch()
    assert scene.worktrees.detached("judged", left.commit, base=scene.base) == made
    assert sorted(path.name for path in made.path.iterdir()) == [
        ".git",
        ".gitignore",
        "new.txt",
        "old.txt",
    ]
    assert (made.commit, made.base) == (left.commit, scene.base)


def test_clean_checkouts_are_swept_away_with_the_process_they_were_for(
    scene: Scene, dead: int
) -> None:
    there = scene.worktree.path.parent
    mine = scene.worktrees.detached("mine", scene.base)
    for name in (f".gone-{dead}", f".gone-{1 << 60}", ".no-number", f"x-{dead}"):
        scene.project.git("worktree", "add", "-q", "--detach", str(there / name))
    scene.worktrees.sweep()
    left = {mine.path.name, f".gone-{1 << 60}", ".no-number", TASK, f"x-{dead}"}
    assert {path.name for path in there.iterdir()} == left


def test_a_worktree_is_taken_up_again_as_it_was_left(scene: Scene) -> None:
    scene.there.files({"new.txt": "half done\n"})
    assert scene.worktrees.prepare(TASK, scene.base) == scene.worktree
    assert (scene.worktree.path / "new.txt").read_text() == "half done\n"


def test_a_branch_without_a_worktree_is_checked_out_again(scene: Scene) -> None:
    commit = scene.there.files({"new.txt": "a\n"}).commit("x-1: done")
    scene.worktrees.remove(scene.worktree.path)
    scene.worktrees.prepare(TASK, scene.base)
    assert scene.there.git("rev-parse", "HEAD") == commit


def test_a_branch_that_was_deleted_begins_anew(scene: Scene) -> None:
    scene.there.files({"new.txt": "a\n"}).commit("x-1: done")
    scene.project.git("update-ref", "-d", f"refs/heads/malagate/{TASK}")
    scene.worktrees.prepare(TASK, scene.base)
    assert scene.there.git("rev-parse", "HEAD") == scene.base


def test_a_directory_in_the_way_is_replaced(scene: Scene) -> None:
    scene.worktrees.remove(scene.worktree.path)
    scene.there.path.mkdir()
    scene.there.files({"left.txt": "over"})
    scene.worktrees.prepare(TASK, scene.base)
    assert sorted(path.name for path in scene.worktree.path.iterdir()) == [
        ".git",
        "new.txt",
        "old.txt",
    ]
