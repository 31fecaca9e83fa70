"""Several writers without a lock, on a ledger that turns over all the time: what was answered is so."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from pytest_malagate.errors import MachineryError
from pytest_malagate.github.client import Manners
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.github.volumes import Measures
from pytest_malagate.queue.model import Entry
from pytest_malagate.queue.store import ConflictError
from tests.admission.scene import MAJA, NAME, Scene, processes_apart
from tests.twin import Twin
from tests.twin.routing import Answer, Incoming
from tests.twin.scheduler import Died, Once, Turns, WiredClient
from tests.twin.state import Comment

SEEDS = 60
WRITERS, WRITES = 3, 5
BORDER = range(196, 203)
"""Comments after which the next few stand on either side of a border of GitHub's list."""


class Writer:
    """One process after the other under one name: each writes one line, and may die on the way."""

    def __init__(self, play: Play, name: str) -> None:
        self._play, self.name = play, name
        self._sent, self._dies_at, self._after = 0, 0, False

    def live(self) -> None:
        for number in range(WRITES):
            self._sent = 0
            rng = self._play.rng
            self._dies_at = rng.randint(1, 16) if rng.random() < 0.15 else 0
            self._after = rng.random() < 0.5
            self._play.answers[f"{self.name} {number}"] = self._write(f"{self.name} {number}")

    def _write(self, words: str) -> str:
        store = self._play.store(self._before, self._behind)
        said = Entry(seq=0, at=1.0, kind="note", actor=self.name, repository=NAME, detail=words)
        try:
            with store.exclusive(NAME) as session:
                session.append(said)
        except ConflictError:
            return "no"
        except (MachineryError, Died):
            return "nobody knows"
        return "yes"

    def _before(self, incoming: Incoming) -> None:
        self._play.turns.pause(self.name)
        self._sent += 1
        if self._sent == self._dies_at and not self._after:
            raise Died

    def _behind(self, incoming: Incoming, answer: Answer | None) -> None:
        if self._sent == self._dies_at and self._after:
            raise Died


