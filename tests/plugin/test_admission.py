"""`--malagate-admission`: green tests do not land while their task waits or all is frozen."""

from __future__ import annotations

import pytest

from pytest_malagate.queue.local_person import MACHINE_VARIABLES
from tests.conftest import Finished, Project, codes


@pytest.fixture
def green(project: Project) -> Project:
    project.environ = {k: v for k, v in project.environ.items() if k not in MACHINE_VARIABLES}
    project.files({"test_it.py": "def test_a(): pass\n"}).commit("x-1: start")
    return project


def run(project: Project, *args: str, **environ: str) -> Finished:
    return project.pytest("-q", "--malagate-admission", *args, **environ)


def test_green_tests_pass_where_nothing_holds_them_up(green: Project) -> None:
    assert run(green).returncode == 0
    assert green.result()["passed"] is True


def test_a_freeze_makes_green_tests_exit_with_1_and_says_why(green: Project) -> None:
    assert green.malagate("freeze", "checkout is down").returncode == 0
    done = run(green)
    assert done.returncode == 1  # pytest's own codes: its 4 is a usage error
    assert "malagate: not admitted yet" in done.stdout
    assert "checkout is down" in done.stdout
    assert codes(green.result()) == ["freeze.active"]
    assert green.pytest("-q").returncode == 0  # nobody asked


def test_a_task_waits_for_the_earlier_ticket_and_goes_when_its_turn_has_come(
    green: Project,
) -> None:
    for task in ("x-0", "x-1"):
        green.malagate("queue", "add", task)
    assert run(green, "--malagate-task=x-1").returncode == 1
    result = green.result()
    assert codes(result) == ["queue.waiting"]
    assert result["next_action"]["commands"] == [
        "malagate status --task x-1",
        "malagate check --task x-1 --admission",
    ]
    green.malagate("queue", "finish", "x-0")
    assert run(green, "--malagate-task=x-1").returncode == 0


def test_red_tests_keep_pytest_s_own_code_and_both_reasons(green: Project) -> None:
    green.files({"test_it.py": "def test_a(): assert False\n"})
    green.malagate("freeze", "on fire")
    assert run(green).returncode == 1
    assert codes(green.result()) == ["tests.failed", "freeze.active"]


def test_a_named_store_is_asked(green: Project) -> None:
    store = str(green.path.parent / "shared.db")
    green.malagate("freeze", "on fire", "--store", store)
    assert run(green).returncode == 0
    assert run(green, MALAGATE_STORE=store).returncode == 1


def test_a_store_that_cannot_be_meant_is_told_before_the_tests_run(green: Project) -> None:
    done = run(green, MALAGATE_STORE="github:o")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "is no github:OWNER/REPO" in done.stderr


def test_the_option_alone_does_nothing_and_says_so(green: Project) -> None:
    done = green.plain_pytest("-p", "pytest_malagate.plugin", "--malagate-admission")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--malagate-admission does nothing by itself" in done.stderr


def test_collecting_judges_nothing_and_asks_nobody(green: Project) -> None:
    green.malagate("freeze", "on fire")
    assert run(green, "--malagate-collect").returncode == 0
