"""Files and commits at a revision. A change's own files are read as data, never checked out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.records import (
    ChangedFile,
    CommitAnswer,
    Comparison,
    Entry,
    FileAnswer,
)
from pytest_malagate.report.text import plain

_FILES_PER_PAGE = 300
_LISTED = 1000  # entries of a directory that GitHub tells at most


def file_at(client: Client, path: str, ref: str) -> str | None:
    """A file's text at a commit; None if that has no such file. Raises GitHubError.

    That it is not there is believed only if its directory does not list it: a rule that could not
    be read is another thing than no rule.
    """
    found = first_at(client, (path,), ref)
    return found[1] if found else None


def first_at(client: Client, paths: Sequence[str], ref: str) -> tuple[str, str] | None:
    """The first of some files that a commit has, and its text; None if it has none of them.

    The files are of one directory. Raises GitHubError.
    """
    directory = paths[0].rpartition("/")[0]
    listed: frozenset[str] | None = None
    for path in paths:
        name = path.rpartition("/")[2]
        if listed is not None and name not in listed:
            continue
        text = _text_of(client, path, ref)
        if text is not None:
            return path, text
        if listed is None:
            listed = _names_in(client, directory, ref)
        if listed is not None and name in listed:
            raise GitHubError(f"GitHub lists {plain(path, 100)} in {ref[:12]} and does not have it")
    return None


def _text_of(client: Client, path: str, ref: str) -> str | None:
    """A JSON answer and not the bare text: what is cut off, or a proxy's page, is none."""
    answer = client.find(f"/contents/{quote(path)}", FileAnswer, ref=ref)
    if answer is None:
        return None
    if (answer.type, answer.encoding) != ("file", "base64"):
        raise GitHubError(f"{plain(path, 100)} in {ref[:12]} is no file of at most a megabyte")
    try:
        return base64.b64decode(answer.content).decode("utf-8", "replace")
    except (binascii.Error, ValueError) as error:
        raise GitHubError(f"{plain(path, 100)} in {ref[:12]} cannot be decoded") from error


def _names_in(client: Client, directory: str, ref: str) -> frozenset[str] | None:
    """The names in a directory; None if there are too many to be listed."""
    entries = client.find(f"/contents/{quote(directory)}", list[Entry], ref=ref)
    if entries is None and not directory:
        raise GitHubError(f"GitHub does not list the files of {ref[:12]}")
    names = frozenset(entry.name for entry in entries or ())
    return None if len(names) >= _LISTED else names


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
