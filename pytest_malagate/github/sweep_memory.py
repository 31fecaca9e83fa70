"""What one sweep leaves for the next in the control issue's body: hints, never authority.

Whoever may edit the issue may edit this. The worst that comes of it is a status that is written
once more, or one that is missing until its pull request changes; such a person may set statuses by
hand anyway.
"""

from __future__ import annotations

import msgspec

from pytest_malagate.queue.model import Value

FAILED = ""
"""In place of what a head was told, where telling it failed: nobody knows what it shows."""


class SweepMemory(Value, frozen=True, kw_only=True, omit_defaults=True):
    """`statuses` are what was written, by the beginning of the head's hash, or FAILED, of which the
    oldest comes first; `after` is the last pull request that was written, `unfinished` how many
    were left; times in seconds.
    """

    swept_at: float = 0.0
    requests_left: int | None = None
    requests_limit: int | None = None
    unfinished: int = 0
    after: int = 0
    statuses: dict[str, str] = msgspec.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reconciled: str = ""


def read_memory(data: bytes) -> SweepMemory:
    """The memory; an empty one if there is none, or if it is damaged."""
    try:
        return msgspec.msgpack.decode(data, type=SweepMemory) if data else SweepMemory()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return SweepMemory()


def write_memory(memory: SweepMemory) -> bytes:
    """The bytes of a memory."""
    return msgspec.msgpack.encode(memory)
