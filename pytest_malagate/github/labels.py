"""Labels of a pull request: display only, never authority."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pytest_malagate.github.client import Client
from pytest_malagate.github.issues import take_off
from pytest_malagate.github.records import Label

NEEDS_HUMAN = "malagate:needs-human"
NO_PROGRESS = "malagate:no-progress"
SHOWN = (NEEDS_HUMAN, NO_PROGRESS)
"""The labels that an evaluation puts on and takes off."""


def show(client: Client, number: int, wanted: Collection[str], standing: Iterable[str]) -> None:
    """Makes the shown labels be the wanted ones, with as few requests as that takes."""
    there = {name.lower() for name in standing}
    missing = [name for name in SHOWN if name in wanted and name not in there]
    if missing:
        client.write("POST", f"/issues/{number}/labels", {"labels": missing}, list[Label])
    for name in SHOWN:
        if name in there and name not in wanted:
            take_off(client, number, name)
