"""Runs an action.yml step by step, as GitHub's runner would: `run_action`."""

from tests.action_yml.executor import run_action
from tests.action_yml.run import ActionRun, StepRun, Uploaded
from tests.action_yml.workflow_commands import Command

__all__ = ["ActionRun", "Command", "StepRun", "Uploaded", "run_action"]
