"""How many requests a token has left in its hour."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.twin.state import Token
    from tests.twin.twin import Twin

HOUR = 3600
ANONYMOUS = 60


class Rates:
    """Counts by the twin's clock. What it tells a client of the reset is in real time, because a
    client compares that with its own clock."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._used: dict[str, int] = {}
        self._since: dict[str, int] = {}
        self._writes: dict[str, list[int]] = {}

    def _key(self, token: Token | None) -> str:
        """A GITHUB_TOKEN's budget is its repository's."""
        if token is None:
            return ""
        if token.permissions is not None and token.repository is not None:
            return f"repository {token.repository.full_name}"
        return f"user {token.user.login}"

    def limit(self, token: Token | None) -> int:
        return self._twin.rate_limit if token is not None else ANONYMOUS

    def exhausted(self, token: Token | None) -> bool:
        return self.used(token) >= self.limit(token)

    def used(self, token: Token | None) -> int:
        key = self._key(token)
        if self._twin.clock() - self._since.get(key, 0) >= HOUR:
            self._since[key], self._used[key] = self._twin.clock(), 0
        return self._used[key]

    def write_wait(self, token: Token | None) -> int:
        """Seconds, by the twin's clock, until the token may write again; 0: it may now, which
        counts as a write."""
        if self._twin.write_limit is None:
            return 0
        count, window = self._twin.write_limit
        key, now = self._key(token), self._twin.clock()
        recent = [at for at in self._writes.get(key, []) if now - at < window]
        if len(recent) < count:
            self._writes[key] = [*recent, now]
            return 0
        self._writes[key] = recent
        return recent[-count] + window - now

    def count(self, token: Token | None) -> None:
        self._used[self._key(token)] = self.used(token) + 1

    def state(self, token: Token | None) -> dict[str, int]:
        limit, used = self.limit(token), self.used(token)
        passed = self._twin.clock() - self._since[self._key(token)]
        reset = int(time.time()) + HOUR - passed
        return {"limit": limit, "remaining": max(limit - used, 0), "reset": reset, "used": used}

    def headers(self, token: Token | None) -> dict[str, str]:
        state = self.state(token) | {"resource": "core"}
        return {f"X-RateLimit-{name.capitalize()}": str(value) for name, value in state.items()}
