"""A thousand tasks through the queue on the twin, in weeks of simulated time, with all its trouble.

    python -m tests.simulation --tasks 1000 --seed 1

People label issues; events are lost, doubled or late; the workflow that handles them dies at any
request; agents fail, die, or are evicted before they begin, and most leave a pull request that
somebody merges, soon or a day later, or closes; GitHub is down for an hour; people freeze the
repository and clear it. A sweep comes every fifteen minutes. In the end every task has to be
finished, or parked for a person; none was worked on twice at once, and none was started while the
repository was frozen, or while the pull request of another was open.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import itertools
import logging
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from pytest_malagate.admission.claimed_runs import is_first, still_mine
from pytest_malagate.admission.starting import Starter
from pytest_malagate.admission.sweep import Sweeper
from pytest_malagate.admission.upkeep import Upkeep, UpkeepSettings
from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.github import ledger
from pytest_malagate.github.client import Manners
from pytest_malagate.github.control import ACTIVE, FROZEN, READY
from pytest_malagate.github.statuses import GATE
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.queue.model import Entry
from pytest_malagate.queue.serial import SerialGate
from tests.admission.scene import AGENT, BOT, NAME, Scene, processes_apart
from tests.twin import Issue, PullRequest, Repository, Run, Twin, api, render_issues
from tests.twin.faults import Faults
from tests.twin.lag import Lag, States
from tests.twin.routing import Answer, Incoming
from tests.twin.scheduler import Died, WiredClient
from tests.twin.snapshot import Before
from tests.twin.state import Comment

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
SWEEP_SECONDS = 15 * 60
HOUR = 3600
LOST, DOUBLED, LATE = 0.2, 0.2, 0.2
DIES, FAILS = 0.1, 0.05
"""How often the workflow of an event or an agent dies, and how often an agent fails."""

OFFERS, REFUSED, FORGOTTEN, JUDGED, CLOSES = 0.8, 0.15, 0.03, 0.5, 0.5
"""How often a success leaves a pull request; how often such a one is closed, or lies for a day or
more; has a green gate; closes its issue when it is merged."""

SILENT = logging.Logger("silent", logging.CRITICAL)


class Outage(Faults):
    """GitHub answers 503 to everything between two moments."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now
        self.begins = self.ends = 0.0

    def strike(self, host: str, method: str, path: str) -> str | None:
        return "503" if self.begins <= self._now() < self.ends else None


class NoLag(Lag):
    """Lists are up to date, so nothing has to be kept from before a write."""

    def before_write(self, repository: Repository | None, path: str) -> States | Before:
        return {}


