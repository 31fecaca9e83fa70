"""Beginning the ledger anew: what can still be kept of it, and the page from which reading begins.

Failure direction: closed. What is lost may have been a freeze, so a new beginning carries one of
its own; and it may have given numbers, so all counts go on well behind those that can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pytest_malagate.errors import MachineryError
from pytest_malagate.github.client import Client
from pytest_malagate.github.control import Control
from pytest_malagate.github.ledger import Page, State, Written, replace
from pytest_malagate.github.volumes import (
    Volume,
    first_volume,
    hinted_volume,
    later_volume,
    marked_volumes,
    read_pages,
)
from pytest_malagate.queue.model import Freeze, FreezeMode
from pytest_malagate.queue.store import Counter

_COUNTERS: tuple[Counter, ...] = ("ticket", "fence", "freeze")
_GAP = 1000
"""What a new beginning leaves out of each count: pages that are lost may have given these."""

_REASON = 60
"""Characters that are left of a freeze's reason where there is no room for all."""


def salvage(client: Client, control: Control, repository: str) -> tuple[State, Volume]:
    """What all pages come to that can be read, and the volume in which to go on.

    That is the one that holds the last page; or the next, where that page names one and it is
    there, because another who writes now writes there. `state.volume` is that of the last page.
    Raises GitHubError: what could be read another time is not given up.
    """
    volumes = _all_volumes(client, control)
    pages = _kept(control, volumes, repository)
    state = salvaged([one for of_one in pages.values() for one in of_one], repository)
    last = control.number
    for number, written in pages.items():
        if any(one.page is not None and one.page.seq == state.seq for one in written):
            last = number
    state.volume = last
    return state, volumes[state.next if state.next in pages else last]


def _all_volumes(client: Client, control: Control) -> dict[int, Volume]:
    """Whatever volumes are still there, each read whole: first those to which the control issue's
    pages lead, then those that are found by their text or by the hint."""
    found: dict[int, Volume] = {}
    _find(client, control, [first_volume(client, control)], found)
    hint = hinted_volume(client, control)
    others = [later_volume(client, one, control.writer) for one in marked_volumes(client, control)]
    _find(client, control, [one for one in (*others, hint) if one is not None], found)
    return found


def _find(client: Client, control: Control, wanted: list[Volume], found: dict[int, Volume]) -> None:
    """Adds volumes, and those that their pages name."""
    while wanted:
        volume = wanted.pop(0)
        if volume.number in found:
            continue
        volume.read_all()
        found[volume.number] = volume
        pages = [one.page for one in read_pages(control, volume.number, volume.comments, None)]
        named = [number for page in pages if page for number in (page.next, page.follows)]
        for number in dict.fromkeys(named):
            if number is not None and number not in found:
                other = later_volume(client, number, control.writer)
                wanted += [other] if other is not None else []


def _kept(
    control: Control, volumes: dict[int, Volume], repository: str
) -> dict[int, list[Written]]:
    """The pages of each volume.

    Those of another name of the repository are kept, too: they are the writer's own, on this very
    ledger's issues, and a person asked for it. But the volume of another repository's ledger may
    have been moved here, and its control issue may have the same number: it is left out, because it
    begins with a name that no volume before it has.
    """
    names, kept = {repository.lower()}, {}
    for number, volume in volumes.items():
        pages = read_pages(control, number, volume.comments, None)
        called = [one.page.repository.lower() for one in pages if one.page is not None]
        if number == control.number or not called or names & set(called[:1]):
            names |= set(called)
            kept[number] = pages
    return kept


def salvaged(pages: Iterable[Written], repository: str) -> State:
    """What all pages come to that can be read; `seq` is the last one's, 0 if there is none.

    `pages` are those of all volumes. The whole state in a page makes up for pages before it that
    are lost. No count is lower than any page's, and all tasks are those of `repository`.
    """
    state = State()
    counts: dict[str, int] = dict.fromkeys(_COUNTERS, 0)
    for written in sorted(pages, key=lambda written: written.comment):
        page = written.page
        if page is None:
            continue
        whole = page.checkpoint.numbers if page.checkpoint is not None else {}
        for name in _COUNTERS:
            counts[name] = max(counts[name], page.numbers.get(name, 0), whole.get(name, 0))
        if page.seq <= state.seq:
            continue
        if page.checkpoint is None:
            state.turn(page, written.moment, salvaged=True)
        else:
            state = State(page.checkpoint)
            state.stand(page)
    state.numbers = {**state.numbers, **counts}
    state.tasks = {name: replace(task, repository=repository) for name, task in state.tasks.items()}
    return state


def begin_page(page: Page, kept: State, mode: FreezeMode, fits: Callable[[Page], bool]) -> Page:
    """The page that begins anew with what was kept, and with a freeze of that mode.

    `page` has its number, and the entry that says who asked for it. Where it would be too long,
    that entry says what was left out. Raises MachineryError if not even the freezes have room.
    """
    for left, lost in _ever_less(kept):
        begun = _beginning(_saying(page, lost), left, mode)
        if fits(begun):
            return begun
    raise MachineryError(
        f"the {len(kept.freezes):,} freezes that stand have no room on one page, so the ledger "
        "cannot be begun anew with them"
    )


def _ever_less(kept: State) -> Iterator[tuple[State, list[str]]]:
    """What was kept, and then less and less of it, each with what is left out.

    What matters least goes first. Freezes and active tasks stay.
    """
    state, lost = kept.copy(), list[str]()
    yield state, lost
    finished = [one.task for one in state.tasks.values() if one.state == "finished"]
    for name in finished:
        del state.tasks[name]
    lost += [f"{len(finished):,} finished tasks"] if finished else []
    yield state, lost
    lost += [f"{len(state.cleared):,} freezes that were cleared"] if state.cleared else []
    state.cleared.clear()
    yield state, lost
    if any(len(freeze.reason) > _REASON for freeze in state.freezes.values()):
        for number, freeze in state.freezes.items():
            state.freezes[number] = replace(freeze, reason=freeze.reason[:_REASON])
        lost.append("the ends of the freezes' reasons")
        yield state, lost
    waiting = [one for one in state.tasks.values() if one.state == "waiting"]
    waiting.sort(key=lambda task: task.ticket)
    count = len(waiting)
    while waiting:
        for task in waiting[len(waiting) * 9 // 10 :]:
            del state.tasks[task.task]
        del waiting[len(waiting) * 9 // 10 :]
        yield state, [*lost, f"the last {count - len(waiting):,} of {count:,} waiting tasks"]


def _saying(page: Page, lost: list[str]) -> Page:
    if not lost:
        return page
    (entry,) = page.entries
    detail = f"not all had room, left out: {', '.join(lost)}; {entry.detail}"
    return replace(page, entries=(replace(entry, detail=detail),))


def _beginning(page: Page, kept: State, mode: FreezeMode) -> Page:
    """That page with all of it, however long."""
    numbers = {name: kept.numbers.get(name, 0) + _GAP for name in _COUNTERS}
    entry, number = page.entries[0], numbers["freeze"]
    freeze = Freeze(
        id=number,
        reason="the ledger was begun anew: look at what it may have lost before clearing this",
        actor=entry.actor,
        at=entry.at,
        mode=mode,
    )
    detail = f"{freeze.mode}: {freeze.reason}"
    entries = (entry, replace(entry, kind="frozen", freeze=number, detail=detail))
    begun = replace(page, root=True, entries=entries, freezes=(freeze,), numbers=numbers)
    after = kept.copy()
    after.turn(begun, "")
    return replace(begun, checkpoint=after.checkpoint())
