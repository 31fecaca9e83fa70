"""The gate on one's own machine: finds the place, collects, judges, remembers, writes."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from pytest_malagate.base_policy import policy_at, rule_changes
from pytest_malagate.collect.log import is_evidence_log, prepare_directory
from pytest_malagate.collect.reading import read_evidence
from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.gate.evidence import Evidence
from pytest_malagate.gate.facts import Facts
from pytest_malagate.gate.judge import Judgement, evaluate
from pytest_malagate.gate.reasons import reason
from pytest_malagate.gate.result import GateResult, NextAction, PolicyUsed, encode
from pytest_malagate.gate.retry import RetryState
from pytest_malagate.gate.spec import ValidationScope, ValidationSpec
from pytest_malagate.policy import Policy, find_policy_file, load_policy
from pytest_malagate.queue.attempts import AttemptStore
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.sqlite import SQLiteStore
from pytest_malagate.report.markdown import summary
from pytest_malagate.repository import GitError, Repository, directory_tree
from pytest_malagate.serial_gate import (
    SerialOptions,
    admission_fact,
    open_gate,
    repository_name,
    store_at,
)
from pytest_malagate.subject import SubjectOptions, collect_facts, coverage_report, task_of

OUT = "malagate-out"

VALIDATION_VARIABLE = "MALAGATE_VALIDATION"
OUT_VARIABLE = "MALAGATE_OUT"
POLICY_VARIABLE = "MALAGATE_POLICY"
"""Set by `malagate run NAME` for the pytest that it starts: the validation that the session is
evidence for, and where `--out` and `--policy` pointed. Not handed on to what the tests start."""

STORE_VARIABLE = "MALAGATE_STORE"
"""The store of queue and freeze where `--store` names none: several work trees share a queue."""


@dataclass(frozen=True)
class Place:
    """Where a gate stands: the directory of its policy, its outputs, its repository.

    `root` is the nearest directory from the start upwards, within the repository, that holds a
    policy; the repository's own root if none does; the start itself outside a repository.
    """

    root: Path
    out: Path
    policy: Policy
    repository: Repository | None

    @classmethod
    def find(cls, start: Path, *, out: Path | None = None, policy: Path | None = None) -> Place:
        """Looks from `start`. Raises PolicyError for a policy that is wrong or not there."""
        start = start.resolve()
        repository = Repository.discover(start)
        root = _root(start, repository)
        return cls(
            root=root,
            out=(out or root / OUT).absolute(),
            policy=load_policy(root, explicit=policy),
            repository=repository,
        )

    @property
    def log_path(self) -> Path:
        """The evidence log."""
        return self.out / "evidence.jsonl"

    @property
    def state_path(self) -> Path:
        """The embedded store."""
        return self.out / "state.db"

    @property
    def result_path(self) -> Path:
        """The last GateResult."""
        return self.out / "gate-result.json"

    @cached_property
    def attempts(self) -> AttemptStore:
        """The attempts of each task."""
        return AttemptStore(SQLiteStore(self.state_path))

    def tree_and_commit(self) -> tuple[str | None, str | None]:
        """The working files' tree hash and HEAD, as evidence records them. Raises GitError."""
        if self.repository is None:
            return directory_tree(self.root), None
        return self.repository.working_tree().tree, self.repository.head()

    def write(self, result: GateResult) -> None:
        """Writes gate-result.json and summary.md, each whole or not at all."""
        prepare_directory(self.out)
        write_file(self.result_path, encode(result))
        write_file(self.out / "summary.md", summary(result).encode())


def _root(start: Path, repository: Repository | None) -> Path:
    if repository is None:
        return start
    top = repository.root.resolve()
    for directory in (start, *start.parents):
        if find_policy_file(directory) is not None:
            return directory
        if directory == top:
            break
    return top


def write_file(path: Path, data: bytes) -> None:
    """Replaces a file at once. Raises MachineryError; the old content is then still there."""
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as f:
            draft = Path(f.name)
            f.write(data)
        draft.chmod(0o644)
        draft.replace(path)
    except OSError as error:
        raise MachineryError(f"cannot write {path}: {error.strerror or error}") from error


