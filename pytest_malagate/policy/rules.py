"""The kinds of value that a key of the policy may take.

A rule says what is accepted, in words and in numbers; `check` holds a file against the rules and
`json_schema` writes the same rules down for editors. Neither knows a key that the other does not.
"""

from __future__ import annotations

import msgspec


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the rules. `doc` is the key's description in the JSON Schema.

    `also` are words that people type for the key; they serve the hint for an unknown key only.
    `hint` says what to do when the value is refused.
    """

    doc: str
    also: tuple[str, ...] = ()
    hint: str | None = None

    @property
    def wanted(self) -> str:
        """What is accepted, as a message says it after "must be"."""
        raise NotImplementedError


class Flag(Rule, frozen=True, kw_only=True):
    """true or false."""

    @property
    def wanted(self) -> str:
        return "true or false"


class Number(Rule, frozen=True, kw_only=True):
    """A finite number within bounds, both included. `true` is none."""

    minimum: int = 0
    maximum: int
    whole: bool = False
    nullable: bool = False

    @property
    def wanted(self) -> str:
        if self.minimum == self.maximum:
            return str(self.minimum)
        kind = "a whole number" if self.whole else "a number"
        null = ", or null" if self.nullable else ""
        return f"{kind} from {self.minimum} to {self.maximum}{null}"


class Text(Rule, frozen=True, kw_only=True):
    """Text that matches a pattern as a whole. `phrase` describes what matches.

    The pattern is read by Python and by the ECMAScript of JSON Schema alike. It may match in one
    way only: a hostile text would else cost the square of its length.
    """

    pattern: str = r"\s*[^\s\u0000][^\u0000]*"
    phrase: str = "text that is not blank"

    @property
    def wanted(self) -> str:
        return self.phrase


class Choice(Rule, frozen=True, kw_only=True):
    """One of a few words. `false_is` is the word that YAML 1.1 reads as false (`off`)."""

    values: tuple[str, ...]
    false_is: str | None = None

    @property
    def wanted(self) -> str:
        return ", ".join(self.values[:-1]) + f" or {self.values[-1]}"


class ListOf(Rule, frozen=True, kw_only=True):
    """A list of texts. `unique`: none may stand in it twice."""

    item: Text
    unique: bool = False

    @property
    def wanted(self) -> str:
        return "a list"


class Options(Rule, frozen=True, kw_only=True):
    """Command line options: one text, split as a shell splits it, or a list of them."""

    @property
    def wanted(self) -> str:
        return "text or a list of texts"


class Table(Rule, frozen=True, kw_only=True):
    """A mapping with these keys and no others. `defaults` holds what a key is if it is absent."""

    keys: dict[str, Rule]
    defaults: msgspec.Struct | None = None

    @property
    def wanted(self) -> str:
        return "a mapping"


class Named(Rule, frozen=True, kw_only=True):
    """A mapping from names that the author chooses to values of one kind."""

    names: Text
    item: Rule

    @property
    def wanted(self) -> str:
        return "a mapping"
