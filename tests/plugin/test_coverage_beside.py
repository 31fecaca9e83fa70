"""A measurement that runs already is used, if it measures what is asked, and left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugin.coverage_project import Project, make_project

PYTEST_COV = ("-p", "pytest_cov", "--cov-report=")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n2")], ids=["one process", "workers"])
def test_pytest_cov_is_followed_with_its_own_settings(project: Project, workers):
    project.write({"rc": "[report]\nprecision = 1\n"})

    run = project.pytest(*PYTEST_COV, "--cov=src", "--cov-config=rc", *workers)

    assert run.measured.problems == ()
    assert (run.measured.source, run.measured.display) == ("pytest-cov", "83.3%")
    assert (project.path / ".coverage").exists()


def test_pytest_cov_that_measures_other_things_is_not_believed(project: Project):
    project.drive(source=["src"], branch=True)

    run = project.pytest(*PYTEST_COV, "--cov=tests")

    assert "coverage.settings" in run.problem_codes
    assert "--cov-branch" in " ".join(problem.message for problem in run.measured.problems)


def test_data_that_pytest_cov_adds_to_older_data_is_not_believed(project: Project):
    run = project.pytest(*PYTEST_COV, "--cov=src", "--cov-append")

    assert run.problem_codes == ["coverage.appended"]


def test_pytest_cov_that_x_stopped_is_read_while_it_runs(project: Project):
    project.write({"tests/test_z.py": "def test_z():\n    assert False\n"})

    run = project.pytest(*PYTEST_COV, "--cov=src", "-x")

    assert (run.measured.display, run.measured.problems) == ("83%", ())
    assert not list(project.path.glob(".coverage*"))


def test_pytest_cov_that_was_switched_off_is_replaced(project: Project):
    run = project.pytest(*PYTEST_COV, "--cov=src", "--no-cov")

    assert (run.measured.source, run.measured.display) == ("coverage.py", "83%")


def test_pytest_covs_own_pauses_are_no_problem(project: Project):
    project.write(
        {
            "tests/test_a.py": """
                import pytest
                @pytest.mark.no_cover
                def test_a(): pass
                def test_b(): pass
                """
        }
    )

    assert project.pytest(*PYTEST_COV, "--cov=src").measured.problems == ()


def test_a_coverage_run_around_pytest_is_used_and_goes_on(project: Project):
    run = project.pytest(prefix=("-m", "coverage", "run", "--source=src"))
    report = project.python("-m", "coverage", "report", "--format=total")

    assert (run.measured.display, run.measured.problems) == ("83%", ())
    assert run.warning_codes == ["coverage.subprocess"]
    assert report.stdout.strip() == "83"


def test_what_a_plugin_imported_early_is_no_loss_under_a_coverage_run(project: Project):
    project.write({"src/early_plugin.py": "import pkg.numbers\n"})
    project.drive(source=["src/pkg"])

    run = project.pytest("-p", "early_plugin", prefix=("-m", "coverage", "run", "--source=src/pkg"))

    assert (run.measured.display, run.measured.problems) == ("83%", ())


def test_workers_below_a_coverage_run_are_measured(project: Project):
    run = project.pytest("-p", "xdist", "-n2", prefix=("-m", "coverage", "run", "--source=src"))

    assert (run.measured.display, run.measured.problems) == ("83%", ())


def test_a_coverage_run_of_something_else_is_paused_and_keeps_its_data(project: Project):
    run = project.pytest(prefix=("-m", "coverage", "run", "--source=src,tests", "--branch"))

    assert (run.measured.display, run.measured.problems) == ("83%", ())
    assert run.warning_codes == ["coverage.nested"]
    assert (project.path / ".coverage").exists()


def test_a_measured_session_inside_a_test_of_a_measured_session(project: Project):
    """The inner one measures its own source and gives the outer one its data back."""
    (project.path / "inner").mkdir()
    inner = make_project(project.path / "inner")
    project.write(
        {
            "tests/test_a.py": f"""
                import os, subprocess, sys
                def test_inner():
                    env = os.environ | {{
                        "PYTHONPATH": {str(inner.path / "src")!r} + ":" + {str(inner.measured)!r},
                        "MEASURED": {str(inner.measured)!r},
                    }}
                    command = [sys.executable, "-m", "pytest", "-p", "driver"]
                    subprocess.run(command, cwd={str(inner.path)!r}, env=env, check=True)
                """
        }
    )

    run = project.pytest("tests", "-p", "xdist", "-n1")

    assert run.exit_code == 0, run.output
    assert (run.measured.display, run.measured.problems) == ("83%", ())
    record = (inner.measured / "record.json").read_text()
    assert '"display":"83%"' in record
    assert '"problems"' not in record