class Simulation:
    """One run. `count` says what happened, `broken` what never may."""

    def __init__(self, tasks: int, seed: int, folder: Path) -> None:
        self.rng = random.Random(seed)
        self.twin = Twin(folder, checked=False)
        self.twin.lag_state = NoLag(self.twin.repositories)
        self.scene = Scene(self.twin)
        self.repo = self.scene.repo
        self.outage = Outage(self.scene.now)
        self.twin.faults = self.outage
        self.tasks = tasks
        self.issues: dict[str, Issue] = {}
        self.working: dict[str, Run] = {}
        self.offered: dict[str, PullRequest] = {}
        self.count: Counter[str] = Counter()
        self.broken: list[str] = []
        self._told = 0
        self.began = self.scene.now()
        self._order = itertools.count()
        self._plan: list[tuple[float, int, Callable[[], object]]] = []
        self._watch_runs()
        self._arrange()

    # --- what will happen ---

    def at(self, moment: float, do: Callable[[], object]) -> None:
        heapq.heappush(self._plan, (moment, next(self._order), do))

    def after(self, seconds: float, do: Callable[[], object]) -> None:
        self.at(self.scene.now() + seconds, do)

    def _arrange(self) -> None:
        """Issues become ready at random, somewhat faster than they can be worked on."""
        moment = self.began
        for number in range(self.tasks):
            moment += self.rng.expovariate(1 / 540)
            self.at(moment, lambda number=number: self._becomes_ready(number))
        length = max(moment - self.began, 4.0 * HOUR)
        for _ in range(max(1, self.tasks // 100)):
            self.at(self.began + self.rng.uniform(0.05, 0.95) * length, self._freezes)
        self.outage.begins = self.began + self.rng.uniform(0.3, 0.6) * length
        self.outage.ends = self.outage.begins + HOUR
        self.at(self.began + SWEEP_SECONDS, self._sweeps)
        self.bound = self.began + 3 * length + (3 * self.tasks + 48) * HOUR

    def _becomes_ready(self, number: int) -> None:
        issue = self.repo.open_issue(f"work {number}")
        self.issues[f"#{issue.number}"] = issue
        issue.add_label(READY, "tina")
        self.event()

    def _freezes(self) -> None:
        issue = self.repo.open_issue("It burns", author="tina")
        issue.add_label(FROZEN, "tina")
        self.count["freezes"] += 1
        self.event()
        self.after(self.rng.uniform(HOUR / 2, 2 * HOUR), lambda: self._thaws(issue))

    def _thaws(self, issue: Issue) -> None:
        issue.close("maja")
        self.event()

    def event(self) -> None:
        """A workflow is started for what happened, as far as GitHub remembers to."""
        chance = self.rng.random()
        self.count["events"] += 1
        if chance < LOST:
            self.count["events lost"] += 1
            return
        soon = self.rng.uniform(5, 60)
        if chance < LOST + DOUBLED:
            self.count["events doubled"] += 1
            self.after(soon, self._ticks)
        elif chance < LOST + DOUBLED + LATE:
            self.count["events late"] += 1
            soon = self.rng.uniform(300, 2 * HOUR)
        self.after(soon, self._ticks)

    # --- processes of the queue ---

    def store(self, *, mortal: bool) -> GitHubStore:
        """A process of its own, which may be about to die."""
        dies = self.rng.randint(1, 40) if mortal and self.rng.random() < DIES else 0
        sent = itertools.count(1)

        def before(_: Incoming) -> None:
            if next(sent) == dies:
                self.count["processes that died"] += 1
                raise Died

        manners = Manners(write_spacing=0.0, sleep=self._sleep, now=self.scene.now)
        client = WiredClient(self.twin, "t-bot", NAME, before=before, manners=manners)
        return GitHubStore(lambda _: client)

    def _sleep(self, seconds: float) -> None:
        self.twin.advance(int(seconds) + 1)

    def gate(self, store: GitHubStore) -> SerialGate:
        return SerialGate(store, NAME, now=self.scene.now)

    def starter(self, store: GitHubStore) -> Starter:
        gate = self.gate(store)
        return Starter(gate, store, workflow=AGENT, ref="main", now=self.scene.now)

    def sweeper(self, store: GitHubStore) -> Sweeper:
        return Sweeper(self.gate(store), store, now=self.scene.now, log=lambda _: None)

    def _process(self, do: Callable[[GitHubStore], object], *, mortal: bool = True) -> None:
        before = len(self.twin.requests)
        try:
            do(self.store(mortal=mortal))
        except Died:
            pass
        except (MachineryError, UsageError):
            self.count["processes that gave up"] += 1
        self.count["requests"] += len(self.twin.requests) - before
        self.twin.requests.clear()

    def _ticks(self) -> None:
        """What the workflow does for an event."""
        self.count["ticks"] += 1

        def tick(store: GitHubStore) -> None:
            self.sweeper(store).sweep()
            self.starter(store).step()

        self._process(tick)

    def _sweeps(self) -> None:
        """What it does on its schedule: the same, and all that may have been lost."""
        self.count["sweeps"] += 1
        self.after(SWEEP_SECONDS, self._sweeps)

        def sweep(store: GitHubStore) -> None:
            sweeper, starter = self.sweeper(store), self.starter(store)
            sweeper.sweep()
            done = Upkeep(
                self.gate(store),
                store,
                UpkeepSettings(ref="main", agent_workflow=AGENT),
                starter=starter,
                tick=sweeper.sweep,
                now=self.scene.now,
                log=SILENT,
            ).sweep()
            for found in done.repaired:
                self.count[f"repaired: {found.check}"] += 1
            starter.step()

        self._process(sweep)

    # --- agents ---

    def _watch_runs(self) -> None:
        """Hears of every run that is dispatched. What does not change here is asked for once."""
        git, begin = self.repo.git, self.repo.run
        for name in ("resolve", "entries", "entry", "blob"):
            setattr(git, name, lru_cache(getattr(git, name)))
        self.repo.association = lru_cache(self.repo.association)  # type: ignore[method-assign]

        def run(*args: Any, **given: Any) -> Run:
            made = begin(*args, **given)
            if "workflow_dispatch" in args:
                self.count["runs"] += 1
                if self._frozen():
                    self.broken.append(f"run {made.id} was started while frozen")
                for task, pull in self.offered.items():
                    name = f"pull request #{pull.number} of {task}"
                    self.broken.append(f"run {made.id} was started while {name} is open")
                self.after(self.rng.uniform(5, 60), lambda: self._begins(made))
            return made

        self.repo.run = run  # type: ignore[method-assign]

    def _frozen(self) -> bool:
        every = self.repo.issues.values()
        return any(one.state == "open" and FROZEN in one.label_names for one in every)

    def _begins(self, run: Run) -> None:
        """The agent's workflow: it works only if its claim counts, and it is the claim's first."""
        if self.rng.random() < DIES / 2:
            self.count["agents evicted"] += 1
            run.jobs.clear()
            self._ends(run, "cancelled")
            return
        task, claim = str(run.inputs["task"]), str(run.inputs["claim"])
        may: list[bool] = []

        def ask(store: GitHubStore) -> None:
            client, since = store.client(NAME), float(run.created_at)
            mine = still_mine(self.gate(store), task, claim)
            may.append(mine and is_first(client, AGENT, claim, run.id, since))

        self._process(ask, mortal=False)
        if may != [True]:
            self.count["agents that found out that they may not"] += 1
            self._ends(run, "failure")
            return
        if task in self.working:
            self.broken.append(f"{task} was worked on twice at once")
        if len(self.working) > (task in self.working):
            self.broken.append(f"{task} was worked on beside {', '.join(self.working)}")
        self.working[task] = run
        chance = self.rng.random()
        conclusion = "success"
        if chance < DIES / 2:
            conclusion = "cancelled"
        elif chance < DIES / 2 + FAILS:
            conclusion = "failure"
        self.count[f"agents: {conclusion}"] += 1
        self.after(self.rng.uniform(120, 1200), lambda: self._ends(run, conclusion))

    def _ends(self, run: Run, conclusion: str) -> None:
        task = str(run.inputs["task"])
        if self.working.get(task) is run:
            del self.working[task]
            if conclusion == "success" and self.rng.random() < OFFERS:
                self._offers(task)
        run.finish(conclusion)
        self.event()

    # --- pull requests ---

    def _offers(self, task: str) -> None:
        """What an agent leaves: a pull request from its task's branch."""
        self.count["pull requests"] += 1
        words = self.rng.choice(["", "-with-words"])
        branch = f"malagate/{task[1:]}{words}"
        with self._git_moves():
            self.repo.commit(branch, {f"work-{self.count['pull requests']}.py": "x = 1"})
            pull = self.repo.open_pull(branch, author="agent")
        if self.rng.random() < JUDGED:
            self.repo.add_status(pull.head_sha, "success", GATE, user=BOT)
        self.offered[task] = pull
        chance = self.rng.random()
        wait = self.rng.uniform(24 * HOUR, 30 * HOUR) if chance < FORGOTTEN else 0.0
        self.after(wait + self.rng.uniform(60, HOUR / 2), lambda: self._decided(task, pull))

    def _decided(self, task: str, pull: PullRequest) -> None:
        """A person lands it, or will not have it."""
        if self.offered.get(task) is pull:
            del self.offered[task]
        if self.rng.random() < REFUSED:
            self.count["pull requests: closed"] += 1
            pull.close("maja")
        else:
            self.count["pull requests: merged"] += 1
            with self._git_moves():
                pull.merge("maja")
            if self.rng.random() < CLOSES:
                self.issues[task].close("maja")
        self.event()

    @contextlib.contextmanager
    def _git_moves(self) -> Iterator[None]:
        """Within it, branches are asked for as they are."""
        git, kept = self.repo.git, self.repo.git.resolve
        git.resolve = kept.__wrapped__  # type: ignore[attr-defined]
        try:
            yield
        finally:
            kept.cache_clear()  # type: ignore[attr-defined]
            git.resolve = kept  # type: ignore[method-assign]

    # --- the whole ---

    def run(self) -> None:
        """Until all is at rest, or for far too long."""
        with processes_apart():
            while self._plan and not self._rests():
                moment, _, do = heapq.heappop(self._plan)
                if moment > self.bound:
                    self.broken.append("it never comes to rest")
                    break
                if moment > self.scene.now():
                    self.twin.advance(int(moment - self.scene.now()) + 1)
                do()
                self._tell_progress()
            self._judge(list(self.scene.store().ledger(NAME)))

    def _tell_progress(self) -> None:
        """A line for each hundred runs, for whoever waits."""
        if self.count["runs"] >= self._told + 100:
            self._told = self.count["runs"] // 100 * 100
            print(f"{self._told} runs, {len(self.issues)} issues", file=sys.stderr)

    def _rests(self) -> bool:
        if len(self.issues) < self.tasks or self.working or self.offered:
            return False
        waits = {READY, ACTIVE}
        return not any(waits & set(issue.label_names) for issue in self.issues.values())

    def _judge(self, written: list[Entry]) -> None:
        last: dict[str, str] = {}
        for entry in written:
            if entry.task is not None:
                last[entry.task] = entry.kind
                self.count[f"ledger: {entry.kind}"] += 1
        for name in self.issues:
            if last.get(name) != "finished":
                self.broken.append(f"{name} ends as {last.get(name)}")
        problem = self.gate(self.scene.store()).ledger_problem()
        if problem is not None:
            self.broken.append(f"the ledger: {problem}")

    def lines(self) -> list[str]:
        """What came of it."""
        days = (self.scene.now() - self.began) / 86400
        requests = self.count["requests"]
        hourly = requests / (days * 24) if days else 0.0
        return [
            f"{self.tasks} tasks in {days:.1f} simulated days; "
            f"{self.count['ledger: parked']} were parked for a person",
            f"{requests} requests: {requests / self.tasks:.0f} a task, {hourly:.0f} an hour",
            *(f"  {name}: {number}" for name, number in sorted(self.count.items())),
            *(f"BROKEN: {text}" for text in self.broken[:20]),
        ]


@contextlib.contextmanager
def answered_fast() -> Iterator[None]:
    """The ledger's comments are listed again and again: each is made, and read, once.

    And what is answered is written as JSON by what does that ten times as fast.
    """
    read = ledger.read_page
    read_once = lru_cache(maxsize=4096)(read)
    render, known = render_issues.comment, {}
    encode = api.encode

    def encoded(result: Answer) -> None:
        if result.raw is None and result.status not in (204, 302, 304):
            result.raw = msgspec.json.encode(result.body)

    def rendered(url: str, one: Any, it: Comment) -> Any:
        key = (it.id, it.updated_at)
        if key not in known:
            known[key] = render(url, one, it)
        return known[key]

    render_issues.comment, api.encode, ledger.read_page = rendered, encoded, read_once
    try:
        yield
    finally:
        render_issues.comment, api.encode, ledger.read_page = render, encode, read


def simulate(tasks: int, seed: int) -> Simulation:
    """One simulation, to its end."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, answered_fast():
        made = Simulation(tasks, seed, Path(folder))
        made.run()
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    began = time.monotonic()
    done = simulate(options.tasks, options.seed)
    print("\n".join(done.lines()))
    print(f"{time.monotonic() - began:.0f} s of real time, seed {options.seed}")
    return 1 if done.broken else 0


if __name__ == "__main__":
    sys.exit(main())
