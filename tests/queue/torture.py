"""Many processes on one store, some of them killed all the time; then a count of what was lost.

    python -m tests.queue.torture --seconds 60

Each process adds tasks, claims, works and finishes, freezes and clears, on two repositories in one
file, and notes in a file of its own what the store *answered*. Of a process that dies between the
two, nothing is noted: the notes are a part of what the store promised. Afterwards notes, ledger and
state have to agree.

Whether two work at once is asked of the operating system, not of the store: who holds a claim
takes a file lock of the repository, which the kernel gives back when its owner is killed. A
holder whose lease has ended may still be at work when the next begins; that is counted apart.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.queue.model import Person, Task
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.sqlite import SQLiteStore

REPOSITORIES = ("owner/one", "owner/two")
PERSON = Person(name="person", rank="admin", human=True)
LEASE = 0.5
"""Short: the tasks of the killed must come round again."""


# --- a process ---


class Moment:
    """A clock that stands still within a call, so that the ledger tells the very time that the
    rules went by. It is read anew when a call first asks, which is under the store's lock."""

    def __init__(self) -> None:
        self._now: float | None = None

    def __call__(self) -> float:
        if self._now is None:
            self._now = time.time()
        return self._now

    def next_call(self) -> None:
        """Lets the time go on."""
        self._now = None


class Worker:
    """One process's life, until it is killed or the time is up."""

    def __init__(self, folder: Path, number: int, until: float) -> None:
        self._folder, self._number, self._until = folder, number, until
        self._random = random.Random(os.urandom(8))
        self._notes = os.open(
            folder / f"notes-{number}.jsonl", os.O_CREAT | os.O_WRONLY | os.O_APPEND
        )
        store = SQLiteStore(folder / "state.db")
        self._moment = Moment()
        self._gates = {name: SerialGate(store, name, now=self._moment) for name in REPOSITORIES}
        self._added = 0

    def run(self) -> None:
        """Does one thing after the other."""
        while time.time() < self._until:
            gate = self._random.choice(list(self._gates.values()))
            step = self._random.choices((self._add, self._work, self._freeze), (20, 80, 1))[0]
            self._moment.next_call()
            try:
                step(gate)
            except UsageError:
                pass  # its lease ended and somebody else was faster
            except MachineryError as error:
                self._note("trouble", gate, text=str(error))

    def _add(self, gate: SerialGate) -> None:
        self._added += 1
        task = gate.add(f"task {self._number}-{self._added}", f"worker {self._number}")
        self._note("added", gate, task=task.task)

    def _work(self, gate: SerialGate) -> None:
        answer = gate.claim(f"worker {self._number}", lease=LEASE)
        task = answer.task
        if task is None or task.claim is None:
            time.sleep(self._random.random() * 0.02)
            return
        claim = task.claim
        self._note("claimed", gate, task=task.task, claim=claim.id, fence=claim.fence)
        with self._alone(gate, task):
            time.sleep(self._random.random() * 0.004)
        self._moment.next_call()
        gate.finish(task.task, f"worker {self._number}", claim=claim.id)
        self._note("finished", gate, task=task.task)

    def _freeze(self, gate: SerialGate) -> None:
        made = gate.freeze("on fire", PERSON)
        self._note("frozen", gate, freeze=made.id)
        time.sleep(self._random.random() * 0.02)
        # Now and then all: those of the killed would stand for ever.
        self._moment.next_call()
        only = None if self._random.random() < 0.5 else [made.id]
        self._note("cleared", gate, freezes=gate.unfreeze(PERSON, "it is out", only=only))

    @contextlib.contextmanager
    def _alone(self, gate: SerialGate, task: Task) -> Iterator[None]:
        """Notes it if somebody else works on the repository."""
        assert task.claim is not None
        lock = self._folder / f"at-work-{gate.repository.replace('/', '-')}"
        with lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                other = file.read()
                ends = [task.claim.lease_until, float(other or 0.0)]
                late = min(ends) <= time.time()
                self._note("overlap" if late else "double", gate, task=task.task)
            else:
                file.truncate(0)
                file.write(repr(task.claim.lease_until))
                file.flush()
            yield

    def _note(self, kind: str, gate: SerialGate, **facts: object) -> None:
        line = json.dumps({"kind": kind, "repository": gate.repository, **facts})
        os.write(self._notes, f"{line}\n".encode())


def start(folder: Path, number: int, until: float) -> int:
    """A new process; its id."""
    process = os.fork()
    if process:
        return process
    try:
        Worker(folder, number, until).run()
    finally:
        os._exit(0 if sys.exc_info()[0] is None else 70)


# --- the storm ---


class Storm:
    """Keeps a number of processes alive for some time, and kills one of them again and again."""

    def __init__(self, folder: Path, processes: int, seconds: float) -> None:
        self._folder, self._processes = folder, processes
        self._until = time.time() + seconds
        self.started, self.killed, self.broken = 0, 0, 0
        self._living: set[int] = set()

    def run(self) -> None:
        """Returns when all have ended."""
        while time.time() < self._until:
            while len(self._living) < self._processes:
                self.started += 1
                self._living.add(start(self._folder, self.started, self._until))
            time.sleep(random.random() * 0.03)
            victim = random.choice(sorted(self._living))
            os.kill(victim, signal.SIGKILL)
            self._reap(victim)
        while self._living:
            self._reap(self._living.copy().pop())

    def _reap(self, process: int) -> None:
        _, status = os.waitpid(process, 0)
        self._living.discard(process)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            self.killed += 1
        elif status != 0:
            self.broken += 1


# --- the count ---


