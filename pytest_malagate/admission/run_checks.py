"""The checks of a reconciler about runs on GitHub: what was never judged, begun, or let in.

As those of `checks`: each finds without writing, and repairs through the ordinary way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import msgspec

from pytest_malagate.admission.outlook import QUESTIONS, Outlook, Upkept, in_turn, moment
from pytest_malagate.github.client import GitHubError
from pytest_malagate.github.dispatch import dispatch
from pytest_malagate.github.lock import wedged
from pytest_malagate.github.pulls import pull_of
from pytest_malagate.github.records import JobsPage, Pull, Run, RunsPage
from pytest_malagate.reconcile.checks import Finding
from pytest_malagate.report.text import plain

replace = msgspec.structs.replace


ASK_AGAIN_SECONDS = 3600.0
"""How long the gate has for a pull request that it was asked for, before it is asked again."""

_JUDGED_KEPT = 500
"""Pull requests whose head is remembered to have a verdict."""


class UnjudgedPulls:
    """Open pull requests without a verdict on their head, long after their tests have ended.

    `workflow` is the gate's, which is started for the pull request if it can be: it needs
    `workflow_dispatch` with the input `pull-request`. One request for each head that is not known
    to be judged, one more for each that is not.
    """

    name = "unjudged"

    def __init__(self, outlook: Outlook, *, workflow: str | None, ref: str, grace: float) -> None:
        self._outlook, self._workflow, self._ref = outlook, workflow, ref
        self._grace = grace
        self._judged: dict[int, str] = {}
        self._asked: dict[int, float] = {}
        self._after: int | None = None

    def left(self, before: Upkept) -> Upkept:
        """What the next sweep goes by."""
        if self._after is None:
            return before
        places = {**before.places, self.name: self._after}
        return replace(before, places=places, judged=self._judged, asked=self._asked)

    def find(self) -> Iterable[Finding]:
        """One finding a pull request. Raises GitHubError."""
        outlook, kept = self._outlook, self._outlook.kept
        numbers = {pull.number: pull.head.sha[:12] for pull in outlook.pulls}
        self._judged = {
            number: sha for number, sha in kept.judged.items() if numbers.get(number) == sha
        }
        self._asked = {
            number: at
            for number, at in kept.asked.items()
            if number in numbers and outlook.now() - at < ASK_AGAIN_SECONDS
        }
        due = [
            pull for pull in outlook.pulls if pull.number not in self._judged and self._old(pull)
        ]
        self._after = kept.places.get(self.name, 0)
        for pull in in_turn(due, lambda one: one.number, self._after, QUESTIONS):
            status = outlook.verdict(pull)
            self._after = pull.number
            if status is not None and status.state != "pending":
                if len(self._judged) < _JUDGED_KEPT:
                    self._judged[pull.number] = pull.head.sha[:12]
                continue
            finding = self._finding(pull)
            if finding is not None:
                yield finding

    def _old(self, pull: Pull) -> bool:
        return self._outlook.now() - moment(pull.updated_at) >= self._grace

    def _finding(self, pull: Pull) -> Finding | None:
        """None while its tests run, or before they were ever started."""
        run = self._ended_tests(pull)
        if run is None:
            return None
        problem = f"{pull.head.sha[:12]} has no verdict, and run {run.id} has ended long ago"
        remedy = "run the gate for it: Run workflow, or /gate retry in a comment on it"
        can = self._workflow is not None and pull.number not in self._asked
        repair = partial(self._repair, pull) if can else None
        return Finding(item=f"#{pull.number}", problem=problem, remedy=remedy, repair=repair)

    def _ended_tests(self, pull: Pull) -> Run | None:
        page = self._outlook.client.get(
            "/actions/runs",
            RunsPage,
            head_sha=pull.head.sha,
            event="pull_request",
            per_page=100,
        )
        runs = [run for run in page.workflow_runs if run.head_sha == pull.head.sha]
        if any(run.status != "completed" for run in runs):
            return None
        return max(runs, key=lambda run: run.id, default=None)

    def _repair(self, seen: Pull) -> bool:
        """Asks the gate, unless the head has moved or was judged. True if it was asked."""
        client = self._outlook.client
        pull = pull_of(client, seen.number)
        if pull.state != "open" or pull.head.sha != seen.head.sha:
            return False
        status = self._outlook.verdict(pull)
        if (status is not None and status.state != "pending") or self._workflow is None:
            return False
        try:
            dispatch(client, self._workflow, self._ref, {"pull-request": str(pull.number)})
        except GitHubError as error:
            if error.status in (404, 422):  # it cannot be started so: the remedy says what to do
                return False
            raise
        self._asked[pull.number] = self._outlook.now()
        return True


class EvictedRuns:
    """Runs that were cancelled before they had a job: what they would have done was never done.

    Those of `ours` (file names of workflows) are made up for by `tick`, once for all of them;
    others are only told. One request, and one for each cancelled run that is new.
    """

    name = "evicted"

    def __init__(
        self, outlook: Outlook, *, ours: Iterable[str], tick: Callable[[], object] | None
    ) -> None:
        self._outlook, self._ours, self._tick = outlook, frozenset(ours), tick
        self._ticked = False
        self._newest: int | None = None

    def left(self, before: Upkept) -> Upkept:
        """What the next sweep goes by."""
        return before if self._newest is None else replace(before, run=self._newest)

    def find(self) -> Iterable[Finding]:
        """One finding a run. Raises GitHubError."""
        newest = self._newest = self._outlook.kept.run
        page = self._outlook.client.get("/actions/runs", RunsPage, status="cancelled", per_page=100)
        new = sorted((run for run in page.workflow_runs if run.id > newest), key=lambda run: run.id)
        for run in new[:QUESTIONS]:
            if run.conclusion == "cancelled" and not self._had_jobs(run):
                yield self._finding(run)
            self._newest = run.id

    def _had_jobs(self, run: Run) -> bool:
        path = f"/actions/runs/{run.id}/jobs"
        return bool(self._outlook.client.get(path, JobsPage, filter="all", per_page=1).jobs)

    def _finding(self, run: Run) -> Finding:
        file = run.file.rpartition("/")[2]
        ours = file in self._ours and self._tick is not None
        return Finding(
            item=f"run {run.id}",
            problem=f"{plain(file, 80)} was cancelled before it began: others waited in its group",
            remedy="run it again if it was needed; `queue: max` lets up to 100 wait in a group",
            repair=self._made_up_for if ours else None,
        )

    def _made_up_for(self) -> bool:
        if self._tick is not None and not self._ticked:
            self._tick()
            self._ticked = True
        return True


class WedgedGroups:
    """Concurrency groups in which all wait for a run that has ended. Only told: see the remedy."""

    name = "wedged"

    def __init__(self, outlook: Outlook, *, own_run: int | None) -> None:
        self._outlook, self._own_run = outlook, own_run

    def find(self) -> Iterable[Finding]:
        """One finding a group. Raises GitHubError."""
        for wedge in wedged(self._outlook.client, own_run=self._own_run):
            yield Finding(
                item=plain(wedge.group, 120),
                problem=f"{wedge.waiting} wait: {wedge.why}",
                remedy="if it stays so: freeze the repository, wait until nothing runs in the "
                "group, set the variable MALAGATE_EPOCH one higher, unfreeze",
            )


class AmbiguousHeads:
    """Commits that are the head of several open pull requests: no verdict can be told apart."""

    name = "ambiguous-heads"

    def __init__(self, outlook: Outlook) -> None:
        self._outlook = outlook

    def find(self) -> Iterable[Finding]:
        """One finding a commit. Raises GitHubError."""
        of_head: dict[str, list[int]] = defaultdict(list)
        for pull in self._outlook.pulls:
            of_head[pull.head.sha].append(pull.number)
        return list(_ambiguous(of_head))


def _ambiguous(of_head: dict[str, list[int]]) -> Iterator[Finding]:
    for sha, numbers in sorted(of_head.items()):
        if len(numbers) > 1:
            names = ", ".join(f"#{number}" for number in sorted(numbers))
            yield Finding(
                item=sha[:12],
                problem=f"{sha[:12]} is the head of several pull requests: {names}",
                remedy="close all but one of them, or push another commit to one",
            )
