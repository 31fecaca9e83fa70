"""Starting the task whose turn it is, once, and seeing to it until its run has ended.

The claim is on the ledger before anything is started, so a process that dies in between leaves a
task that the next step starts with the same claim: at least once, and never as another claim. Of
several runs of one claim the oldest counts (see `claimed_runs`).

A claim's id stands in the title of its run, where everybody reads it. It is a name and no secret:
it says which claim is meant. Renewing, giving back and finishing write the ledger, which only the
ledger's writer can, and what is written is refused for a claim that does not count any more.

A run that has succeeded has not landed. If the task has an open pull request then, the task goes
on to its gate and keeps its place, so that nothing later goes before its pull request; it is over
when that is merged, or its issue closed. Only a run that left none ends its task, and one whose
pull request was merged meanwhile.

What is at its gate stays held for as long as its pull request is open: whoever looks asks for that
first, whatever the lease says, and prolongs a lease that runs out, because every other claimer goes
by the lease alone. A pull request that somebody closed without merging it is an attempt that
failed: the task is given back at once, and not for ever.

Failure directions. Starting fails closed: whatever cannot be told, about a freeze, the claim, the
run or a pull request, starts nothing and ends nothing. What fails again and again is taken out of
the queue and shown to a person, so that it does not hold up everybody behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pytest_malagate.admission.claimed_runs import (
    ClaimedRuns,
    cancel_run,
    ended_at,
    runs_of_claim,
)
from pytest_malagate.admission.giving_back import give_back, history_of
from pytest_malagate.admission.own_pulls import IsQueued, OwnPull, ended_of, open_of, own_pull
from pytest_malagate.errors import UsageError
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.dispatch import start
from pytest_malagate.github.records import Run, Value
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.queue.model import HELD_STAGES, Claim, Person, Stage, Task, abandoned, lapsed
from pytest_malagate.queue.serial import LEASE_SECONDS, SerialGate

SETTLE_SECONDS = 180.0
"""How long a run that was asked for, or a pull request, may stay out of GitHub's lists."""

STARTS = 3
"""How often one claim is started, evicted runs included."""

HOLDER = "malagate-start"

AT_GATE = "start.at-gate"
"""The code of a task whose run has succeeded, and whose pull request is open."""

OFFERED: frozenset[Stage] = frozenset({"gate", "review"})
"""Stages at which a task's pull request says how it stands."""

OFFERED_SECONDS = 86400.0
"""The lease that an open pull request is given at once: each prolonging is a page of the ledger."""


class Started(Value, frozen=True, kw_only=True):
    """A run was asked for. `again`: not for the first time. `notes`: what else was done before.

    `run_id` is None where GitHub does not tell it.
    """

    task: str
    claim: str
    run_id: int | None
    again: bool = False
    notes: tuple[str, ...] = ()


class Nothing(Value, frozen=True, kw_only=True):
    """Nothing was started, and why. `code` is the kind of reason: `freeze.active`,
    `queue.waiting`, `start.at-work`, `start.at-gate`, `start.settling`, `start.superseded`,
    `start.uncertain`, `start.refused` or `start.ended`.
    """

    why: str
    code: str
    notes: tuple[str, ...] = ()


