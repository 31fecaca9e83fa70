"""Which of coverage.py's cores measures a run: the fastest that is exact for what is asked.

`sysmon` (sys.monitoring, Python 3.12 and newer) costs next to nothing but knows neither file
tracer plugins nor dynamic contexts nor greenlets, and branches only from Python 3.14 on; there
coverage.py chooses by itself.
"""

from __future__ import annotations

import msgspec

from pytest_malagate.gate.evidence import CoverageProblem

LIGHT_THREADS = frozenset({"greenlet", "eventlet", "gevent"})


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is to measure, as far as a core may be unable to."""

    branch: bool = False
    dynamic_context: bool = False
    plugins: tuple[str, ...] = ()
    concurrency: tuple[str, ...] = ()
    timid: bool = False
    core: str | None = None  # from the configuration or from COVERAGE_CORE


class CoreChoice(msgspec.Struct, frozen=True, kw_only=True):
    """`core` None leaves the choice to coverage.py."""

    core: str | None = None
    problem: CoverageProblem | None = None
    warning: CoverageProblem | None = None


def choose_core(wanted: Wanted, python: tuple[int, int]) -> CoreChoice:
    """Chooses a core for a Python version; an explicit choice is kept, and checked."""
    if wanted.core is not None:
        return _check(wanted, python)
    if wanted.timid or python >= (3, 14):
        return CoreChoice()
    exact = not (_loses_data(wanted) or wanted.branch or LIGHT_THREADS & {*wanted.concurrency})
    return CoreChoice(core="sysmon" if python >= (3, 12) and exact else "ctrace")


def _loses_data(wanted: Wanted) -> str | None:
    """What `sysmon` would leave out without falling back to another core."""
    if wanted.plugins:
        return f"files that plugins trace ({', '.join(wanted.plugins)})"
    return "dynamic contexts" if wanted.dynamic_context else None


def _falls_back(wanted: Wanted, python: tuple[int, int]) -> str | None:
    """Why coverage.py itself would replace `sysmon` by a slower core."""
    if python < (3, 12):
        return "Python has sys.monitoring from 3.12 on"
    if wanted.branch and python < (3, 14):
        return "sys.monitoring measures branches from Python 3.14 on"
    light = sorted(LIGHT_THREADS & {*wanted.concurrency})
    return f"it does not know {', '.join(light)}" if light else None


def _check(wanted: Wanted, python: tuple[int, int]) -> CoreChoice:
    if wanted.core != "sysmon" or wanted.timid:
        return CoreChoice(core=wanted.core)
    if lost := _loses_data(wanted):
        message = f"core = sysmon is set, and it does not measure {lost}"
        return CoreChoice(
            core="sysmon", problem=CoverageProblem(code="coverage.core", message=message)
        )
    if reason := _falls_back(wanted, python):
        message = f"core = sysmon is set but cannot be used: {reason}; a slower core measures"
        return CoreChoice(
            core="ctrace", warning=CoverageProblem(code="coverage.core", message=message)
        )
    return CoreChoice(core="sysmon")
