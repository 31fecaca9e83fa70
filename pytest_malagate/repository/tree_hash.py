"""The tree hash of an index, computed here: `git write-tree` would write every tree as a file.

Source of the format: `git help hash-object`, and the tests, which compare with `git write-tree`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from pytest_malagate.repository.git import GitError, git


def tree_hash(root: Path, extra: Mapping[str, str]) -> str:
    """The hash of the tree that a commit of an index would have.

    `root` is the work tree, `extra` the variables that name the index. Raises GitError for an index
    with unmerged entries.
    """
    listed = git(root, "ls-files", "--stage", "-z", extra=extra).stdout
    if not listed:  # and which hash the repository uses cannot be seen
        return git(root, "hash-object", "-t", "tree", "--stdin", extra=extra).line
    return _hash_entries(listed)


def _hash_entries(listed: bytes) -> str:
    """The hash of the tree of `MODE HASH STAGE<tab>PATH` entries."""
    # The deepest folders come first: a tree holds the hashes of those in it. b"" is the root.
    # Of each folder the entries of its tree, each behind the name that it is sorted by.
    folders: defaultdict[bytes, list[tuple[bytes, bytes]]] = defaultdict(list)
    digest = b""
    for line in listed.split(b"\0")[:-1]:
        facts, _, path = line.partition(b"\t")
        mode, name, stage = facts.split(b" ")
        if stage != b"0":
            raise GitError("git ls-files: the index has unmerged entries")
        folder, _, base = path.rpartition(b"/")
        digest = bytes.fromhex(name.decode("ascii"))
        folders[folder].append((base, b"%b %b\0%b" % (mode, base, digest)))
    algorithm = "sha1" if len(digest) == 20 else "sha256"
    for folder in _deepest_first(folders):
        content = b"".join(entry for _, entry in sorted(folders[folder]))
        header = b"tree %d\0" % len(content)
        digest = hashlib.new(algorithm, header + content, usedforsecurity=False).digest()
        parent, _, base = folder.rpartition(b"/")
        if folder:
            folders[parent].append((base + b"/", b"40000 %b\0%b" % (base, digest)))
    return digest.hex()


def _deepest_first(folders: Iterable[bytes]) -> list[bytes]:
    """Folders and all that they are in, the root last."""
    every = {b""}
    for folder in folders:
        inner = folder
        while inner not in every:
            every.add(inner)
            inner = inner.rpartition(b"/")[0]
    return sorted(every, key=lambda folder: (folder != b"", folder.count(b"/")), reverse=True)
