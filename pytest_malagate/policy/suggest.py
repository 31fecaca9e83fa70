"""What a misspelt key or word was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_malagate.policy.problems import dotted
from pytest_malagate.policy.rules import Table

# difflib's time grows with the square of a word's length, and every wrong name is compared with
# every right one. A text may hold thousands of either.
_LONGEST_WORD = 64
_MOST_WORDS = 100


def nearest_word(word: str, known: Iterable[str]) -> str | None:
    """`did you mean lint?`, or None if no known word is near.

    None too for a very long word and among very many known ones.
    """
    found = _closest(word, list(known))
    return f"did you mean {found}?" if found else None


def nearest_key(word: str, table: Table, *, at_root: bool) -> str:
    """A hint for an unknown key: the key that was meant, or else the keys that there are.

    At the root a key of one of the sections below is recognised too: it lost its indentation.
    """
    if found := _key(word, table):
        return f"did you mean {found}?"
    if at_root:
        for section, rule in table.keys.items():
            if isinstance(rule, Table) and (found := _exact(word, rule)):
                return f"did you mean {dotted((section, found))}?"
    return f"known here: {', '.join(table.keys)}"


def _key(word: str, table: Table) -> str | None:
    return _exact(word, table) or _closest(_plain(word), list(table.keys))


def _exact(word: str, table: Table) -> str | None:
    word = _plain(word)
    return next((key for key, rule in table.keys.items() if word == key or word in rule.also), None)


def _plain(word: str) -> str:
    """`failUnder`, `FAIL_UNDER` and `fail-under` as `fail_under`."""
    if len(word) > _LONGEST_WORD:
        return word
    if not word.isupper():
        word = "".join(f"_{char}" if char.isupper() else char for char in word)
    return word.lower().replace("-", "_").replace(" ", "_").strip("_")


def _closest(word: str, known: list[str]) -> str | None:
    if len(word) > _LONGEST_WORD or len(known) > _MOST_WORDS:
        return None
    import difflib

    return next(iter(difflib.get_close_matches(word, known, n=1)), None)
