"""Session logs of Codex: app-server notifications, and the events of `codex exec --json`.

The first are `{"method": "item/completed", "payload": {"item": …}}` (`params` in the protocol
itself), the second `{"type": "item.completed", "item": …}`. Only a completed item has a result;
one that started and did not complete is a call without a result.

`command_actions` is not looked at: it is Codex's summary for display, from which it drops a
leading `cd` and a trailing `|| true`. What ran is `command`.
"""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath
from typing import Any

import msgspec

from pytest_malagate.collect.agentlog.events import Call, Event, Result, Said
from pytest_malagate.collect.agentlog.records import (
    EMPTY,
    Record,
    decode_line,
    decode_part,
    text_or_none,
)

_MAX_STARTED = 4096
_PHASES = {
    "item/started": "started",
    "item.started": "started",
    "item/completed": "completed",
    "item.completed": "completed",
}
_SHELLS = frozenset({"sh", "bash", "zsh", "dash"})

# Items that change no file. Any other (a patch, an MCP call, a sub-agent, an unknown one) may.
_HARMLESS_ITEMS = (
    "agentmessage contextcompaction enteredreviewmode error exitedreviewmode hookprompt imageview "
    "plan reasoning sleep todolist usermessage websearch"
)
_HARMLESS = frozenset(_HARMLESS_ITEMS.split())


class _Line(Record, frozen=True):
    method: Any = None
    type: Any = None
    payload: msgspec.Raw = EMPTY
    params: msgspec.Raw = EMPTY
    item: msgspec.Raw = EMPTY


class _Payload(Record, frozen=True):
    item: msgspec.Raw = EMPTY


class _Item(Record, frozen=True):
    id: Any = None
    type: Any = None
    text: Any = None
    command: Any = None
    cwd: Any = None
    status: Any = None
    source: Any = None
    exit_code: Any = None
    exitCode: Any = None


_line = msgspec.json.Decoder(_Line)
_payload = msgspec.json.Decoder(_Payload)
_item = msgspec.json.Decoder(_Item)


class CodexFormat:
    """Reads the lines of a Codex session. Remembers which commands are running."""

    def __init__(self) -> None:
        self._started: dict[str, None] = {}

    def events(self, line: bytes) -> list[Event]:
        """See `LogFormat.events`."""
        record = decode_line(_line, line)
        word = record.method if record.method is not None else record.type
        phase = _PHASES.get(word) if isinstance(word, str) else None
        if phase is None:
            return []
        part = next((part for part in (record.payload, record.params) if part), EMPTY)
        payload = decode_part(_payload, part)
        item = decode_part(_item, payload.item if payload else record.item)
        return [] if item is None else self._of_item(item, done=phase == "completed")

    def _of_item(self, item: _Item, *, done: bool) -> list[Event]:
        kind = _plain(item.type)
        if kind == "commandexecution":
            return self._of_command(item, done=done)
        if kind == "agentmessage":
            return [Said(item.text)] if done and isinstance(item.text, str) else []
        return [Call("", kind or "an unknown item", harmless=kind in _HARMLESS)]

    def _of_command(self, item: _Item, *, done: bool) -> list[Event]:
        if _plain(item.source) == "unifiedexecinteraction":
            return []  # keys sent to a command that runs; the command has an item of its own
        call = text_or_none(item.id) or ""
        command = unwrapped(text_or_none(item.command) or "")
        started = Call(call, "shell", command=command, directory=text_or_none(item.cwd))
        if not done:
            self._remember(call)
            return [started]
        known = call in self._started
        self._started.pop(call, None)
        return [_result(call, item)] if known else [started, _result(call, item)]

    def _remember(self, call: str) -> None:
        if call:
            self._started[call] = None
        if len(self._started) > _MAX_STARTED:
            self._started.pop(next(iter(self._started)))


def unwrapped(command: str) -> str:
    """The script of `/bin/zsh -lc SCRIPT`, which is how Codex starts what the agent asked for.

    Any other command is returned as it is. Exactly one shell is taken off: a shell within it was
    asked for by the agent.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    if len(words) == 3 and PurePosixPath(words[0]).name in _SHELLS and words[1] in ("-lc", "-c"):
        return words[2]
    return command


def _result(call: str, item: _Item) -> Result:
    """The exit status of a completed command. Every word but `completed` and `failed` is none."""
    status = _plain(item.status)
    code = item.exit_code if item.exit_code is not None else item.exitCode
    if status not in ("completed", "failed"):
        return Result(call, invalid=f"its status is {status[:40] or 'missing'!r}")
    if code is None and status == "failed":
        return Result(call, exit_code=1)
    if not isinstance(code, int) or isinstance(code, bool):
        return Result(call, invalid="its result is malformed: the exit code is no integer")
    return Result(call, exit_code=code or (1 if status == "failed" else 0))


def _plain(word: Any) -> str:
    """A word of the protocol, as `commandExecution` and `command_execution` alike are compared."""
    return word.replace("_", "").lower() if isinstance(word, str) else ""
