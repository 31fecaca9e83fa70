"""What can go wrong between a client and GitHub, and when it shall."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Literal

Host = Literal["api", "blob"]


@dataclass
class Fault:
    """`kind` befalls the requests number `nth` to `nth + times - 1` of those that match."""

    kind: str
    nth: int
    times: int
    method: str | None
    path: str | None
    host: Host
    seen: int = 0

    def strikes(self, host: str, method: str, path: str) -> bool:
        if host != self.host or (self.method or method) != method:
            return False
        if self.path is not None and not re.search(self.path, path):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times

    @property
    def over(self) -> bool:
        return self.seen >= self.nth + self.times - 1


class Faults:
    """The plan. A kind says what the client sees, and whether a write takes effect:

    * not applied: the numbers, "secondary", "primary", "429", "429-after", "timeout", "reset",
      "html", "empty", "unauthorized", "forbidden", "not-found";
    * applied: "truncated", "malformed", "applied-502", "applied-reset".
    """

    KINDS: ClassVar[tuple[str, ...]] = (
        *("500", "502", "503", "504", "secondary", "primary", "429", "429-after", "timeout"),
        *("reset", "truncated", "malformed", "html", "applied-502", "applied-reset"),
        *("unauthorized", "forbidden", "not-found", "empty"),
    )
    APPLIED: ClassVar[frozenset[str]] = frozenset(
        {"truncated", "malformed", "applied-502", "applied-reset"}
    )

    def __init__(self) -> None:
        self.plan: list[Fault] = []

    def add(
        self,
        kind: str,
        nth: int = 1,
        times: int = 1,
        method: str | None = None,
        path: str | None = None,
        host: Host = "api",
    ) -> Fault:
        """`path` is a regular expression, searched for in the path with its query. Counts the
        requests from now on."""
        assert kind in self.KINDS, kind
        assert nth >= 1 and times >= 1
        fault = Fault(kind, nth, times, method, path, host)
        self.plan.append(fault)
        return fault

    def clear(self) -> None:
        self.plan.clear()

    def strike(self, host: str, method: str, path: str) -> str | None:
        """The kind that befalls this request. Each planned fault counts it."""
        kinds = [fault.kind for fault in self.plan if fault.strikes(host, method, path)]
        return kinds[0] if kinds else None

    @property
    def pending(self) -> list[Fault]:
        """Those that have not happened as often as planned."""
        return [fault for fault in self.plan if not fault.over]
