"""Concurrency groups: who holds the lease, and who waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tests.twin.state import Job

if TYPE_CHECKING:
    from tests.twin.repository import Repository
    from tests.twin.runs import Run

PENDING_MAX = 100
"""How many may wait in a group with `queue: max`."""

Shown = Literal["in_progress", "pending"]


@dataclass(eq=False)
class Member:
    """A run that is in a group, or (at the level of a job) one of its jobs. `phantom`: it ended
    long ago and GitHub shows it in front all the same, as that."""

    run: Run
    job: Job | None = None
    phantom: Shown | None = None

    def wait(self) -> None:
        if self.job is None:
            self.run.status = "pending"  # a run that waits has no jobs yet
            return
        self.job.status = "pending"
        if not any(job.status == "in_progress" for job in self.run.jobs):
            self.run.status = "pending"

    def start(self) -> None:
        self.run.status = "in_progress"
        if self.job is None:
            self.run.start_jobs(self.run.planned)
        else:
            self.job.status = "in_progress"

    def evict(self) -> None:
        """Cancelled by GitHub. Of a job's run, the jobs outside the group go on."""
        if self.job is not None:
            self.job.status, self.job.conclusion = "completed", "cancelled"
            self.job.completed_at = self.run.repository.twin.clock()
        if self.job is None or all(job.status == "completed" for job in self.run.latest_jobs):
            self.run.finish("cancelled")
        else:
            self.run.status = "in_progress"
            self.run.repository.groups.leave(self.run, self.job)


@dataclass(eq=False)
class Group:
    """A concurrency group. Its first member runs, the others wait."""

    name: str
    members: list[Member] = field(default_factory=list)
    acquired_at: int = 0

    def of(self, run: Run) -> list[tuple[int, Member]]:
        """A run's places with what holds them, the front first."""
        return [(place, one) for place, one in enumerate(self.members) if one.run is run]


class Groups:
    """The concurrency groups of one repository. Their names are case-insensitive."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._groups: dict[str, Group] = {}

    def __iter__(self) -> Iterator[Group]:
        """Those that somebody is in, by name."""
        return iter([one for _, one in sorted(self._groups.items()) if one.members])

    def find(self, name: str) -> Group | None:
        group = self._groups.get(name.lower())
        return group if group is not None and group.members else None

    def join(
        self,
        run: Run,
        name: str,
        queue: str,
        cancel_in_progress: bool = False,
        job: Job | None = None,
    ) -> None:
        group = self._groups.setdefault(name.lower(), Group(name))
        run.group, member = name, Member(run, job)
        if len(group.members) > PENDING_MAX and queue == "max":
            member.evict()
            return
        ahead = list(group.members)
        group.members.append(member)
        if not ahead:
            group.acquired_at = run.started_at
            return
        member.wait()
        # The newest replaces whoever waits, or whoever is there at all.
        replaced = ahead if cancel_in_progress else ahead[1:] if queue == "single" else []
        for other in reversed(replaced):
            if other.phantom is None:
                other.evict()

    def leave(self, run: Run, job: Job | None = None) -> None:
        """A run (or only its job) gives up its places; who is in front then starts."""
        for group in self._groups.values():
            gone = [
                one
                for _, one in group.of(run)
                if one.phantom is None and (job is None or one.job is job)
            ]
            held = bool(gone) and group.members[0] in gone
            group.members = [one for one in group.members if one not in gone]
            if held and group.members and group.members[0].phantom is None:
                group.acquired_at = run.updated_at
                group.members[0].start()

    def phantom(self, name: str, shown: Shown = "in_progress") -> Run:
        """Wedges a group, as GitHub is known to: a run that was cancelled while it waited, with no
        job, comes to the front and stays there, so that whoever is behind it waits for ever. If the
        lease is held, the phantom is next. `shown`: the status that the group's members tell of it.
        """
        run = self._repository.run(event="push", jobs=())
        run.group, run.status, run.conclusion = name, "completed", "cancelled"
        group = self._groups.setdefault(name.lower(), Group(name, acquired_at=run.started_at))
        held = bool(group.members) and group.members[0].phantom is None
        group.members.insert(1 if held else 0, Member(run, phantom=shown))
        return run
