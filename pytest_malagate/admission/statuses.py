"""The status `malagate/admission`: what each open pull request is told, and in which order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from pytest_malagate.github.records import Pull
from pytest_malagate.github.statuses import DESCRIPTION, State
from pytest_malagate.queue.answers import Admission
from pytest_malagate.queue.model import Value
from pytest_malagate.report.text import plain

CONTEXT = "malagate/admission"
_HEAD = 12  # characters of a head's hash that a sweep remembers
_SAID = 6


class Wanted(Value, frozen=True, kw_only=True):
    """What a pull request ought to be told. `state` and `text` are the status's.

    `others` are pull requests with the same head, into other branches: a commit has one status.
    """

    pull: Pull
    others: tuple[Pull, ...] = ()
    state: State
    text: str

    @property
    def head(self) -> str:
        """The head, as a sweep remembers it."""
        return self.pull.head.sha[:_HEAD]

    @property
    def said(self) -> str:
        """What is told, as a sweep remembers it."""
        return hashlib.sha256(f"{self.state} {self.text}".encode()).hexdigest()[:_SAID]


def status_of(admission: Admission) -> tuple[State, str]:
    """An admission as a status: only `success` lets land."""
    if admission.admitted:
        return "success", "may land"
    if admission.cause is not None:
        return "error", _short(f"{admission.cause}: {admission.reason}")
    if admission.code == "queue.waiting":
        place = f"place {admission.position}: " if admission.position else ""
        return "pending", _short(f"{place}{admission.reason}")
    return "failure", _short(admission.reason or "not admitted")


def _short(text: str) -> str:
    return plain(text, DESCRIPTION)


_STRICTEST: tuple[State, ...] = ("error", "failure", "pending", "success")


def wanted_of(pulls: Sequence[Pull], asked: Callable[[Pull], Admission]) -> Wanted:
    """What the pull requests of one head ought to be told: the strictest that any of them is."""
    found = [(pull, *status_of(asked(pull))) for pull in pulls]
    pull, state, text = min(found, key=lambda one: _STRICTEST.index(one[1]))
    others = tuple(one for one in pulls if one is not pull)
    return Wanted(pull=pull, others=others, state=state, text=text)


def by_head(pulls: Iterable[Pull]) -> list[list[Pull]]:
    """Those that share a head together."""
    found: dict[str, list[Pull]] = {}
    for pull in pulls:
        found.setdefault(pull.head.sha, []).append(pull)
    return list(found.values())


def changed(wanted: Sequence[Wanted], told: Mapping[str, str]) -> list[Wanted]:
    """Those that were not told this yet. `told` is what was, by head."""
    return [one for one in wanted if told.get(one.head) != one.said]


def in_order(wanted: Sequence[Wanted], after: int) -> list[Wanted]:
    """First those that must not land, of them the ones closest to landing.

    Of the others those after pull request `after`, so that a small budget reaches everybody.
    """
    bad = [one for one in wanted if one.state != "success"]
    good = sorted(
        (one for one in wanted if one.state == "success"), key=lambda one: one.pull.number
    )
    turned = [one for one in good if one.pull.number > after]
    turned += [one for one in good if one.pull.number <= after]
    bad.sort(key=lambda one: one.pull.updated_at, reverse=True)
    bad.sort(key=lambda one: (one.pull.auto_merge is None, one.pull.draft))
    return bad + turned
