"""git's filters, which stand between a file and what is committed of it, as a loop found them.

An agent may set one: what it commits is then not what it left on the disk, and what is checked out
is not what was committed. `git help gitattributes`, section filter.
"""

from __future__ import annotations

import os

from pytest_malagate.repository import Repository
from pytest_malagate.repository.git import decode, git

_COUNT = "GIT_CONFIG_COUNT"


class Filters:
    """The filters that a repository's configuration holds now. Raises GitError."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._found = _configured(repository)

    def restored(self) -> dict[str, str]:
        """Variables by which git uses these, and none that was set or changed since."""
        now = _configured(self._repository)
        changed = {key: self._found.get(key, "") for key in now if self._found.get(key) != now[key]}
        own = os.environ.get(_COUNT, "")
        first = int(own) if own.isdecimal() else 0
        variables = {_COUNT: str(first + len(changed))} if changed else {}
        for number, (key, value) in enumerate(changed.items(), first):
            variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return variables


def _configured(repository: Repository) -> dict[str, str]:
    """The values of filter.NAME.clean and its like; of a key that is set twice the last one."""
    asked = ("config", "--null", "--get-regexp", r"^filter\.")
    listed = decode(git(repository.root, *asked, expect=(0, 1)).stdout)
    pairs = (entry.partition("\n") for entry in listed.split("\0") if entry)
    return {key: value for key, _, value in pairs}
