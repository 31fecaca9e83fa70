"""How many requests a sweep on GitHub makes, and how long until everybody knows of a freeze.

    python benchmarks/sweep_cost.py [--pulls 0 100 1000] [--no-freeze]

Over the tests' twin of GitHub, through HTTP, with the project's own client. The aim for a sweep in
which nothing changed is 6 + ⌈Q/100⌉ + ⌈P/100⌉ requests for Q labelled issues and P open pull
requests, where each list takes one at least. The store is named with its control issue's number
(`github:OWNER/REPO#N`); without it, finding the issue takes one more. "Again" is a second sweep of
the same process, whose client remembers: what did not change GitHub answers with 304, and counts
against no limit. The time from a freeze to the last status keeps GitHub's one second between two
writes.

Exit 1 if a sweep with nothing to do makes more requests than the aim, or writes anything.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from pytest_malagate.admission.statuses import CONTEXT
from pytest_malagate.admission.sweep import Sweeper, SweepOptions, Swept
from pytest_malagate.github.client import Client, Manners
from pytest_malagate.github.control import READY
from pytest_malagate.github.lock import prove
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.queue.model import Person
from pytest_malagate.queue.serial import SerialGate
from tests.twin import Repository, Twin

NAME, BOT = "acme/shop", "github-actions[bot]"
TASKS = 100
PERSON = Person(name="maja", rank="maintain", human=True)
PERMISSIONS = {
    "actions": "read",
    "contents": "read",
    "issues": "write",
    "pull-requests": "read",
    "statuses": "write",
}


class Place:
    """A repository with so many open pull requests and tasks, and a run that holds the lock."""

    def __init__(self, twin: Twin, url: str, pulls: int) -> None:
        self.twin, self.url = twin, url
        twin.rate_limit = 1_000_000
        self.repo: Repository = twin.repository(NAME)
        self.repo.commit("main", {"a.py": "x = 1"})
        self.repo.open_pulls(pulls)
        for number in range(TASKS):
            self.repo.open_issue(f"work {number}").add_label(READY)
        twin.token("t-bot", self.repo, login=BOT, permissions=PERMISSIONS)
        self.run = self.repo.run(event="schedule", concurrency=("malagate-tick-v0", "single"))
        self.number = GitHubStore(lambda _: Client("t-bot", NAME, api_url=url)).arm(NAME)

    def sweeper(self, spacing: float = 0.0) -> tuple[Sweeper, Client, SerialGate]:
        """One process: its sweeper, its client and its gate."""
        manners = Manners(write_spacing=spacing, patience=600.0)
        client = Client("t-bot", NAME, api_url=self.url, manners=manners, remember=True)
        store = GitHubStore(lambda _: client, number=self.number)
        gate = SerialGate(store, NAME)
        options = SweepOptions(seconds=3600.0)
        return Sweeper(gate, store, options, log=lambda _: None), client, gate


@contextmanager
def place(pulls: int) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder:
        twin = Twin(Path(folder), checked=False)
        with twin.serve() as url:
            yield Place(twin, url, pulls)


def requests_of(pulls: int) -> tuple[list[str], bool]:
    """A row of the table, and whether the aim was met."""
    with place(pulls) as there:
        first, _, _ = there.sweeper()
        begun = first.sweep()
        later, client, _ = there.sweeper()
        quiet = later.sweep()
        lock = _proof_cost(there)
        before = client.unchanged
        again = later.sweep()
        free = client.unchanged - before
        aim = 6 + ceil(TASKS / 100) + max(ceil(pulls / 100), 1)
        met = quiet.requests + lock <= aim and not _wrote(quiet) and not _wrote(again)
    made = begun.requests - begun.statuses_written
    row = [
        f"{pulls:,}",
        f"{made} + {begun.statuses_written:,} statuses",
        f"{quiet.requests + lock} (aim {aim})",
        f"{again.requests}, {free} of them 304",
    ]
    return row, met


def _proof_cost(there: Place) -> int:
    """The request by which a run proves that it holds the lock, before its first write."""
    client = Client("t-bot", NAME, api_url=there.url)
    assert prove(client, there.run.id).held
    return client.made


def _wrote(done: Swept) -> bool:
    return bool(done.statuses_written or done.moved)


def freeze_latency(pulls: int) -> list[str]:
    """Seconds from the beginning of the freeze to the last status, as a row."""
    with place(pulls) as there:
        quick, _, _ = there.sweeper()
        quick.sweep()
        slow, client, gate = there.sweeper(spacing=1.0)
        began = time.perf_counter()
        gate.freeze("production burns", PERSON)
        done = slow.sweep()
        took = time.perf_counter() - began
        frozen = [
            status
            for pull in there.repo.pulls
            for status in there.repo.statuses(pull.head_sha)[:1]
            if (status.context, status.state) == (CONTEXT, "failure")
        ]
    assert len(frozen) == pulls, f"{len(frozen)} of {pulls} were told"
    return [f"{pulls}", f"{done.statuses_written}", f"{took:.0f} s", f"{client.made}"]


def show(head: list[str], rows: list[list[str]]) -> None:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pulls", type=int, nargs="+", default=[0, 100, 1000])
    parser.add_argument("--no-freeze", action="store_true", help="leave the slow half out")
    options = parser.parse_args()
    rows = [requests_of(pulls) for pulls in options.pulls]
    head = ["open pull requests", "first sweep", "nothing changed", "again in one process"]
    print(f"requests of a sweep, {TASKS} tasks, the lock's proof included")
    show(head, [row for row, _ in rows])
    if not options.no_freeze:
        print("\nfrom a freeze to the last open pull request's status, one second between writes")
        show(["open pull requests", "statuses", "took", "requests"], [freeze_latency(100)])
    return 0 if all(met for _, met in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
