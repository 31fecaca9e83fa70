"""A twin of GitHub for the tests: its REST API over state that tests make in Python.

    twin = Twin(tmp_path)
    repo = twin.repository("acme/shop")
    repo.commit("main", {"a.py": "x = 1"})
    with twin.serve() as url:
        ...

Commits, trees, merges and comparisons are real git. Every answer, and every request that is taken,
is compared with GitHub's published description (contract.py); what differs is in `twin.violations`.
Events come from the state (events.py), faults from a plan (faults.py).

What it leaves out: workflows do not run, so neither an event nor a write starts one (on GitHub a
write with GITHUB_TOKEN starts none either, a dispatch excepted); reviews, check runs, milestones,
protection, search and GraphQL; secondary limits, unless they are planned as faults or
`twin.write_limit` is set. Where GitHub's
documents leave open which scope a write needs, the twin asks for the stricter one: a pull request's
comments and labels need `pull-requests: write`, a label that is new to the repository needs
`issues: write`, and a download needs `actions: read`. What is public may be read with any token.
"""

from tests.twin.pulls import PullRequest
from tests.twin.repository import Repository
from tests.twin.runs import Run
from tests.twin.state import Artifact, Comment, Issue, MergeGroup, Request, Status
from tests.twin.twin import Twin

__all__ = [
    "Artifact",
    "Comment",
    "Issue",
    "MergeGroup",
    "PullRequest",
    "Repository",
    "Request",
    "Run",
    "Status",
    "Twin",
]
