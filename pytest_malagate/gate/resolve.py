"""A resolution marker in place of the ordinary judgement: is it borne out by the facts?

A marker says that a task needs no new code, so it is believed only as far as the repository agrees:
a task that has fresh commits is judged by them, whatever its agent wrote.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pytest_malagate.gate.evidence import Resolution
from pytest_malagate.gate.facts import Facts
from pytest_malagate.gate.reasons import reason
from pytest_malagate.gate.resolution import Marker, docs_only_offenders
from pytest_malagate.gate.result import Reason

_LISTED = 5


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """What a marker came to. If `decided` is false, the ordinary judgement goes on."""

    marker: str
    decided: bool = True
    commit: str | None = None
    reasons: tuple[Reason, ...] = ()
    warnings: tuple[Reason, ...] = ()


def latest_marker(resolutions: Sequence[Resolution], facts: Facts) -> Resolution | None:
    """The last marker that speaks of this task and of these files."""
    trees = {None, facts.judged_tree, facts.working_tree}
    for marker in reversed(resolutions):
        if marker.task in (None, facts.subject.task) and marker.tree in trees:
            return marker
    return None


def resolve(resolutions: Sequence[Resolution], facts: Facts) -> Resolved | None:
    """Judges the last marker that applies; None if there is none."""
    found = latest_marker(resolutions, facts)
    if found is None or found.marker not in Marker.__members__.values():
        return None
    marker = Marker(found.marker)
    if facts.trust != "local" and facts.touched is None:
        text = f"{marker} was claimed, but which files the change touches is not known"
        unverified = reason("resolution.unverifiable", text, severity="warn")
        return Resolved(marker=marker, decided=False, warnings=(unverified,))
    if facts.touched and marker is not Marker.DOCS_ONLY:
        text = f"{marker} was claimed, but the change touches {len(facts.touched)} files"
        contradicted = reason("resolution.contradicted", text)
        return Resolved(marker=marker, decided=False, warnings=(contradicted,))
    if marker is Marker.ALREADY_COMPLETE:
        return _already_complete(facts)
    if marker is Marker.DOCS_ONLY:
        return _docs_only(facts)
    return _nothing_to_do(marker, facts)


def _nothing_to_do(marker: Marker, facts: Facts) -> Resolved:
    if facts.commits is None or facts.commits.commit is None:
        return Resolved(marker=marker)
    text = f"{marker} was claimed, but commit {facts.commits.commit.hash[:12]} is for this task"
    contradicted = reason("resolution.contradicted", text)
    return Resolved(marker=marker, decided=False, warnings=(contradicted,))


def _already_complete(facts: Facts) -> Resolved:
    marker, task = Marker.ALREADY_COMPLETE, facts.referenced_id or facts.subject.task
    found = facts.referenced
    commit = (found.commit or found.stale) if found else None
    if commit is None:
        missing = reason("resolution.no-commit", f"{marker}: no commit for {task} was found")
        return Resolved(marker=marker, reasons=(missing,))
    return Resolved(marker=marker, commit=commit.hash)


def _docs_only(facts: Facts) -> Resolved:
    marker = Marker.DOCS_ONLY
    if facts.touched is not None:  # the whole change, whatever its commits are called
        why = _not_docs(marker, facts.touched)
        return Resolved(marker=marker, commit=facts.subject.commit, reasons=(why,) if why else ())
    commit = facts.commits.commit if facts.commits else None
    if commit is None:
        missing = reason("commit.missing", f"{marker}: no commit for {facts.subject.task}")
        return Resolved(marker=marker, reasons=(missing,))
    why = _not_docs(marker, facts.changed_files)
    return Resolved(marker=marker, commit=commit.hash, reasons=(why,) if why else ())


def _not_docs(marker: Marker, files: tuple[str, ...] | None) -> Reason | None:
    if files is None:
        return reason("resolution.unverifiable", f"{marker}: git could not list the files")
    if not files:
        return reason("resolution.not-docs", f"{marker}: the commits touch no file at all")
    offenders = docs_only_offenders(files)
    if not offenders:
        return None
    some = ", ".join(offenders[:_LISTED])
    more = f" and {len(offenders) - _LISTED} more" if len(offenders) > _LISTED else ""
    return reason("resolution.not-docs", f"{marker}: not documentation: {some}{more}")
