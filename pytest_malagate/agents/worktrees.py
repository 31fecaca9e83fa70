"""Git worktrees for agents, one an issue, each on a branch of its own; what is left there.

They lie below malagate-out, in a directory whose name begins with a dot: a pytest of the main
checkout must not take an agent's half-finished tests for its own. Beside them lie, for a while,
clean checkouts in which a commit is judged. All commands run without hooks.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from pytest_malagate.agents.filters import Filters
from pytest_malagate.collect.log import prepare_directory
from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.commit import judge_commits
from pytest_malagate.repository import Repository
from pytest_malagate.repository.git import decode, git, readable

DIRECTORY = ".worktrees"
BRANCHES = "malagate"
"""Branches are `malagate/NAME`."""

_IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "malagate"), ("EMAIL", "malagate@localhost.invalid"))
}
_OF_A_PROCESS = re.compile(r"\..+-(\d{1,9})")  # see `Worktrees.place_of_detached`


class Worktree(msgspec.Struct, frozen=True, kw_only=True):
    """A checkout of `branch`, which began at the commit `base`. `root` is where the policy is.

    `repository` is the name of the repository that it is of, `objects` where that keeps its
    objects. A clean checkout has no branch and says what `commit` it is of.
    """

    path: Path
    root: Path
    base: str
    repository: str
    objects: Path
    branch: str = ""
    commit: str | None = None


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent left: the commit that is to be judged. `changed`: it is not the base's tree."""

    commit: str
    changed: bool


def branch_of(name: str) -> str:
    """The branch of an issue's work; `name` is a safe one."""
    return f"{BRANCHES}/{name}"


class Worktrees:
    """The worktrees of one repository. `root` is where its policy is, `out` is malagate-out.

    Every method raises GitError where git refuses. Not safe to call from several threads at once.
    """

    def __init__(self, repository: Repository, root: Path, out: Path) -> None:
        self._main, self._out = repository, out
        self._prefix = root.resolve().relative_to(repository.root.resolve())
        self._name, self._filters = repository.name(), Filters(repository)

    def prepare(self, name: str, base: str) -> Worktree:
        """The worktree of a name: the one that is there, with all that is in it, or a new one.

        A new one has the branch of that name, made at `base` unless there is one.
        """
        path, branch = self._out / DIRECTORY / name, branch_of(name)
        made = self._worktree(path, base=base, branch=branch)
        _unlock(self._main, f"refs/heads/{branch}")
        has_branch = self.tip(branch) is not None
        if has_branch and self._is_ours(path):
            return made
        self.remove(path)
        if has_branch:
            self._add(str(path), branch)
        else:
            self._add("-b", branch, str(path), base)
        return made

    def detached(self, name: str, commit: str, *, base: str | None = None) -> Worktree:
        """A clean checkout of a commit, without a branch, for this process; `base` None is it.

        It holds what the commit holds and nothing else, filtered as it was when the loop began.
        Raises MachineryError if that cannot be had.
        """
        path = self.place_of_detached(name)
        self.remove(path)
        self._add("--detach", str(path), commit, extra=self._filters.restored())
        lacking = [file for file in _files_of(path, commit) if not os.path.lexists(path / file)]
        if lacking:
            shown = ", ".join(map(readable, lacking[:3]))
            raise MachineryError(f"git leaves files out of a checkout of {commit[:12]}: {shown}")
        return self._worktree(path, base=base or commit, commit=commit)

    def place_of_detached(self, name: str) -> Path:
        """Where this process has its clean checkout of that name."""
        return self._out / DIRECTORY / f".{name}-{os.getpid()}"

    def sweep(self) -> None:
        """Takes away the clean checkouts of processes that did not live to do it."""
        for path in (self._out / DIRECTORY).glob(".*"):
            named = _OF_A_PROCESS.fullmatch(path.name)
            if named is not None and not _lives(int(named[1])):
                self.remove(path)

    def _worktree(
        self, path: Path, *, base: str, branch: str = "", commit: str | None = None
    ) -> Worktree:
        return Worktree(
            path=path,
            root=path / self._prefix,
            base=base,
            repository=self._name,
            objects=self._main.objects,
            branch=branch,
            commit=commit,
        )

    def remove(self, path: Path) -> None:
        """Takes a worktree away, with all that is in it and is not committed."""
        if path.is_dir():
            git(self._main.root, "worktree", "remove", "--force", str(path), expect=(0, 128))
            shutil.rmtree(path, ignore_errors=True)
        git(self._main.root, "worktree", "prune")

    def tip(self, branch: str) -> str | None:
        """The commit of a branch; None if there is no such branch."""
        ref = f"refs/heads/{branch}"
        return (
            git(self._main.root, "rev-parse", "--verify", "--quiet", ref, expect=(0, 1)).line
            or None
        )

    def contains(self, commit: str, ancestor: str) -> bool:
        """Whether a commit has another one in its history."""
        asked = ("merge-base", "--is-ancestor", ancestor, commit)
        return git(self._main.root, *asked, expect=(0, 1)).returncode == 0

    def _is_ours(self, path: Path) -> bool:
        """Whether a worktree of this repository is there."""
        return (path / ".git").is_file() and _discovered(path, self._main.objects) is not None

    def _add(self, *args: str, extra: Mapping[str, str] | None = None) -> None:
        prepare_directory(self._out)
        git(self._main.root, "worktree", "add", "--quiet", *args, extra=extra)


