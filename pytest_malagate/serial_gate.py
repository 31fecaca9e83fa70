"""The serial gate of one place: the policy's rules, a store and a repository's name, joined.

`LocalGate(".").serial_gate` is that for a repository on this machine. A program that has a store
and a name of its own needs nothing of this: `SerialGate(SQLiteStore(path), "owner/repository")`.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from pytest_malagate.errors import UsageError
from pytest_malagate.gate.admission import AdmissionFact
from pytest_malagate.policy import Policy
from pytest_malagate.queue.answers import SerialRules
from pytest_malagate.queue.how import How
from pytest_malagate.queue.model import FreezeMode
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.sqlite import SQLiteStore
from pytest_malagate.queue.sqlite_session import SQLiteSession
from pytest_malagate.queue.store import Store
from pytest_malagate.repository import Repository
from pytest_malagate.repository.git import printable

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}(?:/[A-Za-z0-9_.-]{1,100}){0,5}")
_GITHUB = "github:"
_ON_GITHUB = re.compile(
    r"github:((?!\.\.?/)[A-Za-z0-9_.-]{1,100}/(?!\.\.?(?:#|$))[A-Za-z0-9_.-]{1,100})"
    r"(?:#([1-9][0-9]{0,8}))?"
)


class SerialOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller named. `admission`: what passes is held up while its task has to wait.

    `store` is the path of a file or `github:OWNER/REPO` (None: state.db in malagate-out),
    `repository` whose queue and freeze it is (None: see `repository_name`).
    """

    admission: bool = False
    store: str | None = None
    repository: str | None = None


def serial_rules(policy: Policy) -> SerialRules:
    """What the policy's sections `serial` and `freeze` say."""
    hours = policy.freeze.ask_after_hours
    return SerialRules(
        enabled=policy.serial.enabled,
        repos=policy.serial.repos,
        freeze_enabled=policy.freeze.enabled,
        mode=policy.freeze.mode,
        clear_needs=policy.freeze.clear_needs,
        ask_after=None if hours is None else hours * 3600.0,
    )


class NamedStore(SQLiteStore):
    """A store that somebody named. Reading one that is not there is trouble, and so means frozen.

    A misspelt name must not look like a queue without tasks and a repository without a freeze.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.how = How(option=f" --store {shlex.quote(str(path))}")

    @contextmanager
    def reading(self, repository: str) -> Iterator[SQLiteSession]:
        """As in SQLiteStore. Raises MachineryError, too, if there is no such file."""
        if not self.path.exists():
            raise self.trouble("there is no such file; `malagate queue add` makes it")
        with super().reading(repository) as session:
            yield session


class OnGitHub(msgspec.Struct, frozen=True, kw_only=True):
    """What `github:OWNER/REPO#N` names: a repository, and in it the control issue, if it does."""

    repository: str
    number: int | None = None


def on_github(named: str | None, *, by: str = "--store") -> OnGitHub | None:
    """The store's name taken apart; None for one that is a file.

    Raises UsageError, which says `by` what it was named.
    """
    if named is None or not named.lower().startswith(_GITHUB):
        return None
    found = _ON_GITHUB.fullmatch(_GITHUB + named[len(_GITHUB) :])
    if found is None:
        shown = printable(repr(named), 100)
        raise UsageError(f"{by} {shown} is no github:OWNER/REPO and no github:OWNER/REPO#ISSUE")
    return OnGitHub(repository=found[1], number=int(found[2]) if found[2] else None)


def store_at(
    named: str | None,
    default: Path,
    *,
    environ: Mapping[str, str] | None = None,
    mode: FreezeMode = "pause",
) -> Store:
    """The store that `--store` names: a file, or on GitHub. Raises UsageError.

    `environ` (None: this process's own) holds the token for GitHub; `mode` is that of a freeze that
    somebody set there by a label.
    """
    if named is None:
        return SQLiteStore(default)
    place = on_github(named)
    if place is not None:
        return _github_store(place, os.environ if environ is None else environ, mode)
    if not named.strip() or "\0" in named:
        raise UsageError("--store needs the path of a file, such as malagate-out/state.db")
    return NamedStore(Path(named))


def _github_store(place: OnGitHub, environ: Mapping[str, str], mode: FreezeMode) -> Store:
    """Imported here alone: whoever keeps the queue in a file needs no PyGithub."""
    try:
        from pytest_malagate.github.opening import open_store
    except ImportError as error:
        if error.name not in ("github", "requests"):
            raise
        raise UsageError(
            "--store github:… needs the extra: pip install 'pytest-malagate[github]'"
        ) from error
    return open_store(environ, number=place.number, mode=mode)


def repository_name(
    named: str | None, repository: Repository | None, root: Path, *, store: str | None = None
) -> str:
    """Whose queue it is: the name that was given, the one of `origin`, or the directory's.

    `store` is what `--store` names: on GitHub it names the repository, too. Raises UsageError for
    a name that cannot be one, or is another than the store's; GitError if git fails.
    """
    place = on_github(store)
    if place is not None:
        if named is not None and named.lower() != place.repository.lower():
            text = f"--repository {printable(repr(named), 80)}: the store is {place.repository}'s"
            raise UsageError(text)
        return place.repository
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
