"""Errors that end a command with one clear line and a documented exit code.

MalagateError        a base; never raised itself
├── UsageError       exit 2: what was asked for cannot be done as asked
│   └── PolicyError  exit 2: the policy is wrong (raised by `pytest_malagate.policy`)
└── MachineryError   exit 3: git, the disk, the store or a log failed; the work was not judged
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the command `malagate` exits with."""

    PASSED = 0
    FAILED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    NOT_ADMITTED = 4


class MalagateError(Exception):
    """An error whose text is meant for the person who ran the command."""

    exit_code: ClassVar[ExitCode]


class UsageError(MalagateError):
    """The call, or a file that it names, is wrong. The text says what to do instead."""

    exit_code = ExitCode.USAGE


class MachineryError(MalagateError):
    """The machinery broke, not the work. Never a pass."""

    exit_code = ExitCode.INCONCLUSIVE
