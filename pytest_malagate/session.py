"""A pytest session as evidence: the hooks that keep its journal and ask the gate at its end.

The journal is written by the process that controls the session. Under pytest-xdist the workers only
add to their reports what is known nowhere else (why a test failed) and send what they counted.
"""

from __future__ import annotations

import os
import platform
import sys
import time
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_malagate import __version__
from pytest_malagate.collect.ci import ci_run
from pytest_malagate.collect.coverage.processes import WorkerAssignment
from pytest_malagate.collect.coverage.settings import CoverageSettings
from pytest_malagate.collect.failures import attach
from pytest_malagate.collect.selection import selection
from pytest_malagate.collect.sharding import population_of
from pytest_malagate.errors import MalagateError
from pytest_malagate.gate.evidence import SessionStarted
from pytest_malagate.gate.result import GateResult
from pytest_malagate.gate.spec import Validation, ValidationKind, ValidationScope
from pytest_malagate.journal import Journal
from pytest_malagate.local import (
    OUT_VARIABLE,
    POLICY_VARIABLE,
    STORE_VARIABLE,
    VALIDATION_VARIABLE,
    LocalGate,
    Place,
)
from pytest_malagate.report.terminal import lines, markup
from pytest_malagate.serial_gate import SerialOptions

if TYPE_CHECKING:
    from pytest_malagate.plugin_coverage import CoverageHooks

_now = time.time  # tests may patch the module's own

_NO_SESSION = (
    "cacheshow",
    "collectonly",
    "help",
    "markers",
    "setuponly",
    "setupplan",
    "show_fixtures_per_test",
    "showfixtures",
    "version",
)


def begin(config: pytest.Config, option: Any) -> SessionHooks:
    """The hooks of a controlling process. A policy that is wrong is a usage error of pytest's."""
    try:
        place = Place.find(
            config.rootpath,
            out=_path(option.malagate_out or os.environ.get(OUT_VARIABLE)),
            policy=_path(option.malagate_policy or os.environ.get(POLICY_VARIABLE)),
        )
        gate = LocalGate(
            place,
            task=option.malagate_task,
            base=option.malagate_base,
            scope=ValidationScope(option.malagate_scope),
            serial=SerialOptions(
                admission=option.malagate_admission, store=os.environ.get(STORE_VARIABLE) or None
            ),
        )
        if option.malagate_admission:
            _ = gate.serial_gate  # a store that cannot be meant is told before the tests run
        hooks = SessionHooks(config, gate, option)
    except MalagateError as error:
        raise pytest.UsageError(str(error)) from error
    hooks.start_coverage()
    return hooks


class Hooks(Protocol):
    """What `plugin.py` needs of the hooks that do the work."""

    def register(self, config: pytest.Config) -> None:
        """Joins the session."""

    def conftest_failed(self, error: BaseException) -> None:
        """The session ends before it began."""


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def begin_worker(config: pytest.Config, option: Any) -> Hooks:
    """The hooks of what may be an xdist worker, or a pytest that a test in a worker has started.

    Both inherit the worker's environment; which of the two it is shows when pytest configures.
    """
    assignment = WorkerAssignment.take(os.environ)
    if assignment is None:
        return PossibleWorker(option)
    from pytest_malagate.plugin_coverage import CoverageHooks

    coverage = CoverageHooks(
        config,
        CoverageSettings(source=assignment.source, branch=assignment.branch),
        root=Path(assignment.root),
        out=Path(assignment.out),
        session=assignment.session,
        worker=True,
    )
    coverage.start()
    return WorkerHooks(coverage)


class PossibleWorker:
    """A worker without an assignment to measure, or no worker at all."""

    def __init__(self, option: Any) -> None:
        self._option = option

    def register(self, config: pytest.Config) -> None:
        """Joins the session as what the process turns out to be."""
        if hasattr(config, "workerinput"):
            WorkerHooks(None).register(config)
        else:
            begin(config, self._option).register(config)

    def conftest_failed(self, error: BaseException) -> None:
        """The controller reports a worker's; another one has not begun."""


