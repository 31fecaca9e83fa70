"""`malagate action`: what action.yml runs in a GitHub Actions job."""

from __future__ import annotations

import argparse
import os

from pytest_malagate.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """It takes no options: the inputs of action.yml come in the environment."""
    parser.epilog = "reads MALAGATE_INPUT_*, GITHUB_* and RUNNER_TEMP; see action.yml"


def run(options: argparse.Namespace) -> int:  # noqa: ARG001 - every command has this signature
    """Runs the action and returns its exit code."""
    try:
        from pytest_malagate.action.entry import main
    except ImportError as error:
        if error.name not in ("github", "requests"):
            raise
        raise UsageError(
            "malagate action needs the extra: pip install 'pytest-malagate[github]'"
        ) from error
    return main(os.environ)
