"""Evaluations that are disturbed at one of their requests, and what may come of them.

Each story ends with an evaluation. It is told once without trouble, then again with every kind of
fault at every request in turn, once or from there on, to the API or to the host of the downloads,
with lists that lag or without. After it comes an evaluation of the same head without trouble, and
one of another head. `python -m tests.action.faults` tells all of it and prints a table.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import github

from pytest_malagate.github.client import Manners
from pytest_malagate.github.comments import MARKER
from tests.action.stage import PASSING, Stage, Told
from tests.twin import Twin
from tests.twin.faults import Faults, Host

KINDS = Faults.KINDS
FOREVER = 1_000_000
GONE = "tests/test_shop.py::test_gone"
POLICY = """\
version: 1
validations:
  tests: {kind: test}
  lint: {command: ruff check .}
"""
LINT = {"lint": ("ruff check .", 0)}
_A_SCENE = 30  # tellings
HASTE = 0.2
"""Seconds that the client waits for an answer that never comes."""


# --- the stories ----------------------------------------------------------------------------------


@dataclass
class Scene:
    """A repository with a baseline, where each story is told on a pull request of its own."""

    stage: Stage
    told: int = 0

    @property
    def twin(self) -> Twin:
        return self.stage.twin

    def opened(self) -> Any:
        """A pull request from a fork, on a branch that no other has."""
        self.told += 1
        branch = f"topic-{self.told}"
        forks = self.stage.repo.forks
        fork = forks[0] if forks else self.stage.repo.fork("mallory")
        fork.commit(branch, {"shop.py": f"# {self.told}\n"}, message="work")
        return self.stage.repo.open_pull(head=branch, fork=fork, title="Work", author="mallory")

    def tested(self, pull: Any, *, lint: bool = True, **tests: str) -> Any:
        """A run whose tests passed, but for those that are named."""
        outcomes = {**PASSING, GONE: "passed"}
        outcomes |= {f"tests/test_shop.py::{name}": outcome for name, outcome in tests.items()}
        outcomes = {name: outcome for name, outcome in outcomes.items() if outcome != "removed"}
        return self.stage.tested(pull, tests=outcomes, commands=LINT if lint else {})

    def pushed(self, pull: Any) -> None:
        self.told += 1
        pull.push({"shop.py": f"# {self.told}\n"})


def first_failing(scene: Scene, pull: Any) -> Any:
    return scene.tested(pull, test_total="failed")


def first_passing(scene: Scene, pull: Any) -> Any:
    return scene.tested(pull)


def later_failing(scene: Scene, pull: Any) -> Any:
    """There is a state, a comment, a baseline, and the same test fails again."""
    scene.stage.gate(scene.tested(pull, test_empty="failed", test_total="failed"))
    scene.pushed(pull)
    return scene.tested(pull, test_total="failed")


def later_passing(scene: Scene, pull: Any) -> Any:
    scene.stage.gate(scene.tested(pull, test_total="failed"))
    scene.pushed(pull)
    return scene.tested(pull)


def exhausted(scene: Scene, pull: Any) -> Any:
    """The third failure: labels come with it."""
    for _ in range(2):
        scene.stage.gate(scene.tested(pull, test_total="failed"))
        scene.pushed(pull)
    return scene.tested(pull, test_total="failed")


def judged_otherwise(scene: Scene, pull: Any) -> Any:
    """The same head passed before; its status says so."""
    scene.stage.gate(scene.tested(pull))
    return scene.tested(pull, test_total="failed")


def unchanged(scene: Scene, pull: Any) -> Any:
    """The same head was judged before, and nothing is new."""
    run = scene.tested(pull, test_total="failed")
    scene.stage.gate(run)
    return run


def by_the_policy(scene: Scene, pull: Any) -> Any:
    """Only the base's policy stands in the way."""
    return scene.tested(pull, lint=False)


