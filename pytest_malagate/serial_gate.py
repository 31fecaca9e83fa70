"""The serial gate of one place: the policy's rules, a store and a repository's name, joined.

`LocalGate(".").serial_gate` is that for a repository on this machine. A program that has a store
and a name of its own needs nothing of this: `SerialGate(SQLiteStore(path), "owner/repository")`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from pytest_malagate.errors import UsageError
from pytest_malagate.gate.admission import AdmissionFact
from pytest_malagate.policy import Policy
from pytest_malagate.queue.answers import SerialRules
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.sqlite import SQLiteStore
from pytest_malagate.queue.sqlite_session import SQLiteSession
from pytest_malagate.queue.store import Store
from pytest_malagate.repository import Repository
from pytest_malagate.repository.git import printable

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}(?:/[A-Za-z0-9_.-]{1,100}){0,5}")
_GITHUB = "github:"


class SerialOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller named. `admission`: what passes is held up while its task has to wait.

    `store` is the path of a file (None: state.db in malagate-out), `repository` whose queue and
    freeze it is (None: see `repository_name`).
    """

    admission: bool = False
    store: str | None = None
    repository: str | None = None


def serial_rules(policy: Policy) -> SerialRules:
    """What the policy's sections `serial` and `freeze` say."""
    return SerialRules(
        enabled=policy.serial.enabled,
        repos=policy.serial.repos,
        freeze_enabled=policy.freeze.enabled,
        mode=policy.freeze.mode,
        clear_needs=policy.freeze.clear_needs,
    )


class NamedStore(SQLiteStore):
    """A store that somebody named. Reading one that is not there is trouble, and so means frozen.

    A misspelt name must not look like a queue without tasks and a repository without a freeze.
    """

    @contextmanager
    def reading(self, repository: str) -> Iterator[SQLiteSession]:
        """As in SQLiteStore. Raises MachineryError, too, if there is no such file."""
        if not self.path.exists():
            raise self.trouble("there is no such file; `malagate queue add` makes it")
        with super().reading(repository) as session:
            yield session


def store_at(named: str | None, default: Path) -> SQLiteStore:
    """The store that `--store` names: a file. Raises UsageError for `github:OWNER/REPO`."""
    if named is None:
        return SQLiteStore(default)
    if named.lower().startswith(_GITHUB):
        raise UsageError(
            f"--store {printable(named, 100)}: the store on GitHub comes with a later version; "
            "name a file, or leave --store away"
        )
    if not named.strip() or "\0" in named:
        raise UsageError("--store needs the path of a file, such as malagate-out/state.db")
    return NamedStore(Path(named))


def repository_name(named: str | None, repository: Repository | None, root: Path) -> str:
    """Whose queue it is: the name that was given, the one of `origin`, or the directory's.

    Raises UsageError for a name that cannot be one, GitError if git fails.
    """
    if named is not None:
        if not _NAME.fullmatch(named):
            raise UsageError(f"--repository {printable(repr(named), 80)} is no OWNER/REPO")
        return named
    return repository.name() if repository is not None else printable(root.name, 100) or "root"


def open_gate(policy: Policy, store: Store, repository: str) -> SerialGate:
    """The gate of a repository by its policy."""
    return SerialGate(store, repository, serial_rules(policy))


def admission_fact(gate: SerialGate, task: str) -> AdmissionFact:
    """May the change of a task land now? Never raises for a store that fails."""
    answer = gate.admission(task)
    if answer.code == "freeze.active":
        message = f"{answer.reason[:1].upper()}{answer.reason[1:]}"
    else:
        message = f"{task} waits: {answer.reason}"
    if answer.stop:
        message += "; what runs is told to stop"
    return AdmissionFact(
        admitted=answer.admitted,
        code=answer.code,
        message="" if answer.admitted else message,
        warnings=answer.warnings,
    )
