"""The tree hash of working files: which code a piece of evidence belongs to.

It is git's own tree hash of the tracked files as they are on the disk (edited, deleted, staged or
not), joined by the untracked files that are code or configure pytest or the build and that git does
not ignore. Nothing else that lies about has a part in it: no report, log, database or cache. So a
commit of exactly these files has exactly this tree, and so has an amended or an empty one.

A submodule is part of it as the commit that it has checked out. If its own files differ from that
commit, no commit of the outer repository can hold them: their tree hash stands in the commit's
place, so that what was found out with them counts for no commit.

Everything happens in a copy of the index and in an object directory of its own; the repository is
only read.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from pytest_malagate.repository.code import code_among
from pytest_malagate.repository.git import GitError, git, readable
from pytest_malagate.repository.status import joined, read_status, split, tracked_paths
from pytest_malagate.repository.tree_hash import tree_hash

MAX_EDITED = 50

_MAX_DEPTH = 8  # of submodules in submodules


class WorkingTree(msgspec.Struct, frozen=True, kw_only=True):
    """The working files at one moment.

    `tree` is their hash, `head` the commit they are compared with (None before the first one).
    `edited` are tracked paths that differ from `head` in the index or on the disk: at most
    MAX_EDITED; `edited_total` counts all. `untracked` are the untracked files that are part of
    `tree`. Paths are relative to the root and `readable`.
    """

    tree: str
    head: str | None = None
    edited: tuple[str, ...] = ()
    edited_total: int = 0
    untracked: tuple[str, ...] = ()

    @property
    def dirty(self) -> bool:
        """Whether the tree may be another than that of `head`."""
        return bool(self.edited_total or self.untracked)


def working_tree(root: Path, index: Path, objects: Path, *, depth: int = 0) -> WorkingTree:
    """The working files of the repository at `root` (a work tree's top level).

    `index` and `objects` are where its index and its objects are kept, `depth` is how many
    repositories it is a submodule in. Raises GitError.
    """
    if depth > _MAX_DEPTH:
        raise GitError(f"{readable(str(root))}: submodules are nested too deeply")
    with _scratch() as scratch:
        extra = _apart(scratch, objects)
        with contextlib.suppress(FileNotFoundError):  # nothing was ever staged
            # The times too: git re-reads files that are as young as their index.
            shutil.copy2(index, extra["GIT_INDEX_FILE"])
        tracked = tracked_paths(root, extra)
        status = read_status(root, extra)
        untracked = code_among(root, status.untracked, tracked)
        submodules = _edited_submodules(root, status.submodules, depth)
        edited = tuple(dict.fromkeys((*status.present, *status.absent, *submodules)))
        if status.head and not edited and not untracked:
            tree = git(root, "rev-parse", "--verify", f"{status.head}^{{tree}}").line
        else:
            _unstage(root, extra, status.absent)
            _stage(root, extra, [*status.present, *untracked])
            _stage_submodules(root, extra, submodules)
            tree = tree_hash(root, extra)
    return WorkingTree(
        tree=tree,
        head=status.head,
        edited=tuple(map(readable, edited[:MAX_EDITED])),
        edited_total=len(edited),
        untracked=tuple(map(readable, untracked)),
    )


def directory_tree(directory: Path) -> str:
    """The tree hash, by the same rule, of a directory that is in no repository.

    All its code files are part of it, except what its own .gitignore files exclude and the
    repositories nested in it. Raises GitError if git is missing or cannot read a file.
    """
    with _scratch() as scratch:
        home = scratch / "repository"
        options = ("--quiet", "--bare", "--template=", "--object-format=sha1")
        git(scratch, "init", *options, str(home))
        extra = _apart(scratch, home / "objects")
        extra |= {"GIT_DIR": str(home), "GIT_WORK_TREE": str(directory.absolute())}
        listed = git(directory, "ls-files", "--others", "--exclude-standard", "-z", extra=extra)
        _stage(directory, extra, list(code_among(directory, split(listed.stdout), ())))
        return tree_hash(directory, extra)


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    try:
        with tempfile.TemporaryDirectory(prefix="malagate-") as name:
            yield Path(name).absolute()
    except OSError as error:
        raise GitError(
            f"the working files could not be compared in a scratch copy: {error}"
        ) from error


def _apart(scratch: Path, objects: Path) -> dict[str, str]:
    """Variables by which git writes to `scratch` and still reads the repository's objects."""
    own = scratch / "objects"
    own.mkdir()
    path = str(objects).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return {
        "GIT_INDEX_FILE": str(scratch / "index"),
        "GIT_OBJECT_DIRECTORY": str(own),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{path}"',
        # A clean filter must give the bytes that it gives to the user's own `git add`.
        "LC_ALL": next(filter(None, map(os.environ.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "C"),
    }


def _edited_submodules(root: Path, paths: list[str], depth: int) -> dict[str, str]:
    """Of these submodules, those whose files are no commit, with the tree hash of the files."""
    edited = {}
    for path in paths:
        inner = root / path
        index, objects = (
            inner / git(inner, "rev-parse", "--git-path", kind).line
            for kind in ("index", "objects")
        )
        working = working_tree(inner, index, objects, depth=depth + 1)
        if working.dirty:
            edited[path] = working.tree
    return edited


def _stage(root: Path, extra: Mapping[str, str], paths: list[str]) -> None:
    if paths:
        # The hashes are wanted, not the objects. A file that has vanished meanwhile is deleted.
        options = ("--info-only", "--add", "--remove", "--replace", "-z", "--stdin")
        git(root, "update-index", *options, stdin=joined(paths), extra=extra)


def _unstage(root: Path, extra: Mapping[str, str], paths: list[str]) -> None:
    if paths:
        options = ("--force-remove", "-z", "--stdin")
        git(root, "update-index", *options, stdin=joined(paths), extra=extra)


def _stage_submodules(root: Path, extra: Mapping[str, str], trees: Mapping[str, str]) -> None:
    if trees:
        entries = [f"160000 {tree}\t{path}" for path, tree in trees.items()]
        git(root, "update-index", "-z", "--index-info", stdin=joined(entries), extra=extra)
