"""The races between ticks, people, agents and GitHub itself, each by the number in our table.

Each is played at every request at which it can happen: another does his part between two requests
of the one that is looked at. Nothing here waits, and nothing runs at the same time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_malagate.admission.claimed_runs import is_first, still_mine
from pytest_malagate.admission.starting import SETTLE_SECONDS, Nothing, Started
from pytest_malagate.admission.sweep import Sweeper
from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.github.control import CONTROL, FROZEN, READY
from pytest_malagate.github.epochs import Lock, alone
from pytest_malagate.github.lock import LockProof, prove
from pytest_malagate.queue.model import FreezeMode
from tests.action.stage import FAILING, TESTS_YML, Stage
from tests.admission.scene import AGENT, MAJA, Scene, processes_apart
from tests.twin import Run, Twin
from tests.twin import api as twin_api
from tests.twin.scheduler import Died, Once

DISPATCH = r"/dispatches$"
MakeScene = Callable[..., Scene]


@pytest.fixture
def make_scene(tmp_path: Path) -> Iterator[MakeScene]:
    """Scenes, each on a twin of its own. `lag`: so many lists do not show what was written."""
    numbers = itertools.count()

    def make(lag: int = 0) -> Scene:
        # What the answers look like is compared with GitHub's description by others.
        twin = Twin(tmp_path / str(next(numbers)), checked=False)
        scene = Scene(twin)
        twin.lagging(lag)
        return scene

    with processes_apart():
        yield make


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    return make_scene()


def at_every_request(
    make: Callable[[], Scene],
    does: Callable[[Scene, Any], object],
    meanwhile: Callable[[Scene], object],
) -> Iterator[tuple[Scene, object]]:
    """Plays `does` again and again, with `meanwhile` before its first, second, ... last request."""
    for nth in itertools.count(1):
        scene = make()
        once = Once(lambda scene=scene: meanwhile(scene), nth=nth)  # type: ignore[misc]
        answer = does(scene, once)
        if not once.done:
            assert nth > 3, "it was played"
            return
        yield scene, answer


def step(scene: Scene, before: Any = None) -> object:
    """One step, or how it ended."""
    try:
        return scene.step(before=before)
    except (Died, MachineryError) as error:
        return error


def settle(scene: Scene) -> None:
    scene.twin.advance(int(SETTLE_SECONDS) + 1)


def with_work(make_scene: MakeScene, count: int = 2, **given: Any) -> Callable[[], Scene]:
    def make() -> Scene:
        scene = make_scene(**given)
        scene.ready(count)
        return scene

    return make


def sweep(scene: Scene, before: Any = None, **given: Any) -> Any:
    store = scene.store(before=before, **given)
    return Sweeper(scene.gate(store), store, now=scene.now, log=lambda _: None).sweep()


# --- ticks ---


@pytest.mark.parametrize("lag", [0, 2])
def test_race_01_of_two_ticks_at_once_one_starts_and_once(make_scene: MakeScene, lag: int) -> None:
    """Without any lock."""
    for scene, _ in at_every_request(with_work(make_scene, lag=lag), step, step):
        assert len(scene.runs) == 1
        assert scene.kinds().count("claimed") == 1
        assert scene.runs[0].inputs["claim"] == scene.gate().tasks()[0].claim.id


@pytest.mark.parametrize("epochs", [False, True])
def test_race_01_who_does_not_hold_the_lock_writes_nothing(scene: Scene, epochs: bool) -> None:
    """A lock that was given twice is found out before the first write."""
    scene.ready()
    holder = scene.repo.run(event="schedule", concurrency=("malagate-tick-v0", "single"))
    mine = scene.repo.run(event="issues", concurrency=("malagate-tick-v0", "single"))
    if epochs:
        holder.finish()

    def proved(client: Any) -> LockProof:
        proof = prove(client, mine.id)
        if proof.known and not proof.held:
            raise MachineryError(proof.why)
        return proof

    before = len(scene.twin.requests)
    answer = scene.starter(scene.store(prove=proved))
    if epochs:
        assert isinstance(answer.step(), Started)
        return
    with pytest.raises(MachineryError, match="in front of this one"):
        answer.step()
    assert {request.method for request in scene.twin.requests[before:]} == {"GET"}


def test_race_02_the_tick_that_survives_does_what_the_evicted_one_would_have(scene: Scene) -> None:
    first, _ = scene.ready(2)
    ticks = [
        scene.repo.run(event="issues", concurrency=("malagate-tick-v0", "single")) for _ in range(3)
    ]
    assert [(tick.status, bool(tick.jobs)) for tick in ticks] == [
        *[("in_progress", True), ("completed", False), ("pending", False)],
    ]
    ticks[0].finish()  # it ran before there was anything to do
    answer = step(scene)
    assert isinstance(answer, Started)
    assert answer.task == first


def test_race_03_a_task_that_overflows_its_group_is_started_again(scene: Scene) -> None:
    scene.ready()
    group = ("agents", "max")
    others = [scene.repo.run(event="push", concurrency=group) for _ in range(101)]
    begin = scene.repo.run
    scene.repo.run = lambda *a, **k: begin(*a, concurrency=group, **k)  # type: ignore[method-assign]
    first = step(scene)
    assert (scene.runs[0].conclusion, scene.runs[0].jobs) == ("cancelled", [])
    for other in others[1:3]:
        other.finish("cancelled")
    settle(scene)
    again = step(scene)
    assert isinstance(first, Started)
    assert isinstance(again, Started)
    assert (again.claim, again.again) == (first.claim, True)
    assert scene.runs[-1].status == "pending"
    settle(scene)
    waits = step(scene)
    assert isinstance(waits, Nothing)
    assert waits.code == "start.at-work"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_race_04_in_whatever_order_ticks_come_tickets_decide(
    scene: Scene, order: tuple[int, ...]
) -> None:
    names = scene.ready(3)
    starters = [scene.starter(holder="malagate-start") for _ in names]
    begun = []
    for number in order:
        answer = starters[number].step()
        assert isinstance(answer, Started)
        begun.append(answer.task)
        scene.runs[-1].finish("success")
        settle(scene)
    assert begun == names


# --- labels and tickets ---


@pytest.mark.parametrize("login", ["tina", "github-actions[bot]"])
def test_race_05_a_label_whose_event_nobody_heard_of_is_found(scene: Scene, login: str) -> None:
    issue = scene.repo.open_issue("work")
    issue.add_label(READY, login)
    sweep(scene)
    answer = step(scene)
    assert isinstance(answer, Started)
    assert answer.task == f"#{issue.number}"


@pytest.mark.parametrize("seen", [False, True])
def test_race_06_a_label_that_is_put_on_again_is_a_later_ticket(scene: Scene, seen: bool) -> None:
    one, two = scene.repo.open_issue("one"), scene.repo.open_issue("two")
    one.add_label(READY)
    two.add_label(READY)
    sweep(scene)
    one.remove_label(READY)
    if seen:
        sweep(scene)
    one.add_label(READY)
    sweep(scene)
    assert [task.task for task in scene.gate().tasks()] == [f"#{two.number}", f"#{one.number}"]


def test_race_07_no_two_tasks_get_one_ticket(make_scene: MakeScene) -> None:
    def add(name: str) -> Callable[..., object]:
        return lambda scene, before=None: scene.gate(before=before).add(name, "alice")

    for scene, _ in at_every_request(make_scene, add("A"), add("B")):
        tasks = scene.gate().tasks()
        assert sorted(task.task for task in tasks) == ["A", "B"]
        assert [task.ticket for task in tasks] == [1, 2]
        assert scene.gate().status(verify=True).ledger_ok


# --- freezes ---


def by_command(scene: Scene) -> None:
    scene.gate().freeze("on fire", MAJA)


def by_label(scene: Scene) -> None:
    scene.frozen_by_hand()


@pytest.mark.parametrize("freeze", [by_command, by_label])
def test_race_08_a_freeze_between_the_look_and_the_dispatch_stops_it(
    make_scene: MakeScene, freeze: Callable[[Scene], object]
) -> None:
    """Unless it comes after the last look has begun: that is the one round trip."""
    started = 0
    for scene, answer in at_every_request(with_work(make_scene), step, freeze):
        assert scene.gate().status().frozen
        if isinstance(answer, Started):
            started += 1
        else:
            assert isinstance(answer, Nothing)
            assert answer.code == "freeze.active"
            assert scene.runs == []
            assert [task.task for task in scene.gate().tasks()] == ["#2", "#3"], "places are kept"
    # control issue, ledger, the label's definition, the list; then the dispatch itself
    assert 1 <= started <= 4


@pytest.mark.parametrize("kind", ["429", "429-after", "secondary", "primary"])
def test_race_08_a_dispatch_that_has_to_wait_is_not_sent_after_the_wait(
    scene: Scene, kind: str
) -> None:
    """What was seen of freezes is a minute old by then. The next step looks again."""
    scene.ready()
    scene.twin.faults.add(kind, method="POST", path=DISPATCH)
    answer = step(scene, Once(lambda: by_command(scene), path=DISPATCH, nth=2))
    assert isinstance(answer, Nothing)
    assert (answer.code, scene.runs) == ("start.refused", [])
    settle(scene)
    assert isinstance(step(scene), Started)


@pytest.mark.parametrize(
    ("mode", "goes_on", "lands", "stops"),
    [("drain", True, True, False), ("pause", True, False, False), ("hard", False, False, True)],
)
def test_race_09_after_the_dispatch_the_mode_of_the_freeze_decides(
    scene: Scene, mode: FreezeMode, goes_on: bool, lands: bool, stops: bool
) -> None:
    first, second = scene.ready(2)
    begun = step(scene)
    assert isinstance(begun, Started)
    gate = scene.gate()
    gate.freeze("on fire", MAJA, mode=mode)
    assert gate.admission(first, landing=False).admitted is goes_on
    assert gate.admission(first).admitted is lands
    assert gate.admission(first).stop is stops
    assert not gate.admission(second).admitted
    assert still_mine(gate, first, begun.claim), "it is not taken away"
    scene.runs[0].finish("success")
    settle(scene)
    assert step(scene).code == "freeze.active"  # type: ignore[attr-defined]
    assert len(scene.runs) == 1


def admissions(scene: Scene, sha: str) -> str | None:
    found = [one for one in scene.repo.statuses(sha) if one.context == "malagate/admission"]
    return found[0].state if found else None


@pytest.mark.parametrize("freeze", [by_command, by_label])
def test_race_10_a_freeze_after_a_green_check_turns_every_open_one_red(
    make_scene: MakeScene, freeze: Callable[[Scene], object]
) -> None:
    """Whenever it comes, also between the statuses of a sweep: the next one does the rest."""

    def make() -> Scene:
        scene = make_scene()
        scene.repo.open_pulls(3)
        return scene

    for scene, _ in at_every_request(make, sweep, freeze):
        sweep(scene)
        states = {admissions(scene, pull.head_sha) for pull in scene.repo.pulls}
        assert states == {"failure"}


def test_race_11_a_clear_leaves_alone_what_was_set_meanwhile(make_scene: MakeScene) -> None:
    def make() -> Scene:
        scene = make_scene()
        scene.gate().freeze("one", MAJA)
        return scene

    def clear(scene: Scene, before: Any) -> object:
        return scene.gate(before=before).unfreeze(MAJA, "out", only=[1])

    for scene, cleared in at_every_request(make, clear, by_command):
        assert cleared == (1,)
        assert [freeze.id for freeze in scene.gate().status().freezes] == [2]


def test_race_11_to_clear_all_is_to_clear_what_stood_then(scene: Scene) -> None:
    """Also where it has to be done again, because somebody else wrote at the same time."""
    scene.gate().freeze("one", MAJA)
    once = Once(lambda: by_command(scene), method="POST", path=r"/comments$")
    assert scene.gate(before=once).unfreeze(MAJA, "out") == (1,)
    assert [freeze.id for freeze in scene.gate().status().freezes] == [2]


def dying(scene: Scene) -> None:
    """A freeze whose page is the last thing that its process has done."""
    once = Once(die, method="POST", path=r"/comments$")
    with pytest.raises(Died):
        scene.gate(after=lambda incoming, _: once(incoming)).freeze("on fire", MAJA)


@pytest.mark.parametrize("lag", [1, 3])
@pytest.mark.parametrize("freeze", [by_command, dying])
def test_race_12_a_freeze_whose_page_a_list_hides_is_seen(
    make_scene: MakeScene, lag: int, freeze: Callable[[Scene], object]
) -> None:
    """Also if who set it died before he told anybody: the issue itself counts its comments."""
    started = 0
    for scene, answer in at_every_request(with_work(make_scene, lag=lag), step, freeze):
        assert len(scene.runs) == isinstance(answer, Started)
        scene.twin.lagging(0)
        frozen = scene.gate().status().frozen
        assert frozen or freeze is dying, "another's page had taken the place of its own"
        started += frozen and isinstance(answer, Started)
    assert started <= 5 + lag, "only what came after the last look has begun"


def die() -> None:
    raise Died


def test_race_12_a_label_that_a_list_hides_freezes_as_soon_as_it_shows(
    make_scene: MakeScene,
) -> None:
    scene = with_work(make_scene, 3)()
    scene.twin.token("t-tina", login="tina")
    issue = scene.repo.open_issue("It burns")
    scene.twin.lagging(4)
    scene.client(token="t-tina").write(
        "POST", f"/issues/{issue.number}/labels", {"labels": [FROZEN]}, list
    )
    while not scene.gate().status().frozen:
        pass
    begun = len(scene.runs)
    for _ in range(3):
        for run in scene.runs:
            run.finish("success")
        settle(scene)
        step(scene)
    assert len(scene.runs) == begun


def transferred(scene: Scene) -> None:
    scene.repo.transfer(scene.control, scene.twin.repository("mallory/elsewhere"))


@pytest.mark.parametrize(
    "happens",
    [
        lambda scene: scene.repo.delete_label(FROZEN),
        lambda scene: scene.repo.rename_label(FROZEN, "thawed"),
        lambda scene: scene.control.close(),
        lambda scene: scene.control.remove_label(CONTROL),
        transferred,
        lambda scene: scene.repo.delete_issue(scene.control),
    ],
    ids=["deleted", "renamed", "closed", "unlabelled", "transferred", "issue deleted"],
)
def test_race_13_without_its_signs_a_repository_is_frozen(
    make_scene: MakeScene, happens: Callable[[Scene], object]
) -> None:
    make, started = with_work(make_scene), 0
    for scene, answer in at_every_request(make, step, happens):
        status = scene.gate().status()
        assert (status.frozen, status.problem_code is None) == (True, False)
        started += isinstance(answer, Started)
        assert len(scene.runs) == isinstance(answer, Started)
    assert started <= 4, "only what came after the last look has begun"


# --- processes that die ---


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("lag", [0, 3])
def test_race_14_wherever_a_tick_dies_the_task_is_started_once_with_one_claim(
    make_scene: MakeScene, lag: int, after: bool
) -> None:
    for nth in itertools.count(1):
        scene = with_work(make_scene, lag=lag)()
        once = Once(die, nth=nth)
        answer = step_after(scene, once) if after else step(scene, once)
        if not once.done:
            break
        assert isinstance(answer, Died)
        settle(scene)
        step(scene)
        settle(scene)
        step(scene)
        assert [run.inputs["task"] for run in scene.runs] == ["#2"]
        claims = {run.inputs["claim"] for run in scene.runs}
        assert len(claims) == scene.kinds().count("claimed") == 1
    assert nth > 10


def step_after(scene: Scene, once: Once) -> object:
    """As `step`; what happens does so once the request was carried out."""
    try:
        return scene.starter(scene.store(after=lambda incoming, _: once(incoming))).step()
    except (Died, MachineryError) as error:
        return error


@pytest.mark.parametrize("lag", [0, 3])
@pytest.mark.parametrize("kind", ["applied-502", "applied-reset", "truncated", "malformed"])
def test_race_15_a_dispatch_whose_answer_is_lost_is_not_sent_again(
    make_scene: MakeScene, lag: int, kind: str
) -> None:
    scene = with_work(make_scene, lag=lag)()
    scene.twin.faults.add(kind, method="POST", path=DISPATCH)
    step(scene)
    for _ in range(4):
        settle(scene)
        answer = step(scene)
    assert isinstance(answer, Nothing)
    assert answer.code == "start.at-work"
    assert len(scene.runs) == 1


def test_race_15_of_two_runs_of_one_claim_the_later_ends(scene: Scene) -> None:
    scene.ready()
    since = scene.now()
    begun = step(scene)
    assert isinstance(begun, Started)
    scene.repo.run(f".github/workflows/{AGENT}", "workflow_dispatch", title=scene.runs[0].title)
    client = scene.client()
    assert [is_first(client, AGENT, begun.claim, run.id, since) for run in scene.runs] == [
        *[True, False],
    ]


def test_race_15_of_two_that_work_the_later_is_ended_when_both_are_seen(scene: Scene) -> None:
    """GitHub's list misses the first for longer than anybody waits, so another is asked for."""
    scene.ready()
    assert isinstance(step(scene), Started)
    (first,) = scene.runs
    hidden = scene.repo.runs.pop(first.id)
    settle(scene)
    again = step(scene)
    assert isinstance(again, Started)
    (second,) = scene.runs
    scene.repo.runs = {hidden.id: hidden, **scene.repo.runs}
    settle(scene)
    answer = step(scene)
    assert isinstance(answer, Nothing)
    assert (answer.code, len(answer.notes)) == ("start.at-work", 1)
    assert (first.status, second.conclusion) == ("in_progress", "cancelled")
    settle(scene)
    assert step(scene).notes == ()  # type: ignore[attr-defined]
    assert len(scene.runs) == 2


