"""What a claim costs on the embedded store, and whether it grows with the tasks that have ended.

    python benchmarks/queue_cost.py [--rounds N] [--history 100 10000 1000000]

Named peer: a queue as people write it on bare sqlite3, one table and one `UPDATE … RETURNING`
under write-ahead logging and `synchronous = FULL`, without leases, fences, freezes or a ledger. It
stands twice: with a connection that stays open, and with one a call, as malagate's store does it
so that nothing is held across a fork or a crash.

For each history a store with so many finished tasks (and three lines of the ledger for each) is
made, then a round is one claim and one finish. The variants take turns, round by round; the table
shows medians and, for malagate and the peer each, the ratio to itself with the shortest history.
Exit 1 if malagate's claim with the longest history costs more than LIMIT times that with the
shortest one.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from pytest_malagate.gate.encoding import encode_json
from pytest_malagate.queue.model import Entry, sealed
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.sqlite import SQLiteStore

REPOSITORY = "owner/repository"
LIMIT = 1.5
ENTRIES_A_TASK = 3  # added, claimed, finished
SLACK = 200  # tasks that wait beyond those that are claimed


class Gate:
    """Malagate's rules on a store with a history."""

    def __init__(self, path: Path, history: int, waiting: int) -> None:
        self._gate = SerialGate(SQLiteStore(path), REPOSITORY)
        with SQLiteStore(path).transaction() as db:
            db.executemany(
                "INSERT INTO tasks VALUES (?, ?, ?, ?, 'work', 0, 0, ?, ?, ?, ?, ?)",
                tasks(history, waiting),
            )
            head: list[tuple[int, str]] = [(0, "")]
            db.executemany("INSERT INTO ledger VALUES (?, ?, ?)", ledger(history, head))
            db.execute("INSERT INTO heads VALUES (?, ?, ?)", (REPOSITORY, *head[0]))
            db.executemany(
                "INSERT INTO counters VALUES (?, ?, ?)",
                [(REPOSITORY, "ticket", history + waiting), (REPOSITORY, "fence", history + 1)],
            )

    def round(self) -> tuple[float, float]:
        """Seconds of a claim and of the finish that follows."""
        began = time.perf_counter()
        task = self._gate.claim("agent").task
        claimed = time.perf_counter()
        assert task is not None
        assert task.claim is not None
        self._gate.finish(task.task, "agent", claim=task.claim.id)
        return claimed - began, time.perf_counter() - claimed


def tasks(history: int, waiting: int) -> Iterator[tuple[object, ...]]:
    """Rows: the finished ones first, as they would have been."""
    for number in range(1, history + 1):
        claim = (f"{number:024x}", number, "agent", 0.0, 1.0)
        yield (REPOSITORY, f"task {number:08}", number, "finished", *claim)
    for number in range(history + 1, history + waiting + 1):
        none = (None, None, None, None, None)
        yield (REPOSITORY, f"task {number:08}", number, "waiting", *none)


def ledger(history: int, head: list[tuple[int, str]]) -> Iterator[tuple[str, int, bytes]]:
    """A whole ledger of that history; leaves its end in `head`."""
    previous = ""
    for seq in range(1, history * ENTRIES_A_TASK + 1):
        entry = sealed(
            Entry(
                seq=seq,
                at=float(seq),
                kind=("added", "claimed", "finished")[seq % 3],
                actor="agent",
                repository=REPOSITORY,
                task=f"task {seq // ENTRIES_A_TASK:08}",
                previous=previous,
            )
        )
        previous = entry.digest
        head[0] = (seq, previous)
        yield REPOSITORY, seq, encode_json(entry)


