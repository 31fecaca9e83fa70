"""Evidence of a checkout, recorded by malagate itself: each validation in a process of its own.

The commands are those of the policy that judges, not of the checkout's, and the evidence log lies
outside of it, in a directory that is made anew: what an agent left in either place counts for
nothing. The log is for people, and for a test session to write to; see `recorded` for what counts.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from pytest_malagate.agents.environment import VALIDATIONS_LOG
from pytest_malagate.agents.process import Ending, NotStartedError, run_process
from pytest_malagate.agents.recorded import Recorded, session_of
from pytest_malagate.base_policy import policy_at
from pytest_malagate.collect.command import NOT_FOUND
from pytest_malagate.collect.log import EvidenceLog, prepare_directory
from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.evidence import CommandRun, CommandStarted, Receipt, Record, TestRun
from pytest_malagate.gate.population import Population
from pytest_malagate.gate.spec import Validation, ValidationKind, ValidationSpec
from pytest_malagate.local import (
    OUT_VARIABLE,
    POLICY_VARIABLE,
    VALIDATION_VARIABLE,
    write_file,
)
from pytest_malagate.policy import Policy, parse_policy
from pytest_malagate.repository import Repository

TIMED_OUT = 124
"""The exit code of a command whose time was up, as of timeout(1)."""

_NO_POLICY = b"version: 1\n"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """The policy that judges, and its text, of which processes are given a copy.

    `name` is a file name that says whether it is YAML or TOML.
    """

    policy: Policy
    name: str = "malagate.yaml"
    text: bytes = _NO_POLICY


def rule_of_base(repository: Repository, root: Path, commit: str) -> Rule:
    """The policy as a commit has it; the default policy if it has none.

    Raises PolicyError for one that is wrong, GitError if git fails.
    """
    policy = policy_at(repository, root, commit)
    if policy.file is None:
        return Rule(policy=policy)
    name = policy.file.rpartition(":")[2]
    prefix = root.resolve().relative_to(repository.root.resolve())
    text = repository.file_at(commit, (prefix / name).as_posix())
    return Rule(policy=policy, name=name, text=text or _NO_POLICY)


def rule_of_file(path: Path) -> Rule:
    """The policy of a file that a person named. Raises PolicyError."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise MachineryError(f"cannot read {path}: {error.strerror or error}") from error
    return Rule(policy=parse_policy(text, file=str(path)), name=f"policy{path.suffix}", text=text)


class Recorder:
    """Runs a policy's validations in a checkout."""

    def __init__(self, rule: Rule, spec: ValidationSpec, env: Mapping[str, str]) -> None:
        self._rule, self._spec, self._env = rule, spec, env

    async def record(
        self,
        root: Path,
        out: Path,
        *,
        timeout: float,
        stop: asyncio.Event | None = None,
        only: ValidationKind | None = None,
    ) -> Recorded:
        """Runs them in the policy's order; `timeout` is for each, `out` is made anew for their log.

        How a validation ends is for the judge to say; one without a command leaves no evidence.
        With `only`, those of that kind and what sets up. Raises MachineryError.
        """
        fresh_directory(out)
        session = _Session(root, out, timeout=timeout, stop=stop)
        for validation in self._wanted(only):
            if stop is not None and stop.is_set():
                break
            if validation.kind is ValidationKind.TEST:
                await session.tests(validation, dict(self._env), self._policy(out))
            elif validation.argv is not None:
                await session.command(validation.name, validation.argv, self._env)
        return session.recorded()

    def _policy(self, out: Path) -> Path:
        """A copy of the policy. Written anew each time: an earlier validation may find it."""
        policy = out / "rule" / self._rule.name
        fresh_directory(policy.parent)
        write_file(policy, self._rule.text)
        return policy

    def _wanted(self, only: ValidationKind | None) -> Iterator[Validation]:
        for name in self._spec.required:
            validation = self._spec.validation(name)
            if validation is None:
                continue
            if only in (None, validation.kind) or not validation.required:
                yield validation


