"""A pytest-cov that measures already: it is followed, so that nothing is measured twice."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage

from pytest_malagate.collect.coverage.measuring import sources_of
from pytest_malagate.collect.coverage.settings import Sources
from pytest_malagate.gate.evidence import CoverageProblem

PLUGIN = "_cov"  # the name that pytest-cov registers its measuring plugin by


class PytestCov:
    """What is known of pytest-cov's measurement from its options and its Coverage object.

    `base` is the directory that it works in: where pytest was started.
    """

    def __init__(self, options: Any) -> None:
        self._options = options
        self.base = Path(os.path.realpath(Path.cwd()))
        self.running: Coverage | None = None
        self.sources = Sources()
        self.branch = False
        self.data_file = Path()
        self._expected = (Sources(), False)

    @classmethod
    def of(cls, config: pytest.Config) -> PytestCov | None:
        """None if pytest-cov does not measure this run. Works before and after it has started."""
        options = config.known_args_namespace
        asked = getattr(options, "cov_source", None) or config.pluginmanager.hasplugin(PLUGIN)
        return cls(options) if asked and not getattr(options, "no_cov", False) else None

    def follow(self) -> Coverage | None:
        """Takes note of the running Coverage object and returns it; None if there is none."""
        self.running = Coverage.current()
        if self.running is None:
            return None
        self.sources = sources_of(self.running, self.base)
        self.branch = bool(self.running.get_option("run:branch"))
        self.data_file = self.base / str(self.running.get_option("run:data_file"))
        return self.running

    @property
    def unfinished(self) -> Coverage | None:
        """The Coverage object if it still runs: pytest-cov does not stop it after `-x`."""
        return self.running if Coverage.current() is self.running else None

    @property
    def config_file(self) -> str | bool:
        """What pytest-cov gives coverage.py; its default means the usual files."""
        name = str(getattr(self._options, "cov_config", None) or ".coveragerc")
        return True if name == ".coveragerc" else str(self.base / name)

    @property
    def precision(self) -> int | None:
        """The number of decimals shown, where pytest-cov sets it."""
        value = getattr(self._options, "cov_precision", None)
        return value if isinstance(value, int) else None

    def expect(self, expected: tuple[Sources, bool]) -> Sources:
        """Remembers what the policy asks for; returns its sources."""
        self._expected = expected
        return expected[0]

    def problems(self, distributed: bool) -> list[CoverageProblem]:
        """Why its measurement is not the one that the policy asks for."""
        found = [("coverage.settings", text) for text in self._differences()]
        if self.running is None:
            found.append(("coverage.no-data", "pytest-cov was to measure and did not start"))
        elif distributed and self.unfinished:
            message = "pytest-cov was stopped before it combined its workers' data"
            found.append(("coverage.combine", message))
        if getattr(self._options, "cov_append", False):
            message = "pytest-cov adds this run to the data of earlier ones (--cov-append)"
            found.append(("coverage.appended", message))
        return [CoverageProblem(code=code, message=text) for code, text in found]

    def _differences(self) -> list[str]:
        sources, branch = self._expected
        found = []
        if self.running is not None and sources and self.sources != sources:
            asked = ", ".join((*sources.directories, *sources.packages))
            found.append(
                f"pytest-cov (--cov) does not measure exactly the policy's source: {asked}"
            )
        if self.running is not None and branch and not self.branch:
            found.append(
                "pytest-cov measures no branches (--cov-branch), and the policy asks for it"
            )
        return found
