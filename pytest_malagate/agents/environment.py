"""The environment of agents, and of the validations that run what they wrote."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from pytest_malagate.queue.local_person import machine_mark
from pytest_malagate.report.text import plain

VALIDATIONS_LOG = "validations.log"
"""Beside the evidence: the output of all validations of one attempt."""

_AGENT = "AI_AGENT"
"""By this agents are known: what they, and what their tests, start is no person."""

_OURS = ("MALAGATE_", "PYTEST_XDIST", "GIT_")
_SECRETS = (
    *("GITHUB_TOKEN", "GH_TOKEN", "GITHUB_ENTERPRISE_TOKEN", "GH_ENTERPRISE_TOKEN"),
    *("ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL"),
    # Files by which a step of a job tells the runner what to do.
    *("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"),
)
_KEPT_GIT = ("GIT_CONFIG", "GIT_SSH", "GIT_SSL", "GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_ASKPASS")
_TITLE = 300
_BODY_BYTES = 100_000  # Linux takes 128 KiB for one variable
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def inherited(environ: Mapping[str, str], *, keep_secrets: bool = False) -> dict[str, str]:
    """The variables that agents and validations have from us.

    Without malagate's own, so that no store, output or policy of ours is handed on; without
    those that point git elsewhere; and, unless `keep_secrets`, without GitHub's tokens and the
    files by which a job speaks to its runner. This interpreter's directory comes last on PATH.
    AI_AGENT is set: no person types what these processes call.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if (not name.startswith(_OURS) or name.startswith(_KEPT_GIT))
        and (keep_secrets or name not in _SECRETS)
    }
    path = environ.get("PATH", os.defpath)
    named = {_AGENT: environ.get(_AGENT, "")}
    return {
        **kept,
        **(named if machine_mark(named, ()) else {_AGENT: "1"}),
        "PATH": os.pathsep.join([path, str(Path(sys.executable).parent)]),
    }


def of_agent(  # noqa: PLR0913 - one argument a variable
    base: Mapping[str, str],
    *,
    issue: str,
    title: str,
    body: str,
    attempt: int,
    max_attempts: int,
    worktree: Path,
    feedback: Path | None,
) -> dict[str, str]:
    """The variables that tell an agent what to do. Title and body are whoever's wrote the issue.

    From the second attempt on there are MALAGATE_FEEDBACK, the last result as an agent is shown
    it (JSON), and MALAGATE_LOG, what the validations printed.
    """
    told = {
        "MALAGATE_ISSUE": _without_controls(issue),
        "MALAGATE_TITLE": plain(title, _TITLE),
        "MALAGATE_BODY": _cut(_without_controls(body)),
        "MALAGATE_ATTEMPT": str(attempt),
        "MALAGATE_MAX_ATTEMPTS": str(max_attempts),
        "MALAGATE_WORKTREE": str(worktree),
    }
    if feedback is not None:
        told["MALAGATE_FEEDBACK"] = str(feedback)
        told["MALAGATE_LOG"] = str(feedback.with_name(VALIDATIONS_LOG))
    return {**base, **told}


def _without_controls(text: str) -> str:
    return _CONTROLS.sub("", text).encode("utf-8", "replace").decode("utf-8")


def _cut(text: str) -> str:
    return text.encode("utf-8")[:_BODY_BYTES].decode("utf-8", "ignore")
