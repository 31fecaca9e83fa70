"""What a journal says of a run that is a part of a suite: written by the plugin, read by the join.

Nothing here imports pytest, so that whoever only reads journals does not either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

LEFT_OUT = "test files were left out"
"""What a journal's `partial` says, first words, where the run's paths leave files out."""

SHARD_OPTIONS = (
    (("--splits", "splits"), ("--group", "group")),  # pytest-split
    (("--num-shards", "num_shards"), ("--shard-id", "shard_id")),  # pytest-shard
)
"""Options of plugins that run one shard of a suite: into how many, and which of them. Each by its
spelling and by its name in pytest's options."""


def population_of(nodeids: Iterable[str]) -> str:
    """`sha256:` and the digest of node ids, whatever order they are in."""
    digest = hashlib.sha256()
    for nodeid in sorted(nodeids):
        digest.update(nodeid.encode("utf-8", "surrogatepass") + b"\n")
    return f"sha256:{digest.hexdigest()}"
