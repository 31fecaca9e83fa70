"""The workflow of the commands: what starts it, and who waits for whom, by GitHub's own engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_malagate.action.orders import parse_order
from tests.action_yml.engine import Engine
from tests.test_workflows import COMMANDED, OURS, comment, engine, jobs, name, steps

__all__ = ["engine"]

STATUS = {"success": True, "failure": False, "cancelled": False}
RUN_ID = 4711
OWN = f"malagate-freeze-{RUN_ID}"
SHARED = "malagate-commands-v3"

FREEZES = [
    '/gate freeze reason:"x"',
    '/Gate Freeze reason:"x"',
    '/gate  freeze reason:"x"',
    '/gate\tfreeze reason:"x"',
    "/gate freeze: the db burns",
    '/gate freeze reason:"unfreeze and rearm did not help"',
    '/gate freeze reason:"x"\n/gate unfreeze reason:"y"',
]
OTHERS = [
    '/gate unfreeze reason:"x"',
    '/GATE  UNFREEZE reason:"x"',
    '/gate\tunfreeze reason:"freeze"',
    "/gate unfreeze, please",
    '/gate rearm reason:"the freeze is lost"',
    "/gate Rearm",
    '/gate \t rearm reason:"x"\n/gate freeze reason:"y"',
]
NONE = ["/gate retry", "> /gate unfreeze", "thanks for the freeze", "", "rearm", "x /gate freeze"]


def group_of(engine: Engine, path: Path, body: str) -> str:
    group = jobs(path)["command"]["concurrency"]["group"]
    github = {**comment(body), "run_id": RUN_ID}
    contexts = {"github": github, "vars": {"MALAGATE_EPOCH": "3"}}
    expression = group.removeprefix("${{").removesuffix("}}")
    return engine.evaluate({"expression": expression}, contexts, STATUS).text


@pytest.mark.parametrize("path", COMMANDED, ids=name)
@pytest.mark.parametrize("body", [*FREEZES, *OTHERS, *NONE])
def test_it_starts_for_whatever_may_be_a_command(engine: Engine, path: Path, body: str) -> None:
    condition = {"expression": jobs(path)["command"]["if"]}
    starts = engine.evaluate(condition, {"github": comment(body)}, STATUS).truthy
    assert starts is (body not in NONE)
    assert starts or parse_order(body) is None


@pytest.mark.parametrize("path", COMMANDED, ids=name)
@pytest.mark.parametrize("body", FREEZES)
def test_a_freeze_waits_for_nobody(engine: Engine, path: Path, body: str) -> None:
    assert group_of(engine, path, body) == OWN


@pytest.mark.parametrize("path", COMMANDED, ids=name)
@pytest.mark.parametrize("body", OTHERS)
def test_all_that_needs_the_lock_waits_for_it(engine: Engine, path: Path, body: str) -> None:
    order = parse_order(body)
    assert order is not None
    assert order.kind != "freeze"
    assert group_of(engine, path, body) == SHARED


@pytest.mark.parametrize("path", COMMANDED, ids=name)
def test_no_command_is_lost_and_none_judges_a_change(path: Path) -> None:
    assert jobs(path)["command"]["concurrency"]["queue"] == "max"
    modes = [step["with"]["mode"] for job, step in steps(path) if step["uses"].startswith(OURS)]
    assert modes == ["freeze", "admit"]