def notes_of(folder: Path) -> list[dict[str, Any]]:
    """Everything that was noted; a line that a killed process did not complete is left out."""
    found = []
    for path in folder.glob("notes-*.jsonl"):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                found.append(json.loads(line))
    return found


def play(gate: SerialGate, count: Counter[str]) -> tuple[set[str], set[str], set[int]]:
    """Plays the ledger: tasks that waited or ran, that ended, and freezes, as it leaves them."""
    active: str | None = None
    since = 0.0
    open_tasks: set[str] = set()
    ended: set[str] = set()
    frozen: set[int] = set()
    for entry in SQLiteStore(store_of(gate).path).ledger(gate.repository):
        count["ledger entries"] += 1
        if entry.kind in ("claimed", "reclaimed"):
            count["claims"] += 1
            count["started while frozen"] += bool(frozen)
            if entry.kind == "claimed":
                count["claims handed out twice"] += active is not None
            else:
                count["claims after a lease that ended"] += 1
                early = entry.task != active or entry.at < since + LEASE
                count["claims handed out twice"] += early
            active, since = entry.task, entry.at
        elif entry.kind == "added":
            open_tasks.add(str(entry.task))
        elif entry.kind == "finished":
            count["finished"] += 1
            count["claims handed out twice"] += entry.task != active
            active = None
            open_tasks.discard(str(entry.task))
            ended.add(str(entry.task))
        elif entry.freeze is not None:
            count["freezes set"] += entry.kind == "frozen"
            (frozen.add if entry.kind == "frozen" else frozen.remove)(entry.freeze)
    return open_tasks, ended, frozen


def store_of(gate: SerialGate) -> SQLiteStore:
    """The gate's own store."""
    store = gate._store
    assert isinstance(store, SQLiteStore)
    return store


def reckon(folder: Path) -> Counter[str]:
    """What was lost, and how much was done."""
    count: Counter[str] = Counter()
    notes = notes_of(folder)
    count["noted"] = len(notes)
    claims = [(n["repository"], n["claim"]) for n in notes if n["kind"] == "claimed"]
    fences = [(n["repository"], n["fence"]) for n in notes if n["kind"] == "claimed"]
    count["claims handed out twice"] += len(claims) - len(set(claims))
    count["claims handed out twice"] += len(fences) - len(set(fences))
    for note in notes:
        count["claims handed out twice"] += note["kind"] == "double"
        count["overlaps after a lease that ended"] += note["kind"] == "overlap"
        if note["kind"] == "trouble":
            count["errors of the store"] += 1
            print(f"an error of the store: {note['text']}")
    for name in REPOSITORIES:
        gate = SerialGate(SQLiteStore(folder / "state.db"), name)
        of_here = [note for note in notes if note["repository"] == name]
        reckon_repository(gate, of_here, count)
    return count


def reckon_repository(gate: SerialGate, notes: list[dict[str, Any]], count: Counter[str]) -> None:
    """The same of one repository; ends by doing what was left to do."""
    count["ledgers that are not whole"] += gate.ledger_problem() is not None
    open_tasks, ended, frozen = play(gate, count)
    in_store = {task.task for task in gate.tasks()}
    with store_of(gate).reading(gate.repository) as session:
        finished = {task.task for task in session.tasks("finished")}
    standing = {freeze.id for freeze in gate.status().freezes}

    added = {note["task"] for note in notes if note["kind"] == "added"}
    done = {note["task"] for note in notes if note["kind"] == "finished"}
    count["lost tasks"] += len((added | open_tasks | ended) - in_store - finished)
    count["lost tasks"] += len(in_store ^ open_tasks) + len(finished ^ ended)
    count["lost ends"] += len(done - finished)

    made = {note["freeze"] for note in notes if note["kind"] == "frozen"}
    cleared = {number for note in notes if note["kind"] == "cleared" for number in note["freezes"]}
    entries = list(store_of(gate).ledger(gate.repository))
    set_once = {entry.freeze for entry in entries if entry.kind == "frozen"}
    cleared_once = {entry.freeze for entry in entries if entry.kind == "cleared"}
    count["lost freezes"] += len(made - set_once) + len((made - cleared_once) - standing)
    count["lost freezes"] += len(standing ^ frozen) + len(cleared & standing)

    gate.unfreeze(PERSON, "the storm is over")
    later = SerialGate(store_of(gate), gate.repository, now=lambda: time.time() + 2 * LEASE)
    for _ in range(len(in_store)):
        answer = later.claim("the one who tidies up")
        if answer.task is not None:
            later.finish(answer.task.task, "the one who tidies up")
    count["lost tasks"] += len(later.tasks())


MUST_BE_ZERO = (
    *("claims handed out twice", "lost tasks", "lost ends", "lost freezes"),
    *("started while frozen", "ledgers that are not whole", "errors of the store"),
)


def main() -> int:
    """Prints the numbers; 1 if something was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S")
    parser.add_argument("--processes", type=int, default=32, metavar="N")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        storm = Storm(Path(folder), options.processes, options.seconds)
        storm.run()
        count = reckon(Path(folder))
    print(f"{options.processes} processes at once for {options.seconds:g} seconds")
    print(f"{storm.started:>9,} processes started, {storm.killed:,} killed")
    count["processes that broke"] = storm.broken
    names = [name for name in count if name not in MUST_BE_ZERO]
    for name in (*sorted(names), *MUST_BE_ZERO):
        print(f"{count[name]:>9,} {name}")
    lost = sum(count[name] for name in (*MUST_BE_ZERO, "processes that broke"))
    return 1 if lost or not (storm.killed and count["claims"] and count["freezes set"]) else 0


if __name__ == "__main__":
    sys.exit(main())
