"""`malagate action`: event -> mode -> calls -> outputs -> exit code."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from pytest_malagate.action.admitting import admit
from pytest_malagate.action.collecting import collect, run_command
from pytest_malagate.action.coordinating import coordinate
from pytest_malagate.action.deploying import post_deploy
from pytest_malagate.action.desk import Job, admission_outputs
from pytest_malagate.action.freezing import freeze, order_of, unfreeze
from pytest_malagate.action.gate import Gate, explain_failure
from pytest_malagate.action.inputs import Mode, read_inputs
from pytest_malagate.action.reconciling import reconcile
from pytest_malagate.action.telling import command, write_outputs
from pytest_malagate.errors import ExitCode, MachineryError, MalagateError, UsageError
from pytest_malagate.github.client import Client, Manners
from pytest_malagate.github.environment import read_environment
from pytest_malagate.queue.answers import Admission
from pytest_malagate.queue.store import FreezeTrouble
from pytest_malagate.report.text import plain

_BY_EVENT: dict[str, Mode] = {
    "workflow_run": "gate",
    "pull_request": "gate",
    "merge_group": "gate",
    "push": "gate",
    "workflow_dispatch": "gate",
    "issues": "admit",
    "schedule": "admit",
}
_JUDGING = ("gate", "collect")
"""Modes whose outputs say nothing of queue and freeze. Where a mode is not even known, they do."""
_QUEUE: dict[Mode, Callable[[Job], int | ExitCode]] = {
    "admit": admit,
    "freeze": freeze,
    "unfreeze": unfreeze,
    "coordinate": coordinate,
}


def main(
    environ: Mapping[str, str],
    *,
    manners: Manners | None = None,
    now: Callable[[], float] = time.time,
) -> int:
    """Runs the mode that the environment asks for and returns its exit code.

    An error is one annotation and the documented code, never a traceback.
    """
    mode = environ.get("MALAGATE_INPUT_MODE", "").strip()  # until it is known what it comes to
    try:
        inputs = read_inputs(environ)
        runner = read_environment(environ)
        job = Job(runner, inputs, manners, now)
        mode = _mode(job)
        return int(_run(mode, job, environ))
    except MalagateError as error:
        print(explain_failure(error))
        _tell_closed(mode, environ, error)
        return int(error.exit_code)
    except Exception as error:  # noqa: BLE001 - a bug: fails closed, and shows where it is
        for line in traceback.format_exception(error):
            for part in line.splitlines():
                print(plain(part), file=sys.stderr)  # a runner reads commands there, too
        print(command("error", f"malagate failed: {type(error).__name__}; see the log"))
        _tell_closed(mode, environ, error)
        return int(ExitCode.INCONCLUSIVE)


def _tell_closed(mode: str, environ: Mapping[str, str], error: Exception) -> None:
    """The outputs of a mode that failed: a workflow that asks whether it is frozen must hear yes.

    They come after what the mode may have written itself, and the last word counts.
    """
    path = environ.get("GITHUB_OUTPUT")
    if mode in _JUDGING or not path:
        return
    known = isinstance(error, MalagateError)
    reason = str(error) if known else f"malagate failed: {type(error).__name__}"
    cause = error.code if isinstance(error, FreezeTrouble) else None
    closed = Admission(admitted=False, code="freeze.active", reason=reason, cause=cause)
    with suppress(MachineryError):  # the exit code says it, too
        write_outputs(Path(path), admission_outputs(closed, frozen=True))


def _mode(job: Job) -> Mode:
    inputs, event = job.inputs, job.runner.event_name
    if event == "pull_request_target":
        raise UsageError(
            "the event pull_request_target hands a change the base's token; use workflow_run "
            "(examples/workflows/two-workflows)"
        )
    if inputs.mode != "auto":
        return inputs.mode
    if event == "issue_comment":
        found = order_of(job)
        return "gate" if found is None else "freeze" if found[0].kind == "freeze" else "unfreeze"
    mode = _BY_EVENT.get(event)
    if mode is None:
        near = "post-deploy" if event == "deployment_status" else "the mode"
        raise UsageError(f"mode auto knows nothing to do for the event {event}; name {near}")
    return mode


def _run(mode: Mode, job: Job, environ: Mapping[str, str]) -> int | ExitCode:
    runner, inputs = job.runner, job.inputs
    if mode == "collect":
        return collect(runner, inputs, environ)
    if mode == "post-deploy":
        return post_deploy(job, environ)
    if mode in _QUEUE:
        return _QUEUE[mode](job)
    if mode == "reconcile":
        return reconcile(job, environ)
    run_command(runner, inputs, environ)  # its evidence is judged, not its exit code
    client = Client(inputs.token, runner.repository, api_url=runner.api_url, manners=job.manners)
    try:
        return Gate(client, runner, inputs, now=job.now).run()
    finally:
        client.close()
