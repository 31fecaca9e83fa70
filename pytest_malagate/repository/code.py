"""Which untracked files are part of a tree: code, and what configures pytest or the build."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

_SUFFIXES = """
    .py .pyi .pyw .pyx .pxd .pxi
    .c .h .cc .cpp .cxx .c++ .hh .hpp .hxx .inl .m .mm .s .asm .cu .cuh
    .rs .go .zig .f .f90 .f95 .for .swift .java .kt .kts .scala .groovy .gradle .clj .cs .fs .vb
    .js .jsx .mjs .cjs .ts .tsx .mts .cts .vue .svelte .php .rb .pl .pm .lua .r .jl .dart
    .ex .exs .erl .hrl .hs .ml .mli .sql .proto .feature
    .sh .bash .zsh .fish .ps1 .bat .cmd .awk .cmake .mk .bzl .nix
"""
_NAMES = """
    pytest.ini .pytest.ini pytest.toml .pytest.toml tox.ini setup.cfg pyproject.toml MANIFEST.in
    .coveragerc .coveragerc.toml
"""
_FOLDERS = """
    __pycache__ .pytest_cache .mypy_cache .ruff_cache .hypothesis .tox .nox .eggs htmlcov
    node_modules malagate-out _build
"""

CODE_SUFFIXES = frozenset(_SUFFIXES.split())
"""Suffixes, in lower case, of files that are code."""

CONFIGURATION_NAMES = frozenset(_NAMES.split())
"""Names of files that configure pytest, coverage.py or the build."""

ARTEFACT_FOLDERS = frozenset(_FOLDERS.split())
"""Names of folders whose untracked files are never anybody's source."""


_SETUPTOOLS_BUILD = re.compile(r"(?:^|/)build/(?:lib|lib\.[^/]+|bdist\.[^/]+|temp\.[^/]+)/")


def is_code(path: str) -> bool:
    """Whether an untracked file of this path is part of a tree, by its name alone."""
    *folders, name = path.split("/")
    if not ARTEFACT_FOLDERS.isdisjoint(folders) or _SETUPTOOLS_BUILD.search(path):
        return False
    return name in CONFIGURATION_NAMES or Path(name).suffix.lower() in CODE_SUFFIXES


def code_among(root: Path, untracked: Iterable[str], tracked: Collection[str]) -> tuple[str, ...]:
    """The code among untracked paths of `root`, but for what lies in virtual environments.

    A folder with `pyvenv.cfg` is one, unless it holds tracked files: then it is source, and no
    file of that name hides what is put beside it.
    """
    code = [path for path in untracked if is_code(path)]
    folders = {parent for path in code for parent in _parents(path)}
    environments = [f"{folder}/" for folder in folders if (root / folder / "pyvenv.cfg").is_file()]
    foreign = tuple(
        folder for folder in environments if not any(path.startswith(folder) for path in tracked)
    )
    return tuple(path for path in code if not path.startswith(foreign))


def _parents(path: str) -> Iterator[str]:
    end = path.rfind("/")
    while end > 0:
        yield path[:end]
        end = path.rfind("/", 0, end)
