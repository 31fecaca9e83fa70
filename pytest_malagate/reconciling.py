"""The reconciler of a repository on this machine: what can be known here, and who acts on it.

Two stages are decided by what is on the disk:

* `gate`: `malagate check --task ID` would pass. The task goes on to `review`.
* `landing`: a commit of the task, made since it became ready, is in the base. The task is finished.

`review` is a person's: that its commit is in the base already is only told (MergedInReview). When
`work` is done, and whether what landed is deployed well, cannot be read from files. Nothing is
fetched: the base is what this clone knows of it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from pytest_malagate.collect.log import prepare_directory
from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.gate.commit import judge_commits
from pytest_malagate.gate.judge import evaluate
from pytest_malagate.gate.retry import RetryState
from pytest_malagate.local import LocalGate, Place, write_file
from pytest_malagate.queue.model import Person, Stage, Task, lapsed
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.reconcile.answers import Verdict
from pytest_malagate.reconcile.checks import Check, Finding
from pytest_malagate.reconcile.claims import LapsedClaims
from pytest_malagate.reconcile.commits import resolve_commit
from pytest_malagate.reconcile.config import configured
from pytest_malagate.reconcile.reconciler import Reconciler
from pytest_malagate.reconcile.records import LedgerAgainstTasks
from pytest_malagate.reconcile.tasks import Handler
from pytest_malagate.repository.commits import candidates
from pytest_malagate.repository.git import printable

DEFAULT_BASE = "origin/HEAD"
"""The base where none is named: the default branch of the remote, if the clone knows of it."""

ACTOR = "malagate reconcile"
"""Who acts, for the ledger, where nobody gave a name. A machine: it ends no review."""


class LocalOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller named. `base` is a git revision.

    Landing is judged by it, and the policy of the gate is read from it; without one landing is
    judged by DEFAULT_BASE.
    """

    base: str | None = None
    actor: str = ACTOR


def local_reconciler(
    place: Place,
    gate: SerialGate,
    options: LocalOptions,
    *,
    environ: Mapping[str, str],
    now: Callable[[], float] = time.time,
    log: logging.Logger | None = None,
) -> Reconciler:
    """The reconciler of a place's queue. Raises UsageError for a base that is no revision."""
    actor, base = options.actor, options.base
    person, landed = Person(name=actor), Landed(place, gate, base)
    checks: list[Check] = [
        LapsedClaims(gate, gate.ledger, actor=actor, now=now),
        LedgerAgainstTasks(gate, gate.ledger),
        MergedInReview(gate, landed),
    ]
    return Reconciler(
        gate,
        judge=LocalJudge(place, landed, base),
        handlers=local_handlers(gate, person),
        config=configured(place.policy.reconcile, environ),
        working=lambda task: at_work(task, now()),
        checks=checks,
        cursor=FileCursor(place.out / "reconcile.json"),
        now=now,
        log=log,
    )


def at_work(task: Task, now: float) -> bool:
    """Whether its holder is at work: only at the stage `work`, while the lease lasts.

    Later a lease keeps the task's place and says nothing of work: it lasts for hours, and a task
    whose tests are green should not stand for so long.
    """
    return task.stage == "work" and not lapsed(task, now)


def local_handlers(gate: SerialGate, person: Person) -> dict[Stage, Handler]:
    """What `malagate queue advance ID review` and `malagate queue finish ID` do.

    Each names the task as it was seen, so one that anybody touched meanwhile is left alone.
    """

    def to_review(task: Task) -> Task:
        return gate.advance(task.task, "review", person, seen=task)

    def to_the_end(task: Task) -> Task:
        return gate.finish(task.task, person.name, seen=task)

    return {"gate": to_review, "landing": to_the_end}


