"""Modes `freeze` and `unfreeze`, and the commands in comments that ask for either, or for `rearm`.

Setting is easy and gets through without the lock; clearing is hard (see `desk`). Who asks is who
GitHub says sent the event, with the right that the API says. A comment is answered once, whatever
came of it, by a reaction and by a comment.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import msgspec

from pytest_malagate.action.desk import COMMANDS, Desk, Job, open_desk, say, tell_admission
from pytest_malagate.action.orders import Order, parse_order
from pytest_malagate.action.telling import command
from pytest_malagate.errors import ExitCode, MachineryError, UsageError
from pytest_malagate.github.client import GitHubError
from pytest_malagate.github.comments import react
from pytest_malagate.github.control import LABELS, find_control
from pytest_malagate.github.environment import IssueRef
from pytest_malagate.github.issues import comment_on, ensure_label, issue_of
from pytest_malagate.github.records import Comment
from pytest_malagate.github.store import issue_number
from pytest_malagate.queue.freezing import check_clear, check_set
from pytest_malagate.queue.model import Freeze, Person, at_least
from pytest_malagate.queue.store import ConflictError, FreezeTrouble
from pytest_malagate.report.text import prose

REARM_NEEDS = "admin"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The freezes that stand, their issues, and the control issue's number."""

    freezes: tuple[Freeze, ...]
    issues: dict[int, int]
    control: int


def freeze(job: Job) -> ExitCode:
    """Freezes by the input `reason`, or as a comment says. Raises MalagateError."""
    if job.runner.event_name == "issue_comment":
        return commented(job)
    if not job.inputs.reason:
        raise UsageError("input reason: mode freeze needs one: who waits must know for what")
    desk = open_desk(job, group=None, through=True)
    try:
        say(_set(desk, Order(kind="freeze", reason=job.inputs.reason), desk.sender(), None))
        tell_admission(job.runner, None, frozen=not job.inputs.dry_run)
        if not job.inputs.dry_run:
            desk.tell()
    finally:
        desk.close()
    return ExitCode.PASSED


def unfreeze(job: Job) -> ExitCode:
    """Clears what stands by the input `reason`, or as a comment says. Raises MalagateError."""
    if job.runner.event_name == "issue_comment":
        return commented(job)
    if not job.inputs.reason:
        raise UsageError("input reason: mode unfreeze needs one: why it is safe again")
    desk = open_desk(job, group=COMMANDS)
    try:
        order = Order(kind="unfreeze", reason=job.inputs.reason)
        say(_clear(desk, order, desk.sender(), None))
        status = desk.tell()
        tell_admission(job.runner, None, frozen=status.frozen, problem=status.problem or "")
    finally:
        desk.close()
    return ExitCode.PASSED


# --- commands in comments ---


def order_of(job: Job) -> tuple[Order, Comment, IssueRef] | None:
    """The command of this event, with its comment and the issue that it stands on."""
    event = job.runner.event
    if event.action != "created" or event.comment is None or event.issue is None:
        return None
    order = parse_order(event.comment.body or "")
    return (order, event.comment, event.issue) if order is not None else None


def commented(job: Job) -> ExitCode:
    """Does what a comment asks, if its author may, and answers. Raises MachineryError."""
    found = order_of(job)
    if found is None:
        say("the comment holds no command of queue and freeze")
        return ExitCode.PASSED
    order, comment, issue = found
    setting = order.kind == "freeze"
    desk = open_desk(job, group=None if setting else COMMANDS, through=setting)
    try:
        login = comment.user.login if comment.user is not None else ""
        try:
            outcome, done = _obeyed(desk, order, login, issue), True
        except (UsageError, FreezeTrouble) as error:
            outcome, done = f"Refused: {error}", False
        _answer(desk, comment, issue, outcome, done=done)
        status = desk.tell()
        tell_admission(job.runner, None, frozen=status.frozen, problem=status.problem or "")
    finally:
        desk.close()
    return ExitCode.PASSED


def _obeyed(desk: Desk, order: Order, login: str, issue: IssueRef) -> str:
    """What came of it, in words. Raises UsageError for what is refused, MachineryError."""
    if order.wrong:
        raise UsageError(order.wrong)
    who = desk.person(login)
    if order.kind == "freeze":
        return _set(desk, order, who, issue)
    if order.kind == "unfreeze":
        return _clear(desk, order, who, issue)
    return _rearm(desk, order, who)


def _answer(desk: Desk, comment: Comment, issue: IssueRef, outcome: str, *, done: bool) -> None:
    """Failure direction: open. What was done is on the ledger, whether it could be told or not."""
    say(outcome)
    if desk.job.inputs.dry_run:
        return
    try:
        react(desk.client, comment.id, "+1" if done else "-1")
        comment_on(desk.client, issue.number, f"{prose(outcome, 1500)}\n")
    except GitHubError as error:
        print(command("warning", f"not written: {error}"))


