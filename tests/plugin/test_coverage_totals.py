"""Totals of a measured test run are those that coverage.py itself would print."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from tests.plugin.coverage_project import MODULE, Project, make_project

PYPROJECT = """
[tool.coverage.run]
branch = true
omit = ["src/pkg/left_out.py"]
[tool.coverage.report]
precision = 2
exclude_also = ["def excluded"]
skip_empty = true
"""
COVERAGERC = """
[run]
branch = True
omit = src/pkg/left_out.py
[report]
precision = 2
exclude_also = def excluded
skip_covered = True
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


def larger(project: Project) -> Project:
    return project.write(
        {
            "src/pkg/left_out.py": MODULE,
            "src/pkg/other.py": MODULE + "\n\ndef excluded():\n    return 1\n",
        }
    )


@pytest.mark.parametrize(
    ("name", "text"), [("pyproject.toml", PYPROJECT), (".coveragerc", COVERAGERC)]
)
def test_total_equals_coverage_report_with_the_projects_own_configuration(
    project: Project, name: str, text: str
):
    larger(project).write({name: text})

    run = project.pytest()

    assert run.measured.problems == ()
    assert run.measured.display == project.report_total()
    assert (run.measured.branch, run.measured.excluded) == (True, 2)
    assert run.detail is not None
    assert "src/pkg/left_out.py" not in run.detail.files


def test_the_percentage_is_unrounded(project: Project):
    run = project.pytest()

    assert run.measured.percent == 100 * 5 / 6
    assert (run.measured.display, run.measured.statements, run.measured.missing) == ("83%", 6, 1)


def test_a_project_without_coverage_configuration_is_measured_by_lines(project: Project):
    run = project.pytest()

    assert run.measured.branch is False
    assert run.measured.display == project.report_total()


def test_the_policys_source_and_branch_replace_the_configured_ones(project: Project):
    project.write({"pyproject.toml": '[tool.coverage.run]\nsource = ["tests"]\nbranch = false\n'})
    project.drive(source=["src"], branch=True)

    run = project.pytest()

    assert run.detail is not None
    assert [*run.detail.files] == ["src/pkg/__init__.py", "src/pkg/numbers.py"]
    assert (run.measured.branch, run.measured.branches, run.measured.covered_branches) == (
        True,
        2,
        2,
    )


def test_without_a_source_in_the_policy_the_configured_one_is_measured(project: Project):
    project.write({"pyproject.toml": '[tool.coverage.run]\nsource = ["tests"]\n'})
    project.drive()

    run = project.pytest()

    assert run.detail is not None
    assert [*run.detail.files] == ["tests/test_numbers.py"]
    assert run.warning_codes == []


def test_without_any_source_a_warning_says_what_the_total_leaves_out(project: Project):
    project.drive()

    assert project.pytest().warning_codes == ["coverage.unreported"]


def test_a_source_may_be_a_package(project: Project):
    project.drive(source=["pkg.numbers"])

    run = project.pytest()

    assert run.measured.problems == ()
    assert run.detail is not None
    assert [*run.detail.files] == ["src/pkg/numbers.py"]


def test_workers_together_measure_what_one_process_does(project: Project):
    project.drive(source=["src"], branch=True)

    alone, together = project.pytest(), project.pytest("-p", "xdist", "-n2")

    assert alone.measured.problems == together.measured.problems == ()
    assert alone.detail_bytes == together.detail_bytes != b""


@pytest.mark.parametrize(
    "arguments",
    ["-p pytest_rerunfailures --reruns=1", "--import-mode=importlib", "-p no:terminal", "-W error"],
)
def test_total_does_not_depend_on_how_the_tests_are_run(project: Project, arguments: str):
    run = project.pytest(*arguments.split())

    assert run.measured.problems == run.measured.warnings == ()
    assert (run.measured.statements, run.measured.missing) == (6, 1)


ELSEWHERE = """
import os, subprocess, sys

def test_elsewhere(tmp_path):
    os.chdir(tmp_path)
    code = "from pkg.numbers import half, never; half(4); half(5); never()"
    subprocess.run([sys.executable, "-c", code], check=True)
"""


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n2")], ids=["one process", "workers"])
def test_subprocesses_in_other_directories_count(project: Project, workers):
    project.write(
        {
            "tests/test_numbers.py": ELSEWHERE,
            "pyproject.toml": "[tool.coverage.run]\nrelative_files = true\n",
        }
    )

    run = project.pytest(*workers)

    assert run.exit_code == 0, run.output
    assert run.measured.problems == ()
    assert run.detail is not None
    assert run.detail.files["src/pkg/numbers.py"].missing == ()
    assert [*run.detail.files] == ["src/pkg/__init__.py", "src/pkg/numbers.py"]


def test_nothing_is_left_behind_and_the_projects_own_data_is_untouched(project: Project):
    project.write({".coverage": "mine", ".coverage.host.1.x": "mine"})
    project.environment = {"COVERAGE_FILE": ".elsewhere", "COVERAGE_PROCESS_START": ""}

    run = project.pytest("-p", "xdist", "-n2")

    assert run.measured.problems == ()
    assert run.environment_restored
    assert (project.path / ".coverage").read_text() == "mine"
    assert (project.path / ".coverage.host.1.x").read_text() == "mine"
    assert list((project.path / "malagate-out").iterdir()) == []
    assert not (project.path / ".elsewhere").exists()


def test_the_detail_document_holds_each_files_lines_and_digest(project: Project):
    project.drive(source=["src"], branch=True)

    run = project.pytest()

    source = (project.path / "src/pkg/numbers.py").read_bytes()
    assert run.detail is not None
    numbers = run.detail.files["src/pkg/numbers.py"]
    assert numbers.sha256 == f"sha256:{hashlib.sha256(source).hexdigest()}"
    assert numbers.statements == (1, 2, 3, 4, 7, 8)
    assert numbers.missing == (8,)
    assert numbers.executed_branches == ((2, 3), (2, 4))
    assert run.measured.detail == f"sha256:{hashlib.sha256(run.detail_bytes).hexdigest()}"
    assert (run.detail.session, run.detail.tree, run.measured.tree) == ("s1", "tree", "tree")


def test_the_fastest_exact_core_is_recorded(project: Project):
    project.drive(source=["src"], branch=True)
    assert project.pytest().measured.core == ("ctrace" if sys.version_info < (3, 14) else "sysmon")

    project.drive(source=["src"], branch=False)
    assert project.pytest().measured.core == ("ctrace" if sys.version_info < (3, 12) else "sysmon")


def test_processes_of_multiprocessing_count_where_the_configuration_says_so(project: Project):
    project.write(
        {
            ".coveragerc": "[run]\nconcurrency = multiprocessing\nsource = src\n",
            "tests/test_numbers.py": """
                import multiprocessing
                from pkg.numbers import half, never

                def test_in_a_process():
                    half(4), half(5)
                    process = multiprocessing.get_context("fork").Process(target=never)
                    process.start()
                    process.join()
                """,
        }
    )

    run = project.pytest()

    assert run.measured.problems == ()
    assert (run.measured.percent, run.environment_restored) == (100, True)
    assert not list(project.path.glob(".coverage.*"))
