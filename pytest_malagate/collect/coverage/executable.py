"""Which files coverage.py would count if folders without `__init__.py` counted, too."""

from __future__ import annotations

import sys

from coverage import Coverage

from pytest_malagate.collect.coverage.measuring import options
from pytest_malagate.collect.coverage.settings import Sources, package_directory

_trace_function, _set_trace_function = sys.gettrace, sys.settrace


def executable_files(
    config_file: str | bool, sources: Sources, reported: tuple[str, ...]
) -> set[str]:
    """Asks coverage.py itself, so that its patterns decide: a measurement of one empty call.

    `reported` tells where the sources' packages lie. Empty if the configuration says which files
    to report (`include`): what it leaves out is left out on purpose. Raises CoverageException.
    """
    directories = {*sources.directories}
    for package in sources.packages:
        directories |= {d for path in reported if (d := package_directory(path, package))}
    tops = sorted(d for d in directories if not d.endswith(".py"))
    if not tops:
        return set()
    probe = Coverage(
        data_file=None, source=tops, source_pkgs=[], source_dirs=[], config_file=config_file
    )
    if probe.get_option("report:include"):
        return set()
    _configure(probe)
    return _measure_nothing(probe)


def _configure(probe: Coverage) -> None:
    report_omit = probe.get_option("report:omit")
    omit = [*options(probe, "omit"), *(report_omit if isinstance(report_omit, list) else ())]
    probe.set_option("run:omit", omit)
    probe.set_option("run:include", [])
    probe.set_option("report:include_namespace_packages", True)
    probe.set_option("run:relative_files", False)
    probe.set_option("run:patch", [])
    probe.set_option("run:concurrency", [])
    probe.set_option("run:dynamic_context", None)
    probe.set_option("run:branch", False)
    probe.set_option("run:core", "ctrace")


def _measure_nothing(probe: Coverage) -> set[str]:
    former = _trace_function()
    probe.start()
    try:
        _empty_call()
    finally:
        probe.stop()
        if _trace_function() != former:
            _set_trace_function(former)  # a debugger's, say
    return set(probe.get_data().measured_files())


def _empty_call() -> None:
    """coverage.py looks for files that were not executed only after something was."""
