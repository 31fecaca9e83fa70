"""State and baseline artifacts that somebody else made, or that are not what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pytest_malagate.action.baseline import Baseline, encode_baseline
from pytest_malagate.action.memory import AcceptedAt, Memory, Posted, encode_memory
from pytest_malagate.gate.population import Population
from pytest_malagate.github.comments import Spoken
from tests.action.evidence import PASSING
from tests.action.hostile.case import Case, Play
from tests.action.hostile.scene import Scene
from tests.action.hostile.zips import LINK, Member, archive
from tests.action.stage import FAILING, GATE_YML, TESTS_YML

STATE, BASELINE = "malagate-state-pr-1", "malagate-baseline"
GONE = "tests/test_shop.py::test_gone"
OTHER_YML = ".github/workflows/other.yml"
Upload = dict[str, bytes] | bytes
Maker = Callable[[Scene, Any, Any], Any]
"""From the scene, the pull request and its green or red run to the run that uploads."""


def forged(**changes: Any) -> bytes:
    """A state that says that nothing has been tried yet, and whatever else is wanted."""
    return encode_memory(Memory(repository="acme/shop", pull_request=1, **changes))


# --- who uploads ---


def _the_change_s_own_run(scene: Scene, pull: Any, run: Any) -> Any:
    return run


def _another_workflow(scene: Scene, pull: Any, run: Any) -> Any:
    return _ended(scene.repo.run(workflow=OTHER_YML, event="workflow_run"))


def _the_tests_on_main(scene: Scene, pull: Any, run: Any) -> Any:
    return _ended(scene.repo.run(workflow=TESTS_YML, event="push", branch="main"))


def _a_pull_request_run_of_the_gate(scene: Scene, pull: Any, run: Any) -> Any:
    return _ended(scene.repo.run(workflow=GATE_YML, event="pull_request", pull=pull))


def _the_gate_on_another_branch(scene: Scene, pull: Any, run: Any) -> Any:
    scene.repo.commit("evil", {GATE_YML: "name: mine\n"}, message="mine")
    return _ended(scene.repo.run(workflow=GATE_YML, event="workflow_dispatch", branch="evil"))


def _a_push_of_the_gate_s_branch(scene: Scene, pull: Any, run: Any) -> Any:
    scene.repo.commit("evil", {GATE_YML: "name: mine\n"}, message="mine")
    return _ended(scene.repo.run(workflow=GATE_YML, event="push", branch="evil"))


def _a_lookalike_workflow(scene: Scene, pull: Any, run: Any) -> Any:
    return _ended(scene.repo.run(workflow=f"{GATE_YML}.yml", event="workflow_run"))


def _target_run_of_the_gate(scene: Scene, pull: Any, run: Any) -> Any:
    return _ended(scene.repo.run(workflow=GATE_YML, event="pull_request_target", pull=pull))


def _ourselves(scene: Scene, pull: Any, run: Any) -> Any:
    return _ended(scene.repo.run(workflow=GATE_YML, event="workflow_run"))


def _ended(run: Any) -> Any:
    return run.finish("success")


STRANGERS: dict[str, Maker] = {
    "the-change-s-own-run": _the_change_s_own_run,
    "another-workflow": _another_workflow,
    "the-tests-on-main": _the_tests_on_main,
    "a-pull-request-run-of-the-gate": _a_pull_request_run_of_the_gate,
    "the-gate-on-another-branch": _the_gate_on_another_branch,
    "a-push-of-the-gate-s-branch": _a_push_of_the_gate_s_branch,
    "a-workflow-of-nearly-the-same-name": _a_lookalike_workflow,
    "a-target-run-of-the-gate": _target_run_of_the_gate,
}


# --- the budget ---


def _tried(scene: Scene) -> Any:
    """A pull request with two failed attempts, and a third head."""
    pull = scene.opened(fork=False)
    for number in (1, 2):
        pull.push({"shop.py": f"# {number}\n"})
        scene.gate(scene.tested(pull, tests=FAILING))
    pull.push({"shop.py": "# 3\n"})
    scene.begin()
    return pull


def _reset(maker: Maker, upload: Upload | None = None, **options: Any) -> Play:
    """A third red head, and a state that gives its attempts back. It must be the last attempt."""

    def play(scene: Scene) -> None:
        pull = _tried(scene)
        run = scene.tested(pull, tests=FAILING)
        files = {"state.json": forged()} if upload is None else upload
        maker(scene, pull, run).artifact(STATE, files, **options)
        assert scene.gate(run).outputs["attempt"] == "3", "the budget began anew"

    return play


def _ours(name: str, upload: Upload, **options: Any) -> Case:
    """A state of a run that is ours, but damaged: the one before it counts, and that is said."""
    return Case(
        f"state-{name}",
        "memories",
        _reset(_ourselves, upload, **options),
        "fail",
        "history.refused",
    )


def _corrupted(scene: Scene) -> None:
    pull = _tried(scene)
    run = scene.tested(pull, tests=FAILING)
    made = _ourselves(scene, pull, run)
    made.artifact(STATE, {"state.json": forged()}, digest="sha256:" + "0" * 64)
    scene.gate(run)


def _stopped(scene: Scene) -> None:
    pull = scene.opened(fork=False)
    scene.gate(scene.tested(pull, tests=FAILING))
    scene.repo.permission("tim", "triage")
    scene.say(pull, "tim", "/gate stop")
    pull.push({"shop.py": "# fixed\n"})
    run = scene.tested(pull)
    run.artifact(STATE, {"state.json": forged(stopped=None)})
    scene.gate(run)


def _accepted(scene: Scene) -> None:
    scene.landed(tests={**PASSING, GONE: "passed"})
    scene.begin()
    pull = scene.opened(fork=False)
    run = scene.tested(pull)
    word = AcceptedAt(code="integrity.tests-removed", head=pull.head_sha, actor="alice", reason="x")
    run.artifact(STATE, {"state.json": forged(accepted=(word,))})
    scene.gate(run)


def _accepted_what_cannot_be(scene: Scene) -> None:
    """Even a state of our own cannot accept a failing test."""
    pull = scene.opened(fork=False)
    word = AcceptedAt(code="tests.failed", head=pull.head_sha, actor="alice", reason="x")
    odd = AcceptedAt(code="no.such.code", head=pull.head_sha, actor="alice", reason="x")
    ours = _ourselves(scene, pull, None)
    ours.artifact(STATE, {"state.json": forged(accepted=(word, odd))})
    scene.gate(scene.tested(pull, tests=FAILING))


def _somebody_s_comment(scene: Scene) -> None:
    pull = scene.opened(fork=False)
    theirs = pull.comment(author="alice", body="do not touch")
    run = scene.tested(pull, tests=FAILING)
    run.artifact(STATE, {"state.json": forged(comment=Spoken(id=theirs.id, login="alice"))})
    scene.gate(run)
    assert theirs.body == "do not touch"


def _said_already(scene: Scene) -> None:
    """The state claims that the status stands already, so that it would not be written."""
    pull = scene.opened(fork=False)
    run = scene.tested(pull, tests=FAILING)
    posted = Posted(head=pull.head_sha, state="failure", description="x")
    run.artifact(STATE, {"state.json": forged(posted=posted)})
    scene.gate(run)
    assert scene.states == ["failure"]


def _marker_of_a_stranger(scene: Scene) -> None:
    """Somebody writes a comment that begins as ours does."""
    pull = scene.opened(fork=False)
    theirs = pull.comment(author="mallory", body="<!-- malagate:gate -->\npassed")
    scene.gate(scene.tested(pull, tests=FAILING))
    assert theirs.body.endswith("passed")
    assert len(pull.comments) == 2


# --- the baseline ---


def _population(**about: Any) -> bytes:
    """A baseline that knows nothing of the test that is gone."""
    tests = Population(ran=frozenset(PASSING))
    facts: dict[str, Any] = {"repository": "acme/shop", "populations": {"tests": tests}}
    return encode_baseline(Baseline(**{**facts, **about}))


def _compared(maker: Maker, make: Callable[[Scene], Upload], **options: Any) -> Play:
    """A test is gone, and a baseline that was uploaded later has never heard of it."""

    def play(scene: Scene) -> None:
        scene.landed(tests={**PASSING, GONE: "passed"})
        scene.begin()
        pull = scene.opened(fork=False)
        run = scene.tested(pull)
        maker(scene, pull, run).artifact(BASELINE, make(scene), **options)
        scene.gate(run)

    return play


def _files(**about: Any) -> Callable[[Scene], Upload]:
    return lambda scene: {
        "baseline.json": _population(**{"commit": scene.repo.tip("main"), **about})
    }


def _vouched_by_a_forged_state(scene: Scene) -> None:
    """The state says that the attacker's run was checked before."""
    scene.landed(tests={**PASSING, GONE: "passed"})
    scene.begin()
    pull = scene.opened(fork=False)
    run = scene.tested(pull)
    other = _another_workflow(scene, pull, run)
    other.artifact(BASELINE, _files()(scene))
    run.artifact(STATE, {"state.json": forged(vouched=(other.id, run.id))})
    scene.gate(run)


