"""Where in the repository's own code an exception came from."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

_FOREIGN = frozenset(
    {"site-packages", "dist-packages", ".venv", "venv", ".tox", ".nox", "__pypackages__"}
)


class Place(NamedTuple):
    """A frame of the repository's own code."""

    path: str
    function: str
    line: int | None

    @property
    def frame(self) -> str:
        return f"{self.path}:{self.function}"


def _entries(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def last_entry(traceback: TracebackType) -> TracebackType:
    """The entry of the frame that raised."""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback


def innermost_place(
    traceback: TracebackType | None, roots: tuple[str, ...], *, cyclic: bool = False
) -> Place | None:
    """The innermost frame of the repository's own code.

    Of an endless recursion it is the first function of the cycle by name: which of them met the
    limit depends on how deep the stack was when the test began.
    """
    entries = list(_entries(traceback))
    if cyclic:
        entries = _first_of_cycle(entries, roots) or entries
    for entry in reversed(entries):
        code = entry.tb_frame.f_code
        path = repository_path(code.co_filename, roots)
        if path is not None:
            return Place(path, code.co_qualname, entry.tb_lineno)
    return None


def _first_of_cycle(entries: list[TracebackType], roots: tuple[str, ...]) -> list[TracebackType]:
    # By identity: comparing code objects compares their contents.
    times = Counter(id(entry.tb_frame.f_code) for entry in entries)
    named: dict[tuple[str, str], TracebackType] = {}
    for entry in {id(entry.tb_frame.f_code): entry for entry in entries}.values():
        code = entry.tb_frame.f_code
        path = repository_path(code.co_filename, roots)
        if path is not None and times[id(code)] > 1:
            named[path, code.co_qualname] = entry
    return [named[min(named)]] if named else []


@lru_cache(maxsize=16)
def spellings(root: Path) -> tuple[str, ...]:
    """The root directory as it was given and as the file system resolves it."""
    given = str(root)
    return tuple(dict.fromkeys((given, os.path.realpath(given))))


@lru_cache(maxsize=4096)
def repository_path(filename: str, roots: tuple[str, ...]) -> str | None:
    """A file of the repository's own code relative to the root; None for any other file.

    Packages installed below the root (a virtual environment in the checkout) are not its own.
    """
    for root in roots:
        prefix = root.rstrip("/") + "/"
        if filename.startswith(prefix):
            inside = filename.removeprefix(prefix)
            installed = filename.startswith(f"{sys.prefix}/") and sys.prefix.startswith(prefix)
            foreign = installed or not _FOREIGN.isdisjoint(inside.split("/"))
            return None if foreign else inside
    return None
