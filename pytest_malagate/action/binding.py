"""Is it evidence of this commit, this tree, this run? Asked of the API, never of the evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import replace

from pytest_malagate.action.subjects import Judged
from pytest_malagate.collect.joining import Part
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.contents import commit_at, compare, touched_by
from pytest_malagate.github.pulls import files_of
from pytest_malagate.github.runs import attempts_in_force
from pytest_malagate.report.text import plain

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """What the evidence was bound to.

    `commit` is what was tested: the head, or GitHub's merge of it. `tree` is that commit's tree as
    GitHub has it, which the judge holds the evidence against. `base` is the commit of the base
    that is in it, `tip` where the base's branch is now. `touched` are the paths of the whole
    change, None if they are not all known.
    """

    commit: str | None = None
    tree: str | None = None
    base: str | None = None
    tip: str | None = None
    touched: tuple[str, ...] | None = None
    problems: tuple[tuple[str, str], ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()


def bind(client: Client, subject: Judged, parts: Sequence[Part]) -> Bound:
    """Holds every record's run and commit against what GitHub says. Raises GitHubError."""
    marks = {mark for part in parts for mark in _marks(part)}
    if problem := _foreign_run(client, subject, {run for run, _ in marks}):
        return Bound(problems=(problem,))
    commits = {commit for _, commit in marks} or {subject.head}
    if len(commits) > 1:
        return _other("The evidence is of several commits")
    commit = commits.pop()
    if commit is None or not _HASH.fullmatch(commit):
        return _other("The evidence names no commit")
    if subject.pull is not None:
        return _bound_pull(client, subject, commit)
    if commit != subject.head:
        return _other(f"The evidence is of {commit[:12]}, not of {subject.head[:12]}")
    answer = commit_at(client, commit)
    touched = () if subject.base == subject.head else touched_by(answer)
    return Bound(
        commit=commit,
        tree=answer.commit.tree.sha,
        base=subject.base,
        tip=subject.base,
        touched=touched,
    )


def _marks(part: Part) -> Iterator[tuple[str | None, str | None]]:
    """The run and the commit of each record that can count."""
    for run in part.evidence.tests.values():
        yield run.start.ci, run.start.commit
    for commands in part.evidence.commands.values():
        for command in commands:
            yield command.ci, command.commit


def _other(text: str) -> Bound:
    return Bound(problems=(("evidence.other-commit", text),))


def _foreign_run(client: Client, subject: Judged, runs: set[str | None]) -> tuple[str, str] | None:
    """The problem, if a record is of no run that may speak for this subject."""
    number, attempt = subject.source
    allowed = {f"{number}.{attempt}"}
    if not runs <= allowed and subject.run is not None and subject.trust == "workflow":
        in_force = attempts_in_force(client, subject.run)
        allowed |= {f"{number}.{earlier}" for earlier in in_force if earlier <= attempt}
    foreign = sorted(run or "no run at all" for run in runs - allowed)
    if not foreign:
        return None
    text = f"The evidence is of run {plain(foreign[0], 40)}, not of {number}.{attempt}"
    return "evidence.other-run", text


def _bound_pull(client: Client, subject: Judged, commit: str) -> Bound:
    """The head of a pull request, or GitHub's merge of it, held against the base's branch.

    The branch is asked where it is now: what a pull request says of its base may be old.
    """
    strange = f"The evidence is of {commit[:12]}, which is no merge of {subject.head[:12]}"
    try:
        comparison = compare(client, subject.base_branch, commit)
    except GitHubError as error:
        if error.status in (404, 409, 422) and commit != subject.head:
            return _other(strange)
        raise
    answer = comparison.commits[-1] if comparison.commits else comparison.base_commit
    if answer.sha != commit:  # more commits than are listed
        answer = commit_at(client, commit)
    tip, touched = comparison.base_commit.sha, touched_by(comparison)
    if touched is None and subject.pull is not None:
        touched = files_of(client, subject.pull.number)
    bound = Bound(commit=commit, tree=answer.commit.tree.sha, tip=tip, touched=touched)
    if commit == subject.head:
        return replace(bound, base=comparison.merge_base_commit.sha)
    parents = [parent.sha for parent in answer.parents]
    if answer.sha != commit or len(parents) != 2 or parents[1] != subject.head:
        return _other(strange)
    base = parents[0]
    if base == tip:
        return replace(bound, base=base)
    if base != comparison.merge_base_commit.sha and not _contains(client, tip, base):
        text = f"The evidence is of a merge with {base[:12]}, which is not in the base"
        return _other(text)
    moved = f"Tested together with {base[:12]}; {subject.base_branch} is at {tip[:12]} now"
    return replace(bound, base=base, warnings=(("base.moved", moved),))


def _contains(client: Client, tip: str, commit: str) -> bool:
    return compare(client, commit, tip).status in ("ahead", "identical")
