"""What the commands of queue and freeze share: options, the opened gate, printed answers."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_malagate.collect.log import prepare_directory
from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.encoding import encode_json
from pytest_malagate.local import STORE_VARIABLE, Place
from pytest_malagate.queue.local_person import local_person, machine_mark
from pytest_malagate.queue.model import Person, Task
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.store import Store
from pytest_malagate.report.terminal import Line, paint, use_color
from pytest_malagate.report.text import MESSAGE, plain
from pytest_malagate.serial_gate import on_github, open_gate, repository_name, store_at

if TYPE_CHECKING:
    from pytest_malagate.cli.on_github import Hands


def add_common(parser: argparse.ArgumentParser) -> None:
    """The options of every command of this group."""
    add = parser.add_argument
    add("--store", metavar="STORE",
        help="the file that holds queue and freeze, or github:OWNER/REPO (default: "
        f"${STORE_VARIABLE}, else malagate-out/state.db)")  # fmt: skip
    add("--repository", metavar="OWNER/REPO",
        help="whose queue and freeze (default: as `origin` or the directory says)")  # fmt: skip
    add(
        "--actor",
        metavar="NAME",
        help="who acts, for the ledger (default: your login name, on GitHub the token's owner)",
    )
    add("--out", metavar="DIR", type=Path, help="where malagate writes (default: malagate-out)")
    add("--policy", metavar="FILE", type=Path, help="the policy")
    add("--json", action="store_true", help="print JSON")


@dataclass(frozen=True)
class Opened:
    """A gate, and who is at the keyboard. `hands` is there where the store is on GitHub."""

    place: Place
    gate: SerialGate
    login: str
    actor: str | None
    own_store: bool  # the one in malagate-out, which is made when it is first written
    hands: Hands | None = None

    @cached_property
    def person(self) -> Person:
        """Who acts. Raises UsageError for a name that cannot be one, on GitHub GitHubError."""
        if self.hands is not None:
            return self.hands.person
        return local_person(os.environ, self.login, self.actor)

    @property
    def machine_mark(self) -> str | None:
        """Why nobody takes this for a person; None if it is one."""
        return machine_mark(os.environ, (self.login, self.person.name))

    @property
    def by_hand(self) -> Hands | None:
        """Where the store is on GitHub and its ledger not this token's to write: what is."""
        return None if self.hands is None or self.hands.writes else self.hands

    def for_writing(self) -> SerialGate:
        """The gate, its store's own directory made. Raises MachineryError.

        Raises UsageError for a token that does not write the ledger on GitHub.
        """
        if self.hands is not None:
            self.hands.check_writes()
        if self.own_store:
            try:
                prepare_directory(self.place.out)
            except MachineryError as error:
                text = f"the store cannot be written: there is no directory {self.place.out}"
                raise MachineryError(f"{text}, and it cannot be made") from error
        return self.gate


def opened(options: argparse.Namespace) -> Opened:
    """The gate that the options name. Raises UsageError, PolicyError and GitError."""
    place = Place.find(Path.cwd(), out=options.out, policy=options.policy)
    named = options.store or os.environ.get(STORE_VARIABLE) or None
    store = store_at(named, place.state_path, environ=os.environ, mode=place.policy.freeze.mode)
    name = repository_name(options.repository, place.repository, place.root, store=named)
    gate, login = open_gate(place.policy, store, name), _login()
    hands = _hands(store, gate, named, options.actor)
    return Opened(place, gate, login, options.actor, named is None, hands)


def _hands(store: Store, gate: SerialGate, named: str | None, actor: str | None) -> Hands | None:
    place = on_github(named)
    if place is None:
        return None
    from pytest_malagate.cli.on_github import Hands
    from pytest_malagate.github.store import GitHubStore

    if not isinstance(store, GitHubStore):
        return None
    return Hands(
        store,
        gate,
        number=place.number,
        actor=actor,
        machine_mark=lambda login: machine_mark(os.environ, (login,)),
    )


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user need not have a name
        return f"uid {os.getuid()}"


def task_value(task: Task) -> dict[str, Any]:
    """A task as JSON shows it. The claim's id is its holder's alone, so it is left out."""
    claim = task.claim
    return {
        "task": task.task,
        "ticket": task.ticket,
        "state": task.state,
        "stage": task.stage,
        "added_at": task.added_at,
        "changed_at": task.changed_at,
        "holder": claim.holder if claim else None,
        "fence": claim.fence if claim else None,
        "claimed_at": claim.at if claim else None,
        "lease_until": claim.lease_until if claim else None,
    }


def print_json(value: object) -> None:
    """JSON on stdout, indented by two spaces."""
    sys.stdout.write(msgspec.json.format(encode_json(value), indent=2).decode() + "\n")


def print_lines(lines: Iterable[Line]) -> None:
    """Lines on stdout, coloured on a terminal."""
    sys.stdout.write(paint(lines, color=use_color(sys.stdout, os.environ)))


def say(text: str) -> None:
    """One line on stdout for a person."""
    print(plain(text, 4 * MESSAGE))


def warn(warnings: Iterable[str]) -> None:
    """Warnings, each a line on stderr."""
    for warning in warnings:
        print(f"malagate: warning: {plain(warning, MESSAGE)}", file=sys.stderr)
