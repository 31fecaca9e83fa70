"""A world for a coordinator in which time passes only in thought."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from pytest_malagate.coordinate.coordinator import CoordinatorConfig, IssueExecutionCoordinator
from pytest_malagate.coordinate.events import Event
from pytest_malagate.coordinate.issues import Issue
from pytest_malagate.coordinate.outcomes import IssueOutcome, Refused, RunResult
from pytest_malagate.errors import MachineryError

T = TypeVar("T")

DONE = IssueOutcome(state="completed")
BROKEN = IssueOutcome(state="failed", detail="it broke")
BACK = IssueOutcome(state="released", detail="given back")
BUSY = Refused(kind="waiting", reason="somebody else has it")
REFUSED = Refused(kind="failed", reason="it cannot be done")


class _NoWait(selectors.SelectSelector):
    """Instead of waiting, moves the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0
        self.now = 1_000.0  # small: asyncio adds nanoseconds to it

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise AssertionError("everybody waits for everybody: this would never end")
        self.turns = 0 if timeout > 0 else self.turns + 1
        if self.turns > 100_000:
            raise AssertionError("a busy loop: time stands still")
        self.now += max(timeout, 0.0)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._thought = _NoWait()
        super().__init__(self._thought)

    def time(self) -> float:
        return self._thought.now


def virtually(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` in a loop whose sleeps take no time."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)


def now() -> float:
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:  # before the run
        return 0.0


def issue(name: str, **more: Any) -> Issue:
    return Issue(id=name, **more)


class Scene:
    """Issues, what becomes of each, and all that was seen of it.

    `script` holds for an issue what its starts come to, one after the other, the last one for
    ever: an outcome after `takes` seconds, a refusal, or an exception that the start raises.
    Issues that have completed stay in the provider's list if `forgetful` is set.
    """

    def __init__(
        self, *issues: Issue | str, takes: float = 10.0, forgetful: bool = False, **script: Any
    ) -> None:
        self.issues = [one if isinstance(one, Issue) else issue(one) for one in issues]
        self.takes, self.forgetful = takes, forgetful
        self.script = {name: list(self._many(what)) for name, what in script.items()}
        self.answers: list[Any] = []  # of the provider, before it answers with the issues
        self.polls: list[float] = []
        self.starts: list[str] = []
        self.running: set[str] = set()
        self.most = 0
        self.finals: list[tuple[str, str]] = []
        self.events: list[Event] = []
        self.aborts: list[tuple[str, tuple[str, ...]]] = []
        self.on_finalize: Callable[[Issue, IssueOutcome], bool] = lambda issue, outcome: False
        self.coordinator: IssueExecutionCoordinator
        self.ended_at = 0.0

    @staticmethod
    def _many(what: Any) -> Iterable[Any]:
        return what if isinstance(what, list) else [what]

    def run(
        self, *, after: dict[float, Callable[[], object]] | None = None, **settings: Any
    ) -> RunResult:
        """One run; `after` so many seconds something is done from outside."""
        return virtually(self._run(after or {}, **settings))

    async def _run(self, after: dict[float, Callable[[], object]], **settings: Any) -> RunResult:
        self.make(**settings)
        timers = [
            asyncio.get_running_loop().call_later(seconds, action)
            for seconds, action in after.items()
        ]
        began = now()
        try:
            return await self.coordinator.run()
        finally:
            self.ended_at = now() - began
            for timer in timers:
                timer.cancel()

    def make(self, **settings: Any) -> IssueExecutionCoordinator:
        given = {
            key: settings.pop(key)
            for key in ("abort", "ready_to_start", "on_event", "completed", "spawn", "finalize")
            if key in settings
        }
        given = {
            "spawn": self.spawn,
            "finalize": self.finalize,
            "abort": self.abort,
            "on_event": self.events.append,
            **given,
        }
        config = CoordinatorConfig(**settings)
        self.coordinator = IssueExecutionCoordinator(self.provider(), config, now=now, **given)
        return self.coordinator

    def provider(self) -> Any:
        scene = self

        class Provider:
            async def issues(self) -> Sequence[Issue]:
                return await scene.answer()

        return Provider()

    async def answer(self) -> Sequence[Issue]:
        self.polls.append(now())
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, BaseException):
                raise answer
            return answer  # type: ignore[no-any-return]
        return list(self.issues)

    async def spawn(self, issue: Issue) -> asyncio.Task[IssueOutcome] | Refused:
        script = self.script.get(issue.id, [DONE])
        what = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(what, BaseException):
            raise what
        if not isinstance(what, IssueOutcome):
            return what  # type: ignore[no-any-return]
        self.starts.append(issue.id)
        self.running.add(issue.id)
        self.most = max(self.most, len(self.running))
        return asyncio.create_task(self.work(issue, what))

    async def work(self, issue: Issue, outcome: IssueOutcome) -> IssueOutcome:
        await asyncio.sleep(self.takes)
        return outcome

    async def finalize(self, issue: Issue, outcome: IssueOutcome) -> bool:
        self.running.discard(issue.id)
        self.finals.append((issue.id, outcome.state))
        if outcome.state == "completed" and not self.forgetful:
            self.issues = [one for one in self.issues if one.id != issue.id]
        return self.on_finalize(issue, outcome)

    async def abort(self, reason: str, running: tuple[Issue, ...]) -> None:
        self.aborts.append((reason, tuple(one.id for one in running)))

    def ask(self, what: str, *args: Any, **kwargs: Any) -> Callable[[], None]:
        """A call of the coordinator, which is there only when it runs."""
        return lambda: getattr(self.coordinator, what)(*args, **kwargs)

    def told(self, *kinds: str) -> list[str]:
        """The events of these kinds, as `issue: detail`."""
        return [
            f"{event.issue}: {event.detail}" if event.issue else event.detail
            for event in self.events
            if event.kind in kinds
        ]


def outage(text: str = "the tracker is away") -> MachineryError:
    return MachineryError(text)