class Play:
    """What one seed chooses. `answers` is what each writer was told of each of its lines."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.rng = rng = random.Random(seed)
        self.twin = Twin(folder, checked=False)
        self.twin.rate_limit = 10**9
        self.scene = Scene(self.twin)
        self.measures = Measures(checkpoint=rng.choice([1, 3, 40]), volume=rng.choice([1, 2, 4, 9]))
        self.answers: dict[str, str] = {}
        self._stays, self._last = rng.choice([0.0, 0.8, 0.95]), ""
        self.turns = Turns(self._choose)
        if rng.random() < 0.3:
            self._go_to_the_border()
        self.twin.lagging(rng.choice([0, 0, 2]))
        for _ in range(rng.randint(0, 3)):
            kind = rng.choice(["502", "applied-502", "applied-reset", "truncated"])
            self.twin.faults.add(kind, nth=rng.randint(1, 40), method=rng.choice(["GET", "POST"]))

    def _go_to_the_border(self) -> None:
        self.measures = Measures(checkpoint=self.rng.choice([3, 40]))
        stand_at(self.scene, self.rng.choice(BORDER))

    def _choose(self, living: list[str]) -> str:
        if self._last not in living or self.rng.random() >= self._stays:
            self._last = self.rng.choice(living)
        return self._last

    def store(self, before: Callable[..., None], after: Callable[..., None]) -> GitHubStore:
        manners = Manners(write_spacing=0.0, patience=1e6, sleep=self._sleep, now=self.scene.now)
        client = WiredClient(self.twin, "t-bot", NAME, before=before, after=after, manners=manners)
        store = GitHubStore(lambda _: client)
        store.measures = self.measures
        return store

    def _sleep(self, seconds: float) -> None:
        self.twin.advance(int(seconds) + 1)

    def run(self) -> None:
        writers = [Writer(self, f"writer {number}") for number in range(WRITERS)]
        self.turns.run({one.name: partial(one.live) for one in writers})
        self.twin.faults.clear()
        self.twin.lagging(0)


def stand_at(scene: Scene, count: int) -> None:
    """A ledger in an issue with so many comments, not all of them pages."""
    scene.twin.comment_limit = Twin.comment_limit
    for number in range(5):
        scene.gate().record("note", "x", f"before {number}")
    while len(scene.control.comments) < count - 1:
        scene.control.comment(author="walt", body="chatter")
    scene.gate().record("note", "x", "before all")


@pytest.mark.parametrize("part", range(4))
def test_what_a_writer_was_told_is_what_the_ledger_says(tmp_path: Path, part: int) -> None:
    told: Counter[str] = Counter()
    for seed in range(part, SEEDS, 4):
        with processes_apart():
            play = Play(seed, tmp_path / str(seed))
            play.run()
            gate = play.scene.gate()
            lines = Counter(entry.detail for entry in gate.ledger())
            assert gate.ledger_problem() is None, seed
            assert not gate.status(verify=False).frozen, seed
        for words, answer in play.answers.items():
            told[answer] += 1
            expected = {"yes": {1}, "no": {0}, "nobody knows": {0, 1}}[answer]
            assert lines[words] in expected, f"seed {seed}: {words} was answered {answer}"
    assert all(told[answer] for answer in ("yes", "no", "nobody knows"))


# --- the border of two pages of GitHub's list ---


@pytest.fixture
def scene(twin: Twin) -> Iterator[Scene]:
    twin.checked = False
    with processes_apart():
        yield Scene(twin)


def refused_page(scene: Scene) -> Comment:
    """A page whose writer lost its place to another, and has yet to take it away."""
    posted = {"method": "POST", "path": "/issues/1/comments$"}
    wins = Once(lambda: scene.gate().record("note", "A", "wins"), **posted)

    def before(incoming: Incoming) -> None:
        if incoming.method == "DELETE":
            raise Died
        wins(incoming)

    with suppress(Died):
        scene.gate(scene.store(before=before)).record("note", "B", "loses")
    return scene.control.comments[-1]


class Meets:
    """Another writes just before our page is sent. Before the `gone`-th list that we read after it,
    a page that did not count is taken away; before all of that, with 0."""

    def __init__(self, loser: Comment, other: Callable[[], object], gone: int) -> None:
        self._loser, self._other, self._gone = loser, other, gone
        self._sent, self._lists = False, 0

    def __call__(self, incoming: Incoming) -> None:
        if not incoming.path.endswith("/comments"):
            return
        if incoming.method == "POST" and not self._sent:
            self._sent = True
            if not self._gone:
                self._loser.delete()
            self._other()
        elif incoming.method == "GET" and self._sent:
            self._lists += 1
            if self._lists == self._gone:
                self._loser.delete()


@pytest.mark.parametrize("gone", [0, 1, 2])
@pytest.mark.parametrize("count", BORDER)
def test_a_page_that_goes_away_hides_no_other_from_a_writer(
    scene: Scene, count: int, gone: int
) -> None:
    scene.gate().arrange([("X", "alice"), ("Y", "alice")])
    stand_at(scene, count)
    loser = refused_page(scene)
    held: list[tuple[str, int]] = []

    def claims(holder: str, store: GitHubStore) -> None:
        with suppress(ConflictError):
            task = scene.gate(store).claim(holder).task
            if task is not None and task.claim is not None:
                held.append((task.task, task.claim.fence))

    meets = Meets(loser, lambda: claims("C", scene.store()), gone)
    claims("A", scene.store(before=meets))
    claimed = [one for one in scene.gate().tasks() if one.claim is not None]
    assert sorted(held) == [(one.task, one.claim.fence) for one in claimed if one.claim]


@pytest.mark.parametrize("unlinked", [False, True])
@pytest.mark.parametrize("count", BORDER)
def test_a_freeze_that_was_answered_stands_and_what_was_written_beside_it(
    scene: Scene, count: int, unlinked: bool
) -> None:
    stand_at(scene, count)
    meets = Meets(refused_page(scene), lambda: scene.gate().add("#5", "bob"), 0)
    if unlinked:
        scene.twin.faults.add("forbidden", method="POST", path="/issues$")
    frozen = False
    with suppress(ConflictError):
        scene.gate(scene.store(before=meets)).freeze("on fire", MAJA)
        frozen = True
    status = scene.gate().status()
    assert (status.frozen, status.problem, status.ledger_ok) == (frozen, None, True)
    assert [one.task for one in scene.gate().tasks()] == ["#5"]
