"""Freezes that have stood for long: somebody is asked, and nothing thaws by itself.

A freeze that nobody remembers stops everybody as well as one that is needed. So after
`freeze.ask_after_hours` without a word the question stands on its issue, and again after as long a
silence. An answer of any kind is a word; only a clear ends the freeze.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.freeze_issues import moment_of
from pytest_malagate.github.issues import comment_on
from pytest_malagate.github.records import Issue
from pytest_malagate.queue.answers import SerialRules
from pytest_malagate.queue.model import Freeze
from pytest_malagate.report.serial import span
from pytest_malagate.report.text import prose

MOST = 5
"""Questions of one sweep."""


def ask(
    client: Client,
    freezes: Iterable[Freeze],
    shown: Mapping[int, Issue],
    rules: SerialRules,
    now: float,
) -> tuple[str, ...]:
    """Asks about each freeze of which nobody has said anything for long; what was done, in words.

    `shown` are their issues by the freeze's number, `now` is in seconds since the epoch. What
    cannot be asked now is asked by the next sweep.
    """
    notes: list[str] = []
    for freeze in freezes:
        issue = shown.get(freeze.id)
        if issue is None or len(notes) >= MOST:
            continue
        silent = now - max(freeze.at, moment_of(issue.updated_at))
        if not rules.asks_after(silent):
            continue
        try:
            comment_on(client, issue.number, _question(now - freeze.at, rules))
        except GitHubError as error:
            notes.append(f"freeze {freeze.id} could not be asked about: {error}")
        else:
            notes.append(f"freeze {freeze.id} has stood for {span(now - freeze.at)}: asked about")
    return tuple(notes)


def _question(stood: float, rules: SerialRules) -> str:
    return (
        f"This freeze has stood for {span(stood)}. Is it still needed? It does not end by itself: "
        f"a person with the permission {prose(rules.clear_needs)} closes this issue, takes the "
        'label off, or comments\n\n    /gate unfreeze reason:"why it is safe again"\n\n'
        "Any other answer keeps this question away for as long again.\n"
    )