def _baseline(name: str, upload: Callable[[Scene], Upload], **options: Any) -> Case:
    play = _compared(_ourselves, upload, **options)
    return Case(f"baseline-{name}", "memories", play, "fail", "integrity.tests-removed")


def _state_json(**changes: Any) -> dict[str, bytes]:
    return {"state.json": json.dumps(json.loads(forged()) | changes).encode()}


CASES = (
    *(Case(f"state-by-{name}", "memories", _reset(maker), "fail", "retry.exhausted") for name, maker in STRANGERS.items()),
    _ours("is-no-json", {"state.json": b"::error::x"}),
    _ours("is-empty", {"state.json": b""}),
    _ours("is-of-a-later-schema", _state_json(schema="malagate/state@2")),
    _ours("has-a-command-for-a-schema", _state_json(schema="\n::error::x")),
    _ours("is-of-another-pull-request", {"state.json": encode_memory(Memory(repository="acme/shop", pull_request=2))}),
    _ours("is-of-another-repository", {"state.json": encode_memory(Memory(repository="evil/shop", pull_request=1))}),
    _ours("has-a-text-for-a-budget", _state_json(retry={"gate_attempt": "1"})),
    _ours("is-nested-deeply", {"state.json": b'{"retry":' * 100_000}),
    _ours("is-no-utf-8", {"state.json": forged().replace(b"acme", b"\xff\xfe\xff\xfe")}),
    _ours("has-17-megabytes", {"state.json": b" " * (17 * 2**20)}),
    _ours("is-a-link", archive([Member(name="state.json", data=b"/etc/hostname", mode=LINK)])),
    _ours("leads-up", {"../state.json": forged()}),
    _ours("has-another-name", {"other.json": forged()}),
    Case("state-has-another-digest", "memories", _corrupted, "inconclusive", "machinery.github"),
    _ours("has-expired", {"state.json": forged()}, expired=True),
    Case("state-takes-a-stop-back", "memories", _stopped, "fail", "retry.stopped"),
    Case("state-accepts-a-reason", "memories", _accepted, "fail", "integrity.tests-removed"),
    Case("state-of-ours-accepts-what-nobody-may", "memories", _accepted_what_cannot_be, "fail", "tests.failed"),
    Case("state-names-somebody-s-comment", "memories", _somebody_s_comment, "fail", "tests.failed"),
    Case("state-says-the-status-stands", "memories", _said_already, "fail", "tests.failed"),
    Case("comment-of-a-stranger-with-our-marker", "memories", _marker_of_a_stranger, "fail", "tests.failed"),
    *(Case(f"baseline-by-{name}", "memories", _compared(maker, _files()), "fail", "integrity.tests-removed") for name, maker in STRANGERS.items()),
    _baseline("is-no-json", lambda scene: {"baseline.json": b"no"}),
    _baseline("is-of-another-repository", _files(repository="evil/shop")),
    _baseline("is-of-a-later-schema", _files(schema="malagate/baseline@2")),
    _baseline("is-of-a-commit-that-is-not-in-the-base", lambda scene: {"baseline.json": _population(commit=scene.repo.commit("stray", {"x": "y"}))}),
    _baseline("has-another-digest", _files(), digest="sha256:" + "0" * 64),
    _baseline("leads-up", lambda scene: {"../../baseline.json": _population(commit=scene.repo.tip("main"))}),
    Case("baseline-vouched-for-by-a-forged-state", "memories", _vouched_by_a_forged_state, "fail", "integrity.tests-removed"),
)  # fmt: skip
