"""What the modes of queue and freeze work with: a client, the policy's rules, the store, its gate.

Which of them prove that they hold the lock: all that may let something go on (`admit`, `unfreeze`,
`rearm`). What only stops does not: a freeze has to get through even where no group is to be had,
and the ledger's pages put themselves in order. For the same reason it goes on by the default rules
where the policy cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from pytest_malagate.action.inputs import Inputs
from pytest_malagate.action.rules import base_policy
from pytest_malagate.action.telling import command, write_outputs, write_summary
from pytest_malagate.errors import MalagateError, UsageError
from pytest_malagate.github.client import Client, Manners
from pytest_malagate.github.environment import RunnerEnvironment
from pytest_malagate.github.epochs import Lock, Proof, alone
from pytest_malagate.github.people import person as person_of
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.policy import Policy
from pytest_malagate.queue.answers import Admission, Status
from pytest_malagate.queue.model import Person
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.report.serial import status_lines
from pytest_malagate.report.serial_markdown import queue_summary
from pytest_malagate.report.terminal import paint
from pytest_malagate.report.text import plain
from pytest_malagate.serial_gate import serial_rules

BOT = "github-actions[bot]"
TICK = Lock(name="malagate-tick")
"""A sweep does what all that wait would do, so of those that wait one is enough."""
COMMANDS = Lock(name="malagate-commands", queue="max")
"""Each command is somebody's word, so none may be left out."""


@dataclass(frozen=True)
class Job:
    """This job: the runner, what it was asked, and how it may behave. `now` is in seconds."""

    runner: RunnerEnvironment
    inputs: Inputs
    manners: Manners | None
    now: Callable[[], float]

    @property
    def repository(self) -> str:
        """Whose queue and freeze it is."""
        store = self.inputs.store
        return store.repository if store is not None else self.runner.repository


@dataclass(frozen=True)
class Desk:
    """The store of a job's repository, and what is needed to answer for it."""

    job: Job
    client: Client
    store: GitHubStore
    gate: SerialGate
    number: int | None

    def close(self) -> None:
        """Closes the connections."""
        self.store.close()

    def person(self, login: str) -> Person:
        """Somebody, with the right that GitHub says. Raises GitHubError."""
        found = person_of(self.client, login)
        return Person(name=found.login, rank=found.rank, human=found.human)

    def sender(self) -> Person:
        """Who began this job. What this repository's own workflows do, they may."""
        event = self.job.runner.event
        login = event.sender.login if event.sender is not None else self.job.runner.actor
        if login in ("", BOT):
            return Person(name=BOT, rank="write", human=False)
        return self.person(login)

    def tell(self) -> Status:
        """Shows queue and freezes in the log and in the step's summary."""
        status, now = self.gate.status(verify=False), self.job.now()
        print(paint(status_lines(status, now=now), color=False), end="")
        write_summary(self.job.runner.step_summary, [queue_summary(status, now=now)])
        return status


def open_desk(job: Job, *, lock: Lock | None, sets_up: bool = False, through: bool = False) -> Desk:
    """Opens the store. Raises MalagateError.

    `lock` is what this job has to hold, None if it needs none. `sets_up`: the
    control issue is made where there never was one. `through`: it has to go on without the policy.
    """
    runner, inputs = job.runner, job.inputs
    if lock is not None and job.repository.lower() != runner.repository.lower():
        text = f"is not this repository; {runner.repository} can only freeze there"
        raise UsageError(f"input store: {job.repository} {text}")
    client = Client(
        inputs.token, job.repository, api_url=runner.api_url, manners=job.manners, remember=True
    )
    try:
        policy = _policy(client, job, through=through)
        prove = alone(runner.run_id, lock=lock, say=say) if lock is not None else None
        number = inputs.store.number if inputs.store is not None else None
        store = GitHubStore(
            lambda _: client,
            number=number,
            prove=_once(client, prove) if prove is not None and not inputs.dry_run else None,
            writer=f"run {runner.run_id}.{runner.run_attempt}",
            mode=policy.freeze.mode,
            sets_up=sets_up,
            now=job.now,
        )
        _ = store.client(job.repository)  # so that closing the store closes it
        gate = SerialGate(store, job.repository, serial_rules(policy), now=job.now)
    except BaseException:
        client.close()
        raise
    return Desk(job, client, store, gate, number)


def _once(client: Client, prove: Proof) -> Proof:
    """The proof, made now: also what is no page of the ledger is only written by who is alone."""
    proof = prove(client)
    return lambda _: proof


def _policy(client: Client, job: Job, *, through: bool) -> Policy:
    own = job.repository.lower() == job.runner.repository.lower()
    try:
        return (
            base_policy(client, job.runner.default_branch, job.inputs.policy) if own else Policy()
        )
    except MalagateError as error:
        if not through:
            raise
        print(command("warning", f"the policy could not be read, so the defaults hold: {error}"))
        return Policy()


def say(text: str) -> None:
    """One line for the log."""
    print(plain(f"malagate: {text}", 1000))


def tell_admission(
    runner: RunnerEnvironment, admission: Admission | None, *, frozen: bool, problem: str = ""
) -> None:
    """The outputs `admitted`, `position`, `frozen` and `reasons`. None: nobody was asked about."""
    write_outputs(runner.output, admission_outputs(admission, frozen=frozen, problem=problem))


def admission_outputs(
    admission: Admission | None, *, frozen: bool, problem: str = ""
) -> dict[str, str]:
    """Those outputs as texts."""
    reasons = [{"code": "freeze.active", "message": plain(problem, 300)}] if problem else []
    admitted, position = "", ""
    if admission is not None:
        admitted = str(admission.admitted).lower()
        position = "" if admission.position is None else str(admission.position)
        if not admission.admitted:
            why = {"code": admission.code or "", "message": plain(admission.reason, 300)}
            reasons = [why | ({"cause": admission.cause} if admission.cause else {})]
    return {
        "admitted": admitted,
        "position": position,
        "frozen": str(frozen).lower(),
        "reasons": msgspec.json.encode(reasons).decode(),
    }
