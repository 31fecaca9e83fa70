"""What a serial gate is given, looked at before anything is done with it."""

from __future__ import annotations

from pytest_malagate.errors import UsageError
from pytest_malagate.queue.answers import SerialRules

LONGEST_LEASE_SECONDS = 30 * 86400.0


def check_given(store: object, repository: object, rules: object) -> None:
    """Raises UsageError for what is no store, no name of a repository, or no rules."""
    if isinstance(store, type) or not callable(getattr(store, "exclusive", None)):
        raise UsageError(
            f"a serial gate needs a store, such as SQLiteStore(Path('state.db')) from"
            f" pytest_malagate.queue.sqlite, and {_described(store)} is none"
        )
    if not (isinstance(repository, str) and repository):
        raise UsageError(
            f"a serial gate needs its repository's name (owner/name), and"
            f" {_described(repository)} is none"
        )
    if not (rules is None or isinstance(rules, SerialRules)):
        raise UsageError(
            f"a serial gate's rules are SerialRules from pytest_malagate.queue.answers, and"
            f" {_described(rules)} is none"
        )


def check_lease(seconds: float) -> None:
    """Raises UsageError for a lease without an end, or one that has ended already."""
    if not 0 < seconds <= LONGEST_LEASE_SECONDS:
        raise UsageError(f"a lease lasts up to {LONGEST_LEASE_SECONDS / 86400:.0f} days")


def check_name(task: str) -> None:
    """Raises UsageError for what is no task's name."""
    if not task.strip() or len(task) > 200 or not task.isprintable():
        raise UsageError("a task's name is 1 to 200 printable characters")


def _described(thing: object) -> str:
    """`a str`; a class itself is `the class Name`, since a pair of brackets is missing there."""
    if isinstance(thing, type):
        return f"the class {thing.__name__}"
    if thing is None:
        return "None"
    if thing == "":
        return "an empty text"
    name = type(thing).__name__
    return f"{'an' if name[:1] in 'aeiouAEIOU' else 'a'} {name}"
