"""Was the whole suite asked for? What a pytest run selects, and what its arguments leave out.

An option that selects tests (`-k`, `-m`, `--lf`, a node id, …) makes a run partial unless the
policy names exactly that selection. Paths are another matter: `pytest tests` is the whole suite
where all tests are in there, so what counts is whether a test file was left out.
"""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_malagate.collect.sharding import SHARD_OPTIONS

_MAX_FILES = 100_000


def selection(config: pytest.Config) -> tuple[str, ...]:
    """The active options that select tests, as words: `("-k", "name")`. Empty for none."""
    option = config.option
    words: list[str] = []
    for flag, name in (("-k", "keyword"), ("-m", "markexpr")):
        if value := getattr(option, name, ""):
            words += [flag, " ".join(str(value).split())]
    for flag, name in (("--lf", "lf"), ("--sw", "stepwise")):
        if getattr(option, name, False):
            words.append(flag)
    declared = [str(word) for word in config.getini("addopts")]
    for flag, name in (
        ("--deselect", "deselect"),
        ("--ignore", "ignore"),
        ("--ignore-glob", "ignore_glob"),
    ):
        for value in getattr(option, name, None) or ():
            # The project's own configuration may ignore paths, as it may set testpaths.
            if flag == "--deselect" or not any(str(value) in word for word in declared):
                words += [flag, str(value)]
    words += _shard(option)
    words += [arg for arg in config.args if "::" in arg]
    if getattr(option, "pyargs", False):
        words.append("--pyargs")
    return tuple(words)


def _shard(option: object) -> list[str]:
    words: list[str] = []
    for (total, total_name), (which, which_name) in SHARD_OPTIONS:
        shards, shard = getattr(option, total_name, None), getattr(option, which_name, None)
        if isinstance(shards, int) and isinstance(shard, int) and shards > 1:
            words += [total, str(shards), which, str(shard)]
    return words


def left_out(config: pytest.Config, root: Path) -> list[str]:
    """Test files of the suite that the run's arguments leave out, relative to `root`, sorted.

    The suite is what `testpaths` names; without it, everything below the root directory.
    """
    if getattr(config.option, "pyargs", False):
        return []
    chosen = [_argument(config, arg) for arg in config.args]
    suite = _suite(config, root)
    if all(_within(directory, chosen) for directory in suite):
        return []
    files = (file for directory in suite for file in _test_files(config, directory))
    return sorted({os.path.relpath(file, root) for file in files if not _within(file, chosen)})


def _argument(config: pytest.Config, arg: str) -> Path:
    path = config.invocation_params.dir / arg.partition("::")[0]
    return Path(os.path.normpath(path))


def _suite(config: pytest.Config, root: Path) -> list[Path]:
    base = config.rootpath if config.inipath else root
    paths = [
        Path(os.path.normpath(base / found))
        for pattern in config.getini("testpaths")
        for found in sorted(glob.glob(pattern, root_dir=base, recursive=True))  # noqa: PTH207
        # as pytest expands testpaths: pathlib knows no absolute patterns
    ]
    return paths or [base]


def _within(path: Path, directories: list[Path]) -> bool:
    return any(path == directory or directory in path.parents for directory in directories)


def _test_files(config: pytest.Config, top: Path) -> Iterator[Path]:
    patterns = config.getini("python_files")
    skipped = [*config.getini("norecursedirs"), "__pycache__", "malagate-out"]
    if top.is_file():
        yield top
        return
    seen = 0
    for directory, names, files in os.walk(top):
        names[:] = [
            name
            for name in names
            if not any(fnmatch.fnmatch(name, pattern) for pattern in skipped)
            and not (Path(directory) / name / "pyvenv.cfg").exists()
        ]
        seen += len(files)
        if seen > _MAX_FILES:
            return
        for name in files:
            path = Path(directory) / name
            if name.endswith(".py") and any(_matches(path, pattern) for pattern in patterns):
                yield path


def _matches(path: Path, pattern: str) -> bool:
    if "/" in pattern:
        return fnmatch.fnmatch(str(path), f"*/{pattern}")
    return fnmatch.fnmatch(path.name, pattern)
