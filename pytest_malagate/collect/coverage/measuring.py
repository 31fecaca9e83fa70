"""Coverage objects: how a session's own one is made, started and found again.

Files are given by absolute paths, because tests change directories; coverage.py resolves the
rest (its configuration file, patterns, packages) in the directory it is started in, so that is
the base directory for a moment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from coverage import Coverage

from pytest_malagate.collect.coverage.core import CoreChoice, Wanted, choose_core
from pytest_malagate.collect.coverage.processes import DATA
from pytest_malagate.collect.coverage.settings import (
    CoverageSettings,
    Sources,
    below,
    resolve_sources,
)

_chdir, _getcwd = os.chdir, os.getcwd


@contextmanager
def working_directory(path: Path) -> Iterator[None]:
    """Works in `path` for a moment. Stays there if the former directory is gone."""
    former = None
    with suppress(OSError):
        former = _getcwd()
    _chdir(path)
    try:
        yield
    finally:
        if former is not None:
            with suppress(OSError):
                _chdir(former)


def options(coverage: Coverage, *names: str) -> tuple[str, ...]:
    """The values of some list options of the `run` section, one after the other."""
    values: list[Any] = []
    for name in names:
        value: Any = coverage.get_option(f"run:{name}")
        values += [value] if isinstance(value, str) else value or []
    return tuple(str(value) for value in values)


def sources_of(coverage: Coverage, base: Path) -> Sources:
    """What a Coverage object measures, its relative directories taken below `base`."""
    return resolve_sources(options(coverage, "source", "source_dirs", "source_pkgs"), base)


def make_coverage(
    settings: CoverageSettings,
    base: Path,
    directory: Path,
    config_file: str | bool = True,
) -> Coverage:
    """A Coverage object that will write below `directory`; not started.

    The project's configuration is the one that coverage.py finds in the working directory. The
    settings' source replaces the configured one, rather than adding to it.
    """
    chosen: dict[str, Any] = {}
    if settings.source:
        wanted = resolve_sources(settings.source, base)
        chosen = {
            "source": [*wanted.directories, *wanted.packages],
            "source_pkgs": [],
            "source_dirs": [],
        }
    coverage = Coverage(
        data_file=str(directory / DATA),
        data_suffix=True,
        branch=settings.branch,
        config_file=config_file,
        **chosen,
    )
    # Data of processes with different working directories must name a file in one way.
    coverage.set_option("run:relative_files", False)
    for option in ("run:omit", "run:include"):
        patterns = options(coverage, option.removeprefix("run:"))
        coverage.set_option(option, [*patterns, *_anchored(patterns, base)])
    return coverage


def _anchored(patterns: tuple[str, ...], base: Path) -> list[str]:
    """Relative patterns below `base`, for processes that start elsewhere."""
    relative = [p for p in patterns if not p.startswith(("*", "?")) and not Path(p).is_absolute()]
    return [str(base / pattern) for pattern in relative]


def prepare(coverage: Coverage) -> CoreChoice:
    """Chooses the core and asks for subprocesses to be measured, too."""
    choice = choose_core(
        Wanted(
            branch=bool(coverage.get_option("run:branch")),
            dynamic_context=coverage.get_option("run:dynamic_context") not in (None, "none"),
            plugins=options(coverage, "plugins"),
            concurrency=options(coverage, "concurrency"),
            timid=bool(coverage.get_option("run:timid")),
            core=_text(coverage.get_option("run:core")),
        ),
        sys.version_info[:2],
    )
    if choice.core is not None:
        coverage.set_option("run:core", choice.core)
    patches = options(coverage, "patch")
    coverage.set_option("run:patch", [*dict.fromkeys((*patches, "subprocess"))])
    return choice


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def start_coverage(
    settings: CoverageSettings, base: Path, directory: Path
) -> tuple[Coverage, CoreChoice]:
    """Makes and starts a Coverage object. Raises CoverageException or OSError.

    coverage.py asserts that there is a configuration file when subprocesses are to be measured.
    A project without one is given an empty one, in the session's own directory.
    """
    try:
        coverage = make_coverage(settings, base, directory)
        choice = prepare(coverage)
        coverage.start()
    except AssertionError:
        empty = directory / "coveragerc"
        empty.write_text("[run]\n", encoding="utf-8")
        coverage = make_coverage(settings, base, directory, str(empty))
        choice = prepare(coverage)
        coverage.start()
    return coverage, choice


def started_for(directory: Path) -> Coverage | None:
    """The Coverage that coverage.py started in this process for the given data directory."""
    current = Coverage.current()
    if current is None:
        return None
    data_file = _text(current.get_option("run:data_file")) or ""
    return current if below(os.path.realpath(data_file), str(directory)) else None


def measures_the_same(one: Coverage, other: Coverage) -> bool:
    """Whether two Coverage objects agree on sources (below the working directory) and branches."""
    base = Path(_getcwd())
    return sources_of(one, base) == sources_of(other, base) and bool(
        one.get_option("run:branch")
    ) == bool(other.get_option("run:branch"))


def measures_forks(coverage: Coverage) -> bool:
    """Whether processes that are forked, rather than started anew, are measured as well."""
    return "multiprocessing" in options(coverage, "concurrency") or "fork" in options(
        coverage, "patch"
    )


def subprocesses_can_be_measured() -> bool:
    """Whether this Python starts coverage.py by itself: its `.pth` file lies on the path."""
    directories = [Path(entry) for entry in sys.path if entry]
    return any(
        path.suffix == ".pth" and "cov" in path.name
        for directory in directories
        if directory.is_dir()
        for path in directory.iterdir()
    )
