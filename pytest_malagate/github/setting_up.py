"""Sets up the labels and the control issue, and goes on where an earlier run was interrupted.

The label of the control issue says how far it got. It is made after the other labels, with a
description that says that set-up has begun, and gets its own once all is there. The issue is
locked last of all. So an issue that is not locked tells whoever sees it that something is left to
do, and a label whose set-up is over tells, where no issue bears it, that there was a control issue.

Failure directions: where there may have been a control issue, nothing is made, because a new one
would forget its freezes. An end that cannot be reached now, the next sweep reaches.
"""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.control import (
    CONTROL,
    LABELS,
    MARKER,
    Control,
    Head,
    chosen,
    control_of,
    is_untouched,
    might_set_up,
    with_label,
    write_body,
)
from pytest_malagate.github.issues import (
    ensure_label,
    issue_of,
    lock,
    open_issue,
    pin,
)
from pytest_malagate.github.records import Account, Issue
from pytest_malagate.queue.model import Value
from pytest_malagate.queue.store import FreezeTrouble

TITLE = "malagate: queue and freeze"
BEGUN = "malagate is being set up: the next sweep finishes it"
"""The description of the control issue's label until all is there."""

_GIVEN_UP = (
    "This was to be malagate's control issue, and another one is. Nothing is lost with it.\n"
)
_LOOKS = 5
"""How often a list is read again, at most: for another run's issue, and for our own."""

_PAGES = 20
_ASKED = 20
_LABEL = f"/labels/{quote(CONTROL, safe='')}"


class _LabelText(Value, frozen=True, kw_only=True):
    """A label and what it says."""

    name: str
    description: str | None = None


def set_up(client: Client, shown: str) -> int:
    """Makes the labels and the control issue, and returns its number.

    Of two runs that do so at once the later one takes the earlier one's issue. Raises GitHubError,
    and FreezeTrouble if there was a control issue once.
    """
    label = client.find(_LABEL, _LabelText)
    others = _of_another_run(client) if label is not None else None
    if others is None and label is not None and label.description != BEGUN:
        text = (
            f"the label {CONTROL} is there, and no issue carries it: put it back on the control "
            "issue; or, if there was none, delete the label, and the next run sets up afresh"
        )
        raise FreezeTrouble("freeze.control-missing", text)
    if others is None:
        _refuse_if_there_was_one(client)
        if label is None and not _begin(client):
            others = _of_another_run(client)
    return _opened(client, shown) if others is None else others


def _opened(client: Client, shown: str) -> int:
    """Opens the control issue, unless another run was faster; its number."""
    made = open_issue(client, TITLE, write_body(shown, Head(), b""), [CONTROL])
    if not made.has_label(CONTROL):
        _give_up(client, made)
        raise GitHubError(f"#{made.number} did not get the label {CONTROL}: may this token label?")
    number = _settled(client, made.number)
    if number == made.number:
        with suppress(GitHubError):  # whoever sees an issue that is not locked does it again
            complete(client, control_of(made))
    return number


def complete(client: Client, control: Control) -> None:
    """What is left once the control issue is there; doing it again changes nothing.

    Raises GitHubError; the issue stays unlocked then, so that it is tried again.
    """
    with suppress(GitHubError):  # it is only easier to find when it is pinned
        pin(client, control.node_id)
    label = client.find(_LABEL, _LabelText)
    if label is not None and label.description == BEGUN:
        client.write("PATCH", _LABEL, {"description": LABELS[CONTROL][1]}, _LabelText)
    lock(client, control.number)


def withdraw(client: Client, number: int) -> None:
    """Takes away a control issue that another was faster than. Raises GitHubError."""
    issue = issue_of(client, number)
    if issue is None or not is_untouched(client, issue):
        raise GitHubError(f"#{number} is gone, or holds something by now: it stays as it is")
    _give_up(client, issue)


def _give_up(client: Client, issue: Issue) -> None:
    """Makes an issue no control issue: closes it, and takes its text and label away.

    With its text it would be an empty ledger that says "not frozen", and whoever may label could
    put it in the place of the real one. In one request, because with the label alone it freezes,
    and without it no sweep finds it again. Nobody misses what other labels it got.
    """
    left = [label.name for label in issue.labels if label.name.lower() != CONTROL]
    fields = {"body": _GIVEN_UP, "state": "closed", "labels": left}
    if not issue.has_label(CONTROL):
        del fields["labels"]
    client.write("PATCH", f"/issues/{issue.number}", fields, Issue)


def _begin(client: Client) -> bool:
    """Makes the labels; false if the last of them, which says that we began, was there already."""
    for name, (color, description) in LABELS.items():
        if name != CONTROL:
            ensure_label(client, name, color, description)
    label = {"name": CONTROL, "color": LABELS[CONTROL][0], "description": BEGUN}
    try:
        client.create("/labels", label, _LabelText)
    except GitHubError as error:
        known = error.uncertain or error.status == 422
        if not known or client.find(_LABEL, _LabelText) is None:
            raise
        return False
    return True


def _of_another_run(client: Client) -> int | None:
    """The issue of a run that sets up at this moment; None if there is no sign of one."""
    for _ in range(_LOOKS):
        found = with_label(client)
        if found:
            return chosen(client, found)[0].number
        if not client.rest():
            break
    return None


def _settled(client: Client, ours: int) -> int:
    """The control issue, once the list shows ours: it shows all that were opened before, too."""
    for _ in range(_LOOKS):
        found = with_label(client)
        if any(issue.number == ours for issue in found):
            number = chosen(client, found)[0].number
            if number != ours:
                withdraw(client, ours)
            return number
        if not client.rest():
            break
    raise GitHubError(f"GitHub does not show the control issue #{ours} yet: the next run goes on")


def _refuse_if_there_was_one(client: Client) -> None:
    """Raises FreezeTrouble if somebody took the label off a control issue, or deleted the label.

    Only among the newest issues, and only those by an author who might have set it up: a text that
    a stranger copied says nothing. One in which nothing was ever written is no loss.
    """
    asked: dict[str, bool] = {}
    pages = client.pages(
        "/issues", list[Issue], limit=_PAGES, state="all", sort="created", direction="desc"
    )
    marked = [one for page in pages for one in page if (one.body or "").startswith(MARKER)]
    for issue in sorted(marked, key=lambda issue: issue.number):
        if issue.pull_request is not None or issue.user is None or issue.has_label(CONTROL):
            continue  # the label is there where another run has opened it since
        if _might_set_up(client, issue.user, asked) and not is_untouched(client, issue):
            text = (
                f"#{issue.number} was the control issue, and has lost its label {CONTROL}: put it "
                "back on; or, to forget its freezes, take the first line out of its text"
            )
            raise FreezeTrouble("freeze.control-missing", text)


def _might_set_up(client: Client, author: Account, asked: dict[str, bool]) -> bool:
    """As `might_set_up`. Only so many are asked for, the earliest first."""
    if author.login not in asked and len(asked) < _ASKED:
        asked[author.login] = might_set_up(client, author)
    return asked.get(author.login, False)
