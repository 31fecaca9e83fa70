"""A repository with people and the queue's workflows, and what is done in it."""

from __future__ import annotations

from typing import Any

from pytest_malagate.admission.statuses import CONTEXT
from pytest_malagate.github.control import CONTROL, FROZEN
from tests.action.stage import Stage, Told
from tests.twin import Issue, PullRequest

QUEUE_YML = ".github/workflows/malagate-queue.yml"
TICK = ("malagate-tick-v0", "single")
COMMANDS = ("malagate-commands-v0", "max")
PEOPLE = {
    "ada": "admin",
    "maja": "maintain",
    "walt": "write",
    "tina": "triage",
    "rita": "read",
    "robo[bot]": "admin",
}
CLEAR = '/gate unfreeze reason:"rolled back"'


class Office:
    """acme/shop with people, and the queue's workflows."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.twin, self.repo = stage, stage.twin, stage.repo
        for login, rank in PEOPLE.items():
            self.repo.permission(login, rank)

    def act(self, event: str, payload: dict[str, Any], **given: Any) -> Told:
        given = {"workflow": QUEUE_YML, "alone": TICK, **given}
        return self.stage.act(event, payload, **given)

    def tick(self, **given: Any) -> Told:
        """The sweep that runs every quarter of an hour."""
        return self.act("schedule", self.twin.event("schedule", repo=self.repo), **given)

    def told_of(self, issue: Issue, action: str, **given: Any) -> Told:
        """The sweep that an event of an issue begins."""
        label, actor = given.pop("label", None), given.pop("actor", None)
        payload = self.twin.event("issues", issue=issue, action=action, label=label, actor=actor)
        return self.act("issues", payload, **given)

    def say(self, issue: Issue, author: str, body: str, **given: Any) -> Told:
        comment = issue.comment(author=author, body=body)
        payload = self.twin.event("issue_comment", comment=comment)
        return self.act("issue_comment", payload, **{"alone": COMMANDS, **given})

    def dispatch(self, actor: str, **given: Any) -> Told:
        payload = self.twin.event("workflow_dispatch", repo=self.repo, actor=actor)
        return self.act("workflow_dispatch", payload, **{"alone": COMMANDS, **given})

    def freeze(self, reason: str = "prices are wrong", actor: str = "tina") -> Issue:
        """A freeze by the mode; its issue."""
        told = self.dispatch(actor, mode="freeze", reason=reason)
        assert told.exit_code == 0, told.log
        return next(i for i in reversed(self.repo.issues.values()) if FROZEN in i.labels)

    def burns(self, login: str = "tina") -> Issue:
        """A freeze by a label on an issue of anybody's."""
        issue = self.repo.open_issue("It burns", author="rita")
        issue.add_label(FROZEN, self.twin.user(login))
        return issue

    def pull(self, branch: str = "topic", *, fork: bool = False, author: str = "alice") -> Any:
        source = self.repo.fork("mallory") if fork else self.repo
        source.commit(branch, {"shop.py": f"{branch} = 1\n"}, message="work")
        origin = source if fork else None
        return self.repo.open_pull(head=branch, fork=origin, title="Work", author=author)

    def asked(self, pull: PullRequest, **given: Any) -> Told:
        """The job that a pull request waits for."""
        payload = self.twin.event("pull_request", pull=pull, action="opened")
        return self.act("pull_request", payload, mode="admit", **given)

    def group(self, pull: PullRequest, **given: Any) -> Told:
        """The job that the merge queue waits for."""
        self.merging = self.repo.merge_group(pull)
        payload = self.twin.event("merge_group", group=self.merging)
        return self.act("merge_group", payload, mode="admit", alone=None, **given)

    @property
    def control(self) -> Issue:
        return next(issue for issue in self.repo.issues.values() if CONTROL in issue.labels)

    def status(self, sha: str) -> tuple[str, str] | None:
        found = [one for one in self.repo.statuses(sha) if one.context == CONTEXT]
        return (found[0].state, found[0].description or "") if found else None

    @property
    def frozen(self) -> bool:
        """As the next sweep finds it; nothing is written for the answer."""
        told = self.tick(dry_run="true")
        return told.outputs["frozen"] == "true"

    def writes(self, since: int = 0) -> list[str]:
        return [f"{r.method} {r.path}" for r in self.twin.requests[since:] if r.method != "GET"]
