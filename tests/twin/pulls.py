"""Pull requests, with the test merges that GitHub makes for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.twin.git import Content
from tests.twin.state import Issue, User

if TYPE_CHECKING:
    from tests.twin.repository import Repository


@dataclass(frozen=True)
class AutoMerge:
    """That a pull request is to be merged as soon as all that is required has passed."""

    enabled_by: User
    method: str = "merge"


@dataclass(eq=False)
class PullRequest(Issue):
    """A pull request. Its head may stand in a fork; its commits are fetched into the base's
    refs/pull/N/head, its test merge is refs/pull/N/merge."""

    head_repository: Repository = field(kw_only=True, repr=False)
    head_ref: str = field(kw_only=True)
    base_ref: str = field(kw_only=True)
    base_sha: str = ""
    head_sha: str = ""
    merge_sha: str | None = None
    previous_sha: str | None = None
    draft: bool = False
    merged_at: int | None = None
    merged_by: User | None = None
    auto_merge: AutoMerge | None = None
    mergeable_state: str | None = None
    """What GitHub answers as such; None: "clean", or "dirty" with a conflict."""

    @property
    def from_fork(self) -> bool:
        return self.head_repository is not self.repository

    def push(self, files: Mapping[str, Content], message: str = "more work") -> str:
        """Another commit on the head branch."""
        return self.head_repository.commit(self.head_ref, files, message=message)

    def synchronize(self) -> None:
        """The head branch has moved."""
        tip = self.head_repository.git.resolve(f"refs/heads/{self.head_ref}")
        assert tip is not None
        self.previous_sha = self.head_sha or None
        target = f"refs/pull/{self.number}/head"
        if self.from_fork:
            source = f"refs/heads/{self.head_ref}"
            self.repository.git.fetch(self.head_repository.git_dir, source, target)
        else:
            self.repository.git.point(target, tip)
        self.head_sha = tip
        self.base_sha = self.repository.tip(self.base_ref)
        self.updated_at = self.repository.twin.happen()
        self.remerge()

    def remerge(self) -> None:
        """Makes the test merge anew, as GitHub does when the head or the base has moved."""
        base = self.repository.tip(self.base_ref)
        who = self.repository.twin.somebody(self.author)
        message = f"Merge {self.head_sha} into {base}"
        self.merge_sha = self.repository.git.merge(base, self.head_sha, message, who)
        self.repository.git.point(f"refs/pull/{self.number}/merge", self.merge_sha)

    def enable_auto_merge(self, login: str, method: str = "merge") -> None:
        who = self.repository.twin.user(login)
        self.auto_merge = AutoMerge(who, method)
        self.note("auto_merge_enabled", who)

    def disable_auto_merge(self, login: str = "") -> None:
        self.auto_merge = None
        self.note("auto_merge_disabled", self._someone(login))

    def merge(self, by: str | None = None) -> str:
        """Merges with a merge commit."""
        assert self.state == "open" and self.merge_sha is not None, "it cannot be merged"
        sha, repository = self.merge_sha, self.repository
        self.merged_by = repository.twin.user(by or repository.owner.login)
        self.note("merged", self.merged_by)
        self.merged_at, self.auto_merge = self.updated_at, None
        self.set_state("closed", self.merged_by)
        self.closed_at = self.merged_at
        repository.git.point(f"refs/heads/{self.base_ref}", sha)
        repository.moved(self.base_ref)
        return sha
