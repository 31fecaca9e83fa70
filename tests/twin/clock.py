"""The twin's time, which stands still unless something happens."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

START = int(datetime(2026, 11, 2, 8, 0, tzinfo=UTC).timestamp())


class Clock:
    """Seconds since 1970. Everything that happens has a second of its own."""

    def __init__(self, start: int = START) -> None:
        self._now = start

    def __call__(self) -> int:
        return self._now

    def advance(self, seconds: int) -> None:
        self._now += seconds

    def tick(self) -> int:
        """The time of something new."""
        self._now += 1
        return self._now


@lru_cache(maxsize=65_536)
def iso(seconds: int | None) -> str | None:
    """A time as GitHub writes it."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
