"""What a coordinator does next: a function of a snapshot, in an order of precedence.

1. An interrupt (130), an abort (3), a drain (0) and polls that failed too often (3) start nothing
   more. What runs is waited for, then the run ends.
2. While there is room, the provider is polled if that is due, then the next ready issue starts.
3. While anything runs it is waited for; then a reached limit ends the run (0).
4. A poll that failed is repeated, and with `watch` the provider is polled again: both take time.
5. What is left waits or is blocked (4), or nothing is left that may start (0).

Where an issue failed, 1 stands for the 0 and the 4: a run that left something broken is no success.
"""

from __future__ import annotations

from pytest_malagate.errors import ExitCode
from pytest_malagate.queue.model import Value

INTERRUPTED = 130
"""The exit code of what a person interrupted, by the custom of shells."""


class Snapshot(Value, frozen=True, kw_only=True):
    """All that a decision is made from.

    active: issues that run, or have ended and are not finalized yet.
    counted: starts that count towards the limit.
    ready: issues of the last poll that nobody has asked to start yet.
    waiting: issues of the last poll that were refused for now.
    blocked: issues of the last poll that are left out for nothing but their blockers.
    asked: the provider has answered at least once, or failed.
    poll_failures: polls that failed in a row; `poll_problem` is the last one's text.
    poll_in: seconds until the next regular poll; 0 or less: its time has come.
    follow_up: a finalizer said that there is new work.
    ended, started: whether work ended, whether an issue started since the last poll.
    """

    max_agents: int
    max_issues: int | None = None
    watch: bool = False
    poll_tries: int = 3
    interrupted: bool = False
    abort_reason: str | None = None
    draining: bool = False
    active: int = 0
    counted: int = 0
    failed: int = 0
    ready: int = 0
    waiting: int = 0
    blocked: int = 0
    asked: bool = False
    poll_failures: int = 0
    poll_problem: str = ""
    poll_in: float = 0.0
    follow_up: bool = False
    ended: bool = False
    started: bool = False


class Poll(Value, frozen=True, kw_only=True):
    """Ask the provider."""


class Start(Value, frozen=True, kw_only=True):
    """Start the next ready issue, if it may."""


class Rest(Value, frozen=True, kw_only=True):
    """Wait until something happens, `seconds` at most (None: however long it takes)."""

    seconds: float | None = None
    idle: bool = False


class Finish(Value, frozen=True, kw_only=True):
    """End the run."""

    code: int
    reason: str


Decision = Poll | Start | Rest | Finish

POLL, START, REST = Poll(), Start(), Rest()


def decide(now: Snapshot) -> Decision:
    """The next thing to do."""
    stop = _stop(now)
    if stop is not None:
        return REST if now.active else stop
    if room(now) > 0:
        if poll_is_due(now):
            return POLL
        if now.ready:
            return START
    if now.active:
        return Rest(seconds=now.poll_in) if room(now) > 0 else REST
    return _end(now)


def room(now: Snapshot) -> int:
    """How many issues may start now."""
    free = now.max_agents - now.active
    return free if now.max_issues is None else min(free, now.max_issues - now.counted)


def poll_is_due(now: Snapshot) -> bool:
    """Whether to ask the provider, given that there is room for what it may say.

    The issues of a poll are used up before the next one, or until they are out of date; then only
    if one of them started, so that refusals that take long cannot keep the rest from their turn.
    """
    its_time = now.poll_in <= 0
    if now.poll_failures:
        return its_time
    if not now.asked or now.follow_up:
        return True
    if now.ready:
        return its_time and now.started
    return now.ended or (its_time and (now.active > 0 or now.watch))


def _stop(now: Snapshot) -> Finish | None:
    """The end that nothing may start before."""
    if now.interrupted:
        return Finish(code=INTERRUPTED, reason="interrupted")
    if now.abort_reason is not None:
        return Finish(code=ExitCode.INCONCLUSIVE, reason=f"aborted: {now.abort_reason}")
    if now.draining:
        return _finish(now, ExitCode.PASSED, "drained")
    if now.poll_failures >= now.poll_tries:
        times = "once" if now.poll_failures == 1 else f"{now.poll_failures} times"
        reason = f"poll failed {times}: {now.poll_problem}"
        return Finish(code=ExitCode.INCONCLUSIVE, reason=reason)
    return None


def _end(now: Snapshot) -> Decision:
    """What to do where nothing runs and nothing can start."""
    if now.max_issues is not None and now.counted >= now.max_issues:
        return _finish(now, ExitCode.PASSED, f"limit_reached ({now.max_issues})")
    if now.max_agents <= 0:
        return _finish(now, ExitCode.PASSED, "no_agents")
    if now.poll_failures or now.watch:
        return Rest(seconds=now.poll_in, idle=not now.poll_failures)
    left = [("waiting", now.waiting), ("blocked", now.blocked)]
    if reason := ", ".join(f"{word} ({number})" for word, number in left if number):
        return _finish(now, ExitCode.NOT_ADMITTED, reason)
    return _finish(now, ExitCode.PASSED, "none_ready")


def _finish(now: Snapshot, code: ExitCode, reason: str) -> Finish:
    return Finish(code=ExitCode.FAILED if now.failed else code, reason=reason)
