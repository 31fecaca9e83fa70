"""A small project in a directory, and pytest runs in it that measure coverage.

The runs are real processes. A plugin file of a few lines drives `CoverageHooks` as
`pytest_malagate.plugin` does, and leaves the record, the document and the environment behind.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from pytest_malagate.collect.coverage.detail import CoverageDetail, decode_detail
from pytest_malagate.gate.evidence import CoverageMeasured

DRIVER = """
import json, os, sys
from pathlib import Path

import msgspec
import pytest

IMPORTED_BY_US = "coverage" in sys.modules
from pytest_malagate import plugin_coverage
from pytest_malagate.collect.coverage.processes import WorkerAssignment
from pytest_malagate.collect.coverage.settings import CoverageSettings
IMPORTED_BY_US = "coverage" in sys.modules and not IMPORTED_BY_US

ENVIRONMENT = {k: v for k, v in os.environ.items() if "COVERAGE" in k}

@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config):
    assert not IMPORTED_BY_US
    given = json.loads(Path("drive.json").read_text()) if Path("drive.json").exists() else {}
    task = WorkerAssignment.take(os.environ)
    if task is None and "PYTEST_XDIST_WORKER" in os.environ and given.get("deaf"):
        return
    hooks = plugin_coverage.CoverageHooks(
        early_config,
        CoverageSettings(tuple(given.get("source", ())), given.get("branch")) if task is None
        else CoverageSettings(task.source, task.branch),
        root=Path(given["root"] if task is None else task.root),
        out=Path(given["out"] if task is None else task.out),
        session="s1" if task is None else task.session,
        worker=task is not None,
    )
    early_config.pluginmanager.register(hooks, "measuring")
    hooks.start()

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):
        return
    out = Path(os.environ["MEASURED"])
    hooks = session.config.pluginmanager.getplugin("measuring")
    record, detail = hooks.finish(tree="tree", now=5.0)
    (out / "record.json").write_bytes(msgspec.json.encode(record))
    if detail is not None:
        (out / "coverage.json").write_bytes(detail)
    environment = {k: v for k, v in os.environ.items() if "COVERAGE" in k}
    (out / "restored.json").write_text(json.dumps(environment == ENVIRONMENT))
"""

MODULE = """
def half(number):
    if number % 2:
        return (number - 1) // 2
    return number // 2


def never():
    return [
        1,
    ]
"""

TESTS = """
from pkg.numbers import half

def test_even():
    assert half(4) == 2

def test_odd():
    assert half(5) == 2
"""


@dataclass
class Run:
    """What a run left behind."""

    exit_code: int
    output: str
    record: CoverageMeasured | None = None
    detail: CoverageDetail | None = None
    detail_bytes: bytes = b""
    environment_restored: bool = False

    @property
    def measured(self) -> CoverageMeasured:
        assert self.record is not None, self.output
        return self.record

    @property
    def problem_codes(self) -> list[str]:
        return [problem.code for problem in self.measured.problems]

    @property
    def warning_codes(self) -> list[str]:
        return [warning.code for warning in self.measured.warnings]


@dataclass
class Project:
    """A source tree below `path`; `measured` is where the runs leave their results."""

    path: Path
    measured: Path
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, files: dict[str, str]) -> Project:
        for name, text in files.items():
            place = self.path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return self

    def python(self, *args: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("COV", "PYTEST"))}
        environment = kept | {
            "PYTHONPATH": os.pathsep.join((str(self.path / "src"), str(self.measured))),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MEASURED": str(self.measured),
            # Temporary directories of its own: pytest cleans up those of earlier runs.
            "PYTEST_DEBUG_TEMPROOT": str(self.measured),
        }
        return subprocess.run(
            [sys.executable, *args],
            cwd=self.path,
            env=environment | self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def drive(self, **given: object) -> None:
        """Settings of the next runs: source, branch, out."""
        defaults = {"root": str(self.path), "out": str(self.path / "malagate-out")}
        (self.path / "drive.json").write_text(json.dumps(defaults | given), encoding="utf-8")

    def pytest(self, *args: str, prefix: tuple[str, ...] = ()) -> Run:
        """A run in a process of its own. `prefix`: `-m coverage run`, say."""
        for name in ("record.json", "coverage.json", "restored.json"):
            (self.measured / name).unlink(missing_ok=True)
        done = self.python(*prefix, "-m", "pytest", "-p", "driver", *args)
        run = Run(done.returncode, done.stdout + done.stderr)
        if (self.measured / "record.json").exists():
            content = (self.measured / "record.json").read_bytes()
            run.record = msgspec.json.decode(content, type=CoverageMeasured)
            run.environment_restored = json.loads((self.measured / "restored.json").read_text())
        if (self.measured / "coverage.json").exists():
            run.detail_bytes = (self.measured / "coverage.json").read_bytes()
            run.detail = decode_detail(run.detail_bytes)
        return run

    def report_total(self, *pytest_args: str, source: str = "src") -> str:
        """The last word of the TOTAL line that `coverage run` and `coverage report` print."""
        where = f"--data-file={self.measured / 'peer'}"
        ran = self.python(
            *("-m", "coverage", "run", where, f"--source={source}", "-m", "pytest", *pytest_args)
        )
        report = self.python("-m", "coverage", "report", where)
        total = [line for line in report.stdout.splitlines() if line.startswith("TOTAL")]
        assert total, ran.stdout + report.stdout + report.stderr
        return total[0].split()[-1]


def make_project(tmp_path: Path, **files: str) -> Project:
    """The usual project: package `pkg` below `src`, two tests, one function never called."""
    project = Project(tmp_path / "project", tmp_path / "measured")
    project.measured.mkdir()
    (project.measured / "driver.py").write_text(DRIVER, encoding="utf-8")
    project.write(
        {"src/pkg/__init__.py": "", "src/pkg/numbers.py": MODULE, "tests/test_numbers.py": TESTS}
    )
    project.drive(source=["src"])
    return project.write(files)
