"""Every way to lose coverage data is noticed and said; what loses none measures right."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.plugin.coverage_project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


def only_problem(project: Project, *arguments: str):
    """The one problem of a run."""
    run = project.pytest(*arguments)
    assert len(run.measured.problems) == 1, (run.measured.problems, run.output)
    return run.measured.problems[0]


@pytest.mark.parametrize(
    ("statement", "arguments", "exit_code"),
    [
        ("assert False", ["-x"], 1),
        ("raise KeyboardInterrupt", [], 2),
        ("__import__('pytest').exit('enough', 0)", [], 0),
    ],
    ids=["-x", "KeyboardInterrupt", "pytest.exit"],
)
def test_a_run_that_stops_early_is_measured_up_to_there(
    project: Project, statement, arguments, exit_code
):
    project.write({"tests/test_z.py": f"def test_z():\n    {statement}\n\ndef test_y(): 1 / 0\n"})

    run = project.pytest(*arguments)

    assert run.exit_code == exit_code
    assert (run.measured.display, run.measured.problems) == ("83%", ())


def test_x_with_workers_loses_no_workers_data(project: Project):
    project.write({"tests/test_a.py": "def test_a():\n    assert False\n"})

    run = project.pytest("-x", "-p", "xdist", "-n2", "--dist=each")

    assert run.exit_code == 2
    assert (run.measured.statements, run.measured.problems) == (6, ())


@pytest.mark.parametrize("source", ["pgk", "src/pgk"])
def test_a_misspelt_source_is_named(project: Project, source: str):
    project.drive(source=["src", source])

    problem = only_problem(project)

    assert problem.code == "coverage.no-source"
    assert repr(source) in problem.message


def test_a_source_file_that_cannot_be_parsed_is_named_with_its_line(project: Project):
    project.write({"src/pkg/broken.py": "x = 1\ndef f(:\n"})

    problem = only_problem(project, "-W", "error")

    assert (problem.code, problem.file, problem.line) == (
        "coverage.unparsable",
        "src/pkg/broken.py",
        2,
    )
    assert "(couldnt-parse)" in problem.message


def test_the_projects_silenced_warnings_are_heard_all_the_same(project: Project):
    project.write(
        {
            "src/pkg/broken.py": "def f(:\n",
            ".coveragerc": "[run]\ndisable_warnings = couldnt-parse\n",
        }
    )

    assert only_problem(project).code == "coverage.unparsable"


TRACING = """
import sys, threading

def test_1_takes_and_gives_back():
    former = sys.gettrace()
    sys.settrace(None)
    sys.settrace(former)

def test_2_takes():
    {statement}

def test_3_is_innocent():
    pass
