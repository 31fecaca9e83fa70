"""Many random schedules of the queue on the twin, and a count of what may never happen.

    python -m tests.admission.schedules --schedules 5000 --processes 2

Each schedule is chosen by its seed: people label, freeze, clear and close as they please, allowed
or not; sweeps and starts run or do not, die at any request, and run two at a time without a lock;
answers are lost, lists lag, runs end in every way. Then the trouble ends, a maintainer thaws, and
all that is ready has to be started. What may never happen is watched throughout (see `witness`).
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from pytest_malagate.admission.starting import SETTLE_SECONDS, Starter
from pytest_malagate.admission.sweep import Sweeper
from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.github.client import Manners
from pytest_malagate.github.control import ACTIVE, FROZEN, READY
from pytest_malagate.github.volumes import Measures
from pytest_malagate.queue.model import Person
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.store import FreezeTrouble
from tests.admission.scene import AGENT, MAJA, NAME, PEOPLE, Scene, processes_apart
from tests.admission.witness import BROKEN, Act, WatchedStore, Witness
from tests.twin import Run, Twin
from tests.twin.routing import Answer, Incoming
from tests.twin.scheduler import Died, Turns, WiredClient

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
STEPS = (8, 25)
"""How many things happen in a schedule, before all has to come to rest."""

QUIET = 120
"""Ticks after which it has to have come to rest."""

FAULTS = ("502", "applied-502", "timeout", "applied-reset", "truncated", "429", "forbidden")
GROUP = ("agents", "single")


class Process:
    """One process, which may die before or after one of its requests."""

    def __init__(self, world: World, name: str, dies_at: int = 0, *, after: bool = False) -> None:
        self.world, self.name, self.turns = world, name, None
        self._dies_at, self._after, self._sent = dies_at, after, 0
        manners = Manners(write_spacing=0.0, patience=600.0, sleep=world.sleep, now=world.scene.now)
        client = WiredClient(
            *(world.twin, "t-bot", NAME), before=self.before, after=self.after, manners=manners
        )
        self.store = WatchedStore(world.witness, name, client)
        self.store.measures = world.measures
        self.gate = SerialGate(self.store, NAME, now=world.scene.now)

    turns: Turns | None

    def before(self, incoming: Incoming) -> None:
        """Something else may happen first, and it may be the last that this process wanted."""
        if self.turns is not None:
            self.turns.pause(self.name)
        self._sent += 1
        self.world.between()
        self.world.asks = self.name
        if self._sent == self._dies_at and not self._after:
            self._die()

    def after(self, incoming: Incoming, answer: Answer | None) -> None:
        """What it did is done, whether the process learns of it or not."""
        self.world.witness.requested(self.name, incoming, answer)
        if self._sent == self._dies_at and self._after:
            self._die()

    def _die(self) -> None:
        self.world.count["processes that died"] += 1
        raise Died

    def live(self, do: Callable[[Process], object]) -> None:
        """Does something to its end, or until it fails."""
        try:
            do(self)
        except Died:
            pass
        except UsageError:
            self.world.count["processes that were refused"] += 1
        except MachineryError:
            self.world.count["processes that gave up"] += 1
        except Exception:  # noqa: BLE001 - whatever it is, it must be told with the seed
            self.world.witness.broken("processes that broke", traceback.format_exc())


def measures(rng: random.Random) -> Measures:
    """As they are, or so small that a schedule stands before a whole state or another volume."""
    return Measures(checkpoint=rng.choice([1, 2, 4, 40]), volume=rng.choice([3, 10, 2300]))


class World:
    """One schedule."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.rng = random.Random(seed)
        self.measures = measures(random.Random(f"{seed}"))
        self.twin = Twin(folder, checked=False)
        self.twin.rate_limit = 10**9
        self.scene = Scene(self.twin)
        self.repo = self.scene.repo
        self.witness = Witness(self.scene)
        self.count = self.witness.count
        self.calm = False
        self.asks, self._names = "", 0
        self.issues = [self.repo.open_issue(f"work {n}") for n in range(self.rng.randint(3, 8))]
        self.repo.open_pulls(self.rng.randint(0, 3))
        self.asked: dict[int, int] = {}
        """When somebody last asked for a place for an issue, and has not taken it back."""
        self._watch_runs()

    def _watch_runs(self) -> None:
        """Runs of agents share a group, and the witness hears of each. Git does not change."""
        git, begin = self.repo.git, self.repo.run
        for name in ("resolve", "entries", "entry", "blob"):
            setattr(git, name, lru_cache(getattr(git, name)))

        def run(*args: Any, **given: Any) -> Run:
            if "workflow_dispatch" not in args:
                return begin(*args, **given)
            before = self.scene.runs
            made = begin(*args, concurrency=GROUP, **given)
            self.twin.repositories[NAME].runs[made.id] = made
            self._begun.append((made, before))
            return made

        self._begun: list[tuple[Run, list[Run]]] = []
        self.repo.run = run  # type: ignore[method-assign]

    def sleep(self, seconds: float) -> None:
        """Nobody waits here but the clock."""
        self.twin.advance(int(seconds) + 1)

    # --- processes ---

    def process(self, *, mortal: bool = True) -> Process:
        """A new one, which may be about to die."""
        self._names += 1
        dies = self.rng.randint(1, 30) if mortal and self.rng.random() < 0.3 else 0
        return Process(self, f"process {self._names}", dies, after=self.rng.random() < 0.5)

    def tick(self, process: Process) -> None:
        """What a run of the workflow does."""
        store, gate = process.store, process.gate
        Sweeper(gate, store, now=self.scene.now, log=lambda _: None).sweep()
        Starter(gate, store, workflow=AGENT, ref="main", now=self.scene.now).step()

    def freeze(self, process: Process) -> None:
        """By a command, of somebody who may."""
        process.gate.freeze("on fire", Person(name="tina", rank="triage", human=True))

    def unfreeze(self, process: Process) -> None:
        """By a command, of somebody who may or may not."""
        login = self.rng.choice(["maja", "walt", "tina"])
        person = Person(name=login, rank=PEOPLE[login], human=True)
        self.witness.acts.append(Act(login, None))
        process.gate.unfreeze(person, "out")

    def one(self) -> None:
        """One process alone."""
        process = self.process()
        process.live(self._errand())

    def two(self) -> None:
        """Two at once, without a lock."""
        self.count["two at once"] += 1
        first, second = self.process(), self.process()
        turns = Turns(self._in_turn())
        first.turns = second.turns = turns
        errands = {one.name: partial(one.live, self._errand()) for one in (first, second)}
        turns.run(errands)

    def _in_turn(self) -> Callable[[list[str]], str]:
        """Chooses who goes on: now this one, now that, or one for long before the other does."""
        stays, last = self.rng.choice([0.0, 0.85, 0.95]), ""

        def choose(living: list[str]) -> str:
            nonlocal last
            if last not in living or self.rng.random() >= stays:
                last = self.rng.choice(living)
            return last

        return choose

    def _errand(self) -> Callable[[Process], object]:
        return self.rng.choices((self.tick, self.freeze, self.unfreeze), (10, 1, 2))[0]

    def between(self) -> None:
        """Between two requests of a process people go on, and runs do."""
        self.told()
        if not self.calm and self.rng.random() < 0.03:
            self.somebody()

    def told(self) -> None:
        """The witness hears of runs that were begun, before anything else happens."""
        begun, self._begun = self._begun, []
        for run, before in begun:
            self.witness.dispatched(self.asks, run, before)

    # --- people and runs ---

    def somebody(self) -> None:
        """Somebody does something."""
        acts = {
            self.asks_for_a_place: 6,
            self.takes_it_back: 2,
            self.freezes_by_hand: 1,
            self.clears_by_hand: 4,
            self.closes_work: 1,
            self.a_run_ends: 8,
            self.another_run_joins: 2,
            self.a_label_vanishes: 0.4,
            self.a_label_comes_back: 2,
        }
        act = self.rng.choices(list(acts), list(acts.values()))[0]
        self.count[act.__name__.replace("_", " ")] += 1
        act()

    def _login(self) -> str:
        return self.rng.choice(["maja", "walt", "tina"])

    def asks_for_a_place(self) -> None:
        issue = self.rng.choice(self.issues)
        if issue.state == "open" and READY not in issue.labels:
            issue.add_label(READY, self._login())
            task = self.witness.state.tasks.get(f"#{issue.number}")
            if task is None or task.state != "active":  # else it has what it asks for
                self.asked[issue.number] = self.twin.clock()

    def takes_it_back(self) -> None:
        issue = self.rng.choice(self.issues)
        if READY in issue.labels:
            issue.remove_label(READY, self._login())
            self.asked.pop(issue.number, None)

    def closes_work(self) -> None:
        issue, login = self.rng.choice(self.issues), self._login()
        self.witness.acts.append(Act(login, issue.number))  # it may be a freeze, too
        issue.close(login)
        self.asked.pop(issue.number, None)

    def freezes_by_hand(self) -> None:
        login = self.rng.choice(["maja", "tina", "walt"])
        issue = self.rng.choice([*self.issues, self.repo.open_issue("It burns", author=login)])
        if FROZEN in self.repo.labels_by_name and issue.state == "open":
            issue.add_label(FROZEN, login)

    def clears_by_hand(self) -> None:
        frozen = [one for one in self.repo.issues.values() if FROZEN in one.labels]
        if not frozen:
            return
        issue, login = self.rng.choice(frozen), self._login()
        self.witness.acts.append(Act(login, issue.number))
        if self.rng.random() < 0.5:
            issue.remove_label(FROZEN, login)
        else:
            issue.close(login)
            self.asked.pop(issue.number, None)

    def a_label_vanishes(self) -> None:
        name = self.rng.choice([FROZEN, ACTIVE])
        if name in self.repo.labels_by_name:
            who = self.rng.choice(["maja", "walt"])
            if name == FROZEN:
                for issue in self.repo.issues.values():
                    if FROZEN in issue.labels:
                        self.witness.acts.append(Act(who, issue.number))
            self.repo.delete_label(name, who, silent=self.rng.random() < 0.5)

    def a_label_comes_back(self) -> None:
        for name in (FROZEN, ACTIVE):
            self.repo.ensure_label(name)

    def a_run_ends(self) -> None:
        running = [run for run in self.repo.runs.values() if run.status != "completed"]
        if not running:
            return
        run = self.rng.choice(running)
        if run.status == "pending":
            run.finish("cancelled")
        else:
            ends = ("success", "success", "success", "failure", "cancelled", "timed_out")
            run.finish(self.rng.choice(ends))

    def another_run_joins(self) -> None:
        """Somebody else's, which may hold the group or push out whoever waits for it."""
        self.repo.run(workflow=".github/workflows/tests.yml", event="push", concurrency=GROUP)

    # --- the schedule ---

    def random_part(self) -> None:
        """Whatever the seed says."""
        self.twin.lagging(self.rng.choice([0, 0, 1, 3]))
        self.witness.lag = self.twin.lag_state._steady
        for _ in range(self.rng.randint(*STEPS)):
            roll = self.rng.random()
            if roll < 0.45:
                self.somebody()
            elif roll < 0.75:
                self.one()
            elif roll < 0.87:
                self.two()
            elif roll < 0.94:
                self._trouble()
            else:
                self.twin.advance(self.rng.choice([5, 60, 200, 3600]))
            self.told()

    def _trouble(self) -> None:
        kind = self.rng.choice(FAULTS)
        self.count[f"faults: {kind}"] += 1
        method = self.rng.choice([None, "GET", "POST", "PATCH"])
        self.twin.faults.add(kind, nth=self.rng.randint(1, 12), method=method)

    def come_to_rest(self) -> None:
        """No more trouble: a maintainer thaws, and runs succeed."""
        self.calm = True
        self.twin.faults.clear()
        self.twin.lagging(0)
        self.witness.lag = 0
        self.a_label_comes_back()
        for login in ("maja",):
            self.witness.acts.append(Act(login, None))
        for _ in range(QUIET):
            process = self.process(mortal=False)
            if process.gate.status(verify=False).frozen:
                process.live(lambda one: one.gate.unfreeze(MAJA, "all is well"))
            process.live(self.tick)
            self.told()
            if self._at_rest():
                return
            for run in list(self.repo.runs.values()):
                if run.status != "completed":
                    run.finish("success")
            self.twin.advance(int(SETTLE_SECONDS) + 1)
        self.witness.broken("never quiet", self._words())

    def _at_rest(self) -> bool:
        tasks = self.witness.state.tasks.values()
        running = any(run.status != "completed" for run in self.repo.runs.values())
        waiting = any(task.state != "finished" for task in tasks)
        labelled = any(READY in one.labels for one in self.issues if one.state == "open")
        return not (running or waiting or labelled or self.witness.state.freezes)

    def _words(self) -> str:
        state = self.witness.state
        tasks = [(task.task, task.state, task.claim) for task in state.tasks.values()]
        labels = {issue.number: sorted(issue.labels) for issue in self.issues}
        return f"{tasks}, {labels}, freezes {state.freezes}"

    def reckon(self) -> None:
        """Everything that was asked for was started, and the ledger is whole."""
        for number, at in self.asked.items():
            begun = [run for run in self.scene.runs if run.inputs.get("task") == f"#{number}"]
            if not any(run.created_at > at for run in begun):
                history = [
                    (one.kind, one.at) for one in self.witness.entries if one.task == f"#{number}"
                ]
                words = f"#{number}, asked for at {at}: {history}, {self._words()}"
                self.witness.broken("ready tasks that never started", words)
        try:
            problem = self.scene.gate().ledger_problem()
        except FreezeTrouble as error:
            problem = str(error)
        if problem is not None:
            self.witness.broken("ledgers that are not whole", problem)
        for violation in self.twin.violations:
            self.witness.broken("processes that broke", violation)


