"""An agent's session log as evidence, without a detour through the evidence log."""

from __future__ import annotations

from pathlib import Path

from pytest_malagate.collect.agentlog import AgentReading, read_agent_log
from pytest_malagate.gate.evidence import CommandRun, Evidence, Resolution
from pytest_malagate.gate.retry import RetryState
from pytest_malagate.gate.spec import ValidationSpec, command_argv


def evidence_of_agent(
    path: Path, spec: ValidationSpec, state: RetryState, *, tree: str | None, commit: str | None
) -> Evidence:
    """What the log shows of the spec's commands, for the tree as it is now.

    A missing log is empty evidence. One that cannot be read has `problem` set.
    """
    commands = {v.name: v.command for v in spec.validations if v.command is not None}
    try:
        reading = read_agent_log(
            path, commands, offset=state.log_offset, identity=state.log_identity
        )
    except OSError as error:
        return Evidence(problem=f"cannot read {path}: {error.strerror or error}")
    return Evidence(
        commands=_commands(reading, tree, commit),
        resolutions=tuple(
            Resolution(marker=found.marker, rationale=found.rationale, at=0.0)
            for found in reading.resolutions
        ),
        log=reading.identity,
        end=reading.end,
        fresh=bool(reading.runs),
        unreadable=reading.unreadable,
    )


def _commands(
    reading: AgentReading, tree: str | None, commit: str | None
) -> dict[str, tuple[CommandRun, ...]]:
    return {
        run.name: (
            CommandRun(
                name=run.name,
                argv=command_argv(run.command),
                at=0.0,
                source=reading.source,
                finished=run.exit_code is not None,
                exit_code=run.exit_code,
                tree=tree,
                tree_after=tree,
                commit=commit,
                withdrawn=run.withdrawn,
            ),
        )
        for run in reading.runs
    }
