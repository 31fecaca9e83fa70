"""What the policy asks to be measured, and what that means below a directory."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class CoverageSettings(msgspec.Struct, frozen=True):
    """The policy's `coverage.source` and `coverage.branch`.

    A source is a directory relative to the root, or an importable package. No sources: as the
    project's own coverage configuration says. `branch` None: likewise.
    """

    source: tuple[str, ...] = ()
    branch: bool | None = None


class Sources(msgspec.Struct, frozen=True):
    """Sources told apart as coverage.py does: a name of a directory is that directory."""

    directories: tuple[str, ...] = ()  # absolute, symbolic links resolved
    packages: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.directories or self.packages)

    def holds(self, path: str) -> bool:
        """Whether an absolute path lies below one of the sources."""
        return any(below(path, top) for top in self.directories) or any(
            package_directory(path, package) is not None for package in self.packages
        )


def resolve_sources(names: tuple[str, ...], base: Path) -> Sources:
    """Tells directories below `base` from packages. Order is kept, duplicates go."""
    directories: dict[str, None] = {}
    packages: dict[str, None] = {}
    for name in names:
        place = base / name
        if place.is_dir():
            directories[os.path.realpath(place)] = None
        else:
            packages[name] = None
    return Sources(tuple(directories), tuple(packages))


def below(path: str, top: str) -> bool:
    """Whether an absolute path is `top` or lies below it."""
    return path == top or path.startswith(top.rstrip(os.sep) + os.sep)


def package_directory(path: str, package: str) -> str | None:
    """The directory (or the module file) of a package that `path` belongs to, else None.

    Told from the path alone: workers may import from places that this process cannot.

    >>> package_directory("/w/src/a/b/c.py", "a.b")
    '/w/src/a/b'
    >>> package_directory("/w/src/a/b.py", "a.b")
    '/w/src/a/b.py'
    >>> package_directory("/w/src/ab/c.py", "a.b")
    """
    inner = os.sep + package.replace(".", os.sep)
    if path.endswith(inner + ".py"):
        return path
    head, found, _ = path.partition(inner + os.sep)
    return head + inner if found else None
