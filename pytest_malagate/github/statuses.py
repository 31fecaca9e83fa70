"""The commit status: one context a subject, the newest wins. A memory of it is no proof."""

from __future__ import annotations

from typing import Literal

from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.records import CombinedStatus, StatusAnswer
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
    client.write("POST", f"/statuses/{sha}", body, StatusAnswer)


def stands(
    client: Client, sha: str, state: State, description: str, *, context: str = GATE
) -> bool:
    """True if this very status is the newest of its context; false where that cannot be told."""
    try:
        combined = client.get(f"/commits/{sha}/status", CombinedStatus, per_page=100)
    except GitHubError:
        return False
    newest = [status for status in combined.statuses if status.context == context]
    wanted = (state, plain(description, DESCRIPTION))
    return [(status.state, status.description) for status in newest] == [wanted]
