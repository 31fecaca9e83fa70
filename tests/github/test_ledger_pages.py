"""The ledger as comments: which pages count, whatever order and company they come in."""

from __future__ import annotations

import base64
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.github.ledger import (
    FINISHED_KEPT,
    MARKER,
    Page,
    State,
    fits,
    pages_of,
    read_page,
    read_state,
    replace,
    sealed_page,
    write_page,
)
from pytest_malagate.github.records import Account, Comment
from pytest_malagate.queue.model import Claim, Entry, Freeze, Task
from pytest_malagate.queue.store import FreezeTrouble

WRITER, REPOSITORY = "github-actions[bot]", "acme/shop"


def comment(number: int, page: Page | str, *, by: str = WRITER, edited: bool = False) -> Comment:
    made = f"2026-11-02T08:00:{number % 60:02}Z"
    return Comment(
        id=number,
        body=page if isinstance(page, str) else write_page(page),
        user=Account(login=by, type="Bot"),
        created_at=made,
        updated_at="2026-11-03T00:00:00Z" if edited else made,
    )


def task(name: str, ticket: int, **changes: object) -> Task:
    return replace(Task(repository=REPOSITORY, task=name, ticket=ticket), **changes)


def added(before: Page | None, name: str, **changes: object) -> Page:
    """The page that adds a task, after another page."""
    seq = before.seq + 1 if before else 1
    entry = Entry(seq=0, at=1.0, kind="added", actor="alice", repository=REPOSITORY, task=name)
    page = Page(
        repository=REPOSITORY,
        seq=seq,
        previous=before.digest if before else "",
        nonce=f"{name}-{seq}",
        entries=(entry,),
        tasks=(task(name, seq),),
        numbers={"ticket": seq},
    )
    return sealed_page(replace(page, **changes))


def book(count: int) -> list[Page]:
    """That many pages, each adding a task."""
    pages: list[Page] = []
    for number in range(count):
        pages.append(added(pages[-1] if pages else None, f"#{number}"))
    return pages


def state_of(comments: list[Comment], *, whole: bool = True) -> State:
    state = read_state(pages_of(comments, WRITER, REPOSITORY), whole=whole)
    assert state is not None
    return state


def trouble_of(comments: list[Comment], *, whole: bool = True) -> str:
    with pytest.raises(FreezeTrouble) as raised:
        read_state(pages_of(comments, WRITER, REPOSITORY), whole=whole)
    return raised.value.code


def test_a_page_is_read_as_it_was_written() -> None:
    claim = Claim(id="c", fence=3, holder="run 1.1", at=2, lease_until=5.5)
    page = sealed_page(
        replace(
            added(None, "x -- > <!-- @alice `code` | ]"),
            tasks=(task("x", 1, state="active", claim=claim),),
            freezes=(Freeze(id=1, reason="-->\n::error::", actor="a", at=1, mode="hard"),),
            issues={1: 12},
            epoch=4,
        )
    )
    assert read_page(comment(1, page), "Acme/Shop") == page


def test_what_a_page_shows_is_harmless() -> None:
    body = write_page(added(None, "--> <img src=x> @everybody\n::error::x"))
    visible = body.removeprefix(MARKER).rpartition("<!-- page ")[0]
    shown = "`--> <img src=x> @everybody : :error::x`"
    assert visible.count("<img") == visible.count("@everybody") == 1
    assert shown in visible, "text of others stands in a code span, on one line"


def test_pages_come_to_what_they_say() -> None:
    state = state_of([comment(10 + n, page) for n, page in enumerate(book(5))])
    assert list(state.tasks) == ["#0", "#1", "#2", "#3", "#4"]
    assert (state.seq, state.numbers, state.entry[0]) == (5, {"ticket": 5}, 5)


def test_of_two_pages_in_one_place_the_earlier_counts() -> None:
    first = added(None, "first")
    mine, other = added(first, "mine"), added(first, "other")
    after = added(mine, "after")
    comments = [comment(1, first), comment(2, mine), comment(3, other), comment(4, after)]
    state = state_of(comments)
    assert list(state.tasks) == ["first", "mine", "after"]
    # It is so in whatever order a list shows them.
    assert list(state_of(comments[::-1]).tasks) == ["first", "mine", "after"]


def test_a_page_that_was_sent_twice_counts_once() -> None:
    first, second = book(2)
    comments = [comment(1, first), comment(2, first), comment(3, second), comment(4, second)]
    assert state_of(comments).seq == 2


def test_the_issue_of_a_freeze_that_was_cleared_meanwhile_is_cleared_too() -> None:
    """Its issue is opened after the page that sets it, and somebody may clear it in between."""
    freeze = Freeze(id=1, reason="on fire", actor="tina", at=1.0, mode="pause")
    setting = added(None, "a", freezes=(freeze,))
    clearing = added(setting, "b", cleared=(1,))
    linking = added(clearing, "c", issues={1: 12})
    state = state_of([comment(n, page) for n, page in enumerate((setting, clearing, linking))])
    assert (state.freezes, state.issues, list(state.cleared)) == ({}, {}, [12])


@pytest.mark.parametrize(
    ("body", "by"),
    [
        ("hello", "alice"),
        (write_page(added(None, "forged")), "mallory"),
        (write_page(added(book(3)[-1], "forged")), "mallory[bot]"),
        ("a word of ours that is no page", WRITER),
    ],
    ids=["a chat", "a forged beginning", "a forged next page", "our own chat"],
)
def test_what_others_write_is_no_page(body: str, by: str) -> None:
    pages = book(3)
    comments = [comment(1, body, by=by), *(comment(5 + n, page) for n, page in enumerate(pages))]
    comments.append(comment(20, body, by=by))
    assert state_of(comments).seq == 3


