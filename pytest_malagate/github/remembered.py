"""Answers that are kept with their ETag, so that the same need not be sent twice.

An answer "not changed" (304) costs nothing of the rate limit. What is kept is bounded; the longest
unused goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any

import msgspec

MAX_ENTRIES = 512
MAX_CHARACTERS = 64 * 1024 * 1024


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: its ETag, its headers by lower-case name, its body."""

    tag: str
    headers: Mapping[str, Any]
    body: str


class Remembered:
    """The newest answer of each read, within `entries` answers and `characters` of bodies."""

    def __init__(self, *, entries: int = MAX_ENTRIES, characters: int = MAX_CHARACTERS) -> None:
        self._entries, self._characters = entries, characters
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: Hashable) -> Kept | None:
        """What was kept; it counts as used."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def keep(self, key: Hashable, kept: Kept) -> None:
        """Keeps an answer instead of an older one. One that is longer than all may be is not."""
        self._drop(key)
        if len(kept.body) > self._characters:
            return
        self._kept[key] = kept
        self._size += len(kept.body)
        while len(self._kept) > self._entries or self._size > self._characters:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        old = self._kept.pop(key, None)
        if old is not None:
            self._size -= len(old.body)
