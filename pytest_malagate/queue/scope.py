"""Which repositories the serial gate holds for, by the policy's list of names.

Failure direction: a name that is none is dropped with a warning, and never widens the scope; a
list without a single good name holds for no repository. Queue trouble fails open: a misspelt name
must not hold everybody up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_malagate.repository.git import printable

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")


def in_scope(repository: str, repos: Sequence[str]) -> tuple[bool, tuple[str, ...]]:
    """Whether the rule holds here, and warnings. No names: it holds everywhere.

    Names are compared as GitHub compares them, without regard to case.
    """
    good = {name.lower() for name in repos if _NAME.fullmatch(name)}
    bad = [name for name in repos if not _NAME.fullmatch(name)]
    warnings = tuple(
        f"serial.repos: {printable(repr(name), 60)} is no repository (owner/name); it was dropped"
        for name in bad
    )
    return (not repos or repository.lower() in good), warnings
