"""The agent loop: agents in git worktrees of their own, each result judged, each claim kept.

An agent is any command. What it says counts for nothing here: malagate commits what it left, runs
the policy's validations itself, outside of the agent's reach as far as one machine allows, and
judges by the policy and the tests of the base.
"""
