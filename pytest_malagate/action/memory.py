"""What is kept of a pull request between evaluations: `state.json` in a state artifact.

It is written by trusted runs alone and never rewritten: each evaluation uploads another one, made
from the one before. Times are seconds since the epoch.
"""

from __future__ import annotations

import msgspec

from pytest_malagate.gate.encoding import encode_json
from pytest_malagate.gate.result import GateResult
from pytest_malagate.gate.retry import RetryState
from pytest_malagate.github.comments import Spoken

SCHEMA = "malagate/state@1"
STATE_FILE = "state.json"
MAX_STATE = 16 * 1024 * 1024  # bytes
KEPT = 50
"""How many evaluations and commands are remembered."""


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the parts. Fields may be added, never renamed or dropped."""


class Evaluation(Remembered, frozen=True, kw_only=True):
    """One verdict on one head. `run` is the run that held the evidence."""

    head: str
    run: int
    run_attempt: int
    verdict: str
    number: int
    counted: bool
    progress: str
    summary: str
    at: float


class Audited(Remembered, frozen=True, kw_only=True):
    """A command in a comment, carried out or refused (`outcome` says which, in words)."""

    at: float
    actor: str
    command: str
    head: str
    outcome: str
    comment: int
    done: bool


class AcceptedAt(Remembered, frozen=True, kw_only=True):
    """A reason that a person accepted for one head."""

    code: str
    head: str
    actor: str
    reason: str


class Posted(Remembered, frozen=True, kw_only=True):
    """The last status that was written."""

    head: str
    state: str
    description: str


class Memory(Remembered, frozen=True, kw_only=True):
    """All that is kept. `vouched` are runs of our own that were checked before, by id.

    `comment_doubtful`: there may be a comment of ours that no list has shown yet.
    """

    schema: str = SCHEMA
    repository: str = ""
    pull_request: int = 0
    retry: RetryState = RetryState()
    evaluations: tuple[Evaluation, ...] = ()
    audit: tuple[Audited, ...] = ()
    accepted: tuple[AcceptedAt, ...] = ()
    stopped: str | None = None
    comment: Spoken | None = None
    comment_doubtful: bool = False
    posted: Posted | None = None
    vouched: tuple[int, ...] = ()
    rebuilt: bool = False

    def last(self) -> Evaluation | None:
        """The newest evaluation."""
        return self.evaluations[-1] if self.evaluations else None

    def evaluated(self, evaluation: Evaluation) -> Memory:
        """With one more evaluation; one that says the same as the last takes its place."""
        before, last = self.evaluations, self.last()
        if last is not None and msgspec.structs.replace(evaluation, at=last.at) == last:
            before = before[:-1]
        return msgspec.structs.replace(self, evaluations=(*before, evaluation)[-KEPT:])

    def audited(self, entry: Audited) -> Memory:
        """With one more command."""
        return msgspec.structs.replace(self, audit=(*self.audit, entry)[-KEPT:])

    def trusting(self, run: int) -> Memory:
        """With one more run that need not be checked again."""
        others = [number for number in self.vouched if number != run]
        return msgspec.structs.replace(self, vouched=(*others, run)[-KEPT:])


def encode_memory(memory: Memory) -> bytes:
    """The memory as JSON; equal values give equal bytes."""
    return msgspec.json.format(encode_json(memory), indent=1) + b"\n"


def decode_memory(data: bytes, *, repository: str, pull_request: int) -> Memory:
    """Reads what `encode_memory` wrote. Raises ValueError if it is not of this pull request."""
    memory = msgspec.json.decode(data, type=Memory)
    if memory.schema != SCHEMA:
        raise ValueError(f"its schema is {memory.schema[:60]!r}, not {SCHEMA!r}")
    if (memory.repository, memory.pull_request) != (repository, pull_request):
        raise ValueError("it belongs to another pull request")
    return memory


def evaluation_of(
    result: GateResult, *, head: str, run: tuple[int, int], summary: str, at: float
) -> Evaluation:
    """A result as it is remembered. `run` is the id of the evidence's run and its attempt."""
    return Evaluation(
        head=head,
        run=run[0],
        run_attempt=run[1],
        verdict=result.verdict,
        number=result.attempt.number,
        counted=result.attempt.counted,
        progress=result.progress.state,
        summary=summary,
        at=at,
    )
