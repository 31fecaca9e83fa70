"""IssueExecutionCoordinator: starts ready issues, a few at once, until a run has come to its end.

    coordinator = IssueExecutionCoordinator(
        YamlProvider("issues.yaml"), CoordinatorConfig(max_agents=2), spawn=spawn, finalize=finalize
    )
    result = asyncio.run(coordinator.run())

What to start is decided in `selection` and what to do next in `decisions`, both without side
effects; here it is done. Nothing of it is safe to call from another thread than the loop's.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from pytest_malagate.coordinate.calling import Trouble, answer_of, cancel, outcome_of
from pytest_malagate.coordinate.config import CoordinatorConfig, check_max_issues
from pytest_malagate.coordinate.decisions import (
    Finish,
    Poll,
    Rest,
    Snapshot,
    Start,
    decide,
    room,
)
from pytest_malagate.coordinate.events import Event, EventKind
from pytest_malagate.coordinate.issues import Issue, IssueProvider
from pytest_malagate.coordinate.outcomes import (
    Abort,
    Finalize,
    IssueOutcome,
    ReadyToStart,
    Refused,
    RunResult,
    Spawn,
)
from pytest_malagate.coordinate.selection import Selection, sort_out, unknown_epic, unknown_ids
from pytest_malagate.errors import UsageError

__all__ = ["CoordinatorConfig", "IssueExecutionCoordinator"]

_TOLD_AS: dict[str, EventKind] = {
    "completed": "finished",
    "failed": "failed",
    "released": "released",
}


class _Work(NamedTuple):
    issue: Issue
    task: asyncio.Task[IssueOutcome]


class _Release(NamedTuple):
    at: float
    settled: int  # issues that had completed or failed by then
    why: str


class IssueExecutionCoordinator:
    """Starts ready issues through callbacks and knows what became of each.

    What it takes and gives lies in modules of `pytest_malagate.coordinate`: `issues` has Issue
    and the IssueProvider's protocol, which YamlProvider of `yaml_issues` and StoreProvider of
    `store_issues` keep; `outcomes` has IssueOutcome and Refused, the types of the callbacks, and
    RunResult; `events` has Event; `config` has CoordinatorConfig.

    `spawn` starts the work on an issue and returns its asyncio task, or a Refused. `finalize` is
    called once when such a task has ended. `abort` is called before work is cancelled because of
    `request_abort`, `ready_to_start` before each `spawn`. `completed` are ids that were done in
    earlier runs. `on_event` is told what happens; if it raises, it is told so once and the work
    goes on. `now` gives seconds since the epoch.

    An issue that was released is offered again once another issue has completed or failed, or
    with `watch` after `poll_seconds`: else a run of issues that nobody can do would never end.
    """

    def __init__(  # noqa: PLR0913 - what it drives, its callbacks, its clock
        self,
        provider: IssueProvider,
        config: CoordinatorConfig,
        *,
        spawn: Spawn,
        finalize: Finalize,
        abort: Abort | None = None,
        ready_to_start: ReadyToStart | None = None,
        on_event: Callable[[Event], None] | None = None,
        completed: Iterable[str] = (),
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._provider, self._config = provider, config
        self._spawn, self._finalize, self._abort = spawn, finalize, abort
        self._ready_to_start, self._on_event = ready_to_start, on_event
        self._clock, self._sleep = now, sleep
        self._max_issues = config.max_issues
        self._wake = asyncio.Event()
        self._phase = "new"
        # What became of each issue.
        self._done_before = frozenset(completed)
        self._ready: deque[Issue] = deque()
        self._running: dict[str, _Work] = {}
        self._ended: deque[str] = deque()
        self._completed: dict[str, None] = {}
        self._failed: dict[str, None] = {}
        self._released: dict[str, _Release] = {}
        self._waiting: dict[str, str] = {}  # since the last poll, with the reason
        self._selection: Selection | None = None  # of the last poll
        self._told: dict[str, str] = {}  # the reasons that an event has told
        self._started = self._given_back = 0
        # What was asked of the run.
        self._interrupted = self._cancelled = self._draining = False
        self._abort_reason: str | None = None
        self._abort_done = False
        # How the provider stands.
        self._answered = False
        self._polled_at: float | None = None
        self._poll_failures, self._poll_problem = 0, ""
        self._follow_up = self._ended_since = self._started_since = False
        self._idle_at: float | None = None
        self._event_trouble = False

    # --- what may be asked at any time, before the run, too ---

    def request_abort(self, reason: str) -> None:
        """Ends the run with exit code 3. The first reason counts, and is told once.

        The abort callback is called, then what still runs is cancelled, awaited and finalized.
        """
        if self._abort_reason is None and self._phase != "over":
            self._abort_reason = reason
            self._tell("aborted", detail=reason)
            self._wake.set()

    def interrupt(self, *, cancel: bool = False) -> None:
        """Starts nothing more and ends with exit code 130, when what runs has ended.

        With `cancel`, or when it is asked a second time, what runs is cancelled.
        """
        if self._phase == "over" or self._cancelled:
            return
        if cancel or self._interrupted:
            self._cancelled = True
        self._interrupted = True
        self._tell("interrupted", detail="what runs is cancelled" if self._cancelled else "")
        if self._cancelled:
            self._cancel_running()
        self._wake.set()

    def drain(self) -> None:
        """Starts nothing more and ends when what runs has ended."""
        if not self._draining and self._phase != "over":
            self._draining = True
            self._tell("draining", detail=f"{len(self._running)} running")
            self._wake.set()

    def set_max_issues(self, limit: int | None) -> None:
        """Replaces `max_issues`. What runs already goes on, whatever the limit.

        Raises UsageError as the configuration does.
        """
        check_max_issues(limit)
        self._max_issues = limit
        self._wake.set()

    # --- the run ---

    async def run(self) -> RunResult:
        """Runs to the end, once; see `RunResult` for what it may be.

        Raises UsageError if the provider does at the first poll; later that is a failed poll.
        However this ends, nothing runs afterwards and whatever started has been finalized.
        """
        if self._phase != "new":
            raise UsageError("a coordinator runs once: make another one")
        self._phase = "running"
        try:
            while True:
                # Whatever happens from here on wakes the rest at the end of this turn.
                self._wake.clear()
                if self._abort_reason is not None and not self._abort_done:
                    await self._abort_now(self._abort_reason)
                elif self._ended:
                    await self._finalize_next()
                else:
                    step = decide(self._snapshot())
                    if isinstance(step, Finish):
                        return self._finish(step)
                    await self._take(step)
        finally:
            await self._leave_nothing_running()
            self._phase = "over"

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            max_agents=self._config.max_agents,
            max_issues=self._max_issues,
            watch=self._config.watch,
            poll_tries=self._config.poll_tries,
            interrupted=self._interrupted,
            abort_reason=self._abort_reason,
            draining=self._draining,
            active=len(self._running),
            counted=self._started - self._given_back,
            failed=len(self._failed),
            ready=len(self._ready),
            waiting=len(self._waiting),
            blocked=len(self._blocked()),
            asked=self._polled_at is not None,
            poll_failures=self._poll_failures,
            poll_problem=self._poll_problem,
            poll_in=self._poll_in(),
            follow_up=self._follow_up,
            ended=self._ended_since,
            started=self._started_since,
        )

    def _poll_in(self) -> float:
        """Seconds until the next regular poll."""
        if self._polled_at is None:
            return 0.0
        age = self._clock() - self._polled_at
        # A clock that was set back must not put off the next poll until it has caught up.
        return self._config.poll_seconds - age if age >= 0 else 0.0

    async def _take(self, step: Poll | Start | Rest) -> None:
        match step:
            case Poll():
                await self._poll()
            case Start():
                await self._start_next()
            case Rest(seconds=seconds, idle=idle):
                if idle:
                    self._tell_idle()
                await self._rest(seconds)

    async def _rest(self, seconds: float | None) -> None:
        """Waits until something happens, `seconds` at most."""
        if seconds is None:
            await self._wake.wait()
            return
        timer = asyncio.ensure_future(self._sleep(seconds))
        timer.add_done_callback(self._woken)
        try:
            await self._wake.wait()
            if timer.done():
                timer.result()
        finally:
            timer.remove_done_callback(self._woken)  # it would wake the next rest
            timer.cancel()

    def _woken(self, _: object) -> None:
        self._wake.set()

    def _finish(self, end: Finish) -> RunResult:
        kind = end.reason.partition(" ")[0]
        if kind == "limit_reached":
            self._tell("limit", detail=end.reason)
        elif kind == "no_agents":
            self._tell("no_agents", detail=f"max_agents is {self._config.max_agents}")
        elif kind in ("waiting", "blocked"):
            self._tell_blocked()
        self._tell("ended", detail=end.reason)
        return RunResult(
            started=self._started,
            completed=tuple(self._completed),
            failed=tuple(self._failed),
            exit_code=int(end.code),
            exit_reason=end.reason,
        )

    # --- the provider ---

    async def _poll(self) -> None:
        """Asks the provider. An interrupt, an abort or a drain does not wait for its answer."""
        asking = asyncio.ensure_future(answer_of(self._ask_provider))
        asking.add_done_callback(self._woken)
        try:
            while not asking.done() and not self._is_stopping():
                self._wake.clear()
                await self._wake.wait()
            if not asking.done():
                return
            answer = asking.result()
        finally:
            asking.remove_done_callback(self._woken)
            asking.cancel()
        self._polled_at = self._clock()
        if isinstance(answer, Trouble):
            self._poll_failed(answer)
        else:
            self._take_issues(answer)

    async def _ask_provider(self) -> Sequence[Issue]:
        return tuple(await self._provider.issues())

    def _is_stopping(self) -> bool:
        return self._interrupted or self._draining or self._abort_reason is not None

    def _poll_failed(self, trouble: Trouble) -> None:
        if isinstance(trouble.error, UsageError) and not self._answered:
            raise trouble.error  # asking again would not help whoever wrote it
        self._poll_failures += 1
        self._poll_problem = str(trouble)
        self._tell("poll_failed", detail=self._poll_problem)

    def _take_issues(self, issues: Sequence[Issue]) -> None:
        completed = self._done_before.union(self._completed)
        if not self._answered:
            # What is done already was there once: nobody needs to look for it.
            unknown = [one for one in unknown_ids(issues, self._config) if one not in completed]
            if unknown:
                self._tell("warning", detail=f"no such issue: {', '.join(unknown)}")
            if unknown_epic(issues, self._config):
                detail = f"no open issue is part of an epic {self._config.epic_id}"
                self._tell("warning", detail=detail)
        self._answered = True
        self._poll_failures, self._poll_problem = 0, ""
        self._follow_up = self._ended_since = self._started_since = False
        exclude = self._failed.keys() | self._running.keys()
        self._ready.clear()
        self._waiting.clear()
        self._selection = sort_out(issues, self._config, exclude=exclude, completed=completed)
        for issue in self._selection.ready:
            release = self._released.get(issue.id)
            if release is None or self._may_return(release):
                self._ready.append(issue)
            else:
                self._waiting[issue.id] = release.why
        self._tell("poll", detail=f"{len(self._ready)} ready")

    def _blocked(self) -> tuple[Issue, ...]:
        return () if self._selection is None else self._selection.blocked

    def _may_return(self, release: _Release) -> bool:
        settled = len(self._completed) + len(self._failed)
        waited = abs(self._clock() - release.at) >= self._config.poll_seconds
        return settled > release.settled or (self._config.watch and waited)

    # --- starts ---

    async def _start_next(self) -> None:
        issue = self._ready.popleft()
        if self._ready_to_start is not None:
            refusal = await answer_of(self._ready_to_start, issue)
            if isinstance(refusal, Trouble):
                # Closed: whoever cannot say that nothing is frozen has not said it.
                refusal = Refused(kind="waiting", reason=f"it could not be asked: {refusal}")
            if refusal is not None:
                self._refused(issue, refusal)
                return
            if self._is_stopping() or room(self._snapshot()) <= 0:
                self._ready.appendleft(issue)
                return
        answer = await answer_of(self._spawn, issue)
        if isinstance(answer, asyncio.Task):
            self._has_started(issue, answer)
        elif isinstance(answer, Refused):
            self._refused(issue, answer)
        elif isinstance(answer, Trouble):
            self._refused(issue, Refused(kind="failed", reason=str(answer)))
        else:
            reason = f"no task came of it ({type(answer).__name__})"
            self._refused(issue, Refused(kind="failed", reason=reason))

    def _has_started(self, issue: Issue, task: asyncio.Task[IssueOutcome]) -> None:
        self._running[issue.id] = _Work(issue, task)
        self._started += 1
        self._started_since = True
        self._released.pop(issue.id, None)
        self._told.pop(issue.id, None)
        self._tell("started", issue)
        task.add_done_callback(partial(self._has_ended, issue.id))
        if self._cancelled:
            cancel(task)

    def _has_ended(self, issue: str, _: object) -> None:
        self._ended.append(issue)
        self._wake.set()

    def _refused(self, issue: Issue, refusal: Refused) -> None:
        if refusal.kind == "failed":
            self._failed[issue.id] = None
            self._tell("refused", issue, refusal.reason)
            return
        self._waiting[issue.id] = refusal.reason
        self._tell_once("waiting", issue, refusal.reason)

    # --- ends ---

    async def _finalize_next(self) -> None:
        issue, task = self._running.pop(self._ended.popleft())
        why = self._abort_reason
        outcome = outcome_of(task, "cancelled" if why is None else f"aborted: {why}")
        answer = await answer_of(self._finalize, issue, outcome)
        if isinstance(answer, Trouble):
            detail = f"it could not be finalized: {answer}"
            outcome = IssueOutcome(state="failed", detail=detail)
        elif answer:
            self._follow_up = True
        self._ended_since = True
        self._settle(issue, outcome)

    def _settle(self, issue: Issue, outcome: IssueOutcome) -> None:
        """Remembers how it ended. Nobody else has to, so that nobody can forget it."""
        match outcome.state:
            case "completed":
                self._completed[issue.id] = None
            case "failed":
                self._failed[issue.id] = None
            case "released":
                self._given_back += 1
                settled = len(self._completed) + len(self._failed)
                self._released[issue.id] = _Release(self._clock(), settled, outcome.detail)
        self._tell(_TOLD_AS[outcome.state], issue, outcome.detail)

    async def _abort_now(self, reason: str) -> None:
        self._abort_done = True
        if self._abort is not None:
            running = tuple(work.issue for work in self._running.values() if not work.task.done())
            answer = await answer_of(self._abort, reason, running)
            if isinstance(answer, Trouble):
                self._tell("warning", detail=f"the abort callback failed: {answer}")
        self._cancel_running()

    def _cancel_running(self) -> None:
        for work in self._running.values():
            cancel(work.task)

    async def _leave_nothing_running(self) -> None:
        """After a normal end there is nothing to do; else what runs is cancelled and finalized."""
        self._cancel_running()
        while self._running:
            if self._ended:
                await self._finalize_next()
            else:
                self._wake.clear()
                await self._wake.wait()

    # --- what is told ---

    def _tell(self, kind: EventKind, issue: Issue | None = None, detail: str = "") -> None:
        if self._on_event is None:
            return
        name = None if issue is None else issue.id
        event = Event(kind=kind, issue=name, detail=detail, at=self._clock())
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001 - open: work is not lost because nobody could be told
            if not self._event_trouble:
                self._event_trouble = True
                self._tell("warning", detail=f"an event could not be told: {Trouble(error)}")

    def _tell_once(self, kind: EventKind, issue: Issue, reason: str) -> None:
        """Tells why an issue does not start; again only when the reason has changed."""
        if self._told.get(issue.id) != reason:
            self._told[issue.id] = reason
            self._tell(kind, issue, reason)

    def _tell_blocked(self) -> None:
        if self._selection is not None:
            for issue in self._selection.blocked:
                self._tell_once("blocked", issue, self._selection.why(issue, self._failed))

    def _tell_idle(self) -> None:
        now = self._clock()
        self._tell_blocked()
        if self._idle_at is None or abs(now - self._idle_at) >= self._config.idle_seconds:
            self._idle_at = now
            left = (len(self._waiting), "waiting"), (len(self._blocked()), "blocked")
            counts = ", ".join(f"{number} {word}" for number, word in left if number)
            self._tell("idle", detail=counts or "nothing is ready")
