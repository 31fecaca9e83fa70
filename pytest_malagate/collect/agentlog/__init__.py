"""Session logs of coding agents (Claude Code, Amp, Codex) read as evidence.

A log says what an agent's tools did. It is written on the agent's own machine, so it is hostile
data: only a call whose command is the policy's own, letter for letter, counts, and only with the
exit status that the tool itself reported. Output text is never interpreted.
"""

from pytest_malagate.collect.agentlog.reading import (
    AgentReading,
    AgentRun,
    FoundResolution,
    read_agent_log,
)

__all__ = ["AgentReading", "AgentRun", "FoundResolution", "read_agent_log"]
