"""The source files themselves: their digests, and which of them were imported too early."""

from __future__ import annotations

import ast
import hashlib
import os
import stat
import sys
import time
from collections.abc import Iterator

from pytest_malagate.collect.coverage.settings import Sources, below

# Private references: the tests that run in between may replace them.
_open, _realpath, _stat, _walk = open, os.path.realpath, os.stat, os.walk
_clock = time.time_ns
_MODULES = sys.modules

MAX_FILES = 100_000
MAX_FILE_BYTES = 50_000_000


def digest_file(path: str) -> str | None:
    """`sha256:` and the digest of a regular file's bytes; None if it cannot be read."""
    try:
        if not stat.S_ISREG(_stat(path).st_mode):
            return None
        with _open(path, "rb") as file:
            return "sha256:" + hashlib.sha256(file.read(MAX_FILE_BYTES)).hexdigest()
    except OSError:
        return None


def python_files(top: str) -> Iterator[str]:
    """Python files below a directory, but those of environments and hidden directories."""
    for directory, names, files in _walk(top):
        if "pyvenv.cfg" in files:
            names.clear()
            continue
        names[:] = sorted(n for n in names if not n.startswith(".") and n != "__pycache__")
        for name in sorted(files):
            if name.endswith((".py", ".pyw")):
                yield f"{directory}{os.sep}{name}"


class Snapshot:
    """The source files as they were when the measuring began."""

    def __init__(self, sources: Sources) -> None:
        self._tops = sources.directories
        self._began = _clock()
        self._digests: dict[str, str | None] = {}
        for top in self._tops:
            for path in python_files(top):
                if len(self._digests) < MAX_FILES:
                    self._digests[path] = digest_file(path)

    def change_of(self, path: str, digest: str | None) -> str | None:
        """How a measured file differs from what it was: `changed`, `deleted`, or None.

        A file that was not there at the beginning was made by the run: its lines are those it
        has now. Of files outside the known directories only the time of change is known.
        """
        if path in self._digests:
            if digest is None:
                return "deleted"
            return None if digest == self._digests[path] else "changed"
        if any(below(path, top) for top in self._tops):
            return None
        try:
            return "changed" if _stat(path).st_mtime_ns > self._began else None
        except OSError:
            return None


def imported_modules() -> dict[str, str]:
    """`__file__` of every module imported so far, and the module's name."""
    found: dict[str, str] = {}
    for name, module in list(_MODULES.items()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str):
            found.setdefault(path, name)
    return found


def imported_early(modules: dict[str, str], root: str, sources: Sources) -> dict[str, str]:
    """Those modules that may belong to the measured source, by their real paths."""
    early = {}
    for path, name in modules.items():
        if below(path, sys.prefix) and not sources.packages:
            continue  # most of them, and a realpath each is not cheap
        real = _realpath(path)
        if sources.holds(real) or (not sources and below(real, root)):
            early[real] = name
    return early


def syntax_line(path: str) -> tuple[int | None, str]:
    """Line and reason why a file is no Python source; (None, "") if it is."""
    try:
        with _open(path, "rb") as file:
            ast.parse(file.read(MAX_FILE_BYTES))
    except SyntaxError as error:
        return error.lineno, error.msg
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        return None, str(error)
    return None, ""
