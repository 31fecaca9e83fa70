"""The mode reconcile: one sweep on a schedule, so that nothing stays stuck.

The queue's own sweep goes first (tickets, freezes, statuses), then whatever the reconciler finds.
Exits with 0; with 3 if GitHub cannot be read, or if an error kept the sweep from telling a pull
request where it stands, after all the rest was done. Nothing is started here: claims that a
workflow run has left behind are taken further, the next task is `coordinate`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from pytest_malagate.action.desk import TICK, Desk, Job, open_desk, say
from pytest_malagate.action.rules import base_policy
from pytest_malagate.action.telling import command, write_outputs, write_summary
from pytest_malagate.admission.starting import Starter
from pytest_malagate.admission.sweep import Sweeper, SweepOptions, Swept
from pytest_malagate.admission.upkeep import Upkeep, UpkeepSettings
from pytest_malagate.errors import ExitCode, MachineryError
from pytest_malagate.github.environment import RunnerEnvironment
from pytest_malagate.reconcile.answers import Budget, Found, Sweep
from pytest_malagate.reconcile.config import configured
from pytest_malagate.report.text import code, plain, prose

GATE_WORKFLOW = "malagate.yml"
"""The gate's workflow, where nobody named another."""

SECONDS = 240.0
"""How long the reconciler's part may take; the next sweep begins where it ended."""

_SHOWN = 50
_SILENT = logging.Logger("malagate reconcile", logging.CRITICAL)  # what was done is printed below


def reconcile(job: Job, environ: Mapping[str, str]) -> ExitCode:
    """Sweeps once. Raises MachineryError if GitHub cannot be read, UsageError, PolicyError."""
    desk = open_desk(job, lock=TICK)
    try:
        return _reconciled(desk, environ)
    finally:
        desk.close()


def sweeper_of(desk: Desk, *, tells: bool = True) -> Sweeper:
    """The queue's own sweep, which goes before all else. `tells`: see `SweepOptions`."""
    return Sweeper(
        desk.gate,
        desk.store,
        SweepOptions(server_url=desk.job.runner.server_url, tells=tells),
        now=desk.job.now,
        log=lambda line: print(command("warning", line)),
    )


def _reconciled(desk: Desk, environ: Mapping[str, str]) -> ExitCode:
    job, sweeper = desk.job, sweeper_of(desk)
    swept = last = sweeper.sweep(dry_run=job.inputs.dry_run)
    if swept.problem is not None:
        raise MachineryError(f"nothing could be reconciled: {swept.problem}")

    def tick() -> None:
        nonlocal last  # it tells again whom the one before could not
        last = sweeper.sweep()

    upkeep = _upkeep(desk, environ, tick=tick)
    done = upkeep.sweep(dry_run=job.inputs.dry_run, budget=Budget(seconds=SECONDS))
    told = [*_swept_lines(swept), *_done_lines(done)]
    for line in told:
        say(line)
    for trouble in done.errors:
        print(command("warning", f"{trouble.item} could not be handled: {trouble.why}"))
    write_summary(job.runner.step_summary, [summary(done, told)])
    tell_untold(job.runner, last)
    write_outputs(job.runner.output, {"frozen": str(swept.frozen).lower()})
    return ExitCode.INCONCLUSIVE if last.untold else ExitCode.PASSED


def tell_untold(runner: RunnerEnvironment, swept: Swept) -> None:
    """Shows in the step's summary how many pull requests were not told, and why. The log has it."""
    if swept.untold:
        write_summary(runner.step_summary, [f":warning: {prose(swept.untold)}\n"])


def _upkeep(desk: Desk, environ: Mapping[str, str], tick: Callable[[], object]) -> Upkeep:
    job, runner = desk.job, desk.job.runner
    policy = base_policy(desk.client, runner.default_branch, job.inputs.policy)
    agent, ref = policy.coordinate.workflow, runner.default_branch
    named = job.inputs.gate_workflow
    own = runner.workflow.rpartition("/")[2]
    settings = UpkeepSettings(
        ref=ref,
        gate_workflow=named or GATE_WORKFLOW,
        agent_workflow=agent,
        own_workflows=(own,) if own else (),
        own_run=runner.run_id,
    )
    return Upkeep(
        desk.gate,
        desk.store,
        settings,
        config=configured(policy.reconcile, environ),
        starter=Starter(desk.gate, desk.store, workflow=agent, ref=ref, now=job.now),
        tick=tick,
        now=job.now,
        log=_SILENT,
    )


# --- what is told ---


def _swept_lines(swept: Swept) -> list[str]:
    lines = list(swept.would)
    lines += [f"{task} has a ticket now" for task in swept.added]
    lines += [f"{task} was taken out of the queue" for task in swept.withdrawn]
    lines += [f"{task} is finished: it was closed, or has landed" for task in swept.finished]
    lines += [f"freeze {number} was cleared" for number in swept.cleared]
    lines += [f"freeze {number} was put back" for number in swept.put_back]
    if swept.statuses_written:
        lines.append(f"{swept.statuses_written} pull requests were told where they stand")
    return [plain(line, 300) for line in lines]


def _done_lines(done: Sweep) -> list[str]:
    if done.off is not None:
        return [f"the reconciler is off: {plain(done.off, 200)}"]
    would = "would go" if done.dry_run else "went"
    lines = [
        f"{plain(look.task, 60)} {would} on from {look.stage}: {plain(look.why, 200)}"
        for look in done.advanced
    ]
    lines += [_found_line(found, dry_run=done.dry_run) for found in done.findings]
    checks = f"{done.looked_at} tasks and {done.checked} checks"
    return lines or [f"{checks} looked at, nothing to do"]


def _found_line(found: Found, *, dry_run: bool) -> str:
    text = f"{plain(found.item, 60)}: {plain(found.problem, 200)}"
    if found.repaired:
        return f"{text}; repaired"
    if found.repairable and dry_run:
        return f"{text}; it would be repaired"
    return f"{text}; {plain(found.remedy, 200)}"


def summary(done: Sweep, told: list[str]) -> str:
    """The step summary."""
    head = "Dry run: what would be done" if done.dry_run else "What was done"
    lines = [f"- {prose(line)}" for line in told[:_SHOWN]]
    if len(told) > _SHOWN:
        lines.append(f"- and {len(told) - _SHOWN} more, in the log")
    lines += [f"- {code(one.item)} could not be handled: {prose(one.why)}" for one in done.errors]
    return "\n".join(["### malagate reconcile", "", f"{head}:", "", *lines, ""])