@pytest.mark.parametrize("lost", range(4))
def test_a_page_that_is_missing_is_a_hole(lost: int) -> None:
    pages = book(5)
    comments = [comment(1 + n, page) for n, page in enumerate(pages) if n != lost]
    assert trouble_of(comments) == "freeze.ledger-hole"


@pytest.mark.parametrize("touched", range(5))
def test_a_page_that_was_edited_is_trouble(touched: int) -> None:
    comments = [comment(1 + n, p, edited=n == touched) for n, p in enumerate(book(5))]
    assert trouble_of(comments) == "freeze.ledger-edited"


def repacked(page: Page, **fields: object) -> str:
    """A page's comment with other fields and the old digest."""
    body = write_page(page)
    head, _, packed = body.rpartition("<!-- page ")
    value = json.loads(zlib.decompress(base64.b64decode(packed.removesuffix(" -->"))))
    data = base64.b64encode(zlib.compress(json.dumps(value | fields).encode())).decode()
    return f"{head}<!-- page {data} -->"


BOMB = base64.b64encode(zlib.compress(b"[" * 50_000_000)).decode()


@pytest.mark.parametrize(
    "body",
    [
        repacked(book(2)[1], tasks=[]),
        repacked(book(2)[1], seq=7),
        repacked(book(2)[1], schema="malagate/ledger@2"),
        repacked(book(2)[1], repository="acme/other"),
        repacked(book(2)[1], seq="two"),
        f"{MARKER}\n<!-- page !!!! -->",
        f"{MARKER}\n<!-- page AAAA -->",
        f"{MARKER}\nwithout a page",
        f"{MARKER}\n<!-- page {BOMB} -->",
    ],
    ids=["emptied", "moved", "newer", "another's", "no number", "no base64", "no zlib", "none",
         "bomb"],
)  # fmt: skip
def test_a_damaged_page_is_trouble(body: str) -> None:
    first = book(2)[0]
    assert trouble_of([comment(1, first), comment(2, body)]) == "freeze.ledger-damaged"


def test_reading_begins_at_a_checkpoint_that_follows_a_page() -> None:
    pages = book(30)
    state = state_of([comment(n, page) for n, page in enumerate(pages)])
    carrying = added(pages[-1], "#30", checkpoint=None)
    after = state.copy()
    after.turn(carrying, "")
    carrying = sealed_page(replace(carrying, checkpoint=after.checkpoint()))
    last = added(carrying, "#31")
    tail = [comment(29, pages[-1]), comment(30, carrying), comment(31, last)]
    found = state_of(tail, whole=False)
    assert (found.seq, len(found.tasks)) == (32, 32)
    assert found.entry == state_of([comment(n, p) for n, p in enumerate(pages)] + tail[1:]).entry


def test_a_checkpoint_that_lost_its_place_is_no_beginning() -> None:
    first = added(None, "first")
    winner, loser = added(first, "winner"), added(first, "loser")
    loser = sealed_page(replace(loser, checkpoint=State().checkpoint()))
    comments = [comment(1, first), comment(2, winner), comment(3, loser)]
    assert list(state_of(comments).tasks) == ["first", "winner"]
    # Where what it follows is not in view, older comments have to be read first.
    assert read_state(pages_of([comments[2]], WRITER, REPOSITORY), whole=False) is None


def test_a_new_beginning_counts_whatever_was_before() -> None:
    pages = book(3)
    root = replace(added(None, "kept"), seq=9, root=True, checkpoint=State().checkpoint())
    root = sealed_page(root)
    comments = [comment(1, pages[0]), comment(2, pages[2], edited=True), comment(3, root)]
    assert state_of(comments).seq == 9
    assert state_of([*comments, comment(4, added(root, "next"))]).seq == 10


def test_finished_tasks_are_forgotten_oldest_first_and_others_never() -> None:
    state = State()
    state.put(task("waits", 1))
    for number in range(FINISHED_KEPT + 50):
        state.put(task(f"#{number}", number + 2, state="finished"))
    assert len(state.tasks) == FINISHED_KEPT + 1
    assert "waits" in state.tasks
    assert "#49" not in state.tasks
    assert f"#{FINISHED_KEPT + 49}" in state.tasks


def test_a_thousand_waiting_tasks_fit_into_a_checkpoint() -> None:
    state = State()
    for number in range(1000):
        state.put(
            task(f"#{number * 7}", number, added_at=1.7e9 + number, changed_at=1.7e9 + number)
        )
    page = sealed_page(replace(added(None, "x"), checkpoint=state.checkpoint()))
    assert fits(write_page(page))


@given(st.data())
def test_whatever_interleaving_of_writers_all_readers_agree(data: st.DataObject) -> None:
    """Writers who each saw some state write; the list, in any order, comes to one history."""
    written: list[Page] = []
    counted: list[Page] = []
    for turn in range(data.draw(st.integers(1, 12))):
        seen = data.draw(st.integers(max(0, len(counted) - 3), len(counted)), label="saw")
        page = added(counted[seen - 1] if seen else None, f"t{turn}")
        written.append(page)
        if seen == len(counted):
            counted.append(page)
    comments = [comment(100 + n, page) for n, page in enumerate(written)]
    state = state_of(data.draw(st.permutations(comments)))
    assert (state.seq, state.digest) == (len(counted), counted[-1].digest)
    assert list(state.tasks) == [page.tasks[0].task for page in counted]
