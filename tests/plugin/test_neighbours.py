"""Beside the plugins that projects use, and idle where it was not asked for."""

from __future__ import annotations

import sys

import pytest

from tests.conftest import Project, codes

SUITE = {
    "test_it.py": """
        import pytest
        @pytest.mark.parametrize("value", ["a b", "ä/ö", "x::y", "[", "\\n", "\\x00", "\\ud800", ""])
        def test_value(value): pass
        def test_skip(): pytest.skip("no")
        @pytest.mark.xfail
        def test_xfail(): assert 0
        class TestClass:
            def test_method(self): pass
    """,
    "package/test_more.py": "def test_more(): pass\n",
}
COUNTS = {"passed": 10, "skipped": 1, "xfailed": 1}

NEIGHBOURS = {
    "alone": (),
    "xdist": ("-p", "xdist", "-n2"),
    "xdist-loadfile": ("-p", "xdist", "-n2", "--dist=loadfile"),
    "cov": ("-p", "pytest_cov", "--cov=."),
    "cov-and-xdist": ("-p", "pytest_cov", "--cov=.", "-p", "xdist", "-n2"),
    "rerunfailures": ("-p", "pytest_rerunfailures", "--reruns=1"),
    "randomly": ("-p", "randomly"),
    "asyncio": ("-p", "pytest_asyncio", "-o", "asyncio_default_fixture_loop_scope=function"),
    "timeout": ("-p", "pytest_timeout", "--timeout=60"),
    "no-terminal": ("-p", "no:terminal"),
    "importlib": ("--import-mode=importlib",),
    "no-capture": ("-s",),
    "quiet": ("-qq",),
    "verbose": ("-vv",),
    "warnings-as-errors": ("-W", "error"),
    "strict": ("-o", "strict=true"),
    "junit": ("--junitxml=junit.xml",),
    "no-cacheprovider": ("-p", "no:cacheprovider"),
    "plain-asserts": ("--assert=plain",),
}


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_the_same_suite_gives_the_same_counts_beside(project: Project, name: str) -> None:
    project.files(SUITE).commit("a change")
    done = project.pytest(*NEIGHBOURS[name])
    assert done.returncode == 0, done.stdout + done.stderr
    finish = project.evidence().tests["tests"].finish
    assert finish is not None
    assert finish.counts == COUNTS
    assert (finish.collected, finish.reported) == (12, 12)
    assert "Traceback" not in done.stdout + done.stderr


def test_each_worker_of_dist_each_is_counted(project: Project) -> None:
    project.files({"test_it.py": "def test_a(): pass\ndef test_b(): pass\n"}).commit("a change")
    assert project.pytest("-p", "xdist", "--dist=each", "--tx=2*popen").returncode == 0
    assert project.result()["tests"]["passed"] == 4


def test_deselection_in_workers_is_seen(project: Project) -> None:
    project.files(SUITE).commit("a change")
    project.pytest("-p", "xdist", "-n2", "-k", "test_value")
    result = project.result()
    assert codes(result) == ["evidence.partial"]
    assert (result["tests"]["collected"], result["tests"]["deselected"]) == (12, 4)


def test_deselection_by_a_conftest_is_seen(project: Project) -> None:
    conftest = """
        def pytest_collection_modifyitems(config, items):
            config.hook.pytest_deselected(items=items[1:])
            del items[1:]
    """
    project.files(SUITE | {"conftest.py": conftest}).commit("a change")
    assert project.pytest().returncode == 1
    assert codes(project.result()) == ["evidence.partial"]


def test_tests_that_a_conftest_drops_in_silence_are_what_was_collected(project: Project) -> None:
    """Nobody but the base's own collection can know of them: the population check's business."""
    conftest = "def pytest_collection_modifyitems(items): del items[1:]\n"
    project.files(SUITE | {"conftest.py": conftest}).commit("a change")
    project.pytest()
    assert project.result()["tests"]["collected"] == 1


