"""Which run of a workflow this process belongs to, as the runner's own environment tells it."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NUMBER = re.compile(r"[0-9]{1,20}")


def ci_run(environ: Mapping[str, str]) -> str | None:
    """`RUN_ID.ATTEMPT` of the workflow run that this process is part of; None outside of one.

    It is recorded and not believed: whoever judges compares it with the run that GitHub names.
    """
    if environ.get("GITHUB_ACTIONS") != "true":
        return None
    run, attempt = environ.get("GITHUB_RUN_ID", ""), environ.get("GITHUB_RUN_ATTEMPT", "")
    if not (_NUMBER.fullmatch(run) and _NUMBER.fullmatch(attempt)):
        return None
    return f"{run}.{attempt}"
