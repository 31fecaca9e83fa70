"""Modes `freeze` and `unfreeze`, and the commands in comments that ask for either, or for `rearm`.

Setting is easy and gets through without the lock; clearing is hard (see `desk`, `clearing`). Who
asks is who GitHub says sent the event, with the right that the API says. A comment is answered
once, whatever came of it, by a reaction and by a comment. For a comment both modes are the same:
what it says is done, and nothing is ever judged.
"""

from __future__ import annotations

from contextlib import closing, suppress

from pytest_malagate.action.clearing import asked_at, clear
from pytest_malagate.action.desk import COMMANDS, Desk, Job, open_desk, say, tell_admission
from pytest_malagate.action.orders import Order, parse_order
from pytest_malagate.action.telling import command
from pytest_malagate.errors import ExitCode, MachineryError, MalagateError, UsageError
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.comments import react
from pytest_malagate.github.control import LABELS, find_control
from pytest_malagate.github.environment import IssueRef
from pytest_malagate.github.issues import comment_on, ensure_label
from pytest_malagate.github.records import Comment
from pytest_malagate.queue.freezing import check_set
from pytest_malagate.queue.model import Person, at_least
from pytest_malagate.queue.store import FreezeTrouble
from pytest_malagate.report.text import prose

REARM_NEEDS = "admin"
API = "freeze.api"
"""The code of the trouble that GitHub could not be asked: saying it again may help."""


def freeze(job: Job) -> ExitCode:
    """Freezes by the input `reason`, or as a comment says. Raises MalagateError."""
    if job.runner.event_name == "issue_comment":
        return commented(job)
    if not job.inputs.reason:
        raise UsageError("input reason: mode freeze needs one: who waits must know for what")
    desk = open_desk(job, lock=None, through=True)
    try:
        say(_set(desk, Order(kind="freeze", reason=job.inputs.reason), desk.sender(), None))
        if job.inputs.dry_run:
            _tell(desk)
        else:
            tell_admission(job.runner, None, frozen=True)
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
    desk = open_desk(job, lock=COMMANDS)
    try:
        order = Order(kind="unfreeze", reason=job.inputs.reason)
        say(clear(desk, order, desk.sender(), None, asked_at(desk, None)))
        _tell(desk)
    finally:
        desk.close()
    return ExitCode.PASSED


def _tell(desk: Desk) -> None:
    """Tells whether it is frozen, as it stands now."""
    status = desk.tell()
    tell_admission(desk.job.runner, None, frozen=status.frozen, problem=status.problem or "")


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
    try:
        desk = open_desk(job, lock=None if setting else COMMANDS, through=setting)
    except (GitHubError, UsageError) as error:  # not for a lock: who is not alone writes nothing
        with closing(_client(job)) as client:
            _answer(job, client, comment, issue, _not_done(error), done=False)
        raise
    try:
        outcome, done = _outcome(desk, order, comment, issue)
        _answer(job, desk.client, comment, issue, outcome, done=done)
        _tell(desk)
    finally:
        desk.close()
    return ExitCode.PASSED


def _client(job: Job) -> Client:
    inputs, url = job.inputs, job.runner.api_url
    return Client(inputs.token, job.repository, api_url=url, manners=job.manners)


def _outcome(desk: Desk, order: Order, comment: Comment, issue: IssueRef) -> tuple[str, bool]:
    """What came of a command, in words, and whether it was carried out.

    Raises MachineryError for what failed, after answering it as well as that goes.
    """
    try:
        return _obeyed(desk, order, comment, issue), True
    except UsageError as error:
        return f"Refused: {error}", False
    except MachineryError as error:
        if isinstance(error, FreezeTrouble) and error.code != API:
            return f"Refused: {error}", False
        _answer(desk.job, desk.client, comment, issue, _not_done(error), done=False)
        raise


def _not_done(error: MalagateError) -> str:
    return f"Could not be done: {error}; nothing was changed as far as known; say it again."


def _obeyed(desk: Desk, order: Order, comment: Comment, issue: IssueRef) -> str:
    """What came of it, in words. Raises UsageError for what is refused, MachineryError."""
    if order.wrong:
        raise UsageError(order.wrong)
    who = desk.person(comment.user.login if comment.user is not None else "")
    if order.kind == "freeze":
        return _set(desk, order, who, issue)
    if order.kind == "unfreeze":
        return clear(desk, order, who, issue, asked_at(desk, comment))
    return _rearm(desk, order, who)


def _answer(
    job: Job, client: Client, comment: Comment, issue: IssueRef, outcome: str, *, done: bool
) -> None:
    """Failure direction: open. What was done is on the ledger, whether it could be told or not."""
    say(outcome)
    if job.inputs.dry_run:
        return
    try:
        react(client, comment.id, "+1" if done else "-1")
        comment_on(client, issue.number, f"{prose(outcome, 1500)}\n")
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


def _rearm(desk: Desk, order: Order, who: Person) -> str:
    if desk.job.runner.run_attempt > 1:
        raise UsageError("a job that is run again begins no ledger anew: say it again")
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
