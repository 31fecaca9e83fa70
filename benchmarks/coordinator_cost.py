"""What the coordinator adds to a task, with spawns that do nothing.

    python benchmarks/coordinator_cost.py [--tasks 1000 10000] [--agents N] [--rounds N]

Named peer: asyncio as people write it, one task for each piece of work behind a semaphore, without
polls, order, limits, refusals, events or an end that can be explained. `lean` is the same, made
with care: it waits for room before it makes anything. All start a task for each issue and await a
callback before, and one after it. `asked` is the coordinator with a question before each start
(queue, freeze) and with a listener for its events.

The variants take turns, round by round; the table shows medians. Exit 1 if a task costs more than
LIMIT times as much with the largest number of tasks as with the smallest one.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence

from pytest_malagate.coordinate.coordinator import CoordinatorConfig, IssueExecutionCoordinator
from pytest_malagate.coordinate.events import Event
from pytest_malagate.coordinate.issues import Issue
from pytest_malagate.coordinate.outcomes import IssueOutcome, Refused

LIMIT = 2.0
DONE = IssueOutcome(state="completed")


async def work() -> IssueOutcome:
    """A task that does nothing."""
    return DONE


async def spawn(_: Issue) -> asyncio.Task[IssueOutcome]:
    """Starts one."""
    return asyncio.create_task(work())


async def finalize(_: Issue, __: IssueOutcome) -> bool:
    """Nothing is left to do."""
    return False


async def ready(_: Issue) -> Refused | None:
    """Nothing is frozen."""
    return None


class Issues:
    """A provider that never marks anything as done, so each poll has the whole list."""

    def __init__(self, number: int) -> None:
        self._issues = [
            Issue(id=f"issue-{n}", priority=n % 5, epic=f"epic-{n % 40}") for n in range(number)
        ]

    async def issues(self) -> Sequence[Issue]:
        return self._issues


async def bare(issues: Issues, agents: int) -> None:
    """The peer."""
    room = asyncio.Semaphore(agents)

    async def one(issue: Issue) -> None:
        async with room:
            task = await spawn(issue)
            await finalize(issue, await task)

    await asyncio.gather(*(one(issue) for issue in await issues.issues()))


async def lean(issues: Issues, agents: int) -> None:
    """The peer as it is cheapest: nothing is made for an issue before there is room for it."""
    room = asyncio.Semaphore(agents)
    running: set[asyncio.Task[None]] = set()

    async def one(issue: Issue) -> None:
        task = await spawn(issue)
        await finalize(issue, await task)
        room.release()

    for issue in await issues.issues():
        await room.acquire()
        task = asyncio.create_task(one(issue))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)


async def coordinated(issues: Issues, agents: int, *, asked: bool = False) -> None:
    """A run of the coordinator; every issue has to be done."""
    events: list[Event] = []
    coordinator = IssueExecutionCoordinator(
        issues,
        CoordinatorConfig(max_agents=agents),
        spawn=spawn,
        finalize=finalize,
        ready_to_start=ready if asked else None,
        on_event=events.append if asked else None,
    )
    result = await coordinator.run()
    assert len(result.completed) == len(await issues.issues()), result.exit_reason


VARIANTS: dict[str, Callable[[Issues, int], Awaitable[None]]] = {
    "asyncio alone": bare,
    "asyncio, lean": lean,
    "coordinator": coordinated,
    "coordinator, asked": lambda issues, agents: coordinated(issues, agents, asked=True),
}


def seconds(variant: str, issues: Issues, agents: int) -> float:
    """How long one run takes."""

    async def main() -> float:
        began = time.perf_counter()
        await VARIANTS[variant](issues, agents)
        return time.perf_counter() - began

    return asyncio.run(main())


def main() -> int:
    """Prints the table; 1 if the cost of a task grows with the number of tasks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tasks", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--agents", type=int, default=50, metavar="N")
    parser.add_argument("--rounds", type=int, default=9, metavar="N")
    options = parser.parse_args()
    keys = [(variant, tasks) for tasks in options.tasks for variant in VARIANTS]
    lists = {tasks: Issues(tasks) for tasks in options.tasks}
    found: dict[tuple[str, int], list[float]] = {key: [] for key in keys}
    for number in range(options.rounds + 1):
        turn = number % len(keys)
        for variant, tasks in keys[turn:] + keys[:turn]:
            took = seconds(variant, lists[tasks], options.agents)
            if number:  # the first round warms up
                found[variant, tasks].append(took / tasks * 1e6)
    medians = {key: statistics.median(each) for key, each in found.items()}
    print(f"{options.agents} at once, {options.rounds} rounds, microseconds a task\n")
    print(f"{'':<20}{'tasks':>8}{'µs':>8}{'added':>8}{'to asyncio':>12}")
    for variant, tasks in keys:
        median, peer = medians[variant, tasks], medians["asyncio alone", tasks]
        print(f"{variant:<20}{tasks:>8,}{median:>8.1f}{median - peer:>8.1f}{median / peer:>12.2f}")
    small, large = min(options.tasks), max(options.tasks)
    growth = max(medians[v, large] / medians[v, small] for v in VARIANTS if "asyncio" not in v)
    grows = growth > LIMIT
    print(
        f"\na task of {large:,} costs {growth:.2f} times one of {small:,}: "
        f"{'IT GROWS' if grows else 'it does not grow'} (limit {LIMIT})"
    )
    return 1 if grows else 0


if __name__ == "__main__":
    sys.exit(main())
