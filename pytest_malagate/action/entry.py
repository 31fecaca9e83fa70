"""`malagate action`: event -> mode -> calls -> outputs -> exit code."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Mapping

from pytest_malagate.action.collecting import collect, run_command
from pytest_malagate.action.gate import Gate, explain_failure
from pytest_malagate.action.inputs import Inputs, Mode, read_inputs
from pytest_malagate.action.telling import command
from pytest_malagate.errors import ExitCode, MalagateError, UsageError
from pytest_malagate.github.client import Client, Manners
from pytest_malagate.github.environment import RunnerEnvironment, read_environment
from pytest_malagate.report.text import plain

_BY_EVENT: dict[str, Mode] = {
    "workflow_run": "gate",
    "pull_request": "gate",
    "merge_group": "gate",
    "push": "gate",
    "issue_comment": "gate",
    "workflow_dispatch": "gate",
}
_LATER = ("admit", "freeze", "unfreeze", "post-deploy", "reconcile", "coordinate")


def main(
    environ: Mapping[str, str],
    *,
    manners: Manners | None = None,
    now: Callable[[], float] = time.time,
) -> int:
    """Runs the mode that the environment asks for and returns its exit code.

    An error is one annotation and the documented code, never a traceback.
    """
    try:
        inputs = read_inputs(environ)
        runner = read_environment(environ)
        return int(_run(_mode(inputs, runner), runner, inputs, environ, manners, now))
    except MalagateError as error:
        print(explain_failure(error))
        return int(error.exit_code)
    except Exception as error:  # noqa: BLE001 - a bug: fails closed, and shows where it is
        for line in traceback.format_exception(error):
            for part in line.splitlines():
                print(plain(part), file=sys.stderr)  # a runner reads commands there, too
        print(command("error", f"malagate failed: {type(error).__name__}; see the log"))
        return int(ExitCode.INCONCLUSIVE)


def _mode(inputs: Inputs, runner: RunnerEnvironment) -> Mode:
    if runner.event_name == "pull_request_target":
        raise UsageError(
            "the event pull_request_target hands a change the base's token; use workflow_run "
            "(examples/workflows/two-workflows)"
        )
    if inputs.mode in _LATER:
        raise UsageError(f"mode {inputs.mode} is not in this version of malagate yet")
    if inputs.mode != "auto":
        return inputs.mode
    mode = _BY_EVENT.get(runner.event_name)
    if mode is None:
        raise UsageError(
            f"mode auto knows nothing to do for the event {runner.event_name}; name the mode"
        )
    return mode


def _run(
    mode: Mode,
    runner: RunnerEnvironment,
    inputs: Inputs,
    environ: Mapping[str, str],
    manners: Manners | None,
    now: Callable[[], float],
) -> int | ExitCode:
    if mode == "collect":
        return collect(runner, inputs, environ)
    run_command(runner, inputs, environ)  # its evidence is judged, not its exit code
    client = Client(inputs.token, runner.repository, api_url=runner.api_url, manners=manners)
    try:
        return Gate(client, runner, inputs, now=now).run()
    finally:
        client.close()