class LocalJudge:
    """The gate's verdict without a trace: no attempt counts, and no file is written."""

    def __init__(self, place: Place, landed: Landed, base: str | None = None) -> None:
        self._place, self._landed, self._base = place, landed, base

    def __call__(self, task: Task) -> Verdict:
        """Raises GitError, and UsageError for a base that is no revision."""
        if task.stage == "gate":
            return self._checked(task.task)
        if task.stage == "landing":
            return self._landed(task)
        return Verdict(green=False, why=f"nothing on this machine says when {task.stage} has ended")

    def _checked(self, task: str) -> Verdict:
        gate = LocalGate(self._place, task=task, base=self._base)
        state, spec = RetryState(), gate.spec(gate.scope)
        evidence, facts = gate.collect(task, None, state, spec)
        result = evaluate(spec, evidence, facts, state).result
        if result.passed:
            return Verdict(green=True, why=f"the gate passes {printable(task, 60)}")
        reasons = ", ".join(dict.fromkeys(why.code for why in result.reasons[:5]))
        return Verdict(green=False, why=f"the gate says {result.verdict}: {reasons}")


class Landed:
    """Whether a task's commit is in the base. Nothing is asked of a remote."""

    def __init__(self, place: Place, gate: SerialGate, base: str | None) -> None:
        self._place, self._gate, self._base = place, gate, base
        if base is not None:
            self._resolved(base)  # a wrong one is told before the first sweep

    def __call__(self, task: Task) -> Verdict:
        """Green only if one commit in the base belongs to this task, and to no other one here."""
        repository, base = self._place.repository, self._base_hash()
        if repository is None or base is None:
            return Verdict(green=False, why="no base is known here: name it by --base")
        found = candidates(repository.root, task.task, base)
        # An id may have been in use before: an older commit says nothing about this task.
        newest = judge_commits(found, task.task, int(task.added_at)).commit
        if newest is None:
            return Verdict(
                green=False, why="no commit of it is in the base, made since it was added"
            )
        others = {
            other.task: [commit.hash for commit in judge_commits(found, other.task, None).matches]
            for other in self._gate.tasks()
        }
        owner = resolve_commit(newest.hash, {**others, task.task: [newest.hash]})
        if owner.task is None:
            return Verdict(green=False, why=owner.message)
        return Verdict(green=True, why=f"its commit {newest.hash[:12]} is in the base")

    def _base_hash(self) -> str | None:
        """Asked at each look: the base moves on."""
        if self._base is not None:
            return self._resolved(self._base)
        try:
            return self._resolved(DEFAULT_BASE)
        except UsageError:
            return None

    def _resolved(self, revision: str) -> str | None:
        repository = self._place.repository
        if repository is None:
            raise UsageError(f"the base {printable(revision, 80)}: this is no git repository")
        return repository.resolve(revision)


class MergedInReview:
    """Tasks that wait for a person's review while their commit is in the base already."""

    name = "merged-in-review"

    def __init__(self, gate: SerialGate, landed: Callable[[Task], Verdict]) -> None:
        self._gate, self._landed = gate, landed

    def find(self) -> Iterable[Finding]:
        """One finding a task. Raises MachineryError."""
        return [
            Finding(
                item=task.task,
                problem=f"it is in review, and {verdict.why}",
                remedy="a person ends its review: malagate queue finish ID",
            )
            for task in self._gate.tasks()
            if task.state == "active" and task.stage == "review"
            if (verdict := self._landed(task)).green
        ]


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds."""

    cursor: str = ""


class FileCursor:
    """A cursor in a file, written whole or not at all. Its directory is made when it is saved."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> str:
        """Empty if there is no file. Raises MachineryError for one that cannot be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Kept).cursor
        except FileNotFoundError:
            return ""
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MachineryError(f"{self._path} is damaged") from error
        except OSError as error:
            why = error.strerror or error
            raise MachineryError(f"{self._path} cannot be read: {why}") from error

    def save(self, place: str) -> None:
        """Raises MachineryError; what was kept before is still there then."""
        prepare_directory(self._path.parent)
        write_file(self._path, msgspec.json.encode(_Kept(cursor=place)) + b"\n")
