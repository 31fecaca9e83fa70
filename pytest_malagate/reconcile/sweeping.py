"""One sweep: every item in a fair order, each on its own.

What an item raises is that item's trouble; the others are handled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from pytest_malagate.queue.model import Task
from pytest_malagate.reconcile.answers import LEFT_ALONE, Found, Look, Sweep, Trouble
from pytest_malagate.reconcile.checks import Check, Finding
from pytest_malagate.reconcile.rounds import Allowance, findings_due, place_within, rotated
from pytest_malagate.reconcile.tasks import Parts, look_at
from pytest_malagate.repository.git import printable


class Sweeper:
    """The work of one sweep, and what it came to so far. Used once.

    `stopped` is asked between items: a reconciler that is told to stop ends its sweep early.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        dry_run: bool,
        allowance: Allowance,
        cursor: str = "",
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._parts, self._dry_run, self._cursor = parts, dry_run, cursor
        self._allowance, self._stopped = allowance, stopped
        self._looks: list[Look] = []
        self._found: list[Found] = []
        self._errors: list[Trouble] = []
        self._tasks = self._checks = 0

    def run(self, tasks: Sequence[Task], checks: Sequence[Check]) -> Sweep:
        """Handles the items until all are, or the budget is used up."""
        of_task = {f"task:{task.task}": task for task in tasks}
        of_check = {f"check:{check.name}": check for check in checks}
        place = ""  # of what was handled last
        seen: set[str] = set()
        for key in rotated([*of_task, *of_check], self._cursor):
            if self._is_over():
                break
            if key in of_task:
                self._task(of_task[key])
                place = key
            else:
                place = self._check(key, of_check[key], again=key in seen)
                if place != key:
                    break
            seen.add(key)
        else:
            place = ""
        return self._result(place)

    def _is_over(self) -> bool:
        return self._stopped() or not self._allowance.left

    def _task(self, task: Task) -> None:
        self._tasks += 1
        try:
            look = look_at(self._parts, task, dry_run=self._dry_run)
        except Exception as error:  # noqa: BLE001 - closed: the task stays; it holds up no other
            self._trouble(task.task, error)
            self._allowance.spend()
            return
        self._looks.append(look)
        if look.outcome not in LEFT_ALONE:
            self._allowance.spend()

    def _check(self, key: str, check: Check, *, again: bool) -> str:
        """Returns where it ended: at `key` if the check is done, else within it."""
        self._checks += not again
        spent = False
        try:
            findings = findings_due(key, self._cursor, check.find(), again=again)
        except Exception as error:  # noqa: BLE001 - closed: nothing is repaired; others are checked
            self._trouble(check.name, error)
            findings = ()
        for number, finding in enumerate(findings, 1):
            if finding.repair is not None:
                self._allowance.spend()
                spent = True
            self._found.append(self._handled(check, finding))
            if number < len(findings) and spent and self._is_over():
                return place_within(key, finding)
        if not spent:
            self._allowance.spend()
        return key

    def _handled(self, check: Check, finding: Finding) -> Found:
        found = Found(
            check=check.name,
            item=finding.item,
            problem=finding.problem,
            remedy=finding.remedy,
            repairable=finding.repair is not None,
        )
        if finding.repair is None or self._dry_run:
            return found
        try:
            repaired = finding.repair()
        except Exception as error:  # noqa: BLE001 - closed: it is as it was; others are repaired
            self._trouble(f"{check.name}: {finding.item}", error)
            return found
        return msgspec.structs.replace(found, repaired=bool(repaired))

    def _trouble(self, item: str, error: Exception) -> None:
        why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        self._errors.append(Trouble(item=item, why=why))
        self._parts.log.warning(
            "%s could not be handled: %s", printable(item, 100), printable(why, 300)
        )

    def _result(self, place: str) -> Sweep:
        advanced = [x for x in self._looks if x.outcome in ("advanced", "would-advance")]
        others = [look for look in self._looks if look not in advanced]
        return Sweep(
            dry_run=self._dry_run,
            looked_at=self._tasks,
            checked=self._checks,
            advanced=tuple(advanced),
            repaired=tuple(found for found in self._found if found.repaired),
            findings=tuple(self._found),
            skipped=dict(Counter(look.outcome for look in others)),
            errors=tuple(self._errors),
            looks=tuple(self._looks),
            next_cursor=place,
        )
