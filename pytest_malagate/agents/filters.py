"""What stands between a file and what is committed of it, as a loop found it.

git's filters do, its conversions of line ends, and what it leaves out of a checkout. An agent may
set each: what it commits is then not what it left on the disk, and what is checked out is not what
was committed. `git help gitattributes`, `git help config`.
"""

from __future__ import annotations

import os
from pathlib import Path

from pytest_malagate.errors import MachineryError
from pytest_malagate.repository import Repository
from pytest_malagate.repository.git import decode, git

_COUNT = "GIT_CONFIG_COUNT"
_KEYS = r"^(filter\..*|core\.(attributesfile|autocrlf|eol|ignorecase|sparsecheckout|symlinks))$"
_UNSET = {"core.eol": "native", "core.ignorecase": "false", "core.symlinks": "true"}
"""What a key that was not set stands for, where that is not an empty text."""

_WHOLE = {"core.sparsecheckout": "false"}
"""What is judged is the whole commit, however little of it a person has checked out."""


class Filters:
    """The filters and conversions that a repository has now. Methods raise GitError."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._found = _configured(repository) | _WHOLE
        self._attributes = _attributes(repository)

    def restored(self) -> dict[str, str]:
        """Variables by which git uses these, and none that was set or changed since.

        Raises MachineryError where no variable can bring them back.
        """
        path = _attributes_file(self._repository)
        if _attributes(self._repository) != self._attributes:
            raise MachineryError(f"{path} was changed: a commit cannot be checked out as it is")
        now = dict.fromkeys(_WHOLE, "") | _configured(self._repository)
        changed = {
            key: self._found.get(key, _UNSET.get(key, ""))
            for key in now
            if self._found.get(key) != now[key]
        }
        own = os.environ.get(_COUNT, "")
        first = int(own) if own.isdecimal() else 0
        variables = {_COUNT: str(first + len(changed))} if changed else {}
        for number, (key, value) in enumerate(changed.items(), first):
            variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return variables


def _configured(repository: Repository) -> dict[str, str]:
    """The values of filter.NAME.clean and its like; of a key that is set twice the last one."""
    asked = ("config", "--null", "--get-regexp", _KEYS)
    listed = decode(git(repository.root, *asked, expect=(0, 1)).stdout)
    pairs = (entry.partition("\n") for entry in listed.split("\0") if entry)
    return {key: value for key, _, value in pairs}


def _attributes(repository: Repository) -> bytes | None:
    """The repository's own attributes, which are no part of a commit; None if it has none."""
    try:
        return _attributes_file(repository).read_bytes()
    except OSError:
        return None


def _attributes_file(repository: Repository) -> Path:
    found = git(repository.root, "rev-parse", "--git-path", "info/attributes").line
    return repository.root / found
