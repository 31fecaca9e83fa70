"""One git work tree, and the questions that are asked of it. It is only ever read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_malagate.errors import UsageError
from pytest_malagate.gate.commit import Commit
from pytest_malagate.repository import commits, tree
from pytest_malagate.repository.git import (
    GitError,
    encode,
    first_complaint,
    git,
    printable,
    readable,
)
from pytest_malagate.repository.remote import repository_name

MAX_FILE = 32 * 1024 * 1024  # bytes of one file that `file_at` reads

_FULL_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NO_PARTS = frozenset({"", ".", ".."})  # of a path that git could have recorded
_NO_REPOSITORY = re.compile(r"not a git repository \(or any|must be run in a work tree")


@dataclass(frozen=True, slots=True)
class Repository:
    """A git work tree.

    `root` is its top level; `index` and `objects` are where git keeps them for this work tree (a
    linked work tree has an index of its own). Made by `discover`. Every method that asks git may
    raise GitError.
    """

    root: Path
    index: Path
    objects: Path

    @classmethod
    def discover(cls, directory: Path) -> Repository | None:
        """The work tree that a directory is in; None if it is in none.

        GitError if git is not installed, or if there is a repository that git refuses (one that
        belongs to somebody else, say) or cannot read: such a one must not pass for no repository.
        """
        asked = ("rev-parse", "--show-toplevel", "--git-path", "index", "--git-path", "objects")
        answer = git(directory, *asked, expect=(0, 128))
        if answer.returncode:
            _refuse_broken(directory, answer.stderr)
            return None
        paths = answer.line.split("\n")
        if len(paths) != 3:
            raise GitError("git rev-parse: the repository's path contains a line break")
        # git gives the two paths relative to where it was asked.
        root, index, objects = (directory.absolute() / path for path in paths)
        return cls(root=root, index=index, objects=objects)

    def head(self) -> str | None:
        """The full hash of the commit that is checked out; None before the first commit."""
        answer = git(self.root, "rev-parse", "--verify", "--quiet", "HEAD", expect=(0, 1))
        if not answer.line:
            self._require_unborn_branch()
        return answer.line or None

    def branch(self) -> str | None:
        """The branch that is checked out, without refs/heads/; None if HEAD is detached."""
        answer = git(self.root, "symbolic-ref", "--quiet", "HEAD", expect=(0, 1))
        return answer.line.removeprefix("refs/heads/") or None

    def resolve(self, rev: str) -> str:
        """The full hash of the commit that a revision means.

        UsageError if it is none, is unknown here, or means several things (a branch and a tag of
        one name, a short hash of several objects).
        """
        shown = printable(repr(rev), 100)
        if not rev or rev[0] in "-^" or any(sign in rev for sign in "\0\n"):
            raise UsageError(f"{shown} is no revision: give a branch, a tag or a commit hash")
        answer = git(self.root, "rev-parse", "--verify", f"{rev}^{{commit}}", expect=(0, 128))
        if "is ambiguous" in answer.stderr and not _FULL_HASH.fullmatch(rev):
            raise UsageError(f"the revision {shown} is ambiguous: give refs/heads/… or a full hash")
        if answer.returncode or not _FULL_HASH.fullmatch(answer.line):
            raise UsageError(
                f"the revision {shown} is not known in this repository: check its spelling, or "
                f"fetch it (a shallow clone holds few commits): {first_complaint(answer.stderr)}"
            )
        return answer.line

    def merge_base(self, base: str, head: str) -> str | None:
        """The best common ancestor of two revisions; None if they have none."""
        pair = (self.resolve(base), self.resolve(head))
        return git(self.root, "merge-base", *pair, expect=(0, 1)).line or None

    def tree_of(self, rev: str) -> str:
        """The tree hash of a commit."""
        return git(self.root, "rev-parse", "--verify", f"{self.resolve(rev)}^{{tree}}").line

    def working_tree(self) -> tree.WorkingTree:
        """The tree hash of the working files, and how they differ from HEAD."""
        return tree.working_tree(self.root, self.index, self.objects)

    def commits(self, task: str, *, base: str | None) -> tuple[Commit, ...]:
        """The commits, newest first, whose message holds a task's id somewhere; not yet judged.

        They are those that HEAD has and `base` has not, or all of HEAD's if `base` is None.
        """
        if self.head() is None:
            return ()
        revisions = "HEAD" if base is None else f"{self.resolve(base)}..HEAD"
        return commits.candidates(self.root, task, revisions)

    def files_of(self, commit: str) -> tuple[str, ...] | None:
        """The paths that a commit touches (see `commits.files_of`); None if git cannot tell."""
        try:
            return commits.files_of(self.root, self._hash(commit))
        except (GitError, UsageError):
            return None

    def file_at(self, rev: str, path: str) -> bytes | None:
        """The bytes of a file as a revision has it; None if that has no file of this path.

        `path` is relative to the root. Of a symbolic link the bytes are its target. GitError if
        the file has more than MAX_FILE bytes.
        """
        commit = self._hash(rev)
        if "\0" in path or not _NO_PARTS.isdisjoint(path.split("/")):
            return None
        listed = git(self.root, "ls-tree", "-z", "--full-tree", commit, "--", path).stdout
        for entry in listed.split(b"\0"):
            facts, _, name = entry.partition(b"\t")
            if name == encode(path) and facts.split()[1] == b"blob":
                blob = facts.split()[2].decode("ascii")
                return git(self.root, "cat-file", "blob", blob, limit=MAX_FILE).stdout
        return None

    def name(self) -> str:
        """`owner/repo` as the remote `origin` has it; without one, the name of the directory."""
        url = git(self.root, "config", "--get", "remote.origin.url", expect=(0, 1)).line
        return repository_name(url) or printable(self.root.name, 100)

    def _require_unborn_branch(self) -> None:
        """Raises GitError unless HEAD names a branch that does not exist yet.

        git takes a branch that it cannot read for one that is not there; its file tells them apart.
        """
        answer = git(self.root, "symbolic-ref", "HEAD", expect=(0, 128))
        kept = git(self.root, "rev-parse", "--git-path", answer.line or "HEAD").line
        if answer.returncode or (self.root / kept).is_file():
            raise GitError(f"git rev-parse: what HEAD names cannot be read ({readable(kept)})")

    def _hash(self, rev: str) -> str:
        return rev if _FULL_HASH.fullmatch(rev) else self.resolve(rev)


def _refuse_broken(directory: Path, stderr: str) -> None:
    """Raises GitError unless git's complaint means that there is simply no work tree."""
    complaint = first_complaint(stderr)
    if "dubious ownership" in stderr:
        raise GitError(
            f"git rev-parse: {complaint}. If you trust it, run: "
            "git config --global --add safe.directory DIRECTORY"
        )
    if not _NO_REPOSITORY.search(stderr):
        raise GitError(f"git rev-parse: {complaint}")
    if "must be run in a work tree" in stderr:
        return
    try:
        broken = next((path for path in _git_entries(directory) if _has_content(path)), None)
    except OSError as error:
        raise GitError(f"git rev-parse: {complaint} ({error})") from error
    if broken is not None:
        raise GitError(f"git rev-parse: {broken} is no valid git repository")


def _has_content(path: Path) -> bool:
    """git takes an empty directory .git for none at all, and so does this."""
    return path.is_file() or (path.is_dir() and any(path.iterdir()))


def _git_entries(directory: Path) -> Iterator[Path]:
    """Where git looks for a repository, from the innermost directory to the outermost."""
    ceilings = os.environ.get("GIT_CEILING_DIRECTORIES", "").split(os.pathsep)
    start = directory.resolve()
    device = start.stat().st_dev
    for folder in (start, *start.parents):
        if folder.stat().st_dev != device or (folder != start and str(folder) in ceilings):
            return
        yield folder / ".git"