class Bare:
    """The peer."""

    def __init__(self, path: Path, history: int, waiting: int, *, keep: bool) -> None:
        self._path = path
        self._kept = self._connect() if keep else None
        with closing(self._connect()) as db:
            db.execute("CREATE TABLE tasks (id INTEGER PRIMARY KEY, name TEXT, state TEXT)")
            db.execute("CREATE INDEX waiting ON tasks (id) WHERE state = 'waiting'")
            db.execute("BEGIN")
            db.executemany(
                "INSERT INTO tasks VALUES (?, ?, ?)",
                ((row[2], row[1], row[3]) for row in tasks(history, waiting)),
            )
            db.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        return db

    def _run(self, statement: str, *values: object) -> list[tuple[int]]:
        if self._kept is not None:
            return self._kept.execute(statement, values).fetchall()
        with closing(self._connect()) as db:
            return db.execute(statement, values).fetchall()

    def round(self) -> tuple[float, float]:
        """Seconds of a claim and of the finish that follows."""
        began = time.perf_counter()
        ((number,),) = self._run(
            "UPDATE tasks SET state = 'active' WHERE id = (SELECT id FROM tasks "
            "WHERE state = 'waiting' ORDER BY id LIMIT 1) RETURNING id"
        )
        claimed = time.perf_counter()
        self._run("UPDATE tasks SET state = 'finished' WHERE id = ?", number)
        return claimed - began, time.perf_counter() - claimed

    def close(self) -> None:
        """Closes what stayed open."""
        if self._kept is not None:
            self._kept.close()


def main() -> int:
    """Prints the table; 1 if a claim grows with the history."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=300, metavar="N")
    parser.add_argument("--history", type=int, nargs="+", default=[100, 10_000, 1_000_000])
    options = parser.parse_args()
    waiting = options.rounds + SLACK
    medians: dict[tuple[str, int], tuple[float, float]] = {}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as made:
        folder = Path(made)
        stores: dict[tuple[str, int], Gate | Bare] = {}
        for history in options.history:
            began = time.perf_counter()
            stores["malagate", history] = Gate(folder / f"{history}.db", history, waiting)
            for name, keep in (("bare, open", True), ("bare", False)):
                path = folder / f"{history} {name}.db"
                stores[name, history] = Bare(path, history, waiting, keep=keep)
            print(f"made {history:,} finished tasks in {time.perf_counter() - began:.1f} s")
        # Histories take turns, too: a machine that gets slower must not look like growth.
        rounds: dict[tuple[str, int], list[tuple[float, float]]] = {key: [] for key in stores}
        for number in range(options.rounds + 1):
            keys = list(stores)
            turn = number % len(keys)
            for key in keys[turn:] + keys[:turn]:
                seconds = stores[key].round()
                if number:
                    rounds[key].append(seconds)
        for key, found in rounds.items():
            claims, ends = zip(*found, strict=True)
            medians[key] = statistics.median(claims), statistics.median(ends)
        for store in stores.values():
            if isinstance(store, Bare):
                store.close()
    return report(medians, options.history)


def report(medians: dict[tuple[str, int], tuple[float, float]], histories: list[int]) -> int:
    """Prints the medians and the ratios."""
    shortest, longest = min(histories), max(histories)
    print(f"\n{'':<12}{'finished':>10}{'claim ms':>10}{'finish ms':>11}{'pairs/s':>9}", end="")
    print(f"{'to bare':>9}{'to open':>9}{'growth':>8}")
    for (name, history), (claim, finish) in sorted(medians.items()):
        pair = claim + finish
        to_bare = pair / sum(medians["bare", history])
        to_open = pair / sum(medians["bare, open", history])
        growth = claim / medians[name, shortest][0]
        print(f"{name:<12}{history:>10,}{claim * 1e3:>10.2f}{finish * 1e3:>11.2f}", end="")
        print(f"{1 / pair:>9.0f}{to_bare:>9.2f}{to_open:>9.2f}{growth:>8.2f}")
    growth = medians["malagate", longest][0] / medians["malagate", shortest][0]
    grows = growth > LIMIT
    print(
        f"\na claim with {longest:,} finished tasks costs {growth:.2f} times one with "
        f"{shortest:,}: {'IT GROWS' if grows else 'it does not grow'} (limit {LIMIT})"
    )
    return 1 if grows else 0


if __name__ == "__main__":
    sys.exit(main())