# --- what they do ---


def _set(desk: Desk, order: Order, who: Person, issue: IssueRef | None) -> str:
    check_set(desk.gate.rules, who, order.reason, order.mode)
    if desk.job.inputs.dry_run:
        return f"would freeze: {order.reason}"
    about = f"#{issue.number}" if issue is not None and not _is_control(desk, issue) else None
    made = desk.gate.freeze(order.reason, who, mode=order.mode, work_item=about)
    return f"Frozen: freeze {made.id}, mode {made.mode}, by {who.name}."


def _is_control(desk: Desk, issue: IssueRef) -> bool:
    """False where nobody can tell: a freeze has to get through."""
    with suppress(MachineryError):
        control = find_control(desk.client, desk.number)
        return control is not None and control.number == issue.number
    return False


def _clear(desk: Desk, order: Order, who: Person, issue: IssueRef | None) -> str:
    check_clear(desk.gate.rules, who, order.reason)
    standing = _standing(desk)
    chosen = _chosen(standing, issue)
    if not chosen:
        return "Nothing is frozen."
    allowed = [one.id for one in chosen if not _is_author(desk, who, one)]
    own = [one.id for one in chosen if one.id not in allowed]
    if not allowed:
        raise UsageError(f"{who.name} is the author of what freeze {_listed(own)} is about")
    if desk.job.inputs.dry_run:
        return f"would clear freeze {_listed(allowed)}"
    cleared = desk.gate.unfreeze(who, order.reason, only=allowed)
    left = [one.id for one in standing.freezes if one.id not in cleared]
    words = f"Cleared by {who.name}: freeze {_listed(cleared)}."
    if own:
        words += f" Not cleared, as {who.name} is the author of what it is about: {_listed(own)}."
    return f"{words} Still standing: {_listed(left)}." if left else f"{words} No freeze stands."


def _is_author(desk: Desk, who: Person, freeze: Freeze) -> bool:
    """True for whoever made the change that a freeze is about. Raises GitHubError."""
    number = issue_number(freeze.work_item or "")
    about = issue_of(desk.client, number) if number is not None else None
    if about is None or about.pull_request is None or about.user is None:
        return False
    return about.user.login == who.name


def _standing(desk: Desk) -> Standing:
    """The freezes as the ledger has them, those that a label set taken over before.

    Only then each has a number that stays its own. Raises FreezeTrouble.
    """
    name = desk.job.repository
    for _ in range(2):
        with desk.store.reading(name) as session:
            found = Standing(
                freezes=session.freezes(),
                issues=dict(session.state.issues),
                control=session.control.number,
            )
            known = not session.taken_over
        if known or desk.job.inputs.dry_run:
            return found
        with suppress(ConflictError):  # somebody else does it
            desk.store.take_over(name)
    raise MachineryError("freezes are being set just now: say it again")


def _chosen(standing: Standing, issue: IssueRef | None) -> list[Freeze]:
    """The freezes that are meant: that of the issue, or all. Raises UsageError."""
    if issue is None:
        return list(standing.freezes)
    own = [one for one in standing.freezes if standing.issues.get(one.id) == issue.number]
    if own:
        return own
    if issue.number == standing.control or issue.pull_request is not None:
        return list(standing.freezes)
    raise UsageError(
        "this issue is no freeze that stands: say it on the freeze's own issue, or, for all that "
        f"stand, on #{standing.control} or on a pull request"
    )


def _rearm(desk: Desk, order: Order, who: Person) -> str:
    if not who.human or not at_least(who.rank, REARM_NEEDS):
        raise UsageError(f"{who.name} may not do that: it takes a person with {REARM_NEEDS}")
    name = desk.job.repository
    trouble = _trouble(desk)
    if trouble is None:
        raise UsageError("the ledger can be read: there is nothing to begin anew")
    if desk.job.inputs.dry_run:
        return f"would begin the ledger anew: {trouble}"
    for label, (color, description) in LABELS.items():
        ensure_label(desk.client, label, color, description)
    desk.store.rearm(name, who.name, order.reason, round(desk.job.now(), 3))
    return (
        f"The ledger was begun anew by {who.name}, with all that could be read. The repository is "
        "frozen until somebody has looked at what may be lost and clears the freeze."
    )


def _trouble(desk: Desk) -> FreezeTrouble | None:
    """Why nobody can tell whether it is frozen; None if one can. Raises GitHubError."""
    try:
        with desk.store.reading(desk.job.repository) as session:
            session.freezes()
    except FreezeTrouble as error:
        return error
    return None


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
