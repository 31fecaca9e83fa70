"""The tree hash of working files: which code a piece of evidence belongs to.

It is git's own tree hash of the tracked files as they are on the disk (edited, deleted, staged or
not), joined by the untracked files that are code or configure pytest or the build and that git does
not ignore. Nothing else that lies about has a part in it: no report, log, database or cache. So a
commit of exactly these files has exactly this tree, and so has an amended or an empty one.

Everything happens in a copy of the index and in an object directory of its own; the repository is
only read.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from pytest_malagate.repository.code import code_among
from pytest_malagate.repository.git import GitError, decode, encode, git

MAX_EDITED = 50


class WorkingTree(msgspec.Struct, frozen=True, kw_only=True):
    """The working files at one moment.

    `tree` is their hash, `head` the commit they are compared with (None before the first one).
    `edited` are tracked paths that differ from `head` in the index or on the disk: at most
    MAX_EDITED, in git's order; `edited_total` counts all. `untracked` are the untracked files that
    are part of `tree`. Paths are relative to the root; bytes that are no UTF-8 are lone surrogates.
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


def working_tree(root: Path, index: Path, objects: Path) -> WorkingTree:
    """The working files of the repository at `root` (a work tree's top level).

    `index` and `objects` are where its index and its objects are kept. Raises GitError.
    """
    with _scratch() as scratch:
        extra = _apart(scratch, objects)
        with contextlib.suppress(FileNotFoundError):  # nothing was ever staged
            # The times too: git re-reads files that are as young as their index.
            shutil.copy2(index, extra["GIT_INDEX_FILE"])
        tracked = _tracked(root, extra)
        status = _status(root, extra)
        untracked = code_among(root, status.untracked, tracked)
        if status.head and not status.changed and not untracked:
            tree = git(root, "rev-parse", "--verify", f"{status.head}^{{tree}}").line
        else:
            _unstage(root, extra, status.absent)
            _stage(root, extra, (*status.present, *untracked))
            tree = _written(root, extra)
    return WorkingTree(
        tree=tree,
        head=status.head,
        edited=status.changed[:MAX_EDITED],
        edited_total=len(status.changed),
        untracked=untracked,
    )


def directory_tree(directory: Path) -> str:
    """The tree hash, by the same rule, of a directory that is in no repository.

    All its code files are part of it, except what its own .gitignore files exclude and the
    repositories nested in it. Raises GitError if git is missing or cannot read a file.
    """
    with _scratch() as scratch:
        home = scratch / "repository"
        git(scratch, "init", "--quiet", "--bare", "--template=", str(home))
        extra = _apart(scratch, home / "objects")
        extra |= {"GIT_DIR": str(home), "GIT_WORK_TREE": str(directory.absolute())}
        listed = git(directory, "ls-files", "--others", "--exclude-standard", "-z", extra=extra)
        _stage(directory, extra, code_among(directory, _split(listed.stdout), ()))
        return _written(directory, extra)


class _Status(NamedTuple):
    """What `git status` says of the working files."""

    head: str | None
    changed: tuple[str, ...]  # tracked in HEAD or in the index, and not as HEAD has it
    present: tuple[str, ...]  # of these, what is in the index and on the disk
    absent: tuple[str, ...]  # of these, what is in the index only
    untracked: tuple[str, ...]


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
    }


def _split(output: bytes) -> tuple[str, ...]:
    return tuple(decode(item) for item in output.split(b"\0") if item)


def _joined(paths: Iterable[str]) -> bytes:
    return b"".join(encode(path) + b"\0" for path in paths)


def _tracked(root: Path, extra: Mapping[str, str]) -> tuple[str, ...]:
    """All tracked paths, once the copied index hides no file on the disk from git.

    A file marked "assume unchanged" or "skip worktree" could be edited unseen.
    """
    listed = _split(git(root, "ls-files", "-v", "-z", extra=extra).stdout)
    assumed = [entry[2:] for entry in listed if entry[0].islower()]
    skipped = [
        entry[2:] for entry in listed if entry[0] in "Ss" and os.path.lexists(root / entry[2:])
    ]
    for option, paths in (("--no-assume-unchanged", assumed), ("--no-skip-worktree", skipped)):
        if paths:
            git(root, "update-index", option, "-z", "--stdin", stdin=_joined(paths), extra=extra)
    return tuple(entry[2:] for entry in listed)


def _status(root: Path, extra: Mapping[str, str]) -> _Status:
    output = git(
        root,
        "status",
        "--porcelain=v2",
        "-z",
        "--branch",
        "--no-ahead-behind",
        "--no-renames",
        "--untracked-files=all",
        "--ignore-submodules=untracked",
        extra=extra,
    ).stdout
    head = None
    changed: list[str] = []
    present: list[str] = []
    absent: list[str] = []
    untracked: list[str] = []
    for line in _split(output):
        match line[0]:
            case "#":
                name, _, value = line[2:].partition(" ")
                head = value if name == "branch.oid" and value != "(initial)" else head
            case "1" | "u":
                path, in_index, on_disk = _entry(line)
                changed.append(path)
                if in_index:
                    (present if on_disk else absent).append(path)
            case "?":
                untracked.append(line[2:])
    return _Status(head, tuple(changed), tuple(present), tuple(absent), tuple(untracked))


def _entry(line: str) -> tuple[str, bool, bool]:
    """Path, whether the index has it, whether the disk has it, of one changed or unmerged entry.

    `1 XY sub mH mI mW hH hI path`, `u XY sub m1 m2 m3 mW h1 h2 h3 path`; a mode of 0: not there.
    """
    if line[0] == "1":
        fields = line.split(" ", 8)
        return fields[8], int(fields[4], 8) != 0, int(fields[5], 8) != 0
    fields = line.split(" ", 10)
    return fields[10], True, int(fields[6], 8) != 0


def _stage(root: Path, extra: Mapping[str, str], paths: Iterable[str]) -> None:
    if stdin := _joined(paths):
        # The hashes are wanted, not the objects. A file that has vanished meanwhile is deleted.
        options = ("--info-only", "--add", "--remove", "--replace", "-z", "--stdin")
        git(root, "update-index", *options, stdin=stdin, extra=extra)


def _unstage(root: Path, extra: Mapping[str, str], paths: Iterable[str]) -> None:
    if stdin := _joined(paths):
        git(root, "update-index", "--force-remove", "-z", "--stdin", stdin=stdin, extra=extra)


def _written(root: Path, extra: Mapping[str, str]) -> str:
    # No blob was written, and a partial clone lacks more of them.
    return git(root, "write-tree", "--missing-ok", extra=extra).line
