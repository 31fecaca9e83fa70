"""What happened in a session, in words that all agents' logs share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Call:
    """The agent called a tool. `command` is set for a shell, and then `harmless` is not asked.

    `harmless` says that a tool of this sort cannot change files. `directory` is where a command
    started, if the log says so.
    """

    call: str
    tool: str
    command: str | None = None
    harmless: bool = False
    background: bool = False
    directory: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A tool answered. `exit_code` is None, and `invalid` says why, where there is no verdict."""

    call: str
    exit_code: int | None = None
    invalid: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """Text that the agent itself wrote: no thinking, no user's message, no tool's output."""

    text: str


Event = Call | Result | Said


class LogFormat(Protocol):
    """How one agent writes its log. An instance belongs to one reading."""

    def events(self, line: bytes) -> list[Event]:
        """The events of one line, in order; none for a record of no interest.

        Raises one of `UNREADABLE` for a line that is no JSON object.
        """
        ...
