"""A coordinator's agents that are asked by a comment, or by being assigned: somebody else's agents.

Nobody tells when such an agent has ended. What can be seen is its pull request: one that says that
it closes the issue, or whose branch is named after it. Then the task is at its gate; landing is
the gate's and a person's.

Failure directions. Whoever can open a pull request can say that it closes an issue: only one from
this repository's own branches, or by a login that was named, counts. A comment of which nobody
knows whether it was written is looked for by its mark, and not written twice.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from datetime import datetime

from pytest_malagate.admission.dispatching import POLL_SECONDS, Sleep
from pytest_malagate.admission.giving_back import give_back
from pytest_malagate.admission.own_pulls import (
    FIRST,
    Offered,
    OwnPull,
    ended_by,
    is_merged_part,
    open_by,
)
from pytest_malagate.admission.providing import Apart
from pytest_malagate.admission.starting import OFFERED, OFFERED_SECONDS
from pytest_malagate.coordinate.issues import Issue
from pytest_malagate.coordinate.outcomes import IssueOutcome, Refused
from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.github import records
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.issues import comment_on
from pytest_malagate.github.store import issue_number
from pytest_malagate.queue.model import Claim, Person, Task, lapsed
from pytest_malagate.queue.serial import LEASE_SECONDS, SerialGate

HOLDER = "malagate-ask"

TEXT = "Please work on this issue, and open a pull request that closes it."
"""What is asked where nobody said what."""

MAX_TEXT = 4000

UNSEEN = "no pull request for it has turned up"
"""Why a task is given back whose agent left nothing."""

_CLOSES = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+#([1-9][0-9]{0,8})\b", re.I)
_COMMENTS = 5  # pages that are searched for a comment whose answer was lost


class Assigned(records.Issue, frozen=True, kw_only=True):
    """An issue with the people who are assigned to it."""

    assignees: tuple[records.Account, ...] = ()


class CommentSpawner:
    """See `coordinate.outcomes.Spawn`: claims an issue's task, asks, and waits for a pull request.

    `text` is written as one comment, as it stands (`@login` calls whoever it names); or `assignee`
    is assigned. `agents` are logins whose pull requests count even from a fork. `timeout` is how
    many seconds from the claim a pull request is waited for, whichever process waits; then the task
    is given back, as the starter gives back one whose run failed. `now` is in seconds since the
    epoch. For one event loop.
    """

    def __init__(  # noqa: PLR0913 - what it drives, and its settings by name
        self,
        gate: SerialGate,
        client: Client,
        *,
        text: str = TEXT,
        assignee: str | None = None,
        agents: Iterable[str] = (),
        holder: str = HOLDER,
        timeout: float = 4 * 3600.0,
        poll_seconds: float = POLL_SECONDS,
        apart: Apart | None = None,
        now: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        if assignee is None and not text.strip():
            raise UsageError("there is neither a text to ask by nor a login to assign")
        self._gate, self._client, self._holder = gate, client, holder
        self._text, self._assignee = text[:MAX_TEXT], assignee
        named = (*agents, *([assignee] if assignee else []))
        self._agents = frozenset(login.lower() for login in named)
        self._timeout, self._poll, self._apart = timeout, poll_seconds, apart or Apart()
        self._now, self._sleep = now, sleep
        self._seen: tuple[float, tuple[Offered, ...]] | None = None

    async def __call__(self, issue: Issue) -> asyncio.Task[IssueOutcome] | Refused:
        """Asks, or says why not. Raises MachineryError."""
        number = issue_number(issue.id)
        if number is None:
            return Refused(
                kind="failed", reason="only an issue of this repository can be asked for"
            )
        begun = await self._apart(self._begun, issue.id, number)
        if isinstance(begun, Refused):
            return begun
        if isinstance(begun, IssueOutcome):
            return asyncio.create_task(_said(begun))
        return asyncio.create_task(self._awaited(issue.id, number, begun))

    # --- asking ---

    def _begun(self, name: str, number: int) -> Claim | IssueOutcome | Refused:
        known = self._gate.task(name)
        if known is not None and known.state == "active" and self._is_ours(known):
            claim = known.claim  # an earlier run of ours asked, or died before it did
            over = self._looked_after(known, number, claim) if claim is not None else None
            if over is not None:
                return over
        else:
            lease = min(self._timeout + LEASE_SECONDS / 4, 30 * 86400.0)
            claimed = self._gate.claim(self._holder, task=name, lease=lease)
            if claimed.task is None:
                why = (
                    claimed.refused.reason if claimed.refused is not None else "it is not its turn"
                )
                return Refused(kind="waiting", reason=why)
            claim = claimed.task.claim
        if claim is None:
            return Refused(kind="waiting", reason=f"{name} is not ours")
        with self._gate.look() as view:  # once more, right before others see anything
            reading = view.freezes()
        if reading.frozen:
            return Refused(kind="waiting", reason=reading.words())
        return self._asked(name, number, claim) or claim

    def _is_ours(self, task: Task) -> bool:
        return task.claim is not None and task.claim.holder == self._holder

    def _looked_after(self, task: Task, number: int, claim: Claim) -> IssueOutcome | Refused | None:
        """What has become of a task that an earlier run asked for; None if it is still waited for.

        At its gate its pull request decides at once, as it does for a task of the starter's.
        """
        offered, over = task.stage in OFFERED, lapsed(task, self._now())
        late = over or (not offered and self._now() >= claim.at + self._timeout)
        if not (offered or (task.stage == "work" and late)):
            return None
        try:
            pull = self._own(task.task, number, claim)
            if pull is not None and pull.state != "closed":
                return self._at_gate(task.task, claim, pull)
            if pull is not None and offered:
                why = f"pull request #{pull.number} was closed without being merged"
                return self._failed(task, claim, why)
            if late:
                return self._failed(task, claim, UNSEEN)
        except UsageError as error:  # the claim is another's by now
            return Refused(kind="waiting", reason=str(error))
        why = f"{task.task} is at {task.stage}, and no pull request of it is seen"
        return Refused(kind="waiting", reason=why)

    def _failed(self, task: Task, claim: Claim, why: str) -> Refused:
        done = give_back(self._gate, self._client, task, claim, holder=self._holder, why=why)
        return Refused(kind="failed" if done.parked else "waiting", reason="; ".join(done.notes))

    def _asked(self, name: str, number: int, claim: Claim) -> Refused | None:
        """Asks once. What GitHub refuses gives the task back."""
        try:
            if self._assignee is not None:
                return self._assign(name, number, self._assignee, claim)
            self._comment(number, claim)
        except GitHubError as error:
            if error.uncertain:  # the claim stays, and the next try looks for the comment first
                return Refused(kind="waiting", reason=str(error))
            self._gate.requeue(name, self._holder, claim=claim.id)
            return Refused(kind="failed", reason=str(error))
        return None

    def _assign(self, name: str, number: int, login: str, claim: Claim) -> Refused | None:
        body = {"assignees": [login]}
        made = self._client.change("POST", f"/issues/{number}/assignees", body, Assigned)
        if login.lower() in {one.login.lower() for one in made.assignees}:
            return None
        self._gate.requeue(name, self._holder, claim=claim.id)
        return Refused(kind="failed", reason=f"GitHub does not let {login} be assigned")

    def _comment(self, number: int, claim: Claim) -> None:
        mark = f"<!-- malagate:claim {claim.id} -->"
        pages = self._client.pages(
            f"/issues/{number}/comments",
            list[records.Comment],
            limit=_COMMENTS,
            since=datetime.fromtimestamp(claim.at - 300).astimezone().isoformat(),
        )
        if any(mark in (one.body or "") for page in pages for one in page):
            return
        comment_on(self._client, number, f"{self._text}\n\n{mark}")

    # --- waiting ---

    async def _awaited(self, name: str, number: int, claim: Claim) -> IssueOutcome:
        until = claim.at + self._timeout
        while True:
            await self._sleep(self._poll)
            late = self._now() >= until
            try:
                pull = await self._apart(self._offered, name, number, claim)
                if pull is not None:
                    return await self._apart(self._at_gate, name, claim, pull)
                if late:
                    return await self._apart(self._given_back, name, number, claim)
            except UsageError as error:
                return IssueOutcome(state="released", detail=str(error))
            except MachineryError as error:
                # Open: what cannot be seen is not over. The time-out bounds it, and the next run
                # looks again before it gives the task back.
                if late:
                    return IssueOutcome(state="released", detail=str(error))

    def _offered(self, name: str, number: int, claim: Claim) -> OwnPull | None:
        """The pull request for an issue. One request for all issues that are waited for."""
        now = self._now()
        if self._seen is None or now - self._seen[0] >= self._poll / 2:
            read = self._client.get(
                "/pulls", list[Offered], state="all", sort="updated", direction="desc", per_page=100
            )
            self._seen = now, tuple(read)
        found = [
            OwnPull(number=one.number, state="open" if one.state == "open" else "merged")
            for one in self._seen[1]
            if self._is_for(one, number)
            and not is_merged_part(one, name)
            # not of an earlier time, or given up
            and (one.state == "open" or _seconds(one.merged_at) >= claim.at)
        ]
        return min(found, key=lambda one: (FIRST.index(one.state), -one.number), default=None)

    def _own(self, name: str, number: int, claim: Claim) -> OwnPull | None:
        """As `own_pulls.own_pull`, by what counts for whom somebody else was asked."""

        def is_its(pull: Offered) -> bool:
            return self._is_for(pull, number)

        standing = open_by(self._client, is_its)
        return standing or ended_by(self._client, name, is_its, claim.at)

    def _is_for(self, pull: Offered, number: int) -> bool:
        author = pull.user.login.lower() if pull.user is not None else ""
        own = (
            pull.head.repo is not None
            and pull.base.repo is not None
            and pull.head.repo.id == pull.base.repo.id
        )
        if not own and author not in self._agents:
            return False
        named = own and re.match(rf"malagate/{number}(?![0-9])", pull.head.ref) is not None
        return named or str(number) in _CLOSES.findall(pull.body or "")

    def _at_gate(self, name: str, claim: Claim, pull: OwnPull) -> IssueOutcome:
        """On to its gate; or to its end, if the pull request was merged meanwhile."""
        task = self._gate.task(name)
        if task is not None and task.state == "active" and pull.state == "merged":
            self._gate.finish(name, self._holder, claim=claim.id)
            return IssueOutcome(state="completed", detail=f"pull request #{pull.number} was merged")
        if task is not None and task.state == "active" and task.stage == "work":
            self._gate.advance(name, "gate", Person(name=self._holder), claim=claim.id)
        elif claim.lease_until - self._now() < LEASE_SECONDS / 4 and pull.state == "open":
            self._gate.renew(name, claim.id, lease=OFFERED_SECONDS)  # every claimer goes by it
        return IssueOutcome(state="completed", detail=f"pull request #{pull.number} is there")

    def _given_back(self, name: str, number: int, claim: Claim) -> IssueOutcome:
        """For want of a pull request, unless one is found where the short list did not show it."""
        task = self._gate.task(name)
        held = task.claim if task is not None and task.state == "active" else None
        if task is None or held is None or held.id != claim.id:
            return IssueOutcome(state="released", detail=f"{name} is not ours any more")
        pull = self._own(name, number, claim)
        if pull is not None and pull.state != "closed":
            return self._at_gate(name, claim, pull)
        done = give_back(self._gate, self._client, task, claim, holder=self._holder, why=UNSEEN)
        return IssueOutcome(
            state="failed" if done.parked else "released", detail="; ".join(done.notes)
        )


async def _said(outcome: IssueOutcome) -> IssueOutcome:
    return outcome


def _seconds(moment: str | None) -> float:
    try:
        return datetime.fromisoformat(moment or "").timestamp()
    except ValueError:
        return 0.0
