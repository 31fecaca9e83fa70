"""The control issue's text, where sweeps, freezes and people write it at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_malagate.github.control import Head, head_of, memory_of, with_memory, write_body
from pytest_malagate.github.session import GitHubSession
from pytest_malagate.github.showing import merged
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.github.sweep_memory import FAILED, SweepMemory, read_memory
from pytest_malagate.github.volumes import Measures
from tests.admission.scene import MAJA, NAME, Scene, processes_apart
from tests.twin import Twin
from tests.twin.routing import Incoming
from tests.twin.scheduler import Died, Once

MEMORY = SweepMemory(swept_at=7.0, statuses={"aaa": "told", "bbb": "told"})
TEXT = {"method": "PATCH", "path": r"/issues/1$"}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    twin = Twin(tmp_path)
    with processes_apart():
        yield Scene(twin)
    assert twin.violations == []


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Callable[[], Scene]]:
    made = []

    def make() -> Scene:
        made.append(Scene(Twin(tmp_path / str(len(made)), checked=False)))
        return made[-1]

    with processes_apart():
        yield make


def look(store: GitHubStore) -> GitHubSession:
    with store.reading(NAME) as session:
        return session


def pages(scene: Scene) -> list[Any]:
    return [one for one in scene.control.comments if one.body.startswith("<!-- malagate:ledger")]


def shown(scene: Scene) -> tuple[int, bool]:
    """The number of the newest page, as the text says, and whether it shows a freeze."""
    head = head_of(scene.control.body)
    assert head is not None
    assert ("Frozen by" in scene.control.body) != ("Not frozen" in scene.control.body)
    return head.page[0], "Frozen by" in scene.control.body


def remembered(scene: Scene) -> SweepMemory:
    return read_memory(memory_of(scene.control.body))


def freeze(scene: Scene, **given: Any) -> None:
    scene.gate(**given).freeze("on fire", MAJA)


# --- what was written since ---


def test_a_sweep_that_is_behind_leaves_its_memory_and_no_older_text(scene: Scene) -> None:
    store = scene.store()
    seen = look(store)
    freeze(scene)
    store.keep(NAME, seen, MEMORY)
    assert store.warnings == []
    assert shown(scene) == (len(pages(scene)), True)
    assert remembered(scene) == MEMORY


def test_so_a_page_that_is_deleted_then_is_missed(scene: Scene) -> None:
    store = scene.store()
    seen = look(store)
    freeze(scene)
    store.keep(NAME, seen, MEMORY)
    pages(scene)[-1].delete()
    status = scene.gate(patience=10.0).status()
    assert (status.frozen, status.problem_code) == (True, "freeze.ledger-behind")


def test_where_the_ledger_cannot_be_read_the_newer_text_stays(scene: Scene) -> None:
    store = scene.store(patience=30.0)
    seen = look(store)
    freeze(scene)
    before = scene.control.body
    pages(scene)[-1].delete()
    store.keep(NAME, seen, MEMORY)
    assert scene.control.body == with_memory(before, memory_of(scene.control.body))
    assert remembered(scene) == MEMORY


def test_another_page_in_our_place_is_evidence_and_stays(scene: Scene) -> None:
    freeze(scene)
    store = scene.store(patience=30.0)
    seen = look(store)
    head = head_of(scene.control.body)
    assert head is not None
    scene.control.body = write_body("shown", Head(page=(head.page[0], "sha256:other")), b"")
    store.keep(NAME, seen, MEMORY)
    assert "sha256:other" in scene.control.body
    assert scene.gate(patience=10.0).status().problem_code == "freeze.ledger-edited"


def test_a_text_that_was_edited_meanwhile_stays_as_evidence(scene: Scene) -> None:
    store = scene.store()
    seen = look(store)
    scene.control.body = "nothing to see here"
    store.keep(NAME, seen, MEMORY)
    assert scene.control.body == "nothing to see here"
    assert any("lost its text" in warning for warning in store.warnings)


def test_so_it_does_under_a_page_and_only_rearming_writes_over_it(scene: Scene) -> None:
    def edit() -> None:
        scene.control.body = "nothing to see here"

    freeze(scene, before=Once(edit, method="GET", path=r"/issues/1$", nth=2))
    assert scene.control.body == "nothing to see here"
    scene.store().rearm(NAME, "maja", "looked", 1.0)
    assert shown(scene) == (len(pages(scene)), True)
    assert scene.gate().status().problem is None


def test_a_control_issue_that_moved_away_is_not_written_to(scene: Scene) -> None:
    store = scene.store()
    seen = look(store)
    issue, elsewhere = scene.control, scene.twin.repository("mallory/elsewhere")
    scene.repo.transfer(issue, elsewhere)
    (there,) = elsewhere.issues.values()
    before = there.body
    store.keep(NAME, seen, MEMORY)
    assert there.body == before
    assert any("is gone" in warning for warning in store.warnings)


def test_in_a_later_volume_a_sweep_that_is_behind_hides_nothing_either(scene: Scene) -> None:
    store, other = scene.store(), scene.store()
    store.measures = other.measures = Measures(checkpoint=2, volume=3, full=9)
    for number in range(6):
        scene.gate(other).add(f"#{number + 50}", "alice")
    seen = look(store)
    scene.gate(other).freeze("on fire", MAJA)
    store.keep(NAME, seen, MEMORY)
    now = look(other).state
    assert now.volume != scene.control.number
    head = head_of(scene.control.body)
    assert head is not None
    assert (head.page, head.volume) == ((now.seq, now.digest), now.volume)
    assert shown(scene)[1]
    assert remembered(scene) == MEMORY


# --- in any order ---


def test_a_freeze_at_any_moment_of_a_sweeps_write_is_shown(many: Callable[[], Scene]) -> None:
    nth = 0
    while True:
        nth += 1
        scene = many()
        between = Once(lambda: freeze(scene), nth=nth)  # noqa: B023 - runs below
        store = scene.store()
        seen = look(store)
        store.client(NAME).wire.before = between  # type: ignore[attr-defined]
        store.keep(NAME, seen, MEMORY)
        if not between.done:
            break
        assert shown(scene) == (len(pages(scene)), True), nth
        assert remembered(scene) == MEMORY, nth
    assert nth > 2


def test_a_sweeps_write_at_any_moment_of_a_freeze_hides_nothing(
    many: Callable[[], Scene],
) -> None:
    nth = 0
    while True:
        nth += 1
        scene = many()
        store = scene.store()
        seen = look(store)
        between = Once(lambda: store.keep(NAME, seen, MEMORY), nth=nth)  # noqa: B023 - runs below
        freeze(scene, before=between)
        if not between.done:
            break
        assert shown(scene) == (len(pages(scene)), True), nth
    assert nth > 8


def test_two_freezes_at_once_leave_the_newest_text(many: Callable[[], Scene]) -> None:
    nth = 0
    while True:
        nth += 1
        scene = many()
        between = Once(lambda: freeze(scene), nth=nth)  # noqa: B023 - runs below
        freeze(scene, before=between)
        if not between.done:
            break
        assert shown(scene) == (len(pages(scene)), True), nth
        assert len(scene.gate().status().freezes) == 2
    assert nth > 8


def test_a_writer_that_died_before_it_looked_again_is_mended_by_the_next_write(
    scene: Scene,
) -> None:
    store = scene.store()
    seen = look(store)

    class Late:
        """A freeze between the look and the write, and death before the next look."""

        def __init__(self) -> None:
            self.between, self.over = Once(lambda: freeze(scene), **TEXT), False

        def __call__(self, incoming: Incoming) -> None:
            if self.over:
                raise Died
            self.between(incoming)
            self.over = self.between.done

    store.client(NAME).wire.before = Late()  # type: ignore[attr-defined]
    with pytest.raises(Died):
        store.keep(NAME, seen, MEMORY)
    assert shown(scene) == (0, False), "the text is behind"
    assert scene.gate().status().frozen, "the ledger has what counts"
    scene.gate().add("#9", "alice")
    assert shown(scene) == (len(pages(scene)), True)


def test_a_sweep_finds_that_its_memory_was_written_over(scene: Scene) -> None:
    """By a freeze whose page it knows, and that looked at the text before the sweep wrote it."""
    with pytest.raises(Died):
        freeze(scene, after=Dying())

    def late() -> None:
        scene.control.body = with_memory(scene.control.body, b"")

    store = scene.store()
    seen = look(store)
    between = Once(late, method="GET", path=r"/issues/1$", nth=2)
    store.client(NAME).wire.before = between  # type: ignore[attr-defined]
    store.keep(NAME, seen, MEMORY)
    assert between.done
    assert remembered(scene) == MEMORY
    assert shown(scene) == (len(pages(scene)), True)


class Dying:
    """Ends a process once its page is written."""

    def __call__(self, incoming: Incoming, _: object) -> None:
        if incoming.method == "POST" and incoming.path.endswith("/comments"):
            raise Died


# --- memories ---


def test_a_page_keeps_the_memory_that_stands_by_now(scene: Scene) -> None:
    store, sweep = scene.store(), scene.store()
    seen = look(sweep)
    between = Once(
        lambda: sweep.keep(NAME, seen, MEMORY), method="POST", path=r"/issues/1/comments$"
    )
    scene.gate(store, before=between)
    store.client(NAME).wire.before = between  # type: ignore[attr-defined]
    scene.gate(store).add("#9", "alice")
    assert between.done
    assert remembered(scene) == MEMORY


def test_of_two_sweeps_memories_only_what_both_say_holds(scene: Scene) -> None:
    slow, fast = scene.store(), scene.store()
    seen_slow, seen_fast = look(slow), look(fast)
    newer = {"aaa": "told", "bbb": "since", "ddd": FAILED, "eee": "told"}
    fast.keep(NAME, seen_fast, SweepMemory(swept_at=9.0, statuses=newer))
    older = {"aaa": "told", "bbb": "before", "ccc": "told", "ddd": "told"}
    slow.keep(NAME, seen_slow, SweepMemory(swept_at=8.0, statuses=older))
    assert remembered(scene).statuses == {"aaa": "told", "ddd": FAILED}


def test_what_a_sweep_itself_has_left_is_no_others(scene: Scene) -> None:
    store = scene.store()
    seen = look(store)
    store.keep(NAME, seen, SweepMemory(unfinished=9))
    store.keep(NAME, seen, MEMORY)
    assert remembered(scene) == MEMORY


def test_who_told_nobody_changes_only_what_is_the_reconcilers() -> None:
    base = SweepMemory(statuses={"a": "x"}, reconciled="one")
    theirs = SweepMemory(statuses={"a": "y"}, swept_at=3.0, reconciled="one")
    ours = SweepMemory(statuses={"a": "x"}, reconciled="two")
    assert merged(ours, theirs, base) == SweepMemory(
        statuses={"a": "y"}, swept_at=3.0, reconciled="two"
    )


def test_a_sweep_keeps_what_the_reconciler_has_left_since() -> None:
    base = SweepMemory(reconciled="one")
    theirs = SweepMemory(reconciled="two")
    ours = SweepMemory(swept_at=3.0, statuses={"a": "x"}, reconciled="one")
    assert merged(ours, theirs, base) == SweepMemory(swept_at=3.0, reconciled="two")


def test_a_memory_takes_the_place_of_another_in_a_text() -> None:
    body = write_body("what is shown", Head(page=(3, "d")), b"one")
    changed = with_memory(body, b"two")
    assert memory_of(changed) == b"two"
    assert changed == write_body("what is shown", Head(page=(3, "d")), b"two")
    assert with_memory(changed, b"") == write_body("what is shown", Head(page=(3, "d")), b"")


# --- what it costs ---


def test_a_write_costs_one_look_and_no_more_where_nobody_else_writes(scene: Scene) -> None:
    store = scene.store()
    seen = look(store)
    before = len(scene.twin.requests)
    store.keep(NAME, seen, MEMORY)
    made = [(one.method, one.path.rpartition("/shop")[2]) for one in scene.twin.requests[before:]]
    assert made == [("GET", "/issues/1"), ("PATCH", "/issues/1")]