def test_a_plugin_that_fails_the_session_at_its_end_is_no_pass(project: Project) -> None:
    conftest = "def pytest_sessionfinish(session): session.exitstatus = 7\n"
    project.files({"test_it.py": "def test_a(): pass\n", "conftest.py": conftest}).commit(
        "a change"
    )
    assert project.pytest().returncode == 7
    assert codes(project.result()) == ["tests.exit-status"]


def test_a_nested_pytest_is_a_session_of_its_own(project: Project) -> None:
    outer = """
        import subprocess, sys
        def test_nested(tmp_path):
            (tmp_path / "test_inner.py").write_text("def test_x(): assert 0")
            code = subprocess.call([sys.executable, "-m", "pytest", "-p", "malagate", str(tmp_path)], cwd=tmp_path)
            assert code == 1
    """
    project.files({"test_outer.py": outer}).commit("a change")
    for args in ((), ("-p", "xdist", "-n1")):
        assert project.pytest(*args).returncode == 0
        run = project.evidence().tests["tests"]
        assert (run.reported, run.failures) == (1, ())


def test_tests_that_patch_time_and_leave_the_directory_are_recorded(project: Project) -> None:
    rude = """
        import builtins, os, time
        def test_rude(monkeypatch, tmp_path):
            time.time = time.perf_counter = time.monotonic = lambda: None
            os.write = os.fstat = os.open = None
            os.chdir(tmp_path)
            builtins.open = None
        def test_after(): pass
    """
    project.files({"test_it.py": rude}).commit("a change")
    project.pytest("-p", "no:cacheprovider", "-s")
    run = project.evidence().tests["tests"]
    assert run.reported == 2


@pytest.mark.parametrize(
    "args", [("--collect-only",), ("--fixtures",), ("--version",), ("--help",), ("--markers",)]
)
def test_a_call_that_runs_no_test_leaves_the_evidence_as_it_was(project: Project, args) -> None:
    project.files({"test_it.py": "def test_a(): pass\n"}).commit("a change")
    assert project.pytest().returncode == 0
    before = (project.out / "evidence.jsonl").read_bytes()
    assert project.pytest(*args).returncode == 0
    assert (project.out / "evidence.jsonl").read_bytes() == before
    assert project.check()["verdict"] == "pass"


def test_collecting_records_and_does_not_judge(project: Project) -> None:
    project.files(
        {"test_it.py": "def test_a(): pass\n", "malagate.yaml": "scopes: {task: [tests]}"}
    )
    project.commit("a change")
    done = project.pytest("--malagate-collect")
    assert done.returncode == 0
    assert "recorded" in done.stdout
    assert not (project.out / "gate-result.json").exists()
    assert project.check()["verdict"] == "pass"


def test_a_named_output_directory_and_policy_are_used(project: Project) -> None:
    project.files({"test_it.py": "def test_a(): pass\n", "rules/own.yaml": "scopes: {task: []}\n"})
    project.commit("a change")
    for _ in range(2):  # the second time the directory exists, which must not move the rootdir
        done = project.pytest("--malagate-out=elsewhere", "--malagate-policy=rules/own.yaml")
        assert done.returncode == 0, done.stdout
        assert "rootdir: " + str(project.path) in done.stdout
    assert (project.path / "elsewhere" / "gate-result.json").exists()
    assert not project.out.exists()


# --- run, and what it starts ---


def test_a_validation_s_own_test_command_counts_under_its_name(project: Project) -> None:
    command = f"{sys.executable} -m pytest -p malagate"
    policy = (
        f"validations:\n  slow: {{kind: test, command: {command} slow}}\n  unit: {{kind: test}}\n"
    )
    project.files({"malagate.yaml": policy, "slow/test_s.py": "def test_s(): pass\n"}).commit(
        "a change"
    )
    assert project.malagate("run", "slow", "--out", "o").returncode == 1  # unit is missing
    from pytest_malagate.collect.reading import read_evidence

    tests = read_evidence(project.path / "o" / "evidence.jsonl").tests
    assert list(tests) == ["slow"]