def play(seed: int) -> tuple[Counter[str], list[str]]:
    """One schedule: what was counted, and what is to be said."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, processes_apart():
        world = World(seed, Path(folder))
        world.random_part()
        world.come_to_rest()
        world.reckon()
    said = [f"seed {seed}: {words}" for words in world.witness.said]
    return world.count, said


def played(seeds: range, processes: int) -> Iterator[tuple[Counter[str], list[str]]]:
    """All of them, on so many processors."""
    if processes == 1:
        yield from map(play, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(play, seeds, chunksize=5)


def main() -> int:
    """Prints the numbers; 1 if anything happened that may not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--schedules", type=int, default=5000, metavar="N")
    parser.add_argument("--processes", type=int, default=2, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the first one's")
    options = parser.parse_args()
    total: Counter[str] = Counter()
    began = time.monotonic()
    seeds = range(options.seed, options.seed + options.schedules)
    for count, said in played(seeds, options.processes):
        total += count
        for words in said:
            print(words, flush=True)
    print(f"{options.schedules:,} schedules in {time.monotonic() - began:.0f} seconds")
    for name in (*sorted(name for name in total if name not in BROKEN), *BROKEN):
        print(f"{total[name]:>9,} {name}")
    return 1 if any(total[name] for name in BROKEN) or not total["dispatches"] else 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
