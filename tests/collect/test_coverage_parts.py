"""The parts of coverage collection that judge values, without running tests."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
from coverage.exceptions import CoverageWarning
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.collect.coverage.core import Wanted, choose_core
from pytest_malagate.collect.coverage.detail import (
    CoverageDetail,
    FileDetail,
    Totals,
    decode_detail,
    encode_detail,
)
from pytest_malagate.collect.coverage.processes import (
    ASSIGNMENT,
    SavedEnvironment,
    WorkerAssignment,
    WorkerReport,
    listed,
    read_report,
    write_report,
)
from pytest_malagate.collect.coverage.settings import Sources, package_directory, resolve_sources
from pytest_malagate.collect.coverage.sources import Snapshot, digest_file, syntax_line
from pytest_malagate.collect.coverage.warned import caught_warnings, slug_of, sort_warnings
from pytest_malagate.gate.evidence import CoverageProblem


@pytest.mark.parametrize(
    ("wanted", "python", "core"),
    [
        (Wanted(), (3, 11), "ctrace"),
        (Wanted(), (3, 12), "sysmon"),
        (Wanted(), (3, 13), "sysmon"),
        (Wanted(), (3, 14), None),
        (Wanted(branch=True), (3, 13), "ctrace"),
        (Wanted(dynamic_context=True), (3, 13), "ctrace"),
        (Wanted(plugins=("jinja",)), (3, 13), "ctrace"),
        (Wanted(concurrency=("gevent", "thread")), (3, 13), "ctrace"),
        (Wanted(concurrency=("thread", "multiprocessing")), (3, 13), "sysmon"),
        (Wanted(timid=True), (3, 13), None),
        (Wanted(core="pytrace"), (3, 13), "pytrace"),
        (Wanted(core="sysmon"), (3, 13), "sysmon"),
        (Wanted(core="sysmon", branch=True), (3, 14), "sysmon"),
    ],
)
def test_the_fastest_core_that_is_exact_is_chosen(wanted, python, core):
    choice = choose_core(wanted, python)

    assert (choice.core, choice.problem, choice.warning) == (core, None, None)


@pytest.mark.parametrize("wanted", [Wanted(dynamic_context=True), Wanted(plugins=("jinja",))])
def test_sysmon_where_it_would_lose_data_is_a_problem(wanted):
    explicit = Wanted(core="sysmon", dynamic_context=wanted.dynamic_context, plugins=wanted.plugins)

    problem = choose_core(explicit, (3, 13)).problem

    assert problem is not None
    assert problem.code == "coverage.core"


@pytest.mark.parametrize(
    ("wanted", "python"),
    [
        (Wanted(core="sysmon"), (3, 11)),
        (Wanted(core="sysmon", branch=True), (3, 13)),
        (Wanted(core="sysmon", concurrency=("greenlet",)), (3, 14)),
    ],
)
def test_sysmon_that_coverage_would_replace_anyway_is_a_warning(wanted, python):
    choice = choose_core(wanted, python)

    assert choice.core == "ctrace"
    assert choice.warning is not None


@pytest.mark.parametrize(
    ("path", "package", "directory"),
    [
        ("/w/src/a/b/c.py", "a.b", "/w/src/a/b"),
        ("/w/src/a/b/__init__.py", "a.b", "/w/src/a/b"),
        ("/w/src/a/b.py", "a.b", "/w/src/a/b.py"),
        ("/w/src/ab/c.py", "a.b", None),
        ("/w/src/xa/b.py", "a.b", None),
        ("/w/src/a/bc.py", "a.b", None),
    ],
)
def test_a_files_package_is_told_from_its_path(path, package, directory):
    assert package_directory(path, package) == directory


def test_a_source_that_is_a_directory_is_that_directory(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    sources = resolve_sources(("link", "real", "pkg", "pkg"), tmp_path)

    assert sources == Sources((str(tmp_path / "real"),), ("pkg",))
    assert sources.holds(str(tmp_path / "real/x.py"))
    assert not sources.holds(str(tmp_path / "really/x.py"))


WARNING = "Couldn't parse Python file '/x.py' (couldnt-parse); see https://example.org/m.html#w"


def test_coverage_warnings_are_caught_under_any_filter_and_keep_their_slug(recwarn):
    with caught_warnings() as texts:
        warnings.warn(WARNING, CoverageWarning, stacklevel=1)
        warnings.warn("of somebody else", ResourceWarning, stacklevel=1)

    assert texts == [WARNING]
    assert slug_of(WARNING) == "couldnt-parse"
    assert list(recwarn) == []


@pytest.mark.parametrize(
    ("text", "combining", "problems", "notes"),
    [
        (WARNING, False, ["coverage.unparsable"], []),
        ("Something (include-ignored); see https://x#w", False, [], ["coverage.warned"]),
        ("No data was collected. (no-data-collected); see https://x#w", False, [], []),
        ("Couldn't use data file 'x': no such table", True, ["coverage.combine"], []),
        ("Unrecognized option", False, [], ["coverage.warned"]),
    ],
)
def test_coverage_warnings_are_sorted_by_what_they_lose(text, combining, problems, notes):
    found = sort_warnings([text, text], combining=combining)

    assert [[item.code for item in items] for items in found] == [problems, notes]
    assert all("; see" not in item.message for items in found for item in items)


def assignment(controller: int) -> WorkerAssignment:
    return WorkerAssignment(
        session="s", root="/r//x", out="/o", source=("ä",), branch=None, controller=controller
    )


def test_a_worker_takes_its_assignment_once():
    environ = {ASSIGNMENT: assignment(os.getppid()).encode()}

    assert WorkerAssignment.take(environ) == assignment(os.getppid())
    assert environ == {}
    assert WorkerAssignment.take(environ) is None


@pytest.mark.parametrize("text", [assignment(1 << 30).encode(), "", "no hex", b"{}".hex(), "ff"])
def test_an_assignment_that_is_not_for_this_process_is_taken_away_unused(text: str):
    environ = {ASSIGNMENT: text}

    assert WorkerAssignment.take(environ) is None
    assert environ == {}


def test_a_workers_report_is_read_back(tmp_path: Path):
    problem = CoverageProblem(code="coverage.core", message="m", file="f", line=3)
    report = WorkerReport(worker="gw1", problems=(problem,), early={"/a.py": "a"}, forks=2)

    write_report(tmp_path, report)

    assert read_report(tmp_path, "gw1") == report
    assert [path.name for path in tmp_path.iterdir()] == ["worker-gw1.json"]


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"worker": 1}'])
def test_a_report_that_is_missing_or_broken_is_no_report(tmp_path: Path, content):
    if content is not None:
        (tmp_path / "worker-gw1.json").write_bytes(content)

    assert read_report(tmp_path, "gw1") is None


def test_coverages_variables_are_put_back_as_they_were():
    environ = {"COVERAGE_FILE": "mine"}
    saved = SavedEnvironment(environ)
    environ |= {"COVERAGE_FILE": "ours", "COVERAGE_PROCESS_CONFIG": ":data:", "OTHER": "kept"}

    saved.restore()

    assert environ == {"COVERAGE_FILE": "mine", "OTHER": "kept"}


def test_long_lists_of_names_are_cut_with_a_count():
    assert listed("bca") == "a, b, c"
    assert listed("abcdefg") == "a, b, c, d, e and 2 more"
    assert listed(["a\x1b[31m\n"]) == "a"


def test_a_snapshot_tells_changed_files_from_new_ones(tmp_path: Path):
    for name in ("same", "changed", "deleted", "touched"):
        (tmp_path / f"{name}.py").write_text("x = 1\n")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    (tmp_path / "venv" / "lib.py").touch()
    snapshot = Snapshot(Sources((str(tmp_path),)))

    (tmp_path / "changed.py").write_text("x = 2\n")
    (tmp_path / "deleted.py").unlink()
    os.utime(tmp_path / "touched.py", (0, 0))
    (tmp_path / "new.py").touch()

    found = {
        name: snapshot.change_of(path, digest_file(path))
        for name in ("same", "changed", "deleted", "touched", "new")
        for path in [str(tmp_path / f"{name}.py")]
    }
    assert found == {
        "same": None,
        "changed": "changed",
        "deleted": "deleted",
        "touched": None,
        "new": None,
    }


def test_outside_the_known_directories_the_time_of_change_decides(tmp_path: Path):
    old, new = tmp_path / "old.py", tmp_path / "new.py"
    old.touch()
    os.utime(old, (0, 0))
    snapshot = Snapshot(Sources(packages=("pkg",)))
    new.touch()
    os.utime(new, (1 << 32, 1 << 32))

    assert snapshot.change_of(str(old), digest_file(str(old))) is None
    assert snapshot.change_of(str(new), digest_file(str(new))) == "changed"
    assert snapshot.change_of(str(tmp_path / "none.py"), None) is None


def test_what_is_no_regular_file_has_no_digest(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")

    assert digest_file(str(tmp_path / "pipe")) is None
    assert digest_file(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        (b"x = 1\n", None, False),
        (b"x = 1\ndef f(:\n", 2, True),
        (b"\x00", None, True),
        (None, None, True),
    ],
)
def test_a_syntax_error_has_a_line_and_a_reason(tmp_path: Path, content, line, found):
    path = tmp_path / "m.py"
    if content is not None:
        path.write_bytes(content)

    at, reason = syntax_line(str(path))

    assert (at, bool(reason)) == (line, found)


lines = st.lists(st.integers(1, 10_000), max_size=5).map(tuple)
branches = st.lists(st.tuples(st.integers(1, 99), st.integers(-99, 99)), max_size=3).map(tuple)
files = st.builds(
    FileDetail,
    sha256=st.none() | st.text(max_size=8),
    statements=lines,
    missing=lines,
    executed_branches=branches,
)


@given(st.dictionaries(st.text(max_size=8), files, max_size=4), st.none() | st.text(max_size=4))
def test_a_detail_document_is_read_back_and_written_alike(found, tree):
    detail = CoverageDetail(
        schema="malagate/coverage@1",
        session="s",
        tree=tree,
        branch=True,
        totals=Totals(percent=1 / 3, display="33%", statements=3, missing=2, excluded=0),
        files=found,
    )
    backwards = CoverageDetail(
        schema=detail.schema,
        session="s",
        tree=tree,
        branch=True,
        totals=detail.totals,
        files=dict(reversed(found.items())),
    )

    assert decode_detail(encode_detail(detail)) == detail
    assert encode_detail(backwards) == encode_detail(detail)


def test_a_document_of_another_schema_is_refused():
    content = encode_detail(
        CoverageDetail(
            schema="malagate/coverage@2",
            session="s",
            tree=None,
            branch=False,
            totals=Totals(percent=1, display="1%", statements=1, missing=1, excluded=0),
            files={},
        )
    )

    with pytest.raises(ValueError, match="malagate/coverage@2"):
        decode_detail(content)
