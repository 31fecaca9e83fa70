"""The view of a GateResult for a coding agent: short, ranked, and with nothing hidden in it.

It is a GateResult itself, so one schema serves both. The whole of it, encoded as `encode` does,
holds at most MAX_CHARACTERS characters: what is printed is what fills an agent's context. Hook
output of common agents is cut at about 10,000.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeVar

import msgspec

from pytest_malagate.gate.reasons import phase
from pytest_malagate.gate.result import GateResult, NextAction, ValidationEvidence, encode
from pytest_malagate.report.text import MESSAGE, plain

MAX_REASONS = 10
MAX_CHARACTERS = 8000

_Value = TypeVar("_Value", bound=msgspec.Struct)
_replace = msgspec.structs.replace


class _Room(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything one try at the view may hold."""

    reasons: int = MAX_REASONS
    characters: int = MESSAGE  # of any text: a message, a hint, a path, a test id
    entries: int = 8  # of any other list
    commands: int = 10
    command: int = 2000  # a command is whole or it is left out: half of one is another command


def agent_view(result: GateResult) -> GateResult:
    """The result with its first reasons, in the order of phases, short enough for an agent.

    At most 10 reasons, texts of at most 300 characters, at most 8,000 characters in all;
    `reasons_omitted` counts what was left out and `failure_reasons` stays in step. Lists of test
    ids, fingerprints and validations keep their beginning, what did not pass first. Every text
    is `plain`. Equal results give equal views.
    """
    view = _view(_ranked(result), _Room())
    for room in _rooms():
        if len(encode(view).decode()) <= MAX_CHARACTERS:
            break
        view = _view(view, room)
    return view


def _rooms() -> Iterator[_Room]:
    """Ever less room; the last always fits. Reasons are shortened before they are dropped."""
    yield _Room(entries=4)
    yield _Room(entries=3, characters=200)
    for reasons in range(MAX_REASONS, 0, -1):
        yield _Room(reasons=reasons, entries=3, characters=140, commands=5)
    yield _Room(reasons=1, entries=1, characters=100, commands=3, command=500)
    yield _Room(reasons=1, entries=0, characters=60, commands=0)


def _ranked(result: GateResult) -> GateResult:
    reasons = sorted(result.reasons, key=lambda reason: phase(reason.code))
    return _replace(result, reasons=tuple(reasons))


def _view(result: GateResult, room: _Room) -> GateResult:
    reasons = tuple(_bounded(reason, room) for reason in result.reasons[: room.reasons])
    rest = _replace(
        result,
        reasons=(),
        failure_reasons=(),
        next_action=_replace(result.next_action, commands=()),
        validation_evidence=_worst_first(result.validation_evidence, room.entries),
    )
    view = _bounded(rest, room)
    return _replace(
        view,
        reasons=reasons,
        failure_reasons=tuple(reason.message for reason in reasons),
        reasons_omitted=result.reasons_omitted + len(result.reasons) - len(reasons),
        next_action=_replace(view.next_action, commands=_commands(result.next_action, room)),
    )


def _worst_first(
    items: tuple[ValidationEvidence, ...], limit: int
) -> tuple[ValidationEvidence, ...]:
    """The items in their own order if all fit; otherwise those that did not pass come first."""
    if len(items) <= limit:
        return items
    return tuple(sorted(items, key=lambda item: item.status == "passed"))[:limit]


def _commands(action: NextAction, room: _Room) -> tuple[str, ...]:
    whole = (command for command in action.commands if len(command) <= room.command)
    return tuple(plain(command) for command in islice(whole, room.commands))


def _bounded(value: _Value, room: _Room) -> _Value:
    """The same value with every text plain and cut, and every list cut."""
    return msgspec.convert(_trimmed(msgspec.to_builtins(value), room), type(value))


def _trimmed(value: Any, room: _Room) -> Any:
    if isinstance(value, str):
        return plain(value, room.characters)
    if isinstance(value, dict):
        return {key: _trimmed(item, room) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_trimmed(item, room) for item in value[: room.entries]]
    return value
