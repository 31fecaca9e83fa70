"""What became of a run of an action."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tests.action_yml.workflow_commands import Command, shown

Outcome = Literal["success", "failure", "skipped"]


@dataclass(frozen=True)
class StepRun:
    """One step. `outcome` is before `continue-on-error`, `conclusion` after it. `stdout` is all
    that the step printed, on both streams, as the run's log has it before masking."""

    id: str
    name: str
    outcome: Outcome
    conclusion: Outcome
    exit_code: int | None = None
    stdout: str = ""
    error: str = ""
    """What the runner itself, or the action that was used, says of the failure."""
    outputs: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    commands: tuple[Command, ...] = ()
    summary: str = ""


@dataclass(frozen=True)
class Uploaded:
    """An artifact that a step uploaded: its members, or the one file of `archive: false`."""

    name: str
    files: dict[str, bytes]
    retention_days: int | None = None
    raw: bool = False


@dataclass(frozen=True)
class ActionRun:
    """The whole run. `exit_code` is 0 if the action succeeded, else its first failure's."""

    exit_code: int
    outputs: dict[str, str]
    steps: list[StepRun]
    commands: list[Command]
    summary: str
    artifacts: list[Uploaded]
    exported: dict[str, str]
    """What the steps wrote to GITHUB_ENV: later steps of the job would see it."""
    paths: list[str]
    """What the steps put on PATH for the rest of the job."""

    @property
    def log(self) -> str:
        """The log as a reader of the run's page sees it: masked."""
        text = "".join(step.stdout for step in self.steps)
        for command in self.commands:
            if command.name == "add-mask" and command.data.strip():
                text = text.replace(command.data, "***")
        return text

    @property
    def annotations(self) -> list[Command]:
        """The annotations that are shown; the inner steps share the action's one budget."""
        return shown(self.commands)

    def step(self, name: str) -> StepRun:
        """The step of this id or name."""
        return next(step for step in self.steps if name in (step.id, step.name))

    def artifact(self, name: str) -> Uploaded:
        """The upload of this name."""
        return next(artifact for artifact in self.artifacts if artifact.name == name)
