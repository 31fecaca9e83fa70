"""However a pytest run ends, the journal tells the truth about it, and only a whole run passes.

The cases are those in which other reporters were seen to be wrong: they print "passed" for a test
that was interrupted, lose failures, or leave nothing at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest

from tests.conftest import Project, codes

FOUR = """import os, signal, sys, time, pytest
def test_first(): pass
def test_second(): pass
def test_third():
    {third}
def test_fourth(): assert False
"""


def third(code: str) -> dict[str, str]:
    """Four tests; the third does something, the fourth would fail."""
    return {"test_it.py": FOUR.format(third=code)}


@dataclass(frozen=True)
class Ending:
    """A run, and what must be said of it."""

    files: dict[str, str]
    exit: int
    codes: tuple[str, ...]  # of the result; () is a pass
    args: tuple[str, ...] = ()
    outcomes: dict[str, int] = field(default_factory=dict)  # of the journal's tests
    counts: dict[str, int] = field(default_factory=dict)  # of pytest's own summary line
    ended: bool = True  # False: the process was gone before it could end its journal


BAD_HOOK = """
    def pytest_runtest_logreport(report):
        if report.when == "call":
            raise RuntimeError("the reporter broke")
"""
SUBTESTS = """
    def test_parent(subtests):
        for i in range(3):
            with subtests.test(i=i):
                assert i == 0
    def test_a(): pass
    def test_b(): pass
"""
UNITTEST = """
    import unittest
    class TestCase(unittest.TestCase):
        def test_parent(self):
            for i in range(3):
                with self.subTest(i=i):
                    self.assertEqual(i, 0)
        def test_a(self): pass
        def test_b(self): pass
"""
XFAILS = """
    import pytest
    @pytest.mark.xfail
    def test_xfail(): assert False
    @pytest.mark.xfail
    def test_xpass(): pass
    @pytest.mark.xfail(strict=True)
    def test_strict(): pass
    @pytest.mark.xfail(run=False)
    def test_not_run(): assert False
"""
FLAKY = """
    def test_flaky(tmp_path_factory, request):
        path = tmp_path_factory.getbasetemp() / "count"
        count = int(path.read_text()) if path.exists() else 0
        path.write_text(str(count + 1))
        assert count == 2
    def test_b(): pass
"""
BOTH = """
    import pytest
    @pytest.fixture
    def broken():
        yield
        raise RuntimeError("in tear-down")
    def test_both(broken): assert 0
    def test_b(): pass
"""
SETUP = """
    import pytest
    @pytest.fixture
    def broken(): raise RuntimeError("in set-up")
    def test_error(broken): pass
    def test_b(): pass
