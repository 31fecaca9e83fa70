"""Commits of a range and the files they touch, as git tells them."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_malagate.gate.commit import Commit, is_task_id
from pytest_malagate.repository.git import GitError, decode, git, printable, readable

_FIELDS = ("%H", "%ct", "%P", "%(trailers:only,unfold)", "%B")
_MAX_TEXT = 500  # characters of a subject or a trailer's value
_MAX_TRAILERS = 100
_REVERTS = re.compile(r"^\s*This reverts commit\b", re.MULTILINE)


def candidates(root: Path, task: str, revisions: str) -> tuple[Commit, ...]:
    """The commits of a revision range whose message holds the id somewhere, newest first.

    Roots and merges are among them. Whether a commit is for the task is left to
    `gate.commit.is_for_task`. Empty for a text that can be no task's id.
    """
    if not is_task_id(task):
        return ()
    # The grammar allows a leading "#" to be missing in a trailer.
    wanted = task.removeprefix("#")
    output = git(
        root,
        "log",
        "-z",
        "--encoding=UTF-8",
        f"--format={'%x00'.join(_FIELDS)}",
        "--fixed-strings",
        f"--grep={wanted}",
        revisions,
        "--",
    ).stdout
    fields = output.split(b"\0")[:-1]
    if len(fields) % len(_FIELDS):
        raise GitError("git log printed what cannot be split into commits")
    rows = zip(*[iter(fields)] * len(_FIELDS), strict=True)
    return tuple(_commit(*row) for row in rows)


def _commit(name: bytes, time: bytes, parents: bytes, trailers: bytes, message: bytes) -> Commit:
    text = message.decode("utf-8", "replace").strip()
    return Commit(
        hash=name.decode("ascii"),
        time=int(time),
        subject=printable(text.partition("\n")[0].rstrip(), _MAX_TEXT),
        trailers=_trailers(trailers.decode("utf-8", "replace")),
        reverts=_REVERTS.search(text) is not None,
        parents=len(parents.split()),
    )


def _trailers(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (line.partition(":") for line in text.split("\n")[:_MAX_TRAILERS] if line)
    return tuple(
        (printable(key.strip(), _MAX_TEXT), printable(value.strip(), _MAX_TEXT))
        for key, _, value in pairs
    )


def files_of(root: Path, commit: str) -> tuple[str, ...]:
    """The paths that a commit touches, `readable` and sorted by bytes; a rename is both its names.

    A root commit touches all its files, a merge what differs from its first parent. In a shallow
    clone the oldest commit looks like a root: it touches too much rather than too little.
    """
    output = git(
        root,
        "diff-tree",
        "-r",
        "--root",
        "--diff-merges=first-parent",
        "--no-commit-id",
        "--name-only",
        "-z",
        "--no-renames",
        "--no-relative",
        "--no-ext-diff",
        "--ignore-submodules=none",
        commit,
        "--",
    ).stdout
    return tuple(readable(decode(path)) for path in output.split(b"\0") if path)
