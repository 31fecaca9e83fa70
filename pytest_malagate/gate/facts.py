"""What the judge is told about the world, apart from the evidence. Collected elsewhere."""

from __future__ import annotations

import msgspec

from pytest_malagate.gate.commit import CommitFinding
from pytest_malagate.gate.result import PolicyUsed, Subject


class CoverageReport(msgspec.Struct, frozen=True, kw_only=True):
    """A Cobertura report that the policy names, read from the disk.

    `written` is the file's modification time, in seconds since the epoch. Where the report could
    not be read, `code` and `message` say why and `percent` is None.
    """

    path: str
    percent: float | None = None
    written: float = 0.0
    code: str | None = None
    message: str = ""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about the subject, the repository and the policy.

    `commits` is None where no commit is asked for (no task was named). `judged_tree` is the tree
    that evidence must belong to: the commit's where a task was named, else the working tree.
    `edited` and `untracked` list working files that no commit holds. `changed_files` are all files
    that the task's commits touch, None when git could not tell. `rule_changes` says in words how
    the change alters the policy that judges it.
    """

    subject: Subject = Subject()
    policy: PolicyUsed = PolicyUsed()
    baseline: int | None = None
    commits: CommitFinding | None = None
    referenced: CommitFinding | None = None
    referenced_id: str | None = None
    judged_tree: str | None = None
    working_tree: str | None = None
    edited: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    changed_files: tuple[str, ...] | None = ()
    rule_changes: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    coverage_report: CoverageReport | None = None
    problems: tuple[tuple[str, str], ...] = ()  # (reason code, message) of what could not be read
