"""What git says of the working files: which differ from HEAD, which it does not track."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_malagate.repository.git import decode, encode, git


@dataclass(slots=True)
class Status:
    """The working files beside HEAD (None before the first commit).

    `changed` are the paths, tracked in HEAD or in the index, that are not as HEAD has them: first
    those on the disk (`present`), in git's order, then those that are not (`absent`). `submodules`
    are checked-out submodules whose own files differ from the commit that they have checked out.
    """

    head: str | None = None
    present: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    submodules: list[str] = field(default_factory=list)
    untracked: list[str] = field(default_factory=list)


def read_status(root: Path, extra: Mapping[str, str]) -> Status:
    """Asks git for the status of the work tree at `root`, in the index that `extra` names."""
    output = git(
        root,
        "status",
        "--porcelain=v2",
        "-z",
        "--branch",
        "--no-ahead-behind",
        "--no-renames",
        "--untracked-files=all",
        "--ignore-submodules=none",
        extra=extra,
    ).stdout
    status = Status()
    for line in split(output):
        match line[0]:
            case "#":
                name, _, value = line[2:].partition(" ")
                if name == "branch.oid" and value != "(initial)":
                    status.head = value
            case "1" | "u":
                _add_entry(status, line)
            case "?":
                status.untracked.append(line[2:])
    return status


def _add_entry(status: Status, line: str) -> None:
    """Sorts one changed or unmerged entry.

    `1 XY sub mH mI mW hH hI path`, `u XY sub m1 m2 m3 mW h1 h2 h3 path`. A mode of 0: not there.
    `sub` is `S<commit><modified><untracked>` for a submodule, a dot for what is not so.
    """
    ordinary = line[0] == "1"
    fields = line.split(" ", 8 if ordinary else 10)
    path, submodule, mode = fields[-1], fields[2], fields[5 if ordinary else 6]
    if int(mode, 8) == 0:
        status.absent.append(path)
        return
    if submodule[0] == "S" and submodule[2:] != "..":
        status.submodules.append(path)
        if ordinary and fields[1] == ".M" and submodule[1] == ".":
            return  # the commit is as HEAD has it, only the files differ
    status.present.append(path)


def tracked_paths(root: Path, extra: Mapping[str, str]) -> tuple[str, ...]:
    """All tracked paths, once the index that `extra` names hides no working file from git.

    A file marked "assume unchanged" or "skip worktree" could be edited unseen; one that a sparse
    checkout leaves out is as the index has it.
    """
    listed = split(git(root, "ls-files", "-v", "-z", extra=extra).stdout)
    assumed = [entry[2:] for entry in listed if entry[0].islower()]
    skipped = [entry[2:] for entry in listed if entry[0] in "Ss"]
    if skipped and _is_sparse(root):
        skipped = [path for path in skipped if os.path.lexists(root / path)]
    for option, paths in (("--no-assume-unchanged", assumed), ("--no-skip-worktree", skipped)):
        if paths:
            git(root, "update-index", option, "-z", "--stdin", stdin=joined(paths), extra=extra)
    return tuple(entry[2:] for entry in listed)


def _is_sparse(root: Path) -> bool:
    asked = ("config", "--type=bool", "--get", "core.sparseCheckout")
    return git(root, *asked, expect=(0, 1)).line == "true"


def split(output: bytes) -> tuple[str, ...]:
    """The items of a list in which each ends with a NUL."""
    return tuple(decode(item) for item in output.split(b"\0") if item)


def joined(items: list[str] | tuple[str, ...]) -> bytes:
    """The reverse of `split`."""
    return b"".join(encode(item) + b"\0" for item in items)
