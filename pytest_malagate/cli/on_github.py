"""A command of queue and freeze on GitHub: who acts there with this token, and by which way.

Only whoever opened the control issue writes the ledger: the workflow. Anybody else's token does
what a person does in the browser (a label, a comment), and the workflow decides what it comes to.
Which of the two it is, is decided before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

import msgspec

from pytest_malagate.admission.claimed_runs import is_first
from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.control import FROZEN, READY, Control, find_control
from pytest_malagate.github.issues import add_labels, comment_on, issue_of, open_issue
from pytest_malagate.github.lock import wedged
from pytest_malagate.github.people import person as person_of
from pytest_malagate.github.people import token_owner
from pytest_malagate.github.records import Account
from pytest_malagate.github.runs import run_of
from pytest_malagate.github.store import GitHubStore, issue_number
from pytest_malagate.github.sweep_memory import read_memory
from pytest_malagate.queue.freezing import check_clear, check_set
from pytest_malagate.queue.model import Claim, FreezeMode, Person
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.report.text import code, plain, prose

BOT = "github-actions[bot]"
_TITLE = 180
_REASON = 1000


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for by hand. `freezes` stand without an issue, where nothing can be said."""

    issues: tuple[int, ...]
    freezes: tuple[int, ...] = ()


class Beyond(msgspec.Struct, frozen=True, kw_only=True):
    """What the store on GitHub knows beside the queue. Times in seconds since the epoch."""

    control_issue: int | None = None
    last_sweep: float | None = None
    unfinished: int = 0
    requests_left: int | None = None
    requests_limit: int | None = None
    wedged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Hands:
    """What the token's owner may do. `machine_mark` says why an account is used by no person.

    `number` is the control issue's, if it was named. Methods raise GitHubError and FreezeTrouble.
    """

    def __init__(
        self,
        store: GitHubStore,
        gate: SerialGate,
        *,
        number: int | None,
        actor: str | None,
        machine_mark: Callable[[str], str | None],
    ) -> None:
        self._store, self._gate, self._number = store, gate, number
        self._actor, self._machine_mark = actor, machine_mark

    @property
    def _client(self) -> Client:
        return self._store.client(self._gate.repository)

    @cached_property
    def _owner(self) -> Account | None:
        return token_owner(self._client)

    @cached_property
    def _control(self) -> Control | None:
        return find_control(self._client, self._number)

    @cached_property
    def person(self) -> Person:
        """Who acts. Raises UsageError for `--actor` beside a person's own token."""
        owner = self._owner
        if owner is None:  # a workflow or an app: whoever gave it the token lets it write
            writer = self._control.writer if self._control is not None else BOT
            return Person(name=self._actor or writer, rank="write", human=False)
        if self._actor is not None and self._actor.lower() != owner.login.lower():
            raise UsageError(f"--actor: on GitHub the token's owner acts, {plain(owner.login, 60)}")
        known = person_of(self._client, owner.login)
        human = known.human and self._machine_mark(owner.login) is None
        return Person(name=owner.login, rank=known.rank, human=human)

    @cached_property
    def writes(self) -> bool:
        """Whether this token writes the ledger. Raises UsageError where there is none yet."""
        owner, control = self._owner, self._control
        if control is None:
            if owner is None:
                return True  # an app that sets up is the writer from then on
            raise UsageError(
                f"{self._gate.repository} has no control issue yet: run the action's mode admit "
                "once, which makes one"
            )
        if owner is None:
            return control.writer.endswith("[bot]")
        return owner.login == control.writer

    def check_writes(self) -> None:
        """Raises UsageError for a token whose word the ledger does not take."""
        if not self.writes:
            writer = plain(self._control.writer if self._control else BOT, 60)
            name = plain(self.person.name, 60)
            raise UsageError(
                f"only {writer} writes the ledger of {self._gate.repository}, and this token is "
                f"{name}'s: let the workflow do it"
            )

    # --- by hand ---

    def freeze(self, reason: str, mode: FreezeMode | None, task: str | None) -> int:
        """Opens an issue that freezes at once, and returns its number. Raises UsageError."""
        check_set(self._gate.rules, self.person, reason, mode)
        if mode not in (None, "hard", self._gate.rules.mode):
            raise UsageError(
                f"--mode {mode}: a label freezes by the policy's freeze.mode, which is "
                f"{self._gate.rules.mode}, or harder"
            )
        about = f"It is about {code(task, 100)}.\n\n" if task else ""
        body = f"{about}{prose(reason, _REASON)}\n" + ("\nmode: hard\n" if mode == "hard" else "")
        made = open_issue(self._client, plain(reason, _TITLE), body, [FROZEN])
        if not made.has_label(FROZEN):
            raise MachineryError(
                f"#{made.number} was opened and freezes nothing: the label {FROZEN} could not be "
                "put on it. Put it on by hand"
            )
        return made.number

    def unfreeze(self, reason: str, only: Iterable[int] | None) -> Asked:
        """Says on the freezes' issues that they be cleared. Raises UsageError for who may not."""
        check_clear(self._gate.rules, self.person, reason)
        wanted = None if only is None else set(only)
        with self._store.reading(self._gate.repository) as session:
            standing = [freeze.id for freeze in session.freezes()]
            issues = dict(session.state.issues)
        chosen = [number for number in standing if wanted is None or number in wanted]
        words = plain(reason, _REASON).replace('"', "'")
        told = [issues[number] for number in chosen if number in issues]
        for issue in told:
            comment_on(self._client, issue, f'/gate unfreeze reason:"{words}"')
        return Asked(issues=tuple(told), freezes=tuple(one for one in chosen if one not in issues))

    def add(self, task: str) -> int:
        """Puts the label on that asks for a place in the queue. Returns the issue's number."""
        number = issue_number(task)
        if number is None:
            raise UsageError(f"{plain(task, 60)}: on GitHub a task is an issue, such as '#12'")
        if issue_of(self._client, number) is None:
            raise UsageError(f"#{number} is not there")
        if READY not in add_labels(self._client, number, [READY]):
            raise MachineryError(f"the label {READY} could not be put on #{number}")
        return number

    # --- what a worker asks ---

    def second_run(self, claim: Claim, run_id: int) -> str | None:
        """Why a run is not the one of a claim that counts; None if it is. Writes nothing.

        A list that does not show the run yet is waited for, for half a minute at most.
        """
        run = run_of(self._client, run_id)
        if claim.id not in run.display_title:
            return f"run {run_id} does not bear the claim in its name (see run-name)"
        workflow = run.file.rpartition("/")[2]
        if is_first(self._client, workflow, claim.id, run_id, claim.at):
            return None
        return f"run {run_id} is not the first of its claim, or GitHub does not list it"

    # --- what else is to be seen ---

    def beyond(self) -> Beyond:
        """The last sweep, the requests left, groups in which nothing moves. Never raises."""
        notes: list[str] = []
        memory, control = read_memory(b""), None
        stuck: tuple[str, ...] = ()
        try:
            control = find_control(self._client, self._number)
            memory = read_memory(control.memory if control is not None else b"")
            stuck = tuple(one.why for one in wedged(self._client))
        except GitHubError as error:
            notes.append(f"whether a concurrency group is stuck is not known: {error}")
        except MachineryError as error:
            notes.append(str(error))
        return Beyond(
            control_issue=control.number if control is not None else None,
            last_sweep=memory.swept_at or None,
            unfinished=memory.unfinished,
            requests_left=self._client.remaining,
            requests_limit=self._client.limit,
            wedged=stuck,
            notes=(*notes, *memory.notes),
        )
