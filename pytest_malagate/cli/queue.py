"""`malagate queue …`: one task at a time, by ticket."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pytest_malagate.cli.serial_options import (
    Opened,
    add_common,
    opened,
    print_json,
    print_lines,
    say,
    task_value,
    warn,
)
from pytest_malagate.errors import ExitCode, MachineryError, UsageError
from pytest_malagate.queue.answers import Admission
from pytest_malagate.queue.freezing import held_up
from pytest_malagate.queue.model import STAGES, Claim, Task
from pytest_malagate.queue.serial import LEASE_SECONDS
from pytest_malagate.report.serial import list_lines, span

_NO_CLAIM = {"task": None, "ticket": None, "claim": None, "lease_until": None, "fence": None}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the sub-commands and their options."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in VERBS.items():
        sub = verbs.add_parser(name, help=verb.help, description=verb.help, allow_abbrev=False)
        verb.configure(sub)
        add_common(sub)


def run(options: argparse.Namespace) -> int:
    """Does what the verb says. Raises UsageError and MachineryError."""
    return int(VERBS[options.verb].run(options, opened(options)))


def _of_task(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="TASK", help="the task's id")


def _of_holder(parser: argparse.ArgumentParser) -> None:
    _of_task(parser)
    parser.add_argument(
        "--claim", metavar="ID", help="the claim that was handed out: refused if it counts no more"
    )


def _of_claim(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", metavar="ID", help="only this task, once it is its turn")
    _lease(parser)


def _of_renewal(parser: argparse.ArgumentParser) -> None:
    _of_task(parser)
    parser.add_argument("--claim", metavar="ID", required=True, help="the claim that is prolonged")
    _lease(parser)


def _of_worker(parser: argparse.ArgumentParser) -> None:
    _of_task(parser)
    parser.add_argument(
        "--claim", metavar="ID", required=True, help="the claim that is asked about"
    )
    parser.add_argument(
        "--run",
        metavar="RUN_ID",
        type=int,
        help="the workflow run that asks, on GitHub: of several with one claim only one works",
    )


def _of_stage(parser: argparse.ArgumentParser) -> None:
    _of_task(parser)
    parser.add_argument("stage", metavar="STAGE", choices=STAGES, help="a later stage")
    parser.add_argument(
        "--claim", metavar="ID", help="the claim that was handed out: refused if it counts no more"
    )


def _lease(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lease",
        metavar="SECONDS",
        type=float,
        default=LEASE_SECONDS,
        help=f"how long the claim holds without a word (default: {LEASE_SECONDS:.0f})",
    )


def _add(options: argparse.Namespace, place: Opened) -> ExitCode:
    if (hands := place.by_hand) is not None:
        number = hands.add(options.task)
        if options.json:
            print_json({"task": options.task, "ticket": None, "state": "asked", "issue": number})
        else:
            say(f"#{number} asks for a place in the queue: the next sweep gives it a ticket")
        return ExitCode.PASSED
    task = place.for_writing().add(options.task, place.person.name)
    return _told(options, task, f"{task.task} has ticket {task.ticket}: {task.state}")


def _claim(options: argparse.Namespace, place: Opened) -> ExitCode:
    gate = place.for_writing()
    claimed = gate.claim(place.person.name, task=options.task, lease=options.lease)
    warn(claimed.warnings)
    task = claimed.task
    if task is None or task.claim is None:
        return _refused(options, claimed.refused or Admission(admitted=False), _NO_CLAIM)
    answer = {
        "task": task.task,
        "ticket": task.ticket,
        "claim": task.claim.id,
        "lease_until": task.claim.lease_until,
        "fence": task.claim.fence,
        "warnings": claimed.warnings,
    }
    if options.json:
        print_json(answer)
    else:
        lasts = span(task.claim.lease_until - task.claim.at)
        say(f"{task.task} is yours (ticket {task.ticket}), for {lasts}; claim {task.claim.id}")
    return ExitCode.PASSED


def _renew(options: argparse.Namespace, place: Opened) -> ExitCode:
    answer = place.for_writing().renew(options.task, options.claim, lease=options.lease)
    if not answer.admitted:
        return _refused(options, answer, {"task": options.task, "admitted": False, "stop": True})
    if options.json:
        print_json({"task": options.task, "admitted": True, "stop": False})
    else:
        say(f"{options.task} is yours for another {span(options.lease)}")
    return ExitCode.PASSED


def _mine(options: argparse.Namespace, place: Opened) -> ExitCode:
    """Asks, and writes nothing: a token that may only read is enough."""
    hands = place.hands
    if options.run is not None and (hands is None or options.run < 1):
        raise UsageError("--run: the number of a workflow run, with --store github:OWNER/REPO")
    claim, refused = _standing(place, options.task, options.claim)
    if claim is not None and hands is not None and options.run is not None:
        why = hands.second_run(claim, options.run)
        if why is not None:
            refused = Admission(admitted=False, code="claim.second-run", reason=why, stop=True)
    answer = {"task": options.task, "mine": refused is None, "stop": refused is not None}
    if refused is not None:
        return _refused(options, refused, answer)
    if options.json:
        print_json(answer)
    else:
        say(f"{options.task} is yours: go on")
    return ExitCode.PASSED


def _standing(place: Opened, task: str, claim: str) -> tuple[Claim | None, Admission | None]:
    """The claim if it counts, and why the work has to stop; None if it may go on.

    Raises MachineryError where that cannot be told: whoever does not know holds nothing.
    """
    with place.gate.look() as view:
        known = next((one for one in view.active if one.task == task), None)
        reading = view.freezes()
    if known is None or known.claim is None:
        why = f"{task} is not active: it was finished or given back, or never claimed"
        return None, Admission(admitted=False, code="claim.over", reason=why, stop=True)
    if known.claim.id != claim:
        why = f"the claim on {task} is not yours any more: somebody else has it"
        return None, Admission(admitted=False, code="claim.over", reason=why, stop=True)
    if reading.problem is not None:
        raise MachineryError(reading.words())
    stops = reading.frozen and reading.mode == "hard"
    return known.claim, held_up(reading, stop=True) if stops else None


def _refused(
    options: argparse.Namespace, answer: Admission, rest: Mapping[str, object]
) -> ExitCode:
    if options.json:
        print_json({**rest, "code": answer.code, "reason": answer.reason,
                    "warnings": answer.warnings})  # fmt: skip
    else:
        what = "stop the work" if answer.stop else "nothing to claim"
        say(f"{what}: {answer.reason} ({answer.code})")
    return ExitCode.NOT_ADMITTED


def _advance(options: argparse.Namespace, place: Opened) -> ExitCode:
    gate = place.for_writing()
    task = gate.advance(options.task, options.stage, place.person, claim=options.claim)
    return _told(options, task, f"{task.task} is at the stage {task.stage}")


def _finish(options: argparse.Namespace, place: Opened) -> ExitCode:
    task = place.for_writing().finish(options.task, place.person.name, claim=options.claim)
    return _told(options, task, f"{task.task} is finished")


def _rework(options: argparse.Namespace, place: Opened) -> ExitCode:
    task = place.for_writing().rework(options.task, place.person.name, claim=options.claim)
    return _told(options, task, f"{task.task} is back at its work, and waits for nobody")


def _requeue(options: argparse.Namespace, place: Opened) -> ExitCode:
    task = place.for_writing().requeue(options.task, place.person.name, claim=options.claim)
    return _told(options, task, f"{task.task} is back in the queue, with ticket {task.ticket}")


def _list(options: argparse.Namespace, place: Opened) -> ExitCode:
    tasks = place.gate.tasks()
    if options.json:
        values = [task_value(task) for task in tasks]
        print_json({"repository": place.gate.repository, "tasks": values})
    else:
        print_lines(list_lines(tasks, now=time.time()))
    return ExitCode.PASSED


def _told(options: argparse.Namespace, task: Task, words: str) -> ExitCode:
    if options.json:
        print_json(task_value(task))
    else:
        say(words)
    return ExitCode.PASSED


class _Verb(NamedTuple):
    """A sub-command."""

    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Opened], ExitCode]


VERBS = {
    "add": _Verb("make a task ready: it gets a ticket", _of_task, _add),
    "claim": _Verb("take the earliest task that may start (exit 4: none)", _of_claim, _claim),
    "renew": _Verb("prolong a claim (exit 4: stop the work)", _of_renewal, _renew),
    "advance": _Verb("move an active task to a later stage", _of_stage, _advance),
    "finish": _Verb("end a task; one that waits is withdrawn", _of_holder, _finish),
    "rework": _Verb("take an active task back to its work", _of_holder, _rework),
    "requeue": _Verb("give an active task back, to the end of the queue", _of_holder, _requeue),
    "mine": _Verb(
        "is a claim still the one that counts? (exit 4: stop the work)", _of_worker, _mine
    ),
    "list": _Verb("list active and waiting tasks", lambda _parser: None, _list),
}
