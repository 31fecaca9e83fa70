"""`malagate coordinate`: agents on issues, one worktree each, and the gate on all they leave.

Exits with 0 if everything is done, 1 if an issue failed, 3 if the machinery broke, 4 if all that is
left waits, 130 if it was interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from pytest_malagate.agents.attempts import Terms
from pytest_malagate.agents.bases import Bases
from pytest_malagate.agents.board import Board
from pytest_malagate.agents.claims import Claims
from pytest_malagate.agents.environment import inherited
from pytest_malagate.agents.evidence import rule_of_file
from pytest_malagate.agents.loop import AGENTS, AgentLoop, Ended, Settings, tasks_completed
from pytest_malagate.agents.names import command_template, task_of_issue
from pytest_malagate.agents.steps import Step
from pytest_malagate.agents.telling import Finale, Voice, voice
from pytest_malagate.cli.serial_options import Opened, add_common, opened, warn
from pytest_malagate.collect.log import prepare_directory
from pytest_malagate.coordinate.config import CoordinatorConfig
from pytest_malagate.coordinate.events import Event
from pytest_malagate.coordinate.issues import IssueProvider
from pytest_malagate.coordinate.outcomes import RunResult
from pytest_malagate.coordinate.store_issues import StoreProvider
from pytest_malagate.coordinate.yaml_issues import YamlProvider
from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.local import STORE_VARIABLE
from pytest_malagate.policy import CoordinatePolicy
from pytest_malagate.report.coordination import Closing
from pytest_malagate.report.text import plain
from pytest_malagate.serial_gate import OnGitHub, on_github

REDRAW_SECONDS = 1.0
AGENT_SECONDS = 3600.0
INTERRUPTED = 128 + signal.SIGINT


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    # fmt: off
    add = parser.add_argument
    add("--provider", metavar="SOURCE", required=True,
        help="where issues come from: a YAML file, `store` (the tasks of the queue), or "
        "github:OWNER/REPO (the issues that bear malagate:ready)")
    add("--command", metavar="CMD", required=True, dest="agent",
        help="the agent; {issue} and {attempt} are replaced in its words, without a shell")
    add("--max-agents", metavar="N", type=int,
        help="agents at once (default: the policy's coordinate.max_agents)")
    add("--max-issues", metavar="N", type=_positive,
        help="issues in total (default: the policy's coordinate.max_issues)")
    add("--epic", metavar="ID", help="only parts of this epic")
    add("--only", metavar="ID", action="append", help="only this issue; may be repeated")
    add("--orphans-only", action="store_true", help="only issues that belong to no epic")
    add("--prioritize-wip", action="store_true", help="issues in progress first")
    add("--resume", action="store_true", help="issues in progress, too")
    add("--no-focus", action="store_true", help="by priority alone, not one epic after the other")
    add("--watch", action="store_true", help="go on when nothing is ready, until Ctrl-C")
    add("--poll", metavar="SECONDS", type=_seconds, default=60.0,
        help="how often issues are asked for (default: 60)")
    add("--timeout", metavar="SECONDS", type=_seconds, default=AGENT_SECONDS,
        help="the longest run of an agent, and of a validation (default: 3600)")
    add("--max-attempts", metavar="N", type=_positive,
        help="attempts at an issue in total (default: the policy's retry.max_attempts)")
    add("--base", metavar="REF",
        help="where work begins and what judges it (default: the branch that is checked out)")
    add("--keep-worktrees", action="store_true", help="keep those of completed issues, too")
    add("--keep-env", action="store_true",
        help="leave GitHub's tokens in the agent's environment, and in the validations'")
    # fmt: on
    add_common(parser)


def _positive(text: str) -> int:
    with suppress(ValueError):
        if int(text) >= 1:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if (seconds := float(text)) > 0 and math.isfinite(seconds):
            return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is no positive number of seconds")


def run(options: argparse.Namespace) -> int:
    """Runs the loop to its end. Raises UsageError, PolicyError and MachineryError."""
    try:
        return _Run(options, opened(options)).to_the_end()
    except KeyboardInterrupt:  # before anything was started
        return INTERRUPTED


class _Run:
    """One call of the command."""

    def __init__(self, options: argparse.Namespace, place: Opened) -> None:
        place.for_writing()
        prepare_directory(place.place.out)
        self._options, self._place = options, place
        self._board = Board()
        self._voice: Voice = voice(
            sys.stdout,
            self._board,
            os.environ,
            json=options.json,
            size=shutil.get_terminal_size,
        )
        self._loop = self._made()

    def to_the_end(self) -> int:
        """Runs, tells how it ended, and returns the exit code."""
        result = asyncio.run(self._run())
        held_up = self._loop.unmergeable()
        ended = tuple(_closing(one, held_up) for one in self._loop.ended.values())
        waiting = tuple(self._board.waiting())
        self._voice.closes(Finale(result=result, ended=ended, waiting=waiting))
        try:
            sys.stdout.flush()
        except BrokenPipeError:  # nobody reads any more: how the work ended is still to be said
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return result.exit_code

    def _made(self) -> AgentLoop:
        options, place = self._options, self._place
        settings = _settings(options, place)
        claims = Claims(place.gate, settings.holder, place.place.out / AGENTS)
        provider = _provider(options, place, claims)
        issues = _asked(provider)
        done = _done_before(options, place, issues)
        for issue in issues:
            if issue in done:
                self._step(Step(kind="done", issue=issue, at=time.time()))
        bases = Bases(
            place.place,
            base=options.base,
            follow=options.watch,
            rule=rule_of_file(options.policy) if options.policy is not None else None,
            env=settings.terms.env,
            timeout=options.timeout,
            tell=self._step,
        )
        return AgentLoop(
            place.place,
            place.gate,
            provider,
            _config(options, place),
            bases,
            settings,
            tell=self._step,
            on_event=self._event,
            said=self._board.says,
            completed=done,
            claims=claims,
        )

    async def _run(self) -> RunResult:
        running = asyncio.get_running_loop()
        handlers: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGINT: self._loop.interrupt,
            signal.SIGTERM: partial(self._loop.interrupt, cancel=True),
            signal.SIGHUP: partial(self._loop.interrupt, cancel=True),
        }
        for number, handler in handlers.items():
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, a job in the background
                running.add_signal_handler(number, handler)
        ticking = asyncio.create_task(self._tick())
        try:
            return await self._loop.run()
        finally:
            ticking.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(REDRAW_SECONDS)
            self._voice.tick()

    def _step(self, step: Step) -> None:
        self._board.take_step(step)
        self._voice.step(step)

    def _event(self, event: Event) -> None:
        self._board.take_event(event)
        self._voice.event(event)


def _settings(options: argparse.Namespace, place: Opened) -> Settings:
    terms = Terms(
        template=_command(options.agent, Path.cwd()),
        env=inherited(os.environ, keep_secrets=options.keep_env),
        timeout=options.timeout,
        max_attempts=options.max_attempts,
    )
    return Settings(holder=place.person.name, terms=terms, keep_worktrees=options.keep_worktrees)


def _command(command: str, here: Path) -> tuple[str, ...]:
    """The agent's words; the path of its program is one from here, not from the worktree.

    What an earlier attempt left in its worktree must not take the agent's place. Raises
    UsageError if there is no such program.
    """
    program, *rest = command_template(command)
    if "{" in program:
        return (program, *rest)
    found = str(here / program) if "/" in program else shutil.which(program)
    if found is None or not os.access(found, os.X_OK):
        raise UsageError(f"--command: {plain(program, 200)} is no program that can be run")
    return (found, *rest)


def _provider(options: argparse.Namespace, place: Opened, claims: Claims) -> IssueProvider:
    named: str = options.provider
    if named == "store":
        return StoreProvider(place.gate, is_left=claims.is_left)
    source = on_github(named, by="--provider")
    return YamlProvider(Path(named)) if source is None else _of_github(source, options.epic)


def _of_github(source: OnGitHub, epic: str | None) -> IssueProvider:
    """Imported here alone: whoever keeps issues in a file needs no PyGithub."""
    try:
        from pytest_malagate.admission.providing import GitHubProvider
        from pytest_malagate.github.opening import open_client
    except ImportError as error:
        if error.name not in ("github", "requests"):
            raise
        raise UsageError(
            "--provider github:… needs the extra: pip install 'pytest-malagate[github]'"
        ) from error
    return GitHubProvider(open_client(os.environ, source.repository), epic_id=epic)


def _config(options: argparse.Namespace, place: Opened) -> CoordinatorConfig:
    policy = place.place.policy.coordinate
    return CoordinatorConfig(
        max_agents=_max_agents(options, place),
        max_issues=policy.max_issues if options.max_issues is None else options.max_issues,
        epic_id=options.epic,
        only_ids=tuple(options.only) if options.only else None,
        prioritize_wip=options.prioritize_wip,
        focus=not options.no_focus,
        orphans_only=options.orphans_only,
        watch=options.watch,
        poll_seconds=options.poll,
        resume=options.resume,
    )


def _max_agents(options: argparse.Namespace, place: Opened) -> int:
    """Several only where several tasks may be active; whoever asked for them is told."""
    policy = place.place.policy.coordinate.max_agents
    asked: int = policy if options.max_agents is None else options.max_agents
    if asked <= 1 or not place.gate.enabled:
        return asked
    if options.max_agents is not None or policy != CoordinatePolicy().max_agents:
        text = f"{asked} agents at once need serial.enabled: false in the policy; one works"
        warn([text])
    return 1


def _done_before(
    options: argparse.Namespace, place: Opened, issues: Iterable[str]
) -> frozenset[str]:
    """The issues that an earlier run completed, by the ledger. Raises MachineryError."""
    named = options.store or os.environ.get(STORE_VARIABLE) or None
    if named is not None and on_github(named) is None and not Path(named).exists():
        return frozenset()
    done = tasks_completed(place.gate.ledger())
    return done | {issue for issue in issues if task_of_issue(issue) in done}


def _asked(provider: IssueProvider) -> tuple[str, ...]:
    """The ids of the issues. Raises UsageError for a wrong file of issues."""

    async def asked() -> tuple[str, ...]:
        return tuple(issue.id for issue in await provider.issues())

    try:
        return asyncio.run(asked())
    except MachineryError:  # the coordinator asks again, and says so
        return ()


def _closing(one: Ended, held_up: str | None) -> Closing:
    """`held_up`: why nothing may be merged now."""
    why = one.outcome.detail
    if one.outcome.state == "completed":
        why = "" if held_up is None else f"do not merge yet: {held_up}"
    here = Path.cwd()
    inside = one.records.is_relative_to(here)
    return Closing(
        issue=one.issue,
        state=one.outcome.state,
        branch=one.branch,
        why=why,
        records=str(one.records.relative_to(here) if inside else one.records),
    )
