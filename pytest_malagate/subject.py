"""What is judged, and the facts about it: git's answers as the judge's values."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pytest_malagate.collect.cobertura import CoverageReportError, read_cobertura
from pytest_malagate.gate.commit import CommitFinding, judge_commits
from pytest_malagate.gate.evidence import Evidence
from pytest_malagate.gate.facts import CoverageReport, Facts
from pytest_malagate.gate.resolution import Marker, referenced_id
from pytest_malagate.gate.resolve import latest_marker
from pytest_malagate.gate.result import Subject
from pytest_malagate.repository import Repository, directory_tree


class SubjectOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller named. `baseline` is in seconds since the epoch."""

    task: str | None = None
    base: str | None = None
    baseline: int | None = None


def task_of(repository: Repository | None, task: str | None) -> str:
    """The key under which attempts are kept: the named task, else the branch."""
    if task is not None:
        return task
    if repository is None:
        return "(no repository)"
    return repository.branch() or "(detached HEAD)"


def collect_facts(
    repository: Repository | None, root: Path, options: SubjectOptions, evidence: Evidence
) -> Facts:
    """The facts about the working tree, the named task and the marker that its agent left.

    Raises GitError where git fails, UsageError for a base that is no revision.
    """
    if repository is None:
        tree = directory_tree(root)
        subject = Subject(task=options.task, tree=tree)
        commits = CommitFinding() if options.task else None
        return Facts(
            subject=subject,
            commits=commits,
            baseline=options.baseline,
            judged_tree=tree,
            working_tree=tree,
        )
    facts = _repository_facts(repository, options)
    return _marker_facts(repository, options, evidence, facts)


def _repository_facts(repository: Repository, options: SubjectOptions) -> Facts:
    head = repository.head()
    working = repository.working_tree()
    head_tree = repository.tree_of(head) if head else None
    base = repository.resolve(options.base) if options.base else None
    named = options.task is not None
    return Facts(
        subject=Subject(
            repository=repository.name(),
            task=task_of(repository, options.task),
            commit=head,
            tree=head_tree if named else working.tree,
            base=base,
            dirty=working.tree != head_tree,
        ),
        baseline=options.baseline,
        commits=_commits(repository, options.task, base, options.baseline),
        judged_tree=head_tree if named else working.tree,
        working_tree=working.tree,
        edited=working.edited,
        untracked=working.untracked,
    )


def _commits(
    repository: Repository, task: str | None, base: str | None, baseline: int | None
) -> CommitFinding | None:
    if task is None:
        return None
    return judge_commits(repository.commits(task, base=base), task, baseline)


def _marker_facts(
    repository: Repository, options: SubjectOptions, evidence: Evidence, facts: Facts
) -> Facts:
    """Adds what only a resolution marker asks for."""
    marker = latest_marker(evidence.resolutions, facts)
    if marker is None:
        return facts
    if marker.marker == Marker.ALREADY_COMPLETE:
        named = referenced_id(marker.rationale, options.task or "")
        found = _commits(repository, named, None, None) if named else CommitFinding()
        return msgspec.structs.replace(facts, referenced=found, referenced_id=named)
    if marker.marker == Marker.DOCS_ONLY and facts.commits is not None:
        files = _files_of_all(repository, facts.commits)
        return msgspec.structs.replace(facts, changed_files=files)
    return facts


def _files_of_all(repository: Repository, commits: CommitFinding) -> tuple[str, ...] | None:
    """All files that any commit of the task touches; None if git fails for one of them."""
    files: dict[str, None] = {}
    for commit in commits.matches:
        touched = repository.files_of(commit.hash)
        if touched is None:
            return None
        files.update(dict.fromkeys(touched))
    return tuple(files)


def coverage_report(root: Path, path: str) -> CoverageReport:
    """The Cobertura report that the policy names, or why it cannot be used. Never raises."""
    try:
        totals = read_cobertura(root / path)
        written = (root / path).stat().st_mtime
    except CoverageReportError as error:
        return CoverageReport(path=path, code=error.code, message=error.message)
    except OSError as error:
        text = f"cannot read {path}: {error.strerror or error}"
        return CoverageReport(path=path, code="coverage.report-unreadable", message=text)
    return CoverageReport(path=path, percent=totals.percent, written=written)
