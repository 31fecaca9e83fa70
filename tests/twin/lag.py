"""Lists that lag behind: they show for a while what stood before the last writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.twin.repository import Repository


class Lag:
    """Keeps the state from before the last write that came over HTTP. What a test does in Python
    counts as long past."""

    def __init__(self, repositories: dict[str, Repository]) -> None:
        self._repositories = repositories
        self._before: dict[int, Repository] | None = None
        self._shown: dict[int, Repository] = {}
        self._reads = 0

    def start(self, reads: int) -> None:
        """For the next reads of a list, no write shows that came after the snapshot."""
        self._shown = self._before if self._before is not None else self._snapshots()
        self._reads = reads

    def before_write(self) -> None:
        self._before = self._snapshots()

    def settle(self) -> None:
        """What was written over HTTP so far is seen by everybody from now on."""
        self._before = None

    def look(self, repository: Repository) -> Repository:
        """What a list shows of a repository."""
        if self._reads <= 0:
            return repository
        self._reads -= 1
        return self._shown.get(repository.id, repository)

    def _snapshots(self) -> dict[int, Repository]:
        return {one.id: one.snapshot() for one in self._repositories.values()}
