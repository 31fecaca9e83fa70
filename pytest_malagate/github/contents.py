"""Files and commits at a revision. A change's own files are read as data, never checked out."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from pytest_malagate.github.client import Client
from pytest_malagate.github.records import ChangedFile, CommitAnswer, Comparison

_FILES_PER_PAGE = 300
_RAW = "application/vnd.github.raw+json"


def file_at(client: Client, path: str, ref: str) -> str | None:
    """A file's text at a commit; None if that has no such file. Raises GitHubError."""
    return client.text(f"/contents/{quote(path)}", _RAW, ref=ref)


def commit_at(client: Client, sha: str) -> CommitAnswer:
    """A commit with its tree, its parents and its files."""
    return client.get(f"/commits/{quote(sha, safe='')}", CommitAnswer)


def compare(client: Client, base: str, head: str) -> Comparison:
    """How `head` stands to `base`."""
    basehead = f"{quote(base, safe='')}...{quote(head, safe='')}"
    return client.get(f"/compare/{basehead}", Comparison)


def touched_by(answer: CommitAnswer | Comparison) -> tuple[str, ...] | None:
    """The paths that a change touches, old names included; None if GitHub did not tell them all."""
    return None if len(answer.files) >= _FILES_PER_PAGE else paths_of(answer.files)


def paths_of(files: Iterable[ChangedFile]) -> tuple[str, ...]:
    """Paths, sorted, each once; a renamed file under both its names."""
    both = ((file.filename, file.previous_filename) for file in files)
    return tuple(sorted({name for names in both for name in names if name}))