class FailureHooks:
    """Describes failures where they happen: the exception itself reaches no other process."""

    def __init__(self, config: pytest.Config) -> None:
        self._root = config.rootpath
        basetemp = getattr(config.option, "basetemp", None)
        self._temporary = [str(basetemp)] if basetemp else []

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.failed:
            attach(report, call.excinfo, item.nodeid, self._root, temporary=self._temporary)
        return report

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        call = getattr(report, "call", None)
        if report.failed and call is not None:
            attach(report, call.excinfo, collector.nodeid, self._root, temporary=self._temporary)
        return report


class WorkerHooks:
    """What an xdist worker adds: why tests failed, how many were deselected, its coverage."""

    def __init__(self, coverage: CoverageHooks | None) -> None:
        self._coverage = coverage
        self._deselected = 0
        self._found: list[str] = []

    def register(self, config: pytest.Config) -> None:
        """Joins the session."""
        config.pluginmanager.register(self, "malagate-worker")
        config.pluginmanager.register(FailureHooks(config), "malagate-failures")
        if self._coverage is not None:
            config.pluginmanager.register(self._coverage, "malagate-coverage")

    def conftest_failed(self, error: BaseException) -> None:
        """The controller reports it."""

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self._deselected += len(items)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        self._found = [item.nodeid for item in items]
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["malagate_deselected"] = self._deselected
            output["malagate_found"] = (len(self._found), population_of(self._found))


