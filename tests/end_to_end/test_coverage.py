"""Coverage at the gate: the totals are coverage.py's own, and what was lost is never a pass."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.conftest import Project, codes

POLICY = "coverage: {{source: [src], min_percent: {bound}{more}}}\n"
FILES = {
    "src/pkg/__init__.py": "",
    "src/pkg/calc.py": """
        def sign(x):
            if x > 0:
                return 1
            if x < 0:
                return -1
            return 0
        def never():
            return 1
    """,
    "tests/test_calc.py": "from pkg.calc import sign\ndef test_a(): assert sign(1) == 1\ndef test_b(): assert sign(0) == 0\n",
    "pyproject.toml": """
        [tool.pytest.ini_options]
        pythonpath = ["src"]
        testpaths = ["tests"]
        [tool.coverage.report]
        precision = 3
    """,
}


@pytest.fixture
def covered(project: Project) -> Project:
    """75 % of its lines are run."""
    project.files(FILES | {"malagate.yaml": POLICY.format(bound=70, more="")}).commit("start")
    return project


def own_total(project: Project, *options: str) -> str:
    """What coverage.py by itself prints for the same tests."""
    run = (sys.executable, "-m", "coverage", "run", "--source=src", *options, "-m", "pytest", "-q")
    assert project.call(*run).returncode == 0
    done = project.call(sys.executable, "-m", "coverage", "report", "--format=total")
    (project.path / ".coverage").unlink()
    return done.stdout.strip()


@pytest.mark.parametrize("args", [(), ("-p", "xdist", "-n2"), ("-p", "pytest_cov", "--cov=src")])
@pytest.mark.parametrize("branch", [False, True], ids=["lines", "branches"])
def test_the_total_is_that_of_coverage_report(covered: Project, args, branch: bool) -> None:
    more = f", branch: {str(branch).lower()}"
    config = FILES["pyproject.toml"] + (
        "[tool.coverage.run]\n        branch = true\n" if branch else ""
    )
    covered.files(
        {"malagate.yaml": POLICY.format(bound=70, more=more), "pyproject.toml": config}
    ).commit("set")
    done = covered.pytest(*args)
    assert done.returncode == 0, done.stdout
    coverage = covered.result()["coverage"]
    assert coverage["display"].rstrip("%") == own_total(covered, *(["--branch"] if branch else []))


def test_below_the_bound_it_fails_and_names_both_numbers(covered: Project) -> None:
    covered.files({"malagate.yaml": POLICY.format(bound=75.04, more="")}).commit("raise it")
    assert covered.pytest().returncode == 1
    result = covered.result()
    assert codes(result) == ["coverage.total"]
    assert "75.00%" in result["failure_reasons"][0]
    assert "75.04%" in result["failure_reasons"][0]


LOST = {
    "a misspelt source": (
        {"malagate.yaml": "coverage: {source: [srx], min_percent: 0}\n"},
        "coverage.no-source",
    ),
    "a file that cannot be parsed": ({"src/pkg/bad.py": "def f(:\n"}, "coverage.unparsable"),
    "a test that ends the tracing": (
        {
            "tests/test_calc.py": "import sys\nfrom pkg.calc import sign\n"
            "def test_a(): sys.settrace(None)\ndef test_b(): sign(1)\n"
        },
        "coverage.tracer-lost",
    ),
}


@pytest.mark.skipif("COVERAGE_CORE" in os.environ, reason="another core has another tracer")
@pytest.mark.parametrize("what", LOST)
def test_lost_data_is_never_a_pass_and_is_said(covered: Project, what: str) -> None:
    files, code = LOST[what]
    if code == "coverage.tracer-lost" and sys.version_info >= (3, 12):
        pytest.skip("lines are measured by sys.monitoring there, which settrace does not end")
    covered.files({"malagate.yaml": POLICY.format(bound=0, more="")} | files).commit("lose it")
    done = covered.pytest()
    assert done.returncode == 1
    assert codes(covered.result()) == [code]
    assert code in done.stdout


def test_a_run_that_was_cut_off_leaves_no_coverage_to_believe(covered: Project) -> None:
    covered.files({"tests/test_z.py": "import os\ndef test_z(): os._exit(0)\n"}).commit("cut")
    covered.pytest()
    assert covered.check()["verdict"] == "inconclusive"
    assert covered.check()["coverage"] is None


def test_a_part_of_the_suite_is_not_held_against_the_bound(covered: Project) -> None:
    covered.files({"malagate.yaml": POLICY.format(bound=75, more="")}).commit("raise it")
    covered.pytest("-k", "test_a")
    assert codes(covered.result()) == ["evidence.partial"]


def test_coverage_of_other_files_is_stale_with_its_run(covered: Project) -> None:
    assert covered.pytest().returncode == 0
    covered.files({"src/pkg/calc.py": "def sign(x): return 0\n"})
    assert set(codes(covered.check())) == {"evidence.stale"}


def test_the_detail_holds_a_digest_of_each_file(covered: Project) -> None:
    covered.pytest()
    detail = json.loads((covered.out / "coverage.json").read_text())
    assert detail["schema"] == "malagate/coverage@1"
    assert detail["files"]["src/pkg/calc.py"]["sha256"]


# --- a Cobertura report that the policy names ---

XML = '<?xml version="1.0" ?>\n<coverage line-rate="{rate}" version="7"><packages/></coverage>'


@pytest.fixture
def reported(project: Project) -> Project:
    policy = POLICY.format(bound=85, more=", report: coverage.xml")
    project.files(FILES | {"malagate.yaml": policy}).commit("start")
    return project


def with_report(project: Project, content: str | None) -> dict:
    project.pytest("-q")
    if content is not None:
        (project.path / "coverage.xml").write_text(content)
    return project.check()


@pytest.mark.parametrize(("rate", "passes"), [("0.9", True), ("0.85", True), ("0.8499", False)])
def test_a_report_s_rate_is_held_against_the_bound(
    reported: Project, rate: str, passes: bool
) -> None:
    result = with_report(reported, XML.format(rate=rate))
    assert result["passed"] is passes
    if not passes:
        assert "84.99%" in result["failure_reasons"][0]


BAD_REPORTS = {
    "coverage.report-missing": None,
    "coverage.report-not-xml": "line-rate=1",
    "coverage.report-root": '<report line-rate="1"/>',
    "coverage.report-no-rate": "<coverage/>",
    "coverage.report-rate": XML.format(rate="1.5"),
}


@pytest.mark.parametrize("code", BAD_REPORTS)
def test_a_report_that_cannot_be_believed_is_never_a_pass(reported: Project, code: str) -> None:
    result = with_report(reported, BAD_REPORTS[code])
    assert (result["exit"], codes(result)) == (1, [code])
    assert result["reasons"][0]["file"] == "coverage.xml"


def test_a_report_that_is_older_than_the_run_is_stale(reported: Project) -> None:
    (reported.path / "coverage.xml").write_text(XML.format(rate="1.0"))
    os.utime(Path(reported.path / "coverage.xml"), (1, 1))
    assert codes(with_report(reported, None)) == ["coverage.stale"]
