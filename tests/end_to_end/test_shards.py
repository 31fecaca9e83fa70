"""Real runs of a suite in parts, joined: what they come to, and what coverage.py makes of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
import pytest

from pytest_malagate.collect.coverage.detail import decode_detail, encode_detail
from pytest_malagate.collect.joining import Joined, Part, join, read_part
from pytest_malagate.collect.population import read_population
from pytest_malagate.collect.reading import read_evidence
from pytest_malagate.gate.facts import Facts
from pytest_malagate.gate.judge import judge
from pytest_malagate.gate.result import GateResult
from pytest_malagate.gate.retry import RetryState
from pytest_malagate.gate.spec import CoverageRule, Validation, ValidationKind, ValidationSpec
from tests.conftest import Project

FILES = {
    "malagate.yaml": """
        validations: {tests: {kind: test}}
        coverage: {source: [app], branch: true}
    """,
    "app/__init__.py": "",
    "app/shapes.py": """
        import sys


        def area(kind, a, b=0):
            if kind == "square":
                return a * a
            elif kind == "circle":
                return 3 * a * a
            for _ in range(b):
                if a > 10:
                    break
                a += 1
            else:
                a -= 1
            while a > 100:  # pragma: no branch
                a -= 1
            try:
                return {"x": a}[kind]
            except KeyError:
                return [i for i in range(a) if i % 2]


        def unused():  # pragma: no cover
            return 1


        class Shape:
            def __init__(self, kind):
                match kind:
                    case "a":
                        self.kind = 1
                    case "b":
                        self.kind = 2
                    case _:
                        self.kind = 3

            def never(self):
                with open(sys.argv[0]) as f:
                    return f.read() if self.kind else None
    """,
    "app/other.py": """
        def sign(n):
            return 1 if n > 0 else -1 if n < 0 else 0


        def loop(n):
            while n:
                n -= 1
                if n == 3:
                    continue
            return n
    """,
    "app/dead.py": """
        def nobody(x):
            if x:
                return 1
    """,
    "tests/test_a.py": """
        import pytest
        from app.shapes import Shape, area

        def test_square(): assert area("square", 2) == 4
        def test_circle(): assert area("circle", 2) == 12
        def test_loop(): assert area("x", 1, 3) == 3
        def test_shape(): assert Shape("a").kind == 1
        @pytest.mark.skip
        def test_skipped(): pass
        @pytest.mark.xfail
        def test_expected(): assert area("square", 1) == 2
    """,
    "tests/test_b.py": """
        from app.other import loop, sign
        from app.shapes import Shape, area

        def test_break(): assert area("x", 11, 3) == 11
        def test_other(): assert area("y", 4, 0) == [1]
        def test_sign(): assert sign(3) == 1
        def test_zero(): assert sign(0) == 0
        def test_while(): assert loop(5) == 0
        def test_shape(): assert Shape("z").kind == 3
    """,
}


def shard(project: Project, number: int, *args: str) -> Part:
    """What `pytest -p malagate` with these arguments leaves behind."""
    out = project.path.parent / f"shard-{number}"
    done = project.pytest(f"--malagate-out={out}", "--malagate-collect", *args)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    detail = out / "coverage.json"
    content = detail.read_bytes() if detail.exists() else None
    return read_part(f"shard-{number}", out / "evidence.jsonl", content)


def verdict(joined: Joined, coverage: CoverageRule | None = None) -> GateResult:
    tests = Validation(name="tests", kind=ValidationKind.TEST)
    spec = ValidationSpec(validations=(tests,), required=("tests",), coverage=coverage)
    tree = joined.evidence.tests["tests"].start.tree
    facts = Facts(judged_tree=tree, working_tree=tree)
    return judge(spec, joined.evidence, facts, RetryState())


@pytest.fixture
def suite(project: Project) -> Project:
    project.unmeasured().files(FILES).commit("a suite")
    return project


HALVES = [
    (["-k", "square or sign or loop"], ["-k", "not (square or sign or loop)"]),
    (["tests/test_a.py"], ["tests/test_b.py"]),
    (["-k", "test_a", "-n2"], ["-k", "not test_a", "-n2"]),
]


@pytest.mark.parametrize("halves", HALVES, ids=["by -k", "by path", "by -k in workers"])
def test_halves_of_a_suite_are_the_suite(suite: Project, halves: tuple[list[str], ...]) -> None:
    plugins = ("-p", "xdist") if "-n2" in halves[0] else ()
    parts = [shard(suite, n, *plugins, *args) for n, args in enumerate(halves)]
    whole = join([shard(suite, 9)])
    joined = join(parts)
    rule = CoverageRule(min_percent=1)
    result, unsharded = verdict(joined, rule), verdict(whole, rule)
    assert result.failure_reasons == ()
    assert result.tests == unsharded.tests
    assert result.coverage == unsharded.coverage
    assert joined.populations == whole.populations
    assert joined.details["tests"].files == whole.details["tests"].files
    assert joined.details["tests"].totals == whole.details["tests"].totals
    for part in parts:
        assert not verdict(join([part]), rule).passed


def test_coverage_is_what_coverage_py_itself_combines(suite: Project) -> None:
    thirds = (
        ["-k", "square or sign"],
        ["-k", "circle or while"],
        ["-k", "not (square or sign or circle or while)"],
    )
    joined = join([shard(suite, n, *args) for n, args in enumerate(thirds)])
    options = ("--branch", "--source=app", "--data-file")
    for number, args in enumerate(thirds):
        coverage = (sys.executable, "-m", "coverage", "run", *options, f".coverage.{number}")
        suite.call(*coverage, "-m", "pytest", "-p", "no:cacheprovider", *args)
    suite.call(sys.executable, "-m", "coverage", "combine")
    suite.call(sys.executable, "-m", "coverage", "json", "-o", "combined.json")
    theirs = json.loads((suite.path / "combined.json").read_text())["totals"]
    ours = joined.evidence.tests["tests"].coverage
    assert ours is not None
    assert ours.problems == ()
    assert 50 < ours.percent < 100
    assert ours.percent == theirs["percent_covered"]
    assert ours.display == f"{theirs['percent_covered_display']}%"
    assert {
        "num_statements": ours.statements,
        "missing_lines": ours.missing,
        "excluded_lines": ours.excluded,
        "num_branches": ours.branches,
        "num_partial_branches": ours.partial_branches,
        "covered_branches": ours.covered_branches,
    } == {key: theirs[key] for key in theirs if key.startswith(("num_", "covered_b"))} | {
        key: theirs[key] for key in ("missing_lines", "excluded_lines")
    }


def test_a_part_without_its_lines_leaves_the_sum_unknown(suite: Project) -> None:
    first, second = (shard(suite, n, *args) for n, args in enumerate(HALVES[1]))
    joined = join([first, msgspec.structs.replace(second, detail=None)])
    result = verdict(joined, CoverageRule(min_percent=1))
    assert [why.code for why in result.reasons] == ["coverage.combine"]
    assert "shard-1" in result.failure_reasons[0]
    assert joined.populations["tests"].percent is None


def test_lines_of_another_version_of_a_file_are_not_added(suite: Project) -> None:
    first, second = (shard(suite, n, *args) for n, args in enumerate(HALVES[1]))
    assert second.detail is not None
    files = dict(second.detail.files)
    files["app/other.py"] = msgspec.structs.replace(files["app/other.py"], sha256="sha256:0")
    detail = msgspec.structs.replace(second.detail, files=files)
    joined = join([first, msgspec.structs.replace(second, detail=detail)])
    result = verdict(joined, CoverageRule(min_percent=1))
    assert [(why.code, why.file) for why in result.reasons] == [
        ("coverage.source-changed", "app/other.py")
    ]


def test_lines_that_the_log_does_not_name_are_not_believed(suite: Project, tmp_path: Path) -> None:
    shard(suite, 0)
    out = suite.path.parent / "shard-0"
    detail = decode_detail((out / "coverage.json").read_bytes())
    totals = msgspec.structs.replace(detail.totals, missing=0)
    forged = encode_detail(msgspec.structs.replace(detail, totals=totals))
    assert read_part("p", out / "evidence.jsonl", forged).detail is None
    assert read_part("p", out / "evidence.jsonl", encode_detail(detail)).detail == detail


def test_the_population_of_a_run_is_read_from_its_journal(suite: Project) -> None:
    suite.pytest("--malagate-collect")
    log = suite.out / "evidence.jsonl"
    run = read_evidence(log).tests["tests"]
    found = read_population(log, run)
    assert len(found.ran) == 10
    assert found.skipped == {"tests/test_a.py::test_skipped", "tests/test_a.py::test_expected"}
    assert run.coverage is not None
    assert (found.percent, found.tree) == (run.coverage.percent, run.start.tree)
    assert found.commit == suite.git("rev-parse", "HEAD")


def test_only_the_latest_session_is_the_population(suite: Project) -> None:
    suite.pytest("--malagate-collect")
    suite.pytest("--malagate-collect", "tests/test_b.py")
    log = suite.out / "evidence.jsonl"
    found = read_population(log, read_evidence(log).tests["tests"])
    assert {test.partition("::")[0] for test in found.ran} == {"tests/test_b.py"}


def test_a_module_that_skips_itself_is_set_aside(project: Project) -> None:
    project.files(
        {
            "test_a.py": "import pytest\npytest.skip(allow_module_level=True)\n",
            "test_b.py": "def test_b(): pass\n",
        }
    ).commit("a change")
    project.pytest("--malagate-collect")
    log = project.out / "evidence.jsonl"
    found = read_population(log, read_evidence(log).tests["tests"])
    assert (found.ran, found.set_aside) == ({"test_b.py::test_b"}, {"test_a.py"})


SHARDING = """
    def pytest_addoption(parser):
        parser.addoption("--num-shards", dest="num_shards", type=int, default=1)
        parser.addoption("--shard-id", dest="shard_id", type=int, default=0)

    def pytest_collection_modifyitems(config, items):
        items[:] = items[config.option.shard_id::config.option.num_shards]
"""


def test_shards_of_a_plugin_that_tells_nobody_are_seen(project: Project) -> None:
    suite = {f"test_{n}.py": "def test_a(): pass\ndef test_b(): pass\n" for n in range(3)}
    project.files({"sharding.py": SHARDING, **suite}).commit("a change")
    thirds = [
        shard(project, n, "-p", "sharding", "--num-shards=3", f"--shard-id={n}") for n in range(3)
    ]
    assert verdict(join(thirds)).passed
    for some in (thirds[:1], thirds[:2], thirds[1:]):
        assert [why.code for why in verdict(join(some)).reasons] == ["evidence.partial"]