def _files_of(path: Path, commit: str) -> list[str]:
    listed = git(path, "ls-tree", "-r", "-z", "--name-only", "--full-tree", commit).stdout
    return [decode(name) for name in listed.split(b"\0") if name]


def state_of(worktree: Worktree) -> tuple[str | None, str]:
    """HEAD and the tree of the files: equal, if nothing was changed. Raises GitError."""
    repository = repository_of(worktree)
    return repository.head(), repository.working_tree().tree


def gather(worktree: Worktree, task: str, attempt: int) -> Left:
    """Commits what an agent left, wherever it left HEAD, onto the worktree's branch.

    Its own commits are kept. What is not committed becomes one with the task in a trailer; so
    does, empty, work whose commits do not name the task: whom it is for is known here. Work that
    does not stand on the base any more (rewritten history) is put onto it as one commit, so that
    it is compared with what it would really change. Raises GitError.
    """
    repository = repository_of(worktree)
    _unlock(repository, "index", "HEAD", f"refs/heads/{worktree.branch}")
    _hide_output(worktree)
    head = _on_branch(repository, worktree)
    if git(repository.root, "status", "--porcelain", "-z").stdout:
        git(repository.root, "add", "--all")
        head = _commit(repository, task, f"what was left of attempt {attempt}")
    if not _stands_on(repository, worktree.base, head):
        git(repository.root, "reset", "--soft", worktree.base)
        head = _commit(repository, task, f"attempt {attempt}, put onto its base again")
    changed = repository.tree_of(head) != repository.tree_of(worktree.base)
    if changed and not _is_named(repository, worktree.base, task):
        head = _commit(repository, task, f"this is its work, attempt {attempt}")
    return Left(commit=head, changed=changed)


def touched(worktree: Worktree, commit: str) -> tuple[str, ...]:
    """The files in which a commit differs from the base; a renamed one under both names."""
    options = ("-r", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-relative")
    listed = git(worktree.path, "diff-tree", *options, worktree.base, commit, "--").stdout
    return tuple(readable(decode(path)) for path in listed.split(b"\0") if path)


def repository_of(worktree: Worktree) -> Repository:
    """The worktree, as a part of its repository. Raises MachineryError if it is that no more.

    Where it was removed, git would find the main checkout above it; where an agent put a clone
    in its place, what is committed there is on no branch of ours.
    """
    found = _discovered(worktree.path, worktree.objects) if worktree.path.is_dir() else None
    if found is None:
        raise MachineryError(f"{worktree.path} is no git worktree of this repository any more")
    return found


def _discovered(path: Path, objects: Path) -> Repository | None:
    """The work tree at a path, if its objects are kept there."""
    found = Repository.discover(path)
    if found is None or found.root.resolve() != path.resolve():
        return None
    return found if found.objects.resolve() == objects.resolve() else None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True


def _unlock(repository: Repository, *names: str) -> None:
    """A git that was killed with its agent may have left locks; nobody else works with these."""
    for name in names:
        kept = git(repository.root, "rev-parse", "--git-path", f"{name}.lock").line
        with suppress(OSError):  # git says better than we what is in its way then
            (repository.root / kept).unlink()


def _hide_output(worktree: Worktree) -> None:
    """What an agent's own malagate wrote, or what it forged there, is no part of its work."""
    for directory in {worktree.path / "malagate-out", worktree.root / "malagate-out"}:
        if directory.is_dir() and not directory.is_symlink():
            (directory / ".gitignore").unlink(missing_ok=True)
            prepare_directory(directory)


def _on_branch(repository: Repository, worktree: Worktree) -> str:
    """Points the branch to where HEAD is, and HEAD to the branch; the files stay."""
    ref, head = f"refs/heads/{worktree.branch}", repository.head()
    if repository.branch() != worktree.branch:
        if head is not None:
            git(repository.root, "update-ref", ref, head)
        git(repository.root, "symbolic-ref", "HEAD", ref)
        head = repository.head()
    if head is None:  # the agent removed the branch, or began one without history
        git(repository.root, "update-ref", ref, worktree.base)
        return worktree.base
    return head


def _stands_on(repository: Repository, base: str, head: str) -> bool:
    asked = ("merge-base", "--is-ancestor", base, head)
    return git(repository.root, *asked, expect=(0, 1)).returncode == 0


def _is_named(repository: Repository, base: str, task: str) -> bool:
    return judge_commits(repository.commits(task, base=base), task, None).commit is not None


def _commit(repository: Repository, task: str, words: str) -> str:
    message = f"{task}: {words}\n\nTask: {task}\n"
    git(
        repository.root,
        "commit",
        "--quiet",
        "--allow-empty",
        "--no-verify",
        "--no-gpg-sign",
        "--cleanup=whitespace",
        "--file=-",
        stdin=message.encode(),
        extra=_IDENTITY,
    )
    head = repository.head()
    if head is None:
        raise MachineryError(f"git commit left {repository.root} without a commit")
    return head