def test_race_16_a_zombie_s_word_counts_no_more(scene: Scene) -> None:
    (name,) = scene.ready()
    begun = step(scene)
    assert isinstance(begun, Started)
    gate = scene.gate()
    gate.requeue(name, "walt")
    settle(scene)
    assert isinstance(step(scene), Started)
    assert not still_mine(gate, name, begun.claim)
    for speaks in (gate.renew, lambda task, claim: gate.finish(task, "zombie", claim=claim)):
        with pytest.raises(UsageError, match="somebody else has it"):
            speaks(name, begun.claim)


# --- agents and heads ---


@pytest.fixture
def stage(twin: Twin) -> Stage:
    return Stage(twin)


def test_race_16_evidence_of_what_a_zombie_pushed_over_is_not_judged(stage: Stage) -> None:
    pull = stage.opened(fork=False)
    tested = stage.tested(pull)
    pull.push({"shop.py": "# by a zombie\n"})
    stage.gate(tested)
    assert stage.status(pull.head_sha) is None
    assert stage.status(tested.head_sha) is None


def test_race_17_green_checks_of_an_agent_that_still_pushes_are_no_verdict(stage: Stage) -> None:
    pull = stage.opened(fork=False)
    runs = []
    for number in range(3):
        pull.push({"shop.py": f"# {number}\n"})
        runs.append(stage.tested(pull))
    for run in runs[:-1]:
        told = stage.gate(run)
        assert told.outputs["verdict"] == ""
        assert stage.status(run.head_sha) is None
    assert stage.gate(runs[-1]).outputs["verdict"] == "pass"
    assert stage.status(pull.head_sha) is not None


