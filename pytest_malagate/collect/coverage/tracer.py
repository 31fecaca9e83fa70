"""Whether coverage.py's tracing is still in place, cheaply enough to ask after every test."""

from __future__ import annotations

import sys
import threading
from typing import Any

from coverage import Coverage

# Private references: the tests that run in between may replace them.
_trace_function = sys.gettrace
_thread_trace_function = threading.gettrace
_monitoring: Any = getattr(sys, "monitoring", None)

_NAMES = {"CTracer": "ctrace", "PyTracer": "pytrace"}
_TOOL_IDS = range(6)  # sys.monitoring has six
_TOOL = "coverage.py"


class TracerWatch:
    """What traces while `coverage` runs. To be made right after its start.

    `core` is the core in use, as observed: `ctrace`, `pytrace`, `sysmon`, or empty.
    """

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self._trace: object = _trace_function()
        self._threads = _thread_trace_function()
        self._tool = None if self._core_of(self._trace) else _tool_id()
        self.core = self._core_of(self._trace) or ("" if self._tool is None else "sysmon")

    def lost(self) -> str | None:
        """What is gone, in words; None while all is in place.

        A function that was taken away and put back is in place. Bound methods are made anew by
        each access, so functions are compared by equality.
        """
        if self._tool is not None:
            return None if self._monitors() else "sys.monitoring no longer reports to coverage.py"
        current = _trace_function()
        if current != self._trace and not self._replaced_by_itself(current):
            return "sys.settrace was called and coverage.py's function was not put back"
        if _thread_trace_function() != self._threads:
            return "threading.settrace was called and coverage.py's function was not put back"
        return None

    def make_stoppable(self) -> None:
        """Takes the tool id again that a test gave away: coverage.py cannot stop without it."""
        if self._tool is not None and _monitoring.get_tool(self._tool) is None:
            _monitoring.use_tool_id(self._tool, _TOOL)

    def _monitors(self) -> bool:
        if _monitoring.get_tool(self._tool) != _TOOL:
            self._tool = next(iter(_tools()), self._tool)  # stopped and started again
        return bool(
            _monitoring.get_tool(self._tool) == _TOOL and _monitoring.get_events(self._tool)
        )

    def _replaced_by_itself(self, current: object) -> bool:
        """Whether the same Coverage was stopped and started again (pytest-cov's `no_cover`)."""
        ours = Coverage.current() is self._coverage
        if not (ours and self.core and self._core_of(current) == self.core):
            return False
        self._trace = current
        return True

    @staticmethod
    def _core_of(trace: object) -> str:
        owner = getattr(trace, "__self__", trace)  # PyTracer installs a bound method
        return _NAMES.get(type(owner).__name__, "")


def _tools() -> list[int]:
    if _monitoring is None:
        return []
    return [tool for tool in _TOOL_IDS if _monitoring.get_tool(tool) == _TOOL]


def _tool_id() -> int | None:
    return next(iter(_tools()), None)
