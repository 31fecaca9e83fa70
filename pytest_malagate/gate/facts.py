"""What the judge is told about the world, apart from the evidence. Collected elsewhere."""

from __future__ import annotations

import msgspec

from pytest_malagate.gate.admission import AdmissionFact
from pytest_malagate.gate.commit import CommitFinding
from pytest_malagate.gate.population import Population
from pytest_malagate.gate.result import PolicyUsed, Subject, Trust


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


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word that a reason shall not block. `actor` is an account's name without `@`.

    Only codes of `reasons.ACCEPTABLE` can be accepted; another one changes nothing.
    """

    code: str
    actor: str
    reason: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about the subject, the repository and the policy.

    `commits` is None where no commit is asked for (no task was named). `judged_tree` is the tree
    that evidence must belong to: the commit's where a task was named, else the working tree.
    `edited` and `untracked` list working files that no commit holds. `changed_files` are all files
    that the task's commits touch, None when git could not tell. `rule_changes` says in words how
    the change alters the policy that judges it.

    `touched` are the files of the whole change against its base, relative to the root, a renamed
    one under both names; None where that is not known. `population` is that of the judged test
    run, `baseline_population` that of the base; each None where it is not known. `accepted` and
    `stopped` (the account of whoever said stop) are what people with the right to it decided.
    `own_workflow` is the workflow file that recorded the evidence, where the change could edit it.
    `admission` is what queue and freeze say; None where nobody asked them.
    `warnings` are (reason code, message) of what was noticed while the facts were collected.
    """

    subject: Subject = Subject()
    policy: PolicyUsed = PolicyUsed()
    trust: Trust = "local"
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
    touched: tuple[str, ...] | None = None
    own_workflow: str | None = None
    population: Population | None = None
    baseline_population: Population | None = None
    accepted: tuple[Accepted, ...] = ()
    stopped: str | None = None
    admission: AdmissionFact | None = None
    warnings: tuple[tuple[str, str], ...] = ()
    problems: tuple[tuple[str, str], ...] = ()  # (reason code, message) of what could not be read