def test_race_18_a_force_push_during_the_evaluation_leaves_no_verdict_on_the_new_head(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every request: what is judged is the head that was tested, and no other gets its word."""
    stage.opened(fork=False)
    (pull,) = stage.repo.pulls
    answer, todo = twin_api.answer, [0]

    def answered(twin: Twin, incoming: Any) -> Any:
        todo[0] -= 1
        if todo[0] == 0:
            pull.push({"shop.py": f"# pushed over at {incoming.path}\n"})
        return answer(twin, incoming)

    monkeypatch.setattr(twin_api, "answer", answered)
    for nth in itertools.count(1):
        pull.push({"shop.py": f"# tested {nth}\n"})
        tested = stage.tested(pull)
        todo[0] = nth
        stage.gate(tested)
        if todo[0] > 0:
            assert nth > 5
            assert stage.status(pull.head_sha) is not None, "nobody pushed this time"
            break
        assert stage.status(pull.head_sha) is None


# --- limits and permissions ---


@pytest.mark.parametrize("kind", ["primary", "429-after", "forbidden", "502", "html"])
def test_race_19_where_nobody_can_read_nothing_starts_and_nothing_is_lost(
    make_scene: MakeScene, kind: str
) -> None:
    for nth in itertools.count(1):
        scene = with_work(make_scene)()
        # The limit stays used up from one request on, as it does.
        fault = scene.twin.faults.add(kind, nth=nth, times=99)
        answer = step_impatient(scene)
        if fault.seen < nth:
            assert isinstance(answer, Started)
            break
        assert scene.runs == []
        scene.twin.faults.clear()
        settle(scene)
        assert isinstance(step(scene), Started)
        assert len(scene.runs) == 1
    assert nth > 10


@pytest.mark.parametrize("kind", ["primary", "502"])
def test_race_19_a_sweep_that_is_cut_short_is_gone_on_with(
    make_scene: MakeScene, kind: str
) -> None:
    for nth in itertools.count(1):
        scene = make_scene()
        issue = scene.repo.open_issue("work")
        issue.add_label(READY)
        scene.repo.open_pulls(2)
        fault = scene.twin.faults.add(kind, nth=nth, times=999)
        sweep(scene, patience=5.0)
        done = fault.seen < nth
        scene.twin.faults.clear()
        # Nobody who was told "may land" has to be told otherwise now.
        said = {admissions(scene, pull.head_sha) for pull in scene.repo.pulls}
        assert said <= {None, "failure", "error", "pending"}
        sweep(scene)
        assert [task.task for task in scene.gate().tasks()] == [f"#{issue.number}"]
        said = {admissions(scene, pull.head_sha) for pull in scene.repo.pulls}
        assert said == {"pending"}, "the task is before them"
        if done:
            break
    assert nth > 10


def step_impatient(scene: Scene) -> object:
    try:
        return scene.step(patience=5.0)
    except MachineryError as error:
        return error


def test_race_20_two_epochs_are_two_locks_and_the_ledger_still_one(make_scene: MakeScene) -> None:
    """Each holds the group of its own epoch, so that both believe to be alone."""

    def make() -> Scene:
        scene = with_work(make_scene)()
        for epoch in (0, 1):
            scene.repo.run(event="issues", concurrency=(f"malagate-tick-v{epoch}", "single"))
        return scene

    def of_epoch(scene: Scene, epoch: int) -> Callable[[Any], int | None]:
        run = next(run for run in ticks(scene) if (run.group or "").endswith(str(epoch)))

        def proved(client: Any) -> int | None:
            proof = prove(client, run.id)
            assert proof.held
            return None

        return proved

    def do(scene: Scene, before: Any) -> object:
        return scene.starter(scene.store(before=before, prove=of_epoch(scene, 0))).step()

    def other(scene: Scene) -> object:
        return scene.starter(scene.store(prove=of_epoch(scene, 1))).step()

    for scene, _ in at_every_request(make, do, other):
        assert len(scene.runs) == 1
        assert scene.kinds().count("claimed") == 1


def test_race_20_another_epoch_begins_only_while_all_is_still_and_ends_the_old(
    make_scene: MakeScene,
) -> None:
    """Whatever happens while it begins: no start is made under both."""
    scene = with_work(make_scene)()

    def add(run: Run) -> None:
        prove_alone = alone(run.id, lock=Lock(name="malagate-tick"), say=lambda _: None)
        scene.gate(scene.store(prove=prove_alone)).record("tick", "malagate", "")

    old, new = (
        scene.repo.run(event="issues", concurrency=(f"malagate-tick-v{epoch}", "single"))
        for epoch in (0, 1)
    )
    add(old)
    with pytest.raises(MachineryError, match="only while a freeze"):
        add(new)
    scene.gate().freeze("the lock is stuck", MAJA)
    with pytest.raises(MachineryError, match="only when nothing runs"):
        add(new)
    old.finish()
    add(new)
    late = scene.repo.run(event="issues", concurrency=("malagate-tick-v0", "single"))
    with pytest.raises(MachineryError, match="older epoch"):
        add(late)
    assert isinstance(step(scene), Nothing), "a new epoch thaws nothing"
    assert scene.kinds()[-2:] == ["rotated", "tick"]


def ticks(scene: Scene) -> list[Run]:
    return [run for run in scene.repo.runs.values() if run.event == "issues"]


@pytest.mark.parametrize("lost", ["issues", "actions"])
def test_race_21_without_its_permission_nothing_is_dispatched(scene: Scene, lost: str) -> None:
    first, _ = scene.ready(2)
    permissions = {"actions": "write", "issues": "write"} | {lost: "read"}
    scene.twin.token("t-less", scene.repo, permissions=permissions)
    try:
        answer = scene.step(token="t-less")
    except MachineryError as error:
        assert lost == "issues"
        assert "403" in str(error)
    else:
        assert isinstance(answer, Nothing)
        assert (lost, answer.code) == ("actions", "start.refused")
    assert scene.runs == []
    settle(scene)
    again = step(scene)
    assert isinstance(again, Started)
    assert again.task == first


def test_race_22_of_a_fork_the_job_s_conclusion_is_the_verdict(stage: Stage) -> None:
    pull = stage.opened(fork=True)
    run = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    files = {"malagate-out/evidence.jsonl": stage.recorded(run, pull, tests=FAILING).log()}
    payload = stage.twin.event("pull_request", pull=pull, action="synchronize")
    before = len(stage.twin.requests)
    told = stage.act("pull_request", payload, run=run, workflow=TESTS_YML, workspace=files)
    assert (told.exit_code, told.outputs["verdict"]) == (1, "fail")
    assert {request.method for request in stage.twin.requests[before:]} <= {"GET"}
    assert run.conclusion == "failure"
