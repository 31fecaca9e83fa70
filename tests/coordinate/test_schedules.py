"""Whatever happens in whatever order, some things hold of every run."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.coordinate.outcomes import Refused
from tests.coordinate.scene import (
    BACK,
    BROKEN,
    BUSY,
    DONE,
    REFUSED,
    Scene,
    issue,
    outage,
    virtually,
)

NAMES = "abcdef"
STARTS = st.lists(
    st.sampled_from([DONE, DONE, BROKEN, BACK, BUSY, REFUSED, ValueError("no")]),
    min_size=1,
    max_size=4,
)
ASKED = st.dictionaries(
    st.integers(0, 300),
    st.sampled_from(["interrupt", "drain", "request_abort", "set_max_issues", "cancel_one"]),
    max_size=3,
)


class Schedule(Scene):
    """A scene in which work takes as long as it is told, and finalizers and questions may fail."""

    def __init__(self, *issues: Any, **script: Any) -> None:
        super().__init__(*issues, forgetful=True, **script)
        self.durations: list[int] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.troubles: list[bool] = []

    async def spawn(self, issue: Any) -> Any:
        done = {name for name, state in self.finals if state in ("completed", "failed")}
        assert issue.id not in done, "started again"
        assert issue.id not in self.running, "started twice at once"
        answer = await super().spawn(issue)
        if isinstance(answer, asyncio.Task):
            self.tasks.append(answer)
        return answer

    async def work(self, issue: Any, outcome: Any) -> Any:
        await asyncio.sleep(self.durations.pop() if self.durations else 7)
        return outcome

    async def finalize(self, issue: Any, outcome: Any) -> bool:
        assert self.tasks, "nothing was started"
        again = await super().finalize(issue, outcome)
        if self.troubles and self.troubles.pop():
            raise ValueError("the finalizer")
        return again

    def cancel_one(self) -> None:
        if self.tasks:
            self.tasks[-1].cancel()


@given(data=st.data())
def test_every_run_keeps_its_promises(data: st.DataObject) -> None:
    scene = Schedule(
        *(
            issue(
                name,
                blocked_by=tuple(data.draw(st.sets(st.sampled_from(NAMES[:place]), max_size=2)))
                if place
                else (),
            )
            for place, name in enumerate(NAMES)
        ),
        **{name: data.draw(STARTS) for name in NAMES},
    )
    scene.durations = data.draw(st.lists(st.integers(0, 90), max_size=12))
    scene.troubles = data.draw(st.lists(st.booleans(), max_size=6))
    scene.answers = data.draw(
        st.lists(st.sampled_from([outage(), [], list(scene.issues)]), max_size=4)
    )
    refusals = data.draw(st.lists(st.booleans(), max_size=8))
    watch, limit = data.draw(st.booleans()), data.draw(st.none() | st.integers(0, 4))
    agents = data.draw(st.integers(0, 4))
    asked = data.draw(ASKED)

    async def ready_to_start(one: Any) -> Refused | None:
        await asyncio.sleep(0)
        return BUSY if refusals and refusals.pop() else None

    def ask(what: str) -> None:
        if what == "cancel_one":
            scene.cancel_one()
        else:
            arguments = {"request_abort": ["why"], "set_max_issues": [2]}.get(what, [])
            getattr(scene.coordinator, what)(*arguments)

    after = {seconds: lambda what=what: ask(what) for seconds, what in asked.items()}
    # Watching ends only if somebody ends it.
    after[2_000] = scene.ask("interrupt")
    result = scene.run(
        after=after,  # type: ignore[arg-type]
        max_agents=agents,
        max_issues=limit,
        watch=watch,
        resume=True,
        ready_to_start=ready_to_start,
    )

    assert scene.most <= agents
    assert Counter(scene.starts) == Counter(name for name, _ in scene.finals)
    assert result.started == len(scene.starts)
    assert not scene.running
    assert all(task.done() for task in scene.tasks)
    assert set(result.completed).isdisjoint(result.failed)
    assert len(scene.aborts) <= 1
    assert scene.told("ended") == [result.exit_reason]
    assert result.exit_code in (0, 1, 3, 4, 130)
    assert (result.exit_code == 1) <= bool(result.failed)
    assert (result.exit_code in (0, 4)) <= (not result.failed)
    kept = sum(1 for event in scene.events if event.kind in ("finished", "failed"))
    if limit is not None and "set_max_issues" not in asked.values():
        assert kept <= limit
    if not watch and not asked:
        assert result.exit_code != 130, "it went on until it was interrupted"


@given(st.lists(st.sampled_from([0, 0, 1, 5]), min_size=1, max_size=30), st.integers(1, 5))
def test_a_room_that_is_free_is_used(durations: list[int], agents: int) -> None:
    """As long as a ready issue is left, exactly `max_agents` run."""
    names = [f"i{number}" for number in range(len(durations))]
    scene = Schedule(*names)
    scene.durations = list(reversed(durations))
    virtually(scene.make(max_agents=agents).run())
    assert scene.most == min(agents, len(names))
    assert sorted(scene.starts) == sorted(names)