# --- flaky ---


def test_a_rerun_tells_the_flaky_from_the_broken(project: Project) -> None:
    flaky = """
        import pathlib
        def test_flaky():
            seen = pathlib.Path(__file__).with_name("seen.txt")
            if not seen.exists():
                seen.write_text("")
                assert False
        def test_good(): pass
    """
    project.files({"test_it.py": flaky}).commit("a change")
    assert project.pytest("--malagate-rerun").returncode == 1
    result = project.result()
    assert result["tests"]["flaky"] == ["test_it.py::test_flaky"]
    assert result["progress"]["state"] == "flaky"
    assert not result["attempt"]["counted"]
    project.files({"test_it.py": "def test_broken(): assert 0\n"}).commit("another")
    project.pytest("--malagate-rerun")
    assert project.result()["tests"]["flaky"] == []
    assert project.result()["attempt"]["counted"]


# --- idle ---


def test_installed_but_not_asked_for_it_changes_nothing(project: Project) -> None:
    project.files(SUITE).commit("a change")
    environ = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": ""}
    block = ("-p", "no:randomly", "-p", "no:malagate")
    idle = project.plain_pytest("-v", *block[:2], **environ)
    absent = project.plain_pytest("-v", *block, **environ)
    assert _steady(idle.stdout) == _steady(absent.stdout)
    assert (idle.returncode, idle.stderr) == (absent.returncode, absent.stderr)
    assert not project.out.exists()


def _steady(output: str) -> list[str]:
    """Lines without the time that the run took."""
    return [line.split(" in ")[0].rstrip("= ") for line in output.splitlines()]


def test_an_idle_plugin_imports_nothing_of_what_it_needs(project: Project) -> None:
    code = (
        "import sys, pytest_malagate.plugin; "
        "print(*sorted({m.split('.')[0] for m in sys.modules} & "
        "{'coverage', 'yaml', 'ruamel', 'github', 'msgspec', 'sqlite3'}), "
        "*[m for m in sys.modules if m.startswith('pytest_malagate')])"
    )
    done = project.unmeasured().call(sys.executable, "-c", code)
    assert done.stdout.split() == ["pytest_malagate", "pytest_malagate.plugin"]


def test_an_option_of_the_idle_plugin_is_refused_and_says_what_is_missing(project: Project) -> None:
    done = project.plain_pytest("--malagate-task=x", PYTEST_DISABLE_PLUGIN_AUTOLOAD="")
    assert done.returncode == 4
    assert "-p malagate" in done.stderr


@pytest.mark.parametrize(
    "how", [("addopts", "-p malagate"), ("addopts", "--malagate"), ("environment", "--malagate")]
)
def test_it_is_asked_for_by_configuration_too(project: Project, how: tuple[str, str]) -> None:
    where, text = how
    ini = f"[pytest]\naddopts = {text}\n" if where == "addopts" else "[pytest]\n"
    project.files({"pytest.ini": ini, "test_it.py": "def test_a(): pass\n"}).commit("a change")
    environ = {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "",
        "PYTEST_ADDOPTS": text if where != "addopts" else "",
    }
    assert project.plain_pytest("-p", "no:randomly", **environ).returncode == 0
    assert project.result()["verdict"] == "pass"


# --- what is printed ---


def test_hostile_text_of_a_test_does_not_reach_the_terminal_or_a_runner(project: Project) -> None:
    hostile = 'def test_a(): raise Exception("\\x1b[2J\\n::error::owned\\x07")\n'
    project.files({"test_it.py": hostile}).commit("a change")
    done = project.pytest("--tb=no", "-q", "--show-capture=no", "-rN")
    assert "\x1b[2J" not in done.stdout
    assert not any(line.startswith("::") for line in done.stdout.splitlines())
    assert "\x1b" not in (project.out / "summary.md").read_text()