class SessionHooks:
    """The controlling process's hooks: they feed the journal, then ask the gate."""

    def __init__(self, config: pytest.Config, gate: LocalGate, option: Any) -> None:
        self._config = config
        self._gate = gate
        self._option = option
        self._session = uuid.uuid4().hex
        self._name = _validation_name(gate)
        self._coverage: CoverageHooks | None = None
        self._journal: Journal | None = None
        self._result: GateResult | None = None
        self._trouble: str | None = None

    def start_coverage(self) -> None:
        """Starts to measure, if the policy asks for it, before any conftest is imported."""
        settings = self._gate.policy.coverage
        if settings is None or settings.report is not None or self._is_idle():
            return
        from pytest_malagate.plugin_coverage import CoverageHooks

        self._coverage = CoverageHooks(
            self._config,
            CoverageSettings(source=settings.source, branch=settings.branch),
            root=self._gate.place.root,
            out=self._gate.place.out,
            session=self._session,
            worker=False,
        )
        self._coverage.start()

    def _is_idle(self) -> bool:
        """True for a call of pytest that runs no tests: it leaves no evidence."""
        option = self._config.known_args_namespace
        option = getattr(self._config, "option", option) or option
        return any(getattr(option, name, False) for name in _NO_SESSION)

    def register(self, config: pytest.Config) -> None:
        """Joins the session, unless this call of pytest runs no tests."""
        if self._is_idle():
            return
        config.pluginmanager.register(self, "malagate-session")
        config.pluginmanager.register(FailureHooks(config), "malagate-failures")
        if self._coverage is not None:
            config.pluginmanager.register(self._coverage, "malagate-coverage")

    def conftest_failed(self, error: BaseException) -> None:
        """A session that could not even begin: recorded as one that broke."""
        if not self._is_idle():
            self._open_journal()
            if self._journal is not None:
                self._journal.broke(f"{type(error).__name__}: {error}")
                self._close()

    # --- the session ---

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        for variable in (VALIDATION_VARIABLE, OUT_VARIABLE, POLICY_VARIABLE):
            os.environ.pop(variable, None)  # a nested pytest is a session of its own
        self._open_journal()
        if self._trouble:
            raise pytest.UsageError(self._trouble)

    def _open_journal(self) -> None:
        place = self._gate.place
        try:
            tree, commit = place.tree_and_commit()
            self._journal = Journal(
                place.log_path, self._started(tree, commit), self._config, place.root
            )
            if not self._option.malagate_collect:
                place.write(self._gate.in_progress(self._name))
        except MalagateError as error:
            self._trouble = str(error)

    def _started(self, tree: str | None, commit: str | None) -> SessionStarted:
        config = self._config
        return SessionStarted(
            session=self._session,
            name=self._name,
            at=round(_now(), 3),
            tree=tree,
            commit=commit,
            rootdir=os.path.relpath(config.rootpath, self._gate.place.root),
            args=tuple(map(str, config.invocation_params.args)),
            selection=selection(config),
            workers=int(getattr(config.option, "numprocesses", None) or 0),
            python=platform.python_version(),
            platform=sys.platform,
            pytest=pytest.__version__,
            malagate=__version__,
            ci=ci_run(os.environ),
        )

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        if self._journal:
            self._journal.deselected += len(items)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        if self._journal:
            self._journal.collecting([item.nodeid for item in items])
        return (yield)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if self._journal:
            self._journal.items = len(getattr(session, "items", ()))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if self._journal and not report.passed:
            self._journal.collect(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        if self._journal:
            self._journal.worker_collected(node.gateway.id, len(ids))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        if self._journal:
            output = getattr(node, "workeroutput", None) or {}
            self._journal.worker_down(
                node.gateway.id,
                output.get("malagate_deselected"),
                output.get("malagate_found"),
                lost=error is not None,
            )

    # After the terminal reporter, in whose status hook pytest fails the parents of subtests, and
    # even if somebody else's hook breaks.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        try:
            return (yield)
        finally:
            if self._journal:
                self._journal.report(report)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        if self._journal:
            self._journal.ended(nodeid)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        if self._journal:
            self._journal.interrupted(excinfo)

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        if self._journal:
            self._journal.broke(f"{excinfo.typename}: {excinfo.value}")

    # --- the end ---

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._journal is None:
            return
        self._journal.stopped_by(session.shouldfail, session.shouldstop)
        self._close(int(session.exitstatus))
        refused = self._trouble or (self._result is not None and not self._result.passed)
        if refused and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _close(self, exitstatus: int = int(pytest.ExitCode.USAGE_ERROR)) -> None:
        """Ends the journal and asks the gate; never raises what only malagate did wrong."""
        assert self._journal is not None  # noqa: S101 - a fact for the type checker
        try:
            tree, _ = self._gate.place.tree_and_commit()
            if self._coverage is not None:
                self._journal.coverage(*self._coverage.finish(tree=tree, now=_now()))
            if self._option.malagate_rerun and exitstatus == pytest.ExitCode.TESTS_FAILED:
                from pytest_malagate.rerun import passed_again

                self._journal.retested(passed_again(self._config, self._journal.failed))
            self._journal.finish(exitstatus, tree)
            if not self._option.malagate_collect:
                self._result = self._gate.evaluate(claim=False)
        except MalagateError as error:
            self._trouble = str(error)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._trouble:
            terminalreporter.write_line(f"malagate: error: {self._trouble}", red=True)
        elif self._result is not None:
            for line in lines(self._result, width=terminalreporter._tw.fullwidth):
                for text, style in line:
                    terminalreporter.write(text, **markup(style))
                terminalreporter.write("\n")
        elif self._journal is not None:
            terminalreporter.write_line(f"malagate: recorded in {self._gate.place.log_path}")


def _validation_name(gate: LocalGate) -> str:
    """The validation that this session is evidence for."""
    tests = [v for v in gate.policy.validations if v.kind is ValidationKind.TEST]
    named = os.environ.get(VALIDATION_VARIABLE)
    chosen = next((v for v in tests if v.name == named), None) or _default(tests)
    return chosen.name if chosen else "tests"


def _default(tests: list[Validation]) -> Validation | None:
    """The test validation that plain `pytest -p malagate` is for."""
    return next((v for v in tests if v.command is None), tests[0] if tests else None)
