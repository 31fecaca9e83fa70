"""Lists that lag behind: they show for a while what stood before the last writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.twin.snapshot import Before, snapshot

if TYPE_CHECKING:
    from tests.twin.repository import Repository

States = dict[int, "Repository"]
"""Repositories as they were, by their ids."""

REACHING = ("/sub_issues", "/sub_issue", "/dependencies/blocked_by")
"""Writes to an issue that change another one, too."""


@dataclass
class Hidden:
    """A write that the next `reads` lists do not show, with the state before it."""

    states: States
    reads: int


class Lag:
    """Keeps the state from before the last write that came over HTTP, and, while the lag is steady,
    that from before each write which a list still hides. What a test does in Python counts as long
    past; where a list is behind at that moment, it shows that no sooner than the write it hides."""

    def __init__(self, repositories: dict[str, Repository]) -> None:
        self._repositories = repositories
        self._before: States | Before | None = None
        self._shown: States = {}
        self._reads = 0
        self._last: States = {}
        self._steady = 0
        self._hidden: list[Hidden] = []

    def start(self, reads: int) -> None:
        """For the next reads of a list, no write shows that came after the snapshot."""
        if reads > 0:
            self._shown = self._latest()
        self._reads = reads

    def keep(self, reads: int) -> None:
        """From now on, each write is hidden from the next `reads` lists; 0 ends it at once."""
        self._steady = reads
        if not reads:
            self._hidden.clear()

    def before_write(self, repository: Repository | None, path: str) -> States | Before:
        """To be called with what is to be written, and to be given to `wrote` afterwards. `path` is
        that in the repository. Copies one issue, where nothing else can change."""
        if self._steady or repository is None:
            return self._snapshots()
        parts = path.strip("/").split("/")
        if parts[0] == "statuses" or path == "/issues":
            return Before.of(repository, None)
        if parts[0] != "issues" or len(parts) < 2 or path.endswith(REACHING):
            return self._snapshots()
        if parts[1] == "comments":
            comment = repository.find_comment(int(parts[2])) if parts[2].isdecimal() else None
            return Before.of(repository, comment.issue if comment is not None else None)
        number = int(parts[1]) if parts[1].isdecimal() else 0
        return Before.of(repository, repository.issues.get(number))

    def wrote(self, before: States | Before) -> None:
        self._before = before
        if self._steady and not isinstance(before, Before):
            self._hidden.append(Hidden(before, self._steady))

    def settle(self) -> None:
        """What was written over HTTP so far is seen by everybody from now on."""
        self._before = None

    def look(self, repository: Repository) -> Repository:
        """What a list shows of a repository: the state before the oldest write that is hidden."""
        seen = self._hidden[0].states.get(repository.id, repository) if self._hidden else repository
        for one in self._hidden:
            one.reads -= 1
        self._hidden = [one for one in self._hidden if one.reads > 0]
        if self._reads <= 0:
            return seen
        self._reads -= 1
        return self._shown.get(repository.id, repository)

    def _latest(self) -> States:
        before = self._before
        if before is None:
            return self._snapshots()
        if isinstance(before, Before):
            return self._snapshots() | {before.repository.id: before.view()}
        return before

    def _snapshots(self) -> States:
        self._last = {
            one.id: snapshot(one, self._last.get(one.id)) for one in self._repositories.values()
        }
        return self._last
