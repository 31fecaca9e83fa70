"""Retry state: which attempt this is, and what the earlier ones were."""

from __future__ import annotations

import msgspec


class PastAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier, failed and counted evaluation.

    `keys` is its failure set, sorted: a fingerprint and a test id (`evidence.failure_key`) for
    each failing test, and `code:name` for what failed otherwise. `tests_complete` says that a
    whole test run stood behind it. `phase` is how far the work got (`gate.progress.Phase`).
    `claimed` is false if a test session's end was judged without anybody asking; `since` is the
    log offset that the evaluation started from.
    """

    number: int
    keys: tuple[str, ...] = ()
    tree: str | None = None
    commit: str | None = None
    phase: int = 0
    tests_complete: bool = False
    state: str = "first"
    claimed: bool = True
    since: int = 0


class RetryState(msgspec.Struct, frozen=True, kw_only=True):
    """The state handed from one attempt to the next.

    `gate_attempt` is the number of the attempt to be judged, 1 for the first. `log_offset` is in
    bytes and belongs to the log whose identity is `log_identity`. `baseline_timestamp` (seconds
    since the epoch) never moves: a commit older than it is stale. `history` is oldest first.
    """

    gate_attempt: int = 1
    log_offset: int = 0
    log_identity: str | None = None
    previous_commit_hash: str | None = None
    previous_tree: str | None = None
    baseline_timestamp: int | None = None
    infra_attempts: int = 0
    history: tuple[PastAttempt, ...] = ()

    def after_failure(
        self, past: PastAttempt, *, log_offset: int, log_identity: str | None = None
    ) -> RetryState:
        """The state for the attempt after a counted failure."""
        return msgspec.structs.replace(
            self,
            gate_attempt=self.gate_attempt + 1,
            log_offset=log_offset,
            log_identity=log_identity,
            previous_commit_hash=past.commit,
            previous_tree=past.tree,
            history=(*self.history[1 - HISTORY :], past),
        )

    def before_last(self) -> RetryState:
        """The state that the last attempt was judged with, as far as the rules look at it."""
        *earlier, last = self.history
        return msgspec.structs.replace(
            self,
            gate_attempt=last.number,
            log_offset=last.since,
            previous_commit_hash=earlier[-1].commit if earlier else None,
            previous_tree=earlier[-1].tree if earlier else None,
            history=tuple(earlier),
        )

    def before_commit(self, commit: str | None) -> RetryState:
        """The state that the last attempt was judged with, which was one at `commit`.

        Where that attempt is counted but not recorded (the history was rebuilt), only its number
        is taken back.
        """
        if self.history and self.history[-1].commit == commit:
            return self.before_last()
        return msgspec.structs.replace(self, gate_attempt=max(1, self.gate_attempt - 1))

    def after_infrastructure(self) -> RetryState:
        """The state after an evaluation that the machinery spoiled: only its own budget is used."""
        return msgspec.structs.replace(self, infra_attempts=self.infra_attempts + 1)


HISTORY = 20
"""How many past attempts are carried along; no rule looks further back."""
