"""Status, comment and labels: what GitHub shows of a verdict, each written only if it changed.

The status comes first, because it is the one that is required; where the others cannot be written
the verdict stands all the same, and the job says that they are missing.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pytest_malagate.action.comment import render, status_of
from pytest_malagate.action.memory import Memory, Posted
from pytest_malagate.action.subjects import Judged
from pytest_malagate.gate.result import GateResult
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.comments import speak
from pytest_malagate.github.labels import NEEDS_HUMAN, NO_PROGRESS, show
from pytest_malagate.github.statuses import set_status, stands


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What was written: the memory after it, and what could not be, in words."""

    memory: Memory | None
    heard: bool = True
    missing: tuple[str, ...] = ()


def say(
    client: Client,
    subject: Judged,
    result: GateResult,
    memory: Memory | None,
    *,
    run_url: str,
    explained: bool = False,
) -> Said:
    """Writes what changed. `heard` is false if the status could not be written. Never raises
    GitHubError: a verdict that could not be told everywhere is still the verdict."""
    missing: list[str] = []

    def tried(step: Callable[[], None]) -> bool:
        try:
            step()
        except GitHubError as error:
            missing.append(str(error))
            return False
        return True

    speaker = _Speaker(client, subject, result, memory, run_url, explained=explained)
    heard = tried(speaker.status)
    if subject.pull is not None:
        tried(speaker.comment)
        tried(speaker.labels)
    return Said(memory=speaker.memory, heard=heard, missing=tuple(missing))


def shown_labels(result: GateResult) -> tuple[str, ...]:
    """The labels that a verdict puts on a pull request."""
    wanted = {
        NEEDS_HUMAN: result.next_action.kind == "ask_human",
        NO_PROGRESS: result.no_progress,
    }
    return tuple(name for name, present in wanted.items() if present)


class _Speaker:
    def __init__(
        self,
        client: Client,
        subject: Judged,
        result: GateResult,
        memory: Memory | None,
        run_url: str,
        *,
        explained: bool,
    ) -> None:
        self.memory = memory
        self._client, self._subject, self._result = client, subject, result
        self._run_url, self._explained = run_url, explained

    def status(self) -> None:
        state, description = status_of(self._result)
        posted = Posted(head=self._subject.head, state=state, description=description)
        same = self.memory is not None and self.memory.posted == posted
        # A run that could not judge, or not upload its state, may have written another since.
        if same and stands(self._client, self._subject.head, state, description):
            return
        if self.memory is not None:  # if the request fails, nobody knows what stands there
            self.memory = msgspec.structs.replace(self.memory, posted=None)
        set_status(self._client, self._subject.head, state, description, self._run_url)
        if self.memory is not None:
            self.memory = msgspec.structs.replace(self.memory, posted=posted)

    def comment(self) -> None:
        pull = self._subject.pull
        if pull is None:
            return
        body = render(self._result, self.memory, run_url=self._run_url, explained=self._explained)
        known = self.memory.comment if self.memory else None
        doubtful = self.memory.comment_doubtful if self.memory else False
        try:
            spoken = speak(self._client, pull.number, body, known, doubtful=doubtful)
        except GitHubError as error:
            if self.memory is not None and error.uncertain:
                self.memory = msgspec.structs.replace(self.memory, comment_doubtful=True)
            raise
        if self.memory is not None:
            still = doubtful and known is None  # the list may lag still: look once more next time
            self.memory = msgspec.structs.replace(
                self.memory, comment=spoken, comment_doubtful=still
            )

    def labels(self) -> None:
        pull = self._subject.pull
        if pull is not None:
            standing = [label.name for label in pull.labels]
            show(self._client, pull.number, shown_labels(self._result), standing)
