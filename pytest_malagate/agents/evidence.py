"""Evidence of a worktree, recorded by malagate itself: each validation in a process of its own.

The commands are those of the policy that judges, not of the worktree's, and the evidence lies
outside of the worktree, in a directory that is made anew: what an agent left in either place
counts for nothing.
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
from pytest_malagate.base_policy import policy_at
from pytest_malagate.collect.command import NOT_FOUND
from pytest_malagate.collect.log import EvidenceLog, prepare_directory
from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.evidence import CommandStarted, Receipt, Record
from pytest_malagate.gate.spec import Validation, ValidationKind, ValidationSpec
from pytest_malagate.local import OUT_VARIABLE, POLICY_VARIABLE, VALIDATION_VARIABLE
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
    ) -> frozenset[str]:
        """Leaves the evidence log in `out`, which is made anew; `timeout` is for each validation.

        How a validation ends is for the judge to say; one without a command leaves no evidence.
        Returns the names of those whose time was up. Raises MachineryError.
        """
        fresh_directory(out)
        policy = out / "rule" / self._rule.name
        policy.parent.mkdir()
        policy.write_bytes(self._rule.text)
        session = _Session(root, out, timeout=timeout, stop=stop)
        late = set()
        for validation in self._wanted(only):
            if stop is not None and stop.is_set():
                break
            env = dict(self._env)
            if validation.kind is ValidationKind.TEST:
                env[VALIDATION_VARIABLE] = validation.name
                env |= {OUT_VARIABLE: str(out), POLICY_VARIABLE: str(policy)}
            if validation.argv is not None:
                ending = await session.command(validation.name, validation.argv, env)
            elif validation.kind is ValidationKind.TEST:
                ending = await session.run([*_PYTEST, *validation.selection], env)
            else:
                continue
            if ending.why == "timed_out":
                late.add(validation.name)
        return frozenset(late)

    def _wanted(self, only: ValidationKind | None) -> Iterator[Validation]:
        for name in self._spec.required:
            validation = self._spec.validation(name)
            if validation is not None and only in (None, validation.kind):
                yield validation


_PYTEST = (sys.executable, "-m", "pytest", "-p", "malagate", "--malagate-collect")


class _Session:
    """The processes of one recording, and the receipts of those that write none themselves."""

    def __init__(
        self, root: Path, out: Path, *, timeout: float, stop: asyncio.Event | None
    ) -> None:
        self._root, self._out = root, out
        self._timeout, self._stop = timeout, stop

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
        self._append(
            Receipt(
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
        )
        return ending

    def _append(self, record: Record) -> None:
        with EvidenceLog(self._out / "evidence.jsonl") as log:
            log.append(record, sync=True)


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
