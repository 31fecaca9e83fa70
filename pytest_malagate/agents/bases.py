"""What work begins at and is judged against: the base's commit, its policy and its tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec

from pytest_malagate.agents.evidence import Recorder, Rule, rule_of_base
from pytest_malagate.agents.judging import Baseline, needs_baseline
from pytest_malagate.agents.names import safe_name
from pytest_malagate.agents.process import undisturbed
from pytest_malagate.agents.steps import Step, StepKind, Tell
from pytest_malagate.agents.worktrees import DIRECTORY, Worktree, Worktrees, branch_of
from pytest_malagate.collect.log import prepare_directory
from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.gate.spec import ValidationKind, ValidationScope
from pytest_malagate.local import Place, write_file
from pytest_malagate.repository import Repository


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a base."""

    rule: Rule
    baseline: Baseline


class Bases:
    """The base that a person named, and all that is asked about it, each once.

    `base` None is the branch that is checked out when the loop begins. It is looked up once, so
    that no agent can move it under the loop, or, with `follow`, at each start. `rule`, where a
    person named a policy, takes the place of the base's. Raises UsageError for a base that is
    none, PolicyError if its policy is wrong.
    """

    def __init__(
        self,
        place: Place,
        *,
        base: str | None,
        follow: bool,
        rule: Rule | None,
        env: Mapping[str, str],
        timeout: float,
        tell: Tell,
    ) -> None:
        if place.repository is None:
            raise UsageError(f"{place.root} is in no git repository: agents need worktrees")
        self._place, self._repository = place, place.repository
        self._worktrees = Worktrees(place.repository, place.root, place.out)
        branch = place.repository.branch()
        self._ref = base or branch or "HEAD"
        # A tag may have the branch's name.
        self._revision = base or (f"refs/heads/{branch}" if branch else "HEAD")
        self._commit = self._resolved(place.repository)
        self._follow = follow
        # Read now: a policy that is wrong must not fail one issue after the other.
        self._named = rule
        self._rules = {self._commit: self._rule_at(self._commit)}
        self._env, self._timeout, self._tell = env, timeout, tell
        self._known: dict[str, Known] = {}
        self._begun: dict[str, str] = {}
        # git holds locks of its own, and does not wait for them.
        self._git, self._learning = asyncio.Lock(), asyncio.Lock()

    @property
    def ref(self) -> str:
        """The base by its name."""
        return self._ref

    @property
    def commit(self) -> str:
        """The base's commit, as it was last looked up."""
        return self._commit

    def _resolved(self, repository: Repository) -> str:
        if repository.head() is None:
            raise UsageError("the repository has no commit yet: agents begin at one")
        return repository.resolve(self._revision)

    def _rule_at(self, commit: str) -> Rule:
        return self._named or rule_of_base(self._repository, self._place.root, commit)

    async def current(self) -> str:
        """The commit where new work begins."""
        if self._follow:
            self._commit = await asyncio.to_thread(self._resolved, self._repository)
        return self._commit

    async def missing(self, blockers: Sequence[str], base: str) -> str | None:
        """Why work that needs others' cannot begin: theirs is done, and not in the base yet."""
        for blocker in blockers:
            branch = branch_of(safe_name(blocker))
            async with self._git:
                tip = await asyncio.to_thread(self._worktrees.tip, branch)
                if tip is None or await asyncio.to_thread(self._worktrees.contains, base, tip):
                    continue
            return f"{blocker} is not in {self._ref} yet: merge {branch}, or delete it"
        return None

    async def checkout(self, name: str, base: str, record: Path) -> Worktree:
        """The worktree for work of this name; what was begun before goes on where it began.

        `record` is the file that remembers where that was.
        """
        async with self._git:
            return await asyncio.to_thread(self._checkout, name, base, record)

    def _checkout(self, name: str, base: str, record: Path) -> Worktree:
        self._worktrees.sweep()
        tip = self._worktrees.tip(branch_of(name))
        if tip is not None:
            base = self._begun.get(name) or self._remembered(record, base, tip)
        made = self._worktrees.prepare(name, base)
        self._begun[name] = base
        prepare_directory(record.parent)
        write_file(record, f"{base}\n".encode())
        return made

    def _remembered(self, record: Path, base: str, tip: str) -> str:
        """Where work that is there began. Nothing but a commit of the base's own is believed."""
        try:
            begun = self._repository.resolve(record.read_text("utf-8").strip())
        except (OSError, UnicodeDecodeError, UsageError):
            begun = self._repository.merge_base(base, tip) or base
        return begun if self._worktrees.contains(base, begun) else base

    async def discard(self, name: str) -> None:
        """Takes a worktree away; its branch stays."""
        await self._remove(self._place.out / DIRECTORY / name)
        self._begun.pop(name, None)

    async def moved(self, branch: str, commit: str) -> str | None:
        """Why a branch is not at a commit, in words; None if it is there."""
        async with self._git:
            tip = await asyncio.to_thread(self._worktrees.tip, branch)
        if tip == commit:
            return None
        there = "is gone" if tip is None else f"was moved, to {tip[:12]}"
        return f"{commit[:12]} passed, but {branch} {there}"

    @asynccontextmanager
    async def clean(
        self, name: str, commit: str, *, base: str | None = None
    ) -> AsyncIterator[Worktree]:
        """A checkout of a commit and of nothing else, for as long as it is needed.

        It is compared with `base`, or with nothing. Raises GitError.
        """
        make = partial(self._worktrees.detached, name, commit, base=base)
        try:
            async with self._git:
                made = await undisturbed(asyncio.to_thread(make))
            yield made
        finally:
            await undisturbed(self._remove(self._worktrees.place_of_detached(name)))

    async def _remove(self, path: Path) -> None:
        async with self._git:
            await undisturbed(asyncio.to_thread(self._worktrees.remove, path))

    async def known(self, commit: str) -> Known:
        """The base's policy and tests. Its tests are run once in a loop's life.

        Raises PolicyError for a policy that is wrong.
        """
        async with self._learning:
            if commit not in self._known:
                self._known[commit] = await self._learn(commit)
            return self._known[commit]

    async def _learn(self, commit: str) -> Known:
        if commit not in self._rules:
            self._rules[commit] = await asyncio.to_thread(self._rule_at, commit)
        rule = self._rules[commit]
        if rule.policy.digest != self._place.policy.digest:
            text = "the policy that judges is the base's, and not the one of the working files"
            self._step("warning", text)
        spec = rule.policy.spec(ValidationScope.TASK)
        if not needs_baseline(spec):
            return Known(rule=rule, baseline=Baseline(why="the policy does not ask for it"))
        self._step("base", f"the tests of {self._ref} ({commit[:12]}) are run, to compare with")
        baseline = await self._tests_of(rule, commit)
        if baseline.population is None:
            self._step("base", f"removed tests cannot be told: {baseline.why}")
        return Known(rule=rule, baseline=baseline)

    async def _tests_of(self, rule: Rule, commit: str) -> Baseline:
        """Runs the tests of a commit in a clean checkout."""
        recorder = Recorder(rule, rule.policy.spec(ValidationScope.TASK), self._env)
        try:
            async with self.clean(f"base-{commit[:12]}", commit) as checkout:
                out = self._place.out / "agents" / checkout.path.name
                recorded = await recorder.record(
                    checkout.root, out, timeout=self._timeout, only=ValidationKind.TEST
                )
        except MachineryError as error:
            return Baseline(why=str(error))
        population = recorded.population()
        if population is None:
            return Baseline(why=f"the base's own tests did not run whole, see {out}")
        return Baseline(population=population)

    def _step(self, kind: StepKind, detail: str) -> None:
        self._tell(Step(kind=kind, detail=detail, at=time.time()))
