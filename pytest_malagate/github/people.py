"""What somebody may do here. Asked of the API, never read from an association."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from pytest_malagate.github.client import USER, Client, GitHubError
from pytest_malagate.github.records import Account, Permission
from pytest_malagate.queue.model import RANKS, at_least


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's right in this repository. `human` is false for bots and apps."""

    login: str
    rank: str
    human: bool

    def may(self, needed: str) -> bool:
        """True if the right is `needed` or more."""
        return at_least(self.rank, needed)


def person(client: Client, login: str) -> Person:
    """The right of a login; `none` for somebody that GitHub does not know here.

    Custom roles count as the permission that they are built on. Raises GitHubError.
    """
    answer = client.find(f"/collaborators/{quote(login, safe='')}/permission", Permission)
    if answer is None:
        return Person(login=login, rank="none", human=False)
    rank = answer.role_name if answer.role_name in RANKS else answer.permission
    human = answer.user is not None and answer.user.type == "User"
    return Person(login=login, rank=rank if rank in RANKS else "none", human=human)


def token_owner(client: Client) -> Account | None:
    """The account whose token it is; None for an app's token, such as a workflow's.

    Raises GitHubError.
    """
    try:
        return client.get(USER, Account)
    except GitHubError as error:
        if error.status == 403:  # an installation is nobody
            return None
        raise