"""


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n1")], ids=["alone", "worker"])
@pytest.mark.parametrize("call", ["sys.settrace(None)", "threading.settrace(None)"])
def test_the_first_test_after_which_tracing_was_gone_is_named(project: Project, call, workers):
    project.environment = {"COVERAGE_CORE": "ctrace"}
    project.write({"tests/test_a.py": TRACING.format(statement=call)})

    problem = only_problem(project, *workers)

    assert problem.code == "coverage.tracer-lost"
    assert "tests/test_a.py::test_2_takes" in problem.message
    assert ("gw0: " in problem.message) == bool(workers)


def test_taking_the_trace_function_and_giving_it_back_is_no_problem(project: Project):
    project.environment = {"COVERAGE_CORE": "ctrace"}
    project.write({"tests/test_a.py": TRACING.format(statement="pass")})

    assert project.pytest().measured.problems == ()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring exists from 3.12 on")
@pytest.mark.parametrize(
    "call",
    [
        "sys.monitoring.free_tool_id(sys.monitoring.COVERAGE_ID)",
        "sys.monitoring.set_events(sys.monitoring.COVERAGE_ID, 0)",
    ],
)
def test_monitoring_that_was_taken_away_is_noticed(project: Project, call):
    project.drive(source=["src"], branch=False)
    project.write({"tests/test_a.py": TRACING.format(statement=call)})

    run = project.pytest()

    assert run.measured.core == "sysmon"
    assert run.problem_codes == ["coverage.tracer-lost"]
    assert "test_2_takes" in run.measured.problems[0].message
    assert "Traceback" not in run.output


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n1")], ids=["alone", "worker"])
def test_a_measurement_that_a_test_leaves_running_is_a_problem(project: Project, workers):
    project.write(
        {
            "tests/test_a.py": """
                import coverage
                def test_a():
                    coverage.Coverage(data_file=None).start()
                """
        }
    )

    run = project.pytest(*workers)

    assert set(run.problem_codes) == {"coverage.tracer-lost"}
    assert "test_a" in run.measured.problems[0].message
    assert run.measured.percent is not None


def test_a_measurement_that_a_test_starts_and_stops_is_no_problem(project: Project):
    project.write(
        {
            "tests/test_a.py": """
                import coverage
                def test_a():
                    with coverage.Coverage(data_file=None).collect():
                        pass
                """
        }
    )

    run = project.pytest()

    assert (run.measured.display, run.measured.problems) == ("83%", ())


def test_modules_imported_before_the_measuring_are_named(project: Project):
    project.write({"src/early_plugin.py": "import pkg.numbers\n"})
    project.drive(source=["src/pkg"])

    run = project.pytest("-p", "early_plugin", "-p", "driver")
    late = project.pytest("-p", "driver")

    assert run.problem_codes == ["coverage.imported-early"]
    assert run.measured.problems[0].message.endswith(": pkg.numbers")
    assert late.problem_codes == []


def test_workers_measure_what_the_controller_imported_early(project: Project):
    project.write({"src/early_plugin.py": "import pkg.numbers\n"})
    project.drive(source=["src/pkg"])

    run = project.pytest("-p", "early_plugin", "-p", "xdist", "-n2")

    assert (run.measured.display, run.measured.problems) == ("83%", ())


def test_a_crashed_worker_is_named_and_the_others_data_survives(project: Project):
    project.write({"tests/test_a.py": "import os\ndef test_a(): os._exit(1)\n"})

    run = project.pytest("-p", "xdist", "-n2")

    assert run.problem_codes == ["coverage.worker-lost"]
    assert run.measured.problems[0].message.startswith("gw")
    assert run.measured.missing == 1


def test_a_worker_that_does_not_answer_is_lost(project: Project):
    """As one on another machine is: it finds no data directory."""
    project.write(
        {"src/plug.py": "def pytest_xdist_setupnodes(specs):\n    specs[0].env.clear()\n"}
    )
    project.drive(source=["src/pkg"], deaf=True)

    problem = only_problem(project, "-p", "xdist", "-n1", "-p", "plug")

    assert (problem.code, problem.message[:4]) == ("coverage.worker-lost", "gw0 ")


def test_a_pytest_that_a_test_starts_is_no_worker(project: Project):
    project.write(
        {
            "tests/test_a.py": """
                import os
                def test_a():
                    assert "PYTEST_MALAGATE_COVERAGE" not in os.environ
                    assert os.environ["PYTEST_XDIST_WORKER"] == "gw0"
                """
        }
    )

    run = project.pytest("-p", "xdist", "-n1")

    assert (run.exit_code, run.problem_codes) == (0, []), run.output


def test_data_that_cannot_be_combined_is_a_problem_and_costs_only_itself(project: Project):
    project.write(
        {
            "tests/conftest.py": """
                import coverage, glob, os
                def pytest_sessionfinish(session):
                    directory = glob.glob("malagate-out/coverage-data/*")[0]
                    data = coverage.CoverageData(basename=f"{directory}/data", suffix="other")
                    data.add_arcs({os.path.abspath("src/pkg/numbers.py"): [(1, 2)]})
                    data.write()
                    data.close()
                    open(f"{directory}/data.broken", "w").write("no database")
                """
        }
    )

    run = project.pytest("-W", "error")

    assert run.problem_codes == ["coverage.combine", "coverage.combine"], run.measured.problems
    assert any("branch" in problem.message for problem in run.measured.problems)


def test_a_run_that_executes_nothing_of_the_source_has_no_data(project: Project):
    project.write({"tests/test_numbers.py": "def test(): pass\n"})

    assert only_problem(project).code == "coverage.no-data"


def test_a_source_without_statements_has_no_data(project: Project):
    project.write({"empty/__init__.py": ""})
    project.drive(source=["empty"])

    problem = only_problem(project)

    assert problem.code == "coverage.no-data"


def test_an_output_directory_that_cannot_be_written_is_a_problem(project: Project):
    project.write({"file": ""})
    project.drive(source=["src"], out=str(project.path / "file" / "below"))

    problem = only_problem(project)

    assert problem.code == "coverage.write"


def test_data_that_cannot_be_saved_is_a_problem(project: Project):
    project.write(
        {
            "tests/conftest.py": """
                import glob, shutil
                def pytest_sessionfinish(session):
                    shutil.rmtree(glob.glob("malagate-out/coverage-data/*")[0])
                """
        }
    )

    run = project.pytest()

    assert run.problem_codes[0] == "coverage.write"
    assert run.measured.percent is None


def test_a_source_file_that_changed_during_the_run_is_named(project: Project):
    project.write(
        {
            "tests/test_a.py": """
                from pathlib import Path
                def test_a():
                    Path("src/pkg/numbers.py").open("a").write("\\n\\nx = 1\\n")
                    Path("src/pkg/made.py").write_text("x = 1\\n")
                """,
        }
    )

    problem = only_problem(project)

    assert (problem.code, problem.file) == ("coverage.source-changed", "src/pkg/numbers.py")


def test_a_source_file_that_was_deleted_during_the_run_is_named(project: Project):
    project.write(
        {
            "src/pkg/gone.py": "x = 1\n",
            "tests/test_a.py": """
                import os, pkg.gone
                def test_a(): os.unlink("src/pkg/gone.py")
                """,
        }
    )

    run = project.pytest()

    assert "coverage.source-changed" in run.problem_codes


def test_files_that_no_report_knows_are_counted_in_a_warning(project: Project):
    project.write(
        {
            "src/loose/one.py": "x = 1\n",
            "src/loose/two.py": "x = 1\n",
            "src/loose/left.py": "x = 1\n",
            ".coveragerc": "[run]\nomit = src/loose/left.py\n",
        }
    )

    run = project.pytest()

    assert run.warning_codes == ["coverage.unreported"]
    assert "(2): src/loose/one.py, src/loose/two.py" in run.measured.warnings[0].message


def test_forked_processes_that_are_not_measured_are_counted_in_a_warning(project: Project):
    project.write(
        {
            "tests/test_a.py": """
                import os
                def test_a():
                    child = os.fork()
                    if not child:
                        os._exit(0)
                    os.waitpid(child, 0)
                """
        }
    )

    run = project.pytest()

    assert run.warning_codes == ["coverage.subprocess"]
    assert run.problem_codes == []


def test_a_configuration_that_coverage_refuses_is_a_problem(project: Project):
    project.write({".coveragerc": "[run]\nbranch = perhaps\n"})

    run = project.pytest()

    assert set(run.problem_codes) == {"coverage.config"}
    assert run.exit_code == 0, run.output


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring exists from 3.12 on")
def test_contexts_with_sysmon_are_a_problem(project: Project):
    project.write({".coveragerc": "[run]\ndynamic_context = test_function\n"})
    project.environment = {"COVERAGE_CORE": "sysmon"}

    assert only_problem(project).code == "coverage.core"


def test_a_session_that_never_began_leaves_nothing_behind(project: Project):
    project.write({"tests/conftest.py": "1 / 0\n"})

    run = project.pytest("tests")

    assert run.exit_code == 4
    assert list((project.path / "malagate-out").iterdir()) == []