def by_the_baseline(scene: Scene, pull: Any) -> Any:
    """Only the comparison with the base's tests stands in the way."""
    return scene.tested(pull, test_gone="removed")


def by_the_state(scene: Scene, pull: Any) -> Any:
    """Only what is remembered stands in the way: somebody said stop."""
    scene.stage.gate(scene.tested(pull, test_total="failed"))
    scene.stage.say(pull, "bob", "/gate stop")
    scene.pushed(pull)
    return scene.tested(pull)


STORIES: dict[str, Callable[[Scene, Any], Any]] = {
    "first, failing": first_failing,
    "first, passing": first_passing,
    "later, failing": later_failing,
    "later, passing": later_passing,
    "exhausted": exhausted,
    "judged otherwise": judged_otherwise,
    "unchanged": unchanged,
    "by the policy": by_the_policy,
    "by the baseline": by_the_baseline,
    "by the state": by_the_state,
    "/gate retry": exhausted,
}
RETRY = "/gate retry"


# --- one telling ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """What befalls the request number `nth` to a host: once, or it and every later one.

    `lagging`: every list shows, all the while, what stood before the evaluation.
    """

    kind: str
    nth: int
    host: Host = "api"
    lasting: bool = False
    lagging: bool = False

    def __str__(self) -> str:
        words = [self.kind, "from" if self.lasting else "at", f"{self.host} request {self.nth}"]
        return " ".join([*words, *(["with lagging lists"] if self.lagging else [])])


@dataclass(frozen=True)
class Heard:
    """What there is to see after an evaluation."""

    exit_code: int
    verdict: str | None
    attempt: str | None
    status: str | None
    ours: int
    log: str
    posted: tuple[str, ...]
    """States that were written in this evaluation, oldest first."""
    downloads: int = 0
    requests: int = 0

    @property
    def ending(self) -> str:
        """The kind of end, for the table."""
        if self.verdict is None:
            return "refused" if self.exit_code == 0 else "no verdict"
        if self.verdict in ("pass", "fail"):
            return "verdict" if self.exit_code == 0 else "verdict, status not written"
        return self.verdict if self.exit_code == 0 else f"{self.verdict}, status not written"


@dataclass
class Telling:
    """One telling of a story: the evaluation, the next of that head, and one of another head,
    which a brief telling leaves out."""

    at_once: Heard
    again: Heard
    afterwards: Heard | None


@dataclass
class Findings:
    """How many tellings ended how, and what was wrong with any."""

    endings: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def tellings(self) -> int:
        return self.endings.total()

    def add(self, other: Findings) -> None:
        self.endings.update(other.endings)
        self.wrong += other.wrong


@contextmanager
def scene() -> Iterator[Scene]:
    """A scene whose waits cost nothing; an answer that never comes costs HASTE."""

    def hasty(*args: Any, **options: Any) -> github.Github:
        made = github.Github(*args, **options)
        made.requester._Requester__timeout = HASTE if twin.faults.plan else 20
        return made

    with tempfile.TemporaryDirectory() as directory:
        twin = Twin(Path(directory), checked=False)
        twin.rate_limit = FOREVER
        twin.timeout_seconds = 3 * HASTE
        manners = partial(_manners, Manners)
        with (
            twin.serve(),
            mock.patch("pytest_malagate.github.client.Github", hasty),
            mock.patch("tests.action.stage.Manners", manners),
        ):
            stage = Stage(twin, {"malagate.yaml": POLICY})
            stage.repo.permission("bob", "write")
            stage.landed(tests={**PASSING, GONE: "passed"}, commands=LINT)
            yield Scene(stage)


def _manners(make: Callable[..., Manners], **given: Any) -> Manners:
    return make(**{**given, "timeout": 20, "now": time.time})


def tell(scene: Scene, story: str, trouble: Trouble | None, *, brief: bool = False) -> Telling:
    """Tells a story on a new pull request, its last evaluation with the trouble."""
    pull = scene.opened()
    run = STORIES[story](scene, pull)
    evaluate: Callable[[], Told] = partial(scene.stage.gate, run)
    if story == RETRY:
        scene.stage.gate(run)
        comment = pull.comment(author="bob", body="/gate retry")
        payload = scene.twin.event("issue_comment", comment=comment)
        evaluate = partial(scene.stage.act, "issue_comment", payload)
    with disturbed(scene.twin, trouble):
        at_once = hear(scene, pull, evaluate)
    again = hear(scene, pull, partial(scene.stage.gate, run))
    if brief:
        return Telling(at_once, again, None)
    scene.pushed(pull)
    other = scene.tested(pull, test_empty="failed")
    afterwards = hear(scene, pull, partial(scene.stage.gate, other))
    return Telling(at_once, again, afterwards)


@contextmanager
def disturbed(twin: Twin, trouble: Trouble | None) -> Iterator[None]:
    """The trouble, while the block runs."""
    if trouble is not None:
        times = FOREVER if trouble.lasting else 1
        if trouble.lagging:
            twin.lag(FOREVER)
        twin.faults.add(trouble.kind, nth=trouble.nth, times=times, host=trouble.host)
    try:
        yield
    finally:
        twin.faults.clear()
        twin.lag(0)


def hear(scene: Scene, pull: Any, evaluate: Callable[[], Told]) -> Heard:
    stage = scene.stage
    before, downloads = len(stage.repo.statuses(pull.head_sha)), len(scene.twin.blob_requests)
    told = evaluate()
    statuses = stage.repo.statuses(pull.head_sha)
    status = stage.status(pull.head_sha)
    return Heard(
        exit_code=told.exit_code,
        verdict=told.outputs.get("verdict") or None,
        attempt=told.outputs.get("attempt"),
        status=status[0] if status else None,
        ours=sum(comment.body.startswith(MARKER) for comment in pull.comments),
        log=told.log,
        posted=tuple(made.state for made in reversed(statuses[: len(statuses) - before])),
        downloads=len(scene.twin.blob_requests) - downloads,
        requests=told.requests,
    )


# --- what may come of it --------------------------------------------------------------------------


def wrong_with(story: str, telling: Telling, calm: Telling) -> Iterator[str]:
    """What must not be, in words; `calm` is the same story without trouble."""
    at_once, again, afterwards = telling.at_once, telling.again, telling.afterwards
    for heard in filter(None, (at_once, again, afterwards)):
        if "Traceback" in heard.log or "malagate failed" in heard.log:
            yield f"a traceback: {heard.log[-600:]}"
        if heard.ours > 1:
            yield f"{heard.ours} comments of ours"
    yield from _wrong_at_once(at_once, calm.at_once)
    if (again.exit_code, again.ours) != (0, 1):
        yield f"the next evaluation: exit {again.exit_code}, {again.ours} comments"
    attempts = ("3", "4") if story == RETRY and not _kept(at_once) else None
    yield from _wrong_later(again, calm.again, attempts[0] if attempts else None)
    if afterwards is not None and calm.afterwards is not None:
        yield from _wrong_later(afterwards, calm.afterwards, attempts[1] if attempts else None)


def _wrong_later(heard: Heard, calm: Heard, attempt: str | None) -> Iterator[str]:
    """`attempt`: the number where a command did not get through, so that nothing began anew."""
    right = (calm.verdict, attempt or calm.attempt, calm.status)
    if (heard.verdict, heard.attempt, heard.status) != right:
        yield f"a later evaluation says {_said(heard)}, not {right}"


def _wrong_at_once(heard: Heard, calm: Heard) -> Iterator[str]:
    if heard.exit_code not in (0, 3):
        yield f"exit code {heard.exit_code}: {heard.log[-300:]}"
    if heard.verdict not in (calm.verdict, "inconclusive", None):
        yield f"the verdict is {heard.verdict}, not {calm.verdict}"
    if heard.verdict == calm.verdict and heard.attempt != calm.attempt:
        yield f"the attempt is {heard.attempt}, not {calm.attempt}"
    allowed = {calm.status, "error"} if heard.verdict == calm.verdict else {"error"}
    if not set(heard.posted) <= allowed:
        yield f"the statuses {heard.posted} were written, and {calm.status} is right"
    if heard.exit_code == 0 and heard.verdict is not None:
        right = calm.status if heard.verdict == calm.verdict else "error"
        if heard.status != right:
            yield f"exit 0, {heard.verdict}, and the status is {heard.status}"


def _kept(heard: Heard) -> bool:
    """True if a command was carried out, and the memory of it handed over."""
    return "the attempts begin anew" in heard.log and heard.verdict is not None


def _said(heard: Heard) -> str:
    return f"{heard.verdict}, attempt {heard.attempt}, status {heard.status}"


# --- many tellings --------------------------------------------------------------------------------


def troubles(
    calm: Telling,
    *,
    kinds: Iterable[str] = KINDS,
    lasting: Iterable[bool] = (False, True),
    lagging: Iterable[bool] = (False, True),
) -> Iterator[Trouble]:
    """Every trouble for a story: at each request to the API, and at each download."""
    places: list[tuple[Host, int]] = [("api", n + 1) for n in range(calm.at_once.requests)]
    places += [("blob", n + 1) for n in range(calm.at_once.downloads)]
    for (host, nth), kind, lasts, lags in itertools.product(places, kinds, lasting, lagging):
        yield Trouble(kind, nth, host, lasts, lags)


def examine(
    scene: Scene, story: str, calm: Telling, chosen: Iterable[Trouble], *, brief: bool = False
) -> Findings:
    """Tells a story with each of the troubles."""
    findings = Findings()
    for trouble in chosen:
        telling = tell(scene, story, trouble, brief=brief)
        findings.endings[trouble.kind, telling.at_once.ending] += 1
        findings.wrong += [
            f"{story}, {trouble}: {text}" for text in wrong_with(story, telling, calm)
        ]
    return findings


def _examine_kinds(job: tuple[str, tuple[str, ...], int]) -> Findings:
    story, kinds, every = job
    with scene() as made:
        calm = tell(made, story, None)
    chosen = list(itertools.islice(troubles(calm, kinds=kinds), 0, None, every))
    findings = Findings()
    for place in range(0, len(chosen), _A_SCENE):  # it gets slower with every pull request
        with scene() as made:
            findings.add(examine(made, story, calm, chosen[place : place + _A_SCENE]))
    return findings


def table(findings: Findings) -> Iterator[str]:
    """The endings by kind of fault."""
    endings = sorted({ending for _, ending in findings.endings})
    width = max(len(kind) for kind in (*KINDS, "all"))
    yield " ".join([f"{'fault':<{width}}", *(f"{name:>{len(name) + 2}}" for name in endings)])
    for kind in (*KINDS, "all"):
        counts = [
            sum(n for (k, e), n in findings.endings.items() if e == name and kind in (k, "all"))
            for name in endings
        ]
        cells = (f"{n:>{len(name) + 2}}" for name, n in zip(endings, counts, strict=True))
        yield " ".join([f"{kind:<{width}}", *cells])


def main() -> int:
    """Tells every story with every trouble, and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--story", action="append", choices=STORIES, help="only this one")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only this kind")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth trouble")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, metavar="N")
    options = parser.parse_args()
    kinds = tuple(options.kind or KINDS)
    stories = options.story or STORIES
    jobs = [(story, (kind,), options.every) for story in stories for kind in kinds]
    findings = Findings()
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for part in pool.imap_unordered(_examine_kinds, jobs):
            findings.add(part)
    print(*table(findings), sep="\n")
    print(f"{findings.tellings} disturbed evaluations of {len(stories)} stories")
    print(*findings.wrong, sep="\n")
    print(f"{len(findings.wrong)} wrong")
    return 1 if findings.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
