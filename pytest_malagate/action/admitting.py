"""Mode `admit`: a sweep over the whole queue, or one change that asks whether it may go now.

The sweep holds the lock and writes what is due. The single look holds none: it runs where a pull
request or a merge queue waits for it, and only answers. Failure direction: closed. What cannot be
read is no admission, with the kind of trouble as the reason's cause; and a sweep that an error kept
from telling somebody where he stands is no success, because nobody would look.
"""

from __future__ import annotations

import re

import msgspec

from pytest_malagate.action.desk import TICK, Desk, Job, open_desk, say, tell_admission
from pytest_malagate.action.reconciling import tell_untold
from pytest_malagate.action.telling import command, write_summary
from pytest_malagate.admission.statuses import CONTEXT, status_of
from pytest_malagate.admission.sweep import Sweeper, SweepOptions
from pytest_malagate.errors import ExitCode, MachineryError, UsageError
from pytest_malagate.github.client import GitHubError
from pytest_malagate.github.control import find_control
from pytest_malagate.github.environment import MergeGroup
from pytest_malagate.github.pulls import pull_of
from pytest_malagate.github.records import Pull
from pytest_malagate.github.statuses import set_status
from pytest_malagate.github.sweep_memory import FAILED, read_memory
from pytest_malagate.queue.answers import Admission
from pytest_malagate.queue.store import FreezeTrouble
from pytest_malagate.report.text import code, prose

_OF_GROUP = re.compile(r"(?:^|/)pr-([1-9][0-9]{0,8})-[0-9a-f]+$")
_HEAD = 12  # characters of a head's hash that a sweep remembers

replace = msgspec.structs.replace


def admit(job: Job) -> ExitCode:
    """Sweeps, or looks at the one change that event or input names. Raises MalagateError."""
    single = job.runner.event_name in ("pull_request", "merge_group")
    if single or job.inputs.pull_request is not None:
        return _One(job).answer()
    return _sweep(job)


# --- the whole queue ---


def _sweep(job: Job) -> ExitCode:
    desk = open_desk(job, lock=TICK, sets_up=not job.inputs.dry_run)
    try:
        swept = _sweeper(desk).sweep(dry_run=job.inputs.dry_run)
        for line in swept.would:
            say(f"would {line}")
        say(
            f"{swept.pulls} open pull requests, {swept.statuses_written} statuses written, "
            f"{swept.unfinished} left for the next sweep; {len(swept.added)} tickets given; "
            f"{swept.requests} requests"
        )
        desk.tell()
        tell_untold(job.runner, swept)
        tell_admission(job.runner, None, frozen=swept.frozen, problem=swept.problem or "")
    finally:
        desk.close()
    done = swept.problem is None and not swept.untold
    return ExitCode.PASSED if done else ExitCode.INCONCLUSIVE


def _sweeper(desk: Desk) -> Sweeper:
    job = desk.job
    return Sweeper(
        desk.gate,
        desk.store,
        SweepOptions(
            server_url=job.runner.server_url,
            groups=job.runner.event_name in ("schedule", "workflow_dispatch"),
        ),
        now=job.now,
        log=lambda line: print(command("warning", line)),
    )


# --- one change ---


class _Target(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request, and the commit that is told whether it may land."""

    pull: Pull
    head: str
    swept: bool  # whether sweeps write on this head, too


class _One:
    """One change, looked at live."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def answer(self) -> ExitCode:
        """Says whether it may go. Raises UsageError and PolicyError for what is asked wrongly."""
        try:
            desk = open_desk(self._job, lock=None)
            try:
                admission = self._asked(desk)
            finally:
                desk.close()
        except MachineryError as error:
            admission = _unknown(error)
        self._tell(admission)
        return ExitCode.PASSED if admission.admitted else ExitCode.NOT_ADMITTED

    def _asked(self, desk: Desk) -> Admission:
        target = self._target(desk)
        sweeper = _sweeper(desk)
        admission = sweeper.look_at(target.pull)
        if self._job.inputs.dry_run or not self._writes(desk, target):
            return admission
        self._write(desk, target, admission)
        if not admission.admitted:
            return admission
        # A freeze, and the sweep that told it, may have come between the look and the status.
        again = sweeper.look_at(target.pull)
        if not again.admitted:
            self._write(desk, target, again)
        return again

    def _target(self, desk: Desk) -> _Target:
        event, number = self._job.runner.event, self._job.inputs.pull_request
        if event.merge_group is not None and self._job.runner.event_name == "merge_group":
            return _of_group(desk, event.merge_group)
        if number is not None:
            pull = pull_of(desk.client, number)
        elif event.pull_request is not None:
            pull = event.pull_request
        else:
            raise UsageError("mode admit: the event names no pull request; set pull-request")
        return _Target(pull=pull, head=pull.head.sha, swept=True)

    def _writes(self, desk: Desk, target: _Target) -> bool:
        """Whether the status is this job's to write.

        A head that a sweep has told is the sweep's: two writers that do not wait for each other
        could leave behind what is not so any more, and the sweep would not know.
        """
        if not target.swept:
            return True
        head = target.pull.head
        if head.repo is None or head.repo.id != self._job.runner.event.repository.id:
            say("a run for a fork cannot write the status: its conclusion says it")
            return False
        control = find_control(desk.client, desk.number)
        told = read_memory(control.memory).statuses if control is not None else {}
        return told.get(target.head[:_HEAD], FAILED) == FAILED

    def _write(self, desk: Desk, target: _Target, admission: Admission) -> None:
        state, text = status_of(admission)
        url = self._job.runner.run_url
        try:
            set_status(desk.client, target.head, state, text, url, context=CONTEXT)
        except GitHubError as error:  # the job's conclusion says it, too
            print(command("warning", f"not written: {error}"))

    def _tell(self, admission: Admission) -> None:
        frozen = admission.code == "freeze.active"
        tell_admission(self._job.runner, admission, frozen=frozen)
        words = "may land" if admission.admitted else f"not admitted: {admission.reason}"
        kind = code(admission.cause or admission.code or "", 60)
        heading = "admitted" if admission.admitted else "not admitted"
        lines = [f"## malagate: {heading}", f"{kind} {prose(words, 500)}".strip()]
        write_summary(self._job.runner.step_summary, ["\n\n".join(lines) + "\n"])
        for warning in admission.warnings:
            print(command("warning", warning))
        if admission.admitted:
            say(words)
        else:
            print(command("error", f"{words} ({admission.cause or admission.code})"))


def _of_group(desk: Desk, group: MergeGroup) -> _Target:
    """The pull request that a merge group is for; GitHub names it in the group's branch."""
    found = _OF_GROUP.search(group.head_ref)
    if found is None:
        raise FreezeTrouble("subject.unknown", "the merge group's branch names no pull request")
    pull = pull_of(desk.client, int(found[1]))
    base = replace(pull.base, ref=group.base_ref.removeprefix("refs/heads/"))
    return _Target(pull=replace(pull, base=base), head=group.head_sha, swept=False)


def _unknown(error: MachineryError) -> Admission:
    """Nobody can tell, so it is frozen."""
    cause = error.code if isinstance(error, FreezeTrouble) else "freeze.api"
    reason = f"it could not be told whether it may land: {error}"
    return Admission(admitted=False, code="freeze.active", reason=reason, cause=cause)
