"""Who made the change that a freeze is about: whoever did does not clear it.

A freeze names a pull request, or the task `#12`, whose change is the pull request from its branch.
Both are looked at, by the same rule as everywhere (see `landing`). Failure direction: closed. What
GitHub does not tell is an error, and whoever asks clears nothing.
"""

from __future__ import annotations

from pytest_malagate.admission.landing import BRANCH, task_of
from pytest_malagate.github.client import Client
from pytest_malagate.github.freeze_issues import moment_of
from pytest_malagate.github.issues import issue_of
from pytest_malagate.github.records import Pull
from pytest_malagate.github.store import issue_number

_PAGES = 10
"""Pages of 100 pull requests, those changed last first, among which a task's are looked for. One
from the branch `malagate/12` itself is found however old it is."""


def is_author(client: Client, login: str, work_item: str | None) -> bool:
    """True for whoever made the change that a freeze about `work_item` is about.

    That is the author of the pull request `#N`, and of each one of the task `#N` that is open or
    was merged. Raises GitHubError where that cannot be told.
    """
    if not work_item:
        return False
    number = issue_number(work_item)
    issue = issue_of(client, number) if number is not None else None
    made = [issue.user] if issue is not None and issue.pull_request is not None else []
    made += [pull.user for pull in _named(client, work_item, number)]
    if number is not None:
        # No pull request of an issue is older than it: behind that none has to be looked at.
        since = moment_of(issue.created_at) if issue is not None else 0.0
        made += [pull.user for pull in _changed(client, since) if _belongs(pull, work_item)]
    return any(who is not None and who.login.lower() == login.lower() for who in made)


def _named(client: Client, task: str, number: int | None) -> list[Pull]:
    """Those from the branch that bears the task's name and nothing else."""
    head = f"{client.repository.partition('/')[0]}:{BRANCH}{task if number is None else number}"
    found = client.get("/pulls", list[Pull], state="all", head=head, per_page=100)
    return [pull for pull in found if _belongs(pull, task)]


def _changed(client: Client, since: float) -> list[Pull]:
    """All that changed since a moment (seconds), as far as `_PAGES` go."""
    found: list[Pull] = []
    for page in client.pages(
        "/pulls", list[Pull], limit=_PAGES, state="all", sort="updated", direction="desc"
    ):
        found += page
        if page and moment_of(page[-1].updated_at) < since:
            break
    return found


def _belongs(pull: Pull, task: str) -> bool:
    stands = pull.state == "open" or pull.merged_at is not None
    return stands and task_of(pull, task.__eq__) == task