_PYTEST = (sys.executable, "-m", "pytest", "-p", "malagate", "--malagate-collect")


class _Session:
    """The processes of one recording, the receipts of commands, and what was seen of each."""

    def __init__(
        self, root: Path, out: Path, *, timeout: float, stop: asyncio.Event | None
    ) -> None:
        self._root, self._out = root, out
        self._timeout, self._stop = timeout, stop
        self._log = out / "evidence.jsonl"
        self._commands: dict[str, CommandRun] = {}
        self._tests: dict[str, TestRun] = {}
        self._populations: dict[str, Population] = {}

    def recorded(self) -> Recorded:
        """What was seen so far."""
        return Recorded(commands=self._commands, tests=self._tests, populations=self._populations)

    async def run(self, argv: Sequence[str], env: Mapping[str, str]) -> Ending:
        """One process. Raises NotStartedError."""
        return await run_process(
            argv,
            cwd=self._root,
            env=env,
            log=self._out / VALIDATIONS_LOG,
            timeout=self._timeout,
            stop=self._stop,
        )

    async def tests(self, validation: Validation, env: dict[str, str], policy: Path) -> None:
        """A test run, which keeps its journal itself. Raises NotStartedError."""
        name, argv = validation.name, validation.argv
        env |= {VALIDATION_VARIABLE: name, OUT_VARIABLE: str(self._out)}
        env[POLICY_VARIABLE] = str(policy)
        offset = self._log.stat().st_size if self._log.exists() else 0
        if argv is not None:
            ending = await self.command(name, argv, env)
        else:
            ending = await self.run([*_PYTEST, *validation.selection], env)
        found = await asyncio.to_thread(session_of, self._log, offset, name, ending)
        if found is not None:
            self._tests[name], self._populations[name] = found

    async def command(self, name: str, argv: tuple[str, ...], env: Mapping[str, str]) -> Ending:
        """What `malagate run NAME` does, in a process group that can be ended as a whole.

        A run that was stopped has no receipt. One whose time was up has the exit code of
        `timeout`: that is for the work to answer for, while a signal would be nobody's fault.
        """
        run = uuid.uuid4().hex
        tree, commit = await asyncio.to_thread(_files, self._root)
        at = round(time.time(), 3)
        self._append(CommandStarted(run=run, name=name, argv=argv, at=at, tree=tree, commit=commit))
        try:
            ending = await self.run(argv, env)
        except NotStartedError:
            ending = Ending(status=NOT_FOUND)
        if ending.why == "stopped":
            return ending
        late = ending.why == "timed_out"
        after, _ = await asyncio.to_thread(_files, self._root)
        receipt = Receipt(
            run=run,
            name=name,
            argv=argv,
            at=round(time.time(), 3),
            duration=round(ending.duration, 3),
            exit_code=TIMED_OUT if late else ending.exit_code,
            signal=None if late else ending.signal,
            tree=tree,
            tree_after=after,
            commit=commit,
        )
        self._commands[name] = _seen(receipt)
        self._append(receipt)
        return ending

    def _append(self, record: Record) -> None:
        with EvidenceLog(self._log) as log:
            log.append(record, sync=True)


def _seen(receipt: Receipt) -> CommandRun:
    return CommandRun(
        name=receipt.name,
        argv=receipt.argv,
        at=receipt.at,
        exit_code=receipt.exit_code,
        signal=receipt.signal,
        tree=receipt.tree,
        tree_after=receipt.tree_after,
        commit=receipt.commit,
        duration=receipt.duration,
    )


def _files(root: Path) -> tuple[str, str | None]:
    """The tree of the files and HEAD. Raises MachineryError."""
    repository = Repository.discover(root)
    if repository is None:
        raise MachineryError(f"{root} is in no git repository any more")
    return repository.working_tree().tree, repository.head()


def fresh_directory(path: Path) -> None:
    """An empty directory, whatever was in its place. Raises MachineryError."""
    try:
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)
    except OSError as error:
        raise MachineryError(f"cannot clear {path}: {error.strerror or error}") from error
    prepare_directory(path)