"""
TWO = "def test_a(): pass\ndef test_b(): pass\n"
BROKEN_MODULE = {"test_bad.py": "import nowhere_to_be_found", "test_good.py": TWO}

ENDINGS = {
    "os-exit-0": Ending(third("os._exit(0)"), 0, ("evidence.unfinished",), ended=False),
    "os-exit-3": Ending(third("os._exit(3)"), 3, ("evidence.unfinished",), ended=False),
    "segfault": Ending(
        third("os.kill(os.getpid(), signal.SIGSEGV)"), -11, ("evidence.unfinished",), ended=False
    ),
    "sigterm": Ending(
        third("os.kill(os.getpid(), signal.SIGTERM)"), -15, ("evidence.unfinished",), ended=False
    ),
    "timeout-thread": Ending(
        third("time.sleep(30)"),
        1,
        ("evidence.unfinished",),
        args=("-p", "pytest_timeout", "--timeout=0.5", "--timeout-method=thread"),
        ended=False,
    ),
    "pytest-exit-0": Ending(
        third("pytest.exit('stop', 0)"),
        1,  # pytest's own 0 would be a lie
        ("evidence.partial",),
        outcomes={"passed": 2, "incomplete": 1},
        counts={"passed": 2},
    ),
    "keyboard-interrupt": Ending(
        third("raise KeyboardInterrupt"),
        2,
        ("evidence.partial",),
        outcomes={"passed": 2, "incomplete": 1},
        counts={"passed": 2},
    ),
    "sigint": Ending(
        third("os.kill(os.getpid(), signal.SIGINT); time.sleep(5)"),
        2,
        ("evidence.partial",),
        outcomes={"passed": 2, "incomplete": 1},
    ),
    "exception-in-a-reporting-hook": Ending(
        {"test_it.py": TWO, "conftest.py": BAD_HOOK},
        3,
        ("evidence.partial", "tests.internal-error"),
    ),
    "collection-error": Ending(
        BROKEN_MODULE, 2, ("evidence.partial", "tests.collection"), counts={"error": 1}
    ),
    "collection-error-and-on": Ending(
        BROKEN_MODULE,
        1,
        ("tests.collection",),
        args=("--continue-on-collection-errors",),
        outcomes={"passed": 2},
        counts={"error": 1, "passed": 2},
    ),
    "collection-error-with-workers": Ending(
        BROKEN_MODULE,
        1,
        ("tests.collection",),
        args=("-p", "xdist", "-n2"),
        outcomes={"passed": 2},
        counts={"error": 1, "passed": 2},
    ),
    "module-level-skip": Ending(
        {
            "test_it.py": TWO,
            "test_s.py": "import pytest\npytest.skip('no', allow_module_level=True)",
        },
        0,
        (),
        outcomes={"passed": 2},
        counts={"passed": 2, "skipped": 1},
    ),
    "nothing-but-skips": Ending(
        {"test_s.py": "import pytest\npytest.skip('no', allow_module_level=True)"},
        5,
        ("evidence.empty",),
        counts={"skipped": 1},
    ),
    "subtests": Ending(
        {"test_it.py": SUBTESTS},
        1,
        ("tests.failed",) * 3,
        outcomes={"failed": 1, "passed": 2},
        counts={"failed": 3, "passed": 2},
    ),
    "subtests-without-a-terminal": Ending(
        {"test_it.py": SUBTESTS},
        1,
        ("tests.failed",) * 3,
        args=("-p", "no:terminal"),
        outcomes={"failed": 1, "passed": 2},
        counts={"failed": 3, "passed": 2},
    ),
    "unittest-subtests": Ending(
        {"test_it.py": UNITTEST}, 1, ("tests.failed",) * 2, outcomes={"failed": 1, "passed": 2}
    ),
    "fails-in-call-and-tear-down": Ending(
        {"test_it.py": BOTH},
        1,
        ("tests.failed", "tests.errors"),
        outcomes={"failed": 1, "passed": 1},
        counts={"error": 1, "failed": 1, "passed": 1},
    ),
    "fails-in-set-up": Ending(
        {"test_it.py": SETUP},
        1,
        ("tests.errors",),
        outcomes={"error": 1, "passed": 1},
        counts={"error": 1, "passed": 1},
    ),
    "xfail-and-xpass": Ending(
        {"test_it.py": XFAILS},
        1,
        ("tests.failed",),
        outcomes={"xfailed": 2, "xpassed": 1, "failed": 1},
        counts={"failed": 1, "xfailed": 2, "xpassed": 1},
    ),
    "rerun-until-it-passes": Ending(
        {"test_it.py": FLAKY},
        0,
        (),
        args=("-p", "pytest_rerunfailures", "--reruns=2"),
        outcomes={"passed": 2},
        counts={"passed": 2, "rerun": 2},
    ),
    "worker-dies": Ending(
        third("os._exit(1)"),
        1,
        ("tests.failed", "tests.failed", "tests.worker-lost"),
        args=("-p", "xdist", "-n2"),
        outcomes={"failed": 2, "passed": 2},
        counts={"failed": 2, "passed": 2},
    ),
    "maxfail": Ending(
        {"test_it.py": "def test_a(): assert 0\ndef test_b(): pass\n"},
        1,
        ("evidence.partial", "tests.failed"),
        args=("-x",),
        counts={"failed": 1},
    ),
    "maxfail-with-workers": Ending(
        {
            "test_it.py": "import pytest\n@pytest.mark.parametrize('i', range(40))\ndef test_a(i): assert 0\n"
        },
        2,
        ("evidence.partial", "tests.failed"),
        args=("-p", "xdist", "-n2", "--maxfail=3"),
    ),
    "workers-collect-different-tests": Ending(
        {
            "test_it.py": "import os, pytest\n@pytest.mark.parametrize('i', "
            "[os.environ.get('PYTEST_XDIST_WORKER')])\ndef test_a(i): pass\n"
        },
        1,
        ("evidence.partial", "tests.collection"),
        args=("-p", "xdist", "-n2"),
    ),
    "no-tests-at-all": Ending({"module.py": ""}, 5, ("evidence.empty",)),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_an_ending_is_told_as_it_was(project: Project, name: str) -> None:
    ending = ENDINGS[name]
    if name.startswith("subtests") and pytest.version_tuple < (9,):
        pytest.skip("the fixture subtests came with pytest 9")
    project.files(ending.files).commit("a change")

    done = project.pytest(*ending.args)

    assert done.returncode == ending.exit, done.stdout + done.stderr
    result = project.check() if not ending.ended else project.result()
    assert tuple(sorted(set(codes(result)))) == tuple(sorted(set(ending.codes)))
    assert result["passed"] is (not ending.codes)
    run = project.evidence().tests["tests"]
    assert (run.finish is not None) is ending.ended
    if ending.outcomes:
        assert run.outcomes == ending.outcomes
    if ending.counts:
        assert run.finish is not None
        assert run.finish.counts == ending.counts


@pytest.mark.parametrize(
    "name", [n for n, e in ENDINGS.items() if e.ended and e.args[1:] != ("no:terminal",)]
)
def test_the_counts_are_those_of_the_summary_line(project: Project, name: str) -> None:
    ending = ENDINGS[name]
    project.files(ending.files).commit("a change")
    done = project.pytest("--color=no", *ending.args)
    finish = project.evidence().tests["tests"].finish
    assert finish is not None
    assert finish.counts == summary_line(done.stdout)


def summary_line(output: str) -> dict[str, int]:
    """The numbers of pytest's last line, by category, warnings apart."""
    line = [text for text in output.splitlines() if re.search(r" in [\d.]+s", text)][-1]
    words = {"errors": "error"}
    found = re.findall(r"(\d+) ([a-z][a-z ]*[a-z])", line.split(" in ")[0])
    return {words.get(word, word): int(n) for n, word in found if "warning" not in word}


