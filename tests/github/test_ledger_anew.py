"""Beginning the ledger anew: with more than one page holds, and beside others who write."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pytest_malagate.errors import MachineryError
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.queue.model import Freeze
from tests.admission.scene import MAJA, NAME, Scene, processes_apart
from tests.github.test_ledger_volumes import (
    FULL,
    HOLDS,
    OpenStore,
    filled,
    hash_of,
    open_store,
    scene,
    short_volumes,
    turn,
    volumes,
    write,
    write_until,
)
from tests.twin import Twin
from tests.twin.routing import Answer, Incoming
from tests.twin.scheduler import Died, Once

__all__ = ["open_store", "scene"]


# --- beginning anew with more than one page holds ---


def with_a_hole(scene: Scene, open_store: OpenStore) -> None:
    """The last page but one is lost."""
    write(scene, open_store(), 2)
    while len(volumes(scene)[-1].comments) < 3:
        write(scene, open_store())
    volumes(scene)[-1].comments[-2].delete()
    assert scene.gate(open_store()).status(verify=False).problem_code == "freeze.ledger-hole"


def rearmed(scene: Scene, open_store: OpenStore) -> str:
    """What the entry says that tells of a new beginning."""
    open_store().rearm(NAME, "maja", "there was a hole", at=5.0)
    status = scene.gate(open_store()).status(verify=False)
    assert status.problem is None
    last = volumes(scene)[-1].comments[-1].body
    line = next(line for line in last.splitlines() if "rearmed" in line)
    assert "left out" in line
    write(scene, open_store(), HOLDS)
    assert scene.gate(open_store()).status(verify=False).problem is None
    return str(line)


def test_many_waiting_tasks_lose_the_last_places_when_it_is_begun_anew(
    scene: Scene, open_store: OpenStore
) -> None:
    names = [hash_of(f"{number}") for number in range(1400)]
    for part in range(0, len(names), 350):
        pairs = [(name, name[:30]) for name in names[part : part + 350]]
        scene.gate(open_store()).arrange(pairs)
    gate = scene.gate(open_store())
    done = gate.claim("agent").task
    assert done is not None
    gate.finish(done.task, "alice")
    active = gate.claim("agent").task
    gate.freeze("on fire", MAJA)
    with_a_hole(scene, open_store)
    line = rearmed(scene, open_store)
    assert "1 finished tasks" in line
    assert "of 1,398 waiting tasks" in line
    tasks = scene.gate(open_store()).tasks()
    assert active is not None
    assert [one.task for one in tasks if one.state == "active"] == [active.task]
    waiting = [one.task for one in tasks if one.state == "waiting"]
    assert len(waiting) > 300
    assert waiting == names[2 : 2 + len(waiting)]
    reasons = [one.reason for one in scene.gate(open_store()).status(verify=False).freezes]
    assert reasons[0] == "on fire"
    assert len(reasons) == 2


def test_all_freezes_stand_when_it_is_begun_anew_however_long_their_reasons(
    scene: Scene, open_store: OpenStore
) -> None:
    count = 80
    for part in range(0, count, 10):
        with open_store().exclusive(NAME) as session:
            for number in range(part, part + 10):
                reason = f"{number} " + "".join(hash_of(f"{number} {n}") for n in range(30))
                session.put_freeze(
                    Freeze(id=number + 1, reason=reason, actor="maja", at=1.0, mode="hard")
                )
    with_a_hole(scene, open_store)
    assert "reasons" in rearmed(scene, open_store)
    freezes = scene.gate(open_store()).status(verify=False).freezes
    assert [one.reason.split()[0] for one in freezes[:count]] == [str(n) for n in range(count)]
    assert len(freezes) == count + 1


# --- beginning anew beside others ---


def half_turned(scene: Scene, open_store: OpenStore) -> None:
    """The last page names a volume, and its writer died before he began that one."""
    turn(scene, open_store)

    def after(incoming: Incoming, answer: Answer | None) -> None:
        if incoming.method == "POST" and incoming.path.endswith("/comments"):
            raise Died

    with suppress(Died):
        scene.gate(open_store(after=after)).add("A", "alice")
    assert len(volumes(scene)) == 1


def full(scene: Scene, open_store: OpenStore) -> None:
    write_until(scene, open_store, 2)
    filled(scene)


def rearms(scene: Scene, store: GitHubStore) -> str:
    store.rearm(NAME, "maja", "to see", at=5.0)
    return "the ledger was begun anew"


def freezes(scene: Scene, store: GitHubStore) -> str:
    return scene.gate(store).freeze("on fire", MAJA).reason


@pytest.mark.parametrize(
    ("stands", "first", "second"),
    [
        (half_turned, rearms, freezes),
        (half_turned, freezes, rearms),
        (half_turned, rearms, rearms),
        (full, rearms, rearms),
    ],
)
def test_whoever_begins_anew_beside_others_is_told_what_the_ledger_says(
    tmp_path: Path,
    stands: Callable[[Scene, OpenStore], None],
    first: Callable[[Scene, GitHubStore], str],
    second: Callable[[Scene, GitHubStore], str],
) -> None:
    for nth in range(1, 40):
        with processes_apart():
            scene = Scene(Twin(tmp_path / str(nth), checked=False))
            scene.twin.comment_limit = FULL
            said: list[str] = []

            def store(scene: Scene = scene, **given: Any) -> GitHubStore:
                return short_volumes(scene.client(**given))

            def says(
                what: Callable[[Scene, GitHubStore], str],
                scene: Scene = scene,
                said: list[str] = said,
                store: OpenStore = store,
                **given: Any,
            ) -> None:
                with suppress(MachineryError):
                    said.append(what(scene, store(**given)))

            stands(scene, store)
            meets = Once(lambda: says(second), nth=nth)
            says(first, before=meets)
            if not meets.done:
                return
            status = scene.gate(store()).status()
        reasons = [one.reason.partition(":")[0] for one in status.freezes]
        assert status.problem is None, nth
        assert status.ledger_ok, nth
        assert said, nth
        assert all(reasons.count(one) >= said.count(one) for one in said), nth
    pytest.fail("the first one never ended")