class Starter:
    """Takes the queue one step further. To be called by whoever holds the lock.

    `workflow` is the file's name of the workflow that works on a task, `ref` the branch that it is
    started on. It must declare the inputs `task` and `claim` (and those of `inputs`), and show the
    claim in its `run-name`. `holder` marks the claims that are this starter's to look after. `now`
    is in seconds since the epoch, as `lease` and `settle` are seconds.
    """

    def __init__(  # noqa: PLR0913 - what it works on, and its settings by name
        self,
        gate: SerialGate,
        store: GitHubStore,
        *,
        workflow: str,
        ref: str,
        now: Callable[[], float],
        holder: str = HOLDER,
        lease: float = LEASE_SECONDS,
        settle: float = SETTLE_SECONDS,
        inputs: Mapping[str, str] | None = None,
    ) -> None:
        self._gate, self._store = gate, store
        self._workflow, self._ref, self._inputs = workflow, ref, dict(inputs or {})
        self._now, self._holder, self._lease, self._settle = now, holder, lease, settle
        self._notes: list[str] = []

    def step(self) -> Started | Nothing:
        """Ends what has ended, starts what is due, and says why nothing was. Raises MachineryError.

        At most one run is asked for.
        """
        self._notes = []
        with self._gate.look() as view:
            active = view.active
        for task in active:
            answer = self._looked_after(task)
            if isinstance(answer, Started) or (answer is not None and self._gate.enabled):
                return answer
        return self._claimed(None)

    def start(self, task: str) -> Started | Nothing:
        """As `step`, of one task: what has ended is ended, and what waits is started in its turn.

        Never both in one call. Where only one may be active, one that has landed since is ended
        first: it would hold this one up. Raises MachineryError.
        """
        self._notes = []
        with self._gate.look() as view:
            active, waiting = view.active, view.waiting
        known = next((one for one in (*active, *waiting) if one.task == task), None)
        if known is not None and known.state == "active":
            answer = self._looked_after(known)
            if answer is not None:
                return answer
            known = self._gate.task(task)
            if known is None or known.state != "active":
                return self._nothing(f"{task} was at work, and that has ended", "start.ended")
        if known is None:
            return self._nothing(f"{task} is not in the queue", "queue.waiting")
        return self._still_offered(active) or self._claimed(task)

    def _still_offered(self, active: Iterable[Task]) -> Nothing | None:
        """Ends what has landed, or says which task's pull request is still open."""
        for task in active if self._gate.enabled else ():
            if task.stage in OFFERED:
                answer = self._looked_after(task)
                if isinstance(answer, Nothing):
                    return self._nothing(answer.why, "queue.waiting")
        return None

    def _claimed(self, task: str | None) -> Started | Nothing:
        """Claims a task, or the next, and starts it."""
        claimed = self._gate.claim(self._holder, task=task, lease=self._lease)
        task_now = claimed.task
        if task_now is None or task_now.claim is None:
            refused = claimed.refused
            why = refused.reason if refused is not None else "nothing waits"
            return self._nothing(why, (refused and refused.code) or "queue.waiting")
        claim = task_now.claim
        if task_now.stage != "work":  # whoever took it there has left it
            pull = open_of(self._client, task_now.task, self._is_queued())
            if pull is not None:
                return self._waits_at(task_now, task_now.stage, pull)
            task_now = self._gate.rework(task_now.task, self._holder, claim=claim.id)
        return self._dispatch(task_now, claim, again=False)

    def _nothing(self, why: str, code: str) -> Nothing:
        return Nothing(why=why, code=code, notes=tuple(self._notes))

    # --- a task that is active ---

    def _looked_after(self, task: Task) -> Started | Nothing | None:
        """What came of it; None if the task holds up nobody any more."""
        claim = task.claim
        ours = claim is not None and claim.holder == self._holder
        if task.stage != "work" and not (ours and task.stage in OFFERED):
            if abandoned(task, self._now()):
                return self._left(task)
            return self._nothing(f"{task.task} is at {task.stage}", "queue.waiting")
        if claim is None or not ours:
            if lapsed(task, self._now()):
                return None
            who = claim.holder if claim is not None else "nobody"
            return self._nothing(f"{task.task} is held by {who}", "queue.waiting")
        try:
            return (
                self._at_work(task, claim) if task.stage == "work" else self._at_gate(task, claim)
            )
        except UsageError as error:  # the claim is another's by now
            return self._nothing(str(error), "start.superseded")

    def _left(self, task: Task) -> Nothing | None:
        """One at its gate whose holder is gone, and was another: the next claim takes it over.

        Unless its pull request was merged, by the one rule of `own_pulls`: then it is over.
        """
        since = task.claim.at if task.claim is not None else task.added_at
        pull = own_pull(self._client, task.task, self._is_queued(), since)
        if pull is not None and pull.state == "merged":
            try:
                self._gate.finish(task.task, self._holder, seen=task)
            except UsageError as error:  # somebody was faster
                return self._nothing(str(error), "start.superseded")
            self._notes.append(f"{task.task} is finished: pull request #{pull.number} was merged")
        return None

    def _at_work(self, task: Task, claim: Claim) -> Started | Nothing | None:
        runs = runs_of_claim(self._client, self._workflow, claim.id, claim.at)
        self._stop_others(task, runs)
        if runs.counts is None:
            return self._unstarted(task, claim, runs.evicted)
        return self._begun(task, claim, runs.counts)

    @property
    def _client(self) -> Client:
        return self._store.client(self._gate.repository)

    def _stop_others(self, task: Task, runs: ClaimedRuns) -> None:
        """Cancels what works on a task beside the run that counts; the ledger says so.

        Failure direction: open. A run that cannot be cancelled is said; it may have asked already
        whether it counts, and what it pushes is judged by its head.
        """
        for run in runs.beside:
            name = f"run {run.id} of {task.task}"
            try:
                cancel_run(self._client, run.id)
            except GitHubError as error:
                self._notes.append(f"{name} came second and could not be cancelled: {error}")
                continue
            why = "another of the same claim came first"
            self._notes.append(f"{name} is cancelled: {why}")
            self._gate.record("cancelled", self._holder, f"run {run.id}: {why}", task=task.task)

    def _begun(self, task: Task, claim: Claim, run: Run) -> Nothing | None:
        if run.status != "completed":
            # That GitHub runs it is the holder's word. It ends a run that never would.
            self._prolonged(task, claim, self._lease)
            return self._nothing(f"{task.task} is worked on by run {run.id}", "start.at-work")
        if run.conclusion == "success":
            return self._succeeded(task, claim, run)
        self._failed(task, claim, f"run {run.id} has ended as {run.conclusion}")
        return None

    def _prolonged(self, task: Task, claim: Claim, lease: float) -> None:
        if claim.lease_until - self._now() < self._lease / 4:
            self._gate.renew(task.task, claim.id, lease=lease)

    # --- a task whose run has succeeded ---

    def _succeeded(self, task: Task, claim: Claim, run: Run) -> Nothing | None:
        """On to its gate, if there is something for it to judge."""
        is_queued = self._is_queued()
        pull = open_of(self._client, task.task, is_queued)
        if pull is not None:
            self._gate.advance(task.task, "gate", Person(name=self._holder), claim=claim.id)
            return self._waits_at(task, "gate", pull)
        if self._now() - ended_at(self._client, run) < self._settle:
            why = f"run {run.id} of {task.task} has ended just now, and no pull request is seen yet"
            return self._nothing(why, "start.settling")
        pull = ended_of(self._client, task.task, is_queued, claim.at)
        if pull is None:
            self._gate.finish(task.task, self._holder, claim=claim.id)
            self._notes.append(f"{task.task} is finished: run {run.id} has succeeded")
            return None
        if pull.state != "open":
            self._ended(task, claim, pull)
            return None
        why = f"pull request #{pull.number} of {task.task} is open again, and not listed yet"
        return self._nothing(why, "start.settling")

    def _waits_at(self, task: Task, stage: Stage, pull: OwnPull) -> Nothing:
        where = f"{task.task} waits at the stage {stage}"
        return self._nothing(f"{where}, with pull request #{pull.number}", AT_GATE)

    def _at_gate(self, task: Task, claim: Claim) -> Nothing | None:
        """Whether it may stay there, by its pull request."""
        pull = own_pull(self._client, task.task, self._is_queued(), claim.at)
        if pull is not None and pull.state == "open":
            if task.stage in HELD_STAGES:
                self._prolonged(task, claim, max(self._lease, OFFERED_SECONDS))
            return self._waits_at(task, task.stage, pull)
        if pull is not None:
            self._ended(task, claim, pull)
            return None
        if lapsed(task, self._now()) and self._now() - task.changed_at >= self._settle:
            self._failed(task, claim, f"it is at {task.stage} without a pull request")
            return None
        return self._nothing(f"{task.task} is at {task.stage}", "queue.waiting")

    def _ended(self, task: Task, claim: Claim, pull: OwnPull) -> None:
        """What becomes of a task whose pull request was merged, or closed."""
        if pull.state == "closed":
            why = f"pull request #{pull.number} was closed without being merged"
            self._failed(task, claim, why)
            return
        self._gate.finish(task.task, self._holder, claim=claim.id)
        self._notes.append(f"{task.task} is finished: pull request #{pull.number} was merged")

    def _is_queued(self) -> IsQueued:
        """As it is now. Raises MachineryError."""
        with self._gate.look() as view:
            return frozenset(one.task for one in (*view.active, *view.waiting)).__contains__

    def _unstarted(self, task: Task, claim: Claim, evicted: int) -> Started | Nothing | None:
        """A claim without a run: it is started again, if it was not asked for just now."""
        if lapsed(task, self._now()):
            return None  # the next claim takes it over
        if evicted >= STARTS:
            self._failed(task, claim, f"{evicted} runs were cancelled before they began")
            return None
        if self._now() - max(claim.at, task.changed_at) < self._settle:
            return self._nothing(f"the run of {task.task} was asked for just now", "start.settling")
        reading = self._frozen()
        if reading is not None:
            return reading
        history = history_of(self._gate, self._holder, task.task)
        if history is None or history.restarted >= STARTS - 1:
            self._failed(task, claim, "none of the runs that were asked for can be seen")
            return None
        # Written down before it is done, so that it is neither done too soon again nor for ever.
        self._gate.renew(task.task, claim.id, lease=self._lease)
        tries = f"fence {claim.fence}, again ({history.restarted + 1})"
        self._gate.record("restarted", self._holder, tries, task=task.task)
        return self._dispatch(task, claim, again=True)

    # --- asking for a run ---

    def _frozen(self) -> Nothing | None:
        with self._gate.look() as view:
            reading = view.freezes()
        return self._nothing(reading.words(), "freeze.active") if reading.frozen else None

    def _dispatch(self, task: Task, claim: Claim, *, again: bool) -> Started | Nothing:
        """Looks once more whether it may start, and asks for the run.

        Frozen in between: the claim stays, and with it the task's place; it is started when it is
        thawed.
        """
        with self._gate.look() as view:
            reading, active = view.freezes(), view.active
        if reading.frozen:
            return self._nothing(reading.words(), "freeze.active")
        if not any(one.claim is not None and one.claim.id == claim.id for one in active):
            return self._nothing(f"{task.task} was taken over", "start.superseded")
        given = {"task": task.task, **self._inputs}
        try:
            begun = start(self._client, self._workflow, self._ref, given, claim.id, since=claim.at)
        except GitHubError as error:
            code = "start.uncertain" if error.uncertain else "start.refused"
            return self._nothing(f"{task.task} could not be started: {error}", code)
        return Started(
            task=task.task,
            claim=claim.id,
            run_id=begun.run_id,
            again=again,
            notes=tuple(self._notes),
        )

    # --- a task whose run failed ---

    def _failed(self, task: Task, claim: Claim, why: str) -> None:
        """Gives the task back, or takes it out of the queue for a person to look at."""
        done = give_back(self._gate, self._client, task, claim, holder=self._holder, why=why)
        self._notes += done.notes
