"""The commit status: one context a subject, the newest wins."""

from __future__ import annotations

from typing import Literal

from pytest_malagate.github.client import Client
from pytest_malagate.report.text import plain

GATE = "malagate/gate"
DESCRIPTION = 140
"""Characters that GitHub keeps of a description."""

State = Literal["error", "failure", "pending", "success"]


def set_status(
    client: Client, sha: str, state: State, description: str, url: str, *, context: str = GATE
) -> None:
    """Sets a status. Setting it again is harmless, so the request may be repeated."""
    body = {
        "state": state,
        "description": plain(description, DESCRIPTION),
        "target_url": url,
        "context": context,
    }
    client.write("POST", f"/statuses/{sha}", body)
