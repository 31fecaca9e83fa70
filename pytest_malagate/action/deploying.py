"""Mode `post-deploy`: the smoke check after a deployment, and the freeze where it fails.

Whoever deployed need not be allowed to freeze: it is the workflow that does it, as it was written.
Failure direction: closed, and without the lock (see `desk`).
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec

from pytest_malagate.action.collecting import shell, without_ours
from pytest_malagate.action.desk import BOT, Job, open_desk, say
from pytest_malagate.action.telling import command, write_outputs, write_summary
from pytest_malagate.errors import ExitCode, MachineryError, UsageError
from pytest_malagate.post_deploy import Outcome, act_on, check
from pytest_malagate.queue.model import Person
from pytest_malagate.report.text import prose

EXIT = {
    "HEALTHY": ExitCode.PASSED,
    "DEGRADED": ExitCode.FAILED,
    "INCONCLUSIVE": ExitCode.INCONCLUSIVE,
}


def post_deploy(job: Job, environ: Mapping[str, str]) -> ExitCode:
    """Runs the input `command`, and freezes unless it said yes. Raises UsageError."""
    inputs = job.inputs
    if not inputs.command:
        raise UsageError("input command: mode post-deploy needs the check that is to be run")
    sys.stdout.flush()
    outcome = check(
        shell(inputs.command),
        cwd=job.runner.workspace,
        env=without_ours(environ),
        timeout=inputs.timeout,
        task=f"#{inputs.pull_request}" if inputs.pull_request is not None else None,
        shown=inputs.command,
    )
    if not inputs.dry_run:
        with _undisturbed():
            outcome = _acted(job, outcome)
    _tell(job, outcome)
    if outcome.problem is not None and outcome.verdict != "HEALTHY":
        return ExitCode.INCONCLUSIVE
    return EXIT[outcome.verdict]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A runner that ends the job asks twice, within seconds, before it kills: a freeze fits in."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in asked:
        signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in asked.items():
            signal.signal(number, handler)


def _acted(job: Job, outcome: Outcome) -> Outcome:
    event = job.runner.event
    login = event.sender.login if event.sender is not None else job.runner.actor
    who = Person(name=login or BOT, rank="write", human=False)
    try:
        desk = open_desk(job, lock=None, through=True)
        try:
            return act_on(desk.gate, who, outcome)
        finally:
            desk.close()
    except MachineryError as error:
        return msgspec.structs.replace(outcome, problem=str(error))


def _tell(job: Job, outcome: Outcome) -> None:
    frozen = outcome.freeze is not None
    outputs = {"verdict": outcome.verdict, "frozen": str(frozen).lower()}
    write_outputs(job.runner.output, outputs)
    text = f"{outcome.verdict}: {outcome.reason}"
    say(text)
    if frozen:
        text += f". Frozen (freeze {outcome.freeze}) until a person clears it"
    elif outcome.verdict != "HEALTHY":
        text += ". Nothing was frozen"
    if outcome.problem is not None:
        text += f": {outcome.problem}"
    write_summary(job.runner.step_summary, [f"## malagate: {outcome.verdict}\n\n{prose(text)}\n"])
    if outcome.verdict != "HEALTHY":
        print(command("error", text))
    elif outcome.problem is not None:
        print(command("warning", f"the verdict is not on the ledger: {outcome.problem}"))
