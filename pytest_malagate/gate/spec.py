"""What a gate requires: validations by name, and the bounds that evidence is held against.

A spec is built from a policy (`pytest_malagate.policy`) or by hand by a caller of the API. It
holds no paths to read and no clock; `judge` compares it with evidence.
"""

from __future__ import annotations

import re
import shlex
from enum import StrEnum

import msgspec


class ValidationScope(StrEnum):
    """Which list of the policy's `scopes` is required."""

    TASK = "task"  # a pull request, an issue
    GLOBAL = "global"  # the default branch, before a release


class ValidationKind(StrEnum):
    """Where a validation's evidence comes from."""

    TEST = "test"  # a closed pytest journal, written by `pytest -p malagate`
    COMMAND = "command"  # a receipt, written by `malagate run NAME`, or an agent log


# What makes a shell out of a line: operators, expansion, globs, comments, a leading assignment.
_SHELL_SYNTAX = re.compile(r"[|&;<>()$`\n*?\[\]{}~#!]|^\s*[A-Za-z_][A-Za-z0-9_]*=")


def command_argv(command: str) -> tuple[str, ...]:
    """The argument vector that a policy's command line is run with.

    A line without shell syntax is started directly; one with shell syntax runs as
    `sh -c LINE`. So `malagate run lint` and `malagate run lint -- ruff check .` leave the same
    argv in their receipts when the policy says `ruff check .`.

    Raises ValueError for an unclosed quotation mark.
    """
    if _SHELL_SYNTAX.search(command):
        return ("sh", "-c", command)
    return tuple(shlex.split(command))


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """One named check of the policy."""

    name: str
    kind: ValidationKind = ValidationKind.COMMAND
    command: str | None = None
    allow_fail: bool = False  # must have run on the judged tree; its failure does not block
    required: bool = True  # False: never blocks, neither missing nor failing (a set-up step)
    selection: tuple[
        str, ...
    ] = ()  # pytest options that define the whole suite, e.g. -m "not slow"

    @property
    def argv(self) -> tuple[str, ...] | None:
        """The argv that satisfies this validation; None where only a test session does."""
        return None if self.command is None else command_argv(self.command)


class CoverageRule(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds in percent, 0 to 100. None: no bound of that sort.

    `no_decrease`: not below what the base's own run measured, where that is known.
    """

    min_percent: float | None = None
    no_decrease: bool = False


class RetryRule(msgspec.Struct, frozen=True, kw_only=True):
    """How many attempts there are in total: 3 means the first and two more."""

    max_attempts: int = 3
    max_infra_attempts: int = 3


class Severity(StrEnum):
    """What an integrity finding does to the verdict."""

    OFF = "off"
    WARN = "warn"
    FAIL = "fail"


class IntegrityRule(msgspec.Struct, frozen=True, kw_only=True):
    """What a change to the rule itself, or to the tests, does to the verdict."""

    tests_removed: Severity = Severity.FAIL
    skips_added: Severity = Severity.FAIL
    checks_weakened: Severity = Severity.FAIL
    pragmas_added: Severity = Severity.WARN
    policy_changed: Severity = Severity.WARN
    protected_paths: tuple[str, ...] = ()


class ValidationSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `judge` holds evidence against.

    `required` keeps the policy's order, and reasons name validations in that order. A name in
    `required` that `validations` does not define is never satisfied (it fails closed).
    `explicit` are keys of the policy, `section.key`, that its file sets itself and that can be
    judged only where the facts to do it are known: where they are not, the result says so.
    """

    scope: ValidationScope = ValidationScope.TASK
    validations: tuple[Validation, ...] = ()
    required: tuple[str, ...] = ()
    coverage: CoverageRule | None = None
    retry: RetryRule = RetryRule()
    integrity: IntegrityRule = IntegrityRule()
    explicit: tuple[str, ...] = ()

    def validation(self, name: str) -> Validation | None:
        """The definition of a name, or None if the policy defines none."""
        return next((v for v in self.validations if v.name == name), None)
