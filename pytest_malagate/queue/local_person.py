"""Who sits at this keyboard, as far as a machine without accounts can tell.

The embedded store knows no permissions: whoever may write its file may do everything, so a person
here has the highest rank. What is told apart is a person from an agent or a CI job, because only a
person may clear a freeze. That is a rail and no lock: an agent that hides its marks, or edits the
file, gets past it, and the ledger shows the name that it gave.
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_malagate.errors import UsageError
from pytest_malagate.queue.model import Person
from pytest_malagate.repository.git import printable

MACHINE_VARIABLES = (
    *("CI", "GITHUB_ACTIONS"),
    *("AI_AGENT", "AGENT", "CLAUDECODE", "CODEX_SANDBOX", "CURSOR_AGENT", "GEMINI_CLI"),
)
"""Variables of the environment in which a CI system or a coding agent tells that it is one.

One that is set, and neither empty nor `0` nor `false`, says that no person is typing.
"""

_BOT = "[bot]"
_OFF = ("", "0", "false")


def machine_mark(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """Why this is no person, in words; None if nothing says so."""
    for variable in MACHINE_VARIABLES:
        if environ.get(variable, "").strip().lower() not in _OFF:
            return f"{variable} is set, so an agent or a CI job is at work"
    bot = next((name for name in names if name.strip().lower().endswith(_BOT)), None)
    return None if bot is None else f"{printable(bot, 60)} is a bot's name"


def local_person(environ: Mapping[str, str], login: str, actor: str | None) -> Person:
    """Who acts: `actor` if it is given, else the login's owner. A name makes no machine human.

    Raises UsageError for a name that cannot be one.
    """
    name = login if actor is None else actor
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise UsageError("--actor needs a name of 1 to 100 printable characters")
    human = machine_mark(environ, (login, name)) is None
    return Person(name=name, rank="admin", human=human)