class LocalGate:
    """The gate of a repository on this machine, and the collector of a GateRunner for it.

    `start` is any directory inside. `task` names the task whose commit must exist; without it the
    branch is the task and the working files are judged. `base` is a git revision: the policy is
    read from it. `baseline` is in seconds since the epoch.
    `serial` says where queue and freeze are, and whether they are asked.
    """

    def __init__(
        self,
        start: Path | str | Place = ".",
        *,
        task: str | None = None,
        base: str | None = None,
        scope: ValidationScope = ValidationScope.TASK,
        baseline: int | None = None,
        serial: SerialOptions | None = None,
    ) -> None:
        self.place = start if isinstance(start, Place) else Place.find(Path(start))
        self.scope = scope
        self._options = SubjectOptions(task=task, base=base, baseline=baseline)
        self._serial = serial or SerialOptions()

    @cached_property
    def policy(self) -> Policy:
        """The policy that judges: the base's if a base was named, else the working tree's."""
        base, repository = self._options.base, self.place.repository
        if base is None:
            return self.place.policy
        if repository is None:
            raise UsageError(f"--base {base}: {self.place.root} is in no git repository")
        return policy_at(repository, self.place.root, repository.resolve(base))

    @cached_property
    def task(self) -> str:
        """The key under which attempts are kept."""
        return task_of(self.place.repository, self._options.task)

    @cached_property
    def serial_gate(self) -> SerialGate:
        """The queue and the freeze of this repository, by the policy that judges."""
        place = self.place
        named, mode = self._serial.store, self.policy.freeze.mode
        store = store_at(named, place.state_path, mode=mode)
        name = repository_name(self._serial.repository, place.repository, place.root, store=named)
        return open_gate(self.policy, store, name)

    # --- the collector of a GateRunner ---

    def spec(self, scope: ValidationScope) -> ValidationSpec:
        """What the policy requires in a scope."""
        return self.policy.spec(scope)

    def collect(
        self, issue_id: str, log_path: Path | None, state: RetryState, spec: ValidationSpec
    ) -> tuple[Evidence, Facts]:
        """Evidence from the state's offset on, and the facts about `issue_id`."""
        options = msgspec.structs.replace(self._options, task=issue_id)
        if state.baseline_timestamp is not None:
            options = msgspec.structs.replace(options, baseline=state.baseline_timestamp)
        evidence = self._read(log_path, state, spec)
        return evidence, self._facts(options, evidence)

    def _read(self, log_path: Path | None, state: RetryState, spec: ValidationSpec) -> Evidence:
        path = log_path or self.place.log_path
        if log_path is not None and not is_evidence_log(log_path):
            from pytest_malagate.collect.agent_evidence import evidence_of_agent

            tree, commit = self.place.tree_and_commit()
            return evidence_of_agent(path, spec, state, tree=tree, commit=commit)
        return read_evidence(path, offset=state.log_offset, identity=state.log_identity)

    # --- one evaluation, remembered and written ---

    def evaluate(self, *, claim: bool = True, record: bool = True) -> GateResult:
        """Judges what the evidence log holds now and writes the result.

        With `record`, a counted failure is remembered as an attempt of the task, and a pass ends
        the count. Raises PolicyError, UsageError, or MachineryError if nothing could be written;
        a store or a git that fails makes the result inconclusive.
        """
        spec = self.spec(self.scope)
        state, problems = self._state()
        evidence = read_evidence(
            self.place.log_path, fresh_after=state.log_offset, identity=state.log_identity
        )
        try:
            facts = self._facts(self._options, evidence)
        except GitError as error:
            facts, problems = Facts(), [*problems, ("machinery.git", str(error))]
        facts = msgspec.structs.replace(facts, problems=tuple(problems))
        judgement = evaluate(spec, evidence, facts, state, claim=claim)
        if record and not problems:
            self._remember(judgement, evidence)
        self.place.write(judgement.result)
        return judgement.result

    def in_progress(self, name: str) -> GateResult:
        """What stands in gate-result.json while a session runs, and stays if it never ends."""
        text = f"{name}: a pytest run is in progress, or was ended by force"
        why = reason("evidence.unfinished", text)
        return GateResult(
            verdict=why.severity if why.severity in ("inconclusive", "error") else "fail",
            passed=False,
            policy=PolicyUsed(source=self.policy.file or "default", digest=self.policy.digest),
            failure_reasons=(why.message,),
            reasons=(why,),
            next_action=NextAction(kind="wait", commands=("malagate check",)),
        )

    def _state(self) -> tuple[RetryState, list[tuple[str, str]]]:
        try:
            return self.place.attempts.load(self.task), []
        except GitError as error:
            return RetryState(), [("machinery.git", str(error))]
        except MachineryError as error:
            return RetryState(), [("machinery.store", str(error))]

    def _facts(self, options: SubjectOptions, evidence: Evidence) -> Facts:
        place, policy = self.place, self.policy
        facts = collect_facts(place.repository, place.root, options, evidence)
        report = policy.coverage.report if policy.coverage else None
        task = self.task if options.task is None else options.task
        return msgspec.structs.replace(
            facts,
            policy=PolicyUsed(source=policy.file or "default", digest=policy.digest),
            rule_changes=rule_changes(policy, place.policy),
            unjudged=policy.unjudged,
            coverage_report=coverage_report(place.root, report) if report else None,
            admission=admission_fact(self.serial_gate, task) if self._serial.admission else None,
        )

    def _remember(self, judgement: Judgement, evidence: Evidence) -> None:
        attempts, past = self.place.attempts, judgement.past
        if judgement.result.passed:
            attempts.clear(self.task)
        elif past is not None:
            prepare_directory(self.place.out)
            attempts.update(
                self.task,
                lambda state: (state.before_last() if judgement.resumed else state).after_failure(
                    past, log_offset=evidence.end, log_identity=evidence.log
                ),
            )
        elif judgement.spoiled:
            prepare_directory(self.place.out)
            attempts.update(self.task, RetryState.after_infrastructure)