@pytest.mark.parametrize(
    ("args", "files"),
    [
        ((), {"conftest.py": "import nowhere_to_be_found", "test_it.py": TWO}),
        (("--no-such-option",), {"test_it.py": TWO}),
    ],
    ids=["conftest-does-not-import", "unknown-option"],
)
def test_a_usage_error_leaves_no_pass_behind(
    project: Project, args: tuple[str, ...], files: dict[str, str]
) -> None:
    project.files(files).commit("a change")
    done = project.pytest(*args)
    assert done.returncode == 4
    assert "Traceback" not in done.stdout
    assert project.check()["exit"] != 0


def test_a_run_that_is_cut_off_withdraws_the_pass_before_it(project: Project) -> None:
    project.files(
        {"test_it.py": "import os\ndef test_a():\n    if os.environ.get('CUT'): os._exit(0)\n"}
    )
    project.commit("a change")
    assert project.pytest().returncode == 0
    assert project.result()["verdict"] == "pass"

    assert project.pytest(CUT="1").returncode == 0  # that is what pytest's caller sees

    assert project.result()["verdict"] == "inconclusive"
    assert project.check()["exit"] == 3


def test_a_shadowed_test_is_no_test_and_changes_nothing(project: Project) -> None:
    project.files({"test_it.py": "def test_a(): assert 0\ndef test_a(): pass\n"}).commit("a change")
    assert project.pytest().returncode == 0
    assert project.result()["tests"]["collected"] == 1


def test_five_megabytes_of_output_stay_out_of_the_journal(project: Project) -> None:
    project.files({"test_it.py": "def test_a():\n    print('x' * 5_000_000)\n    assert 0\n"})
    project.commit("a change")
    assert project.pytest("-q", "--show-capture=no").returncode == 1
    assert (project.out / "evidence.jsonl").stat().st_size < 10_000
