"""Good evidence of something else: another run, attempt, commit, tree, pull request, repository."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.action.hostile.case import Case, Play
from tests.action.hostile.scene import EVIDENCE, Scene
from tests.action.stage import TESTS_YML

OTHER_RUN, OTHER_COMMIT, STALE = "evidence.other-run", "evidence.other-commit", "evidence.stale"


def _marked(**marks: Any) -> Play:
    """Green evidence whose marks are others; a mark may be made from the run."""

    def play(scene: Scene) -> None:
        pull = scene.opened()
        run = scene.ran(pull)
        given = {name: mark(run) if callable(mark) else mark for name, mark in marks.items()}
        run.artifact(EVIDENCE, scene.recorded(run, pull, **given).files())
        scene.gate(run)

    return play


def _replayed(source: Callable[[Scene, Any], Any], keep_run: bool) -> Play:
    """Green evidence of another place, handed over as it is or with this run's number on it."""

    def play(scene: Scene) -> None:
        pull = scene.opened()
        recorded = source(scene, pull)
        run = scene.ran(pull)
        changes = {} if keep_run else {"ci": f"{run.id}.1"}
        files = recorded(**changes).files()
        run.artifact(EVIDENCE, files)
        scene.gate(run)

    return play


def _earlier_head(scene: Scene, pull: Any) -> Any:
    old, merge = scene.ran(pull), pull.merge_sha
    pull.push({"shop.py": "# worse\n"})
    facts = {"commit": merge, "tree": scene.tree_of(merge)}
    return lambda **more: scene.recorded(old, None, **{**facts, **more})


def _earlier_head_itself(scene: Scene, pull: Any) -> Any:
    old, head = scene.ran(pull), pull.head_sha
    pull.push({"shop.py": "# worse\n"})
    facts = {"commit": head, "tree": scene.tree_of(head)}
    return lambda **more: scene.recorded(old, None, **{**facts, **more})


def _other_pull(scene: Scene, pull: Any) -> Any:
    scene.repo.commit("good", {"good.py": "1\n"}, message="good")
    other = scene.repo.open_pull(head="good", title="Good", author="alice")
    run = scene.ran(other)
    return lambda **more: scene.recorded(run, other, **more)


def _base(scene: Scene, pull: Any) -> Any:
    run = scene.repo.run(workflow=TESTS_YML, event="push", branch="main")
    return lambda **more: scene.recorded(run, **more)


def _other_repository(scene: Scene, pull: Any) -> Any:
    fork = scene.twin.repositories["mallory/shop"]
    run = fork.run(workflow=TESTS_YML, event="push", branch="topic")
    facts = {"commit": pull.merge_sha, "tree": scene.tree_of(pull.merge_sha)}
    return lambda **more: scene.recorded(run, None, **{**facts, **more})


def _old_attempt(scene: Scene) -> None:
    pull = scene.opened()
    run = scene.tested(pull)
    run.rerun()
    run.finish("success")
    scene.gate(run)


def _future_attempt(scene: Scene) -> None:
    pull = scene.opened()
    run = scene.ran(pull)
    run.artifact(EVIDENCE, scene.recorded(run, pull, ci=f"{run.id}.7").files())
    scene.gate(run)


def _merge_with(stray: bool, swapped: bool = False) -> Play:
    """A merge that the attacker made: with a commit that is not in the base, or the other way."""

    def play(scene: Scene) -> None:
        pull = scene.opened()
        base = scene.repo.commit("stray", {"evil.py": "1\n"}) if stray else scene.repo.tip("main")
        tree = scene.tree_of(base)
        parents = (pull.head_sha, base) if swapped else (base, pull.head_sha)
        args = [part for parent in parents for part in ("-p", parent)]
        merge = scene.git("commit-tree", tree, *args, "-m", "merge")
        run = scene.ran(pull)
        run.artifact(EVIDENCE, scene.recorded(run, pull, commit=merge, tree=tree).files())
        scene.gate(run)

    return play


def _one_foreign_shard(scene: Scene) -> None:
    pull = scene.opened()
    run = scene.tested(pull)
    foreign = scene.recorded(run, pull, ci="1.1", identity="2")
    run.artifact(f"{EVIDENCE}-2", foreign.files())
    scene.gate(run)


def _mark(name: str, code: str, verdict: str = "inconclusive", **marks: Any) -> Case:
    return Case(f"mark-{name}", "marks", _marked(**marks), verdict, code)


def _replay(
    name: str, code: str, source: Any, verdict: str = "inconclusive", keep_run: bool = False
) -> Case:
    return Case(f"replay-{name}", "marks", _replayed(source, keep_run), verdict, code)


CASES = (
    _mark("no-run", OTHER_RUN, ci=None),
    _mark("another-run", OTHER_RUN, ci="1.1"),
    _mark("another-attempt", OTHER_RUN, ci=lambda run: f"{run.id}.2"),
    _mark("a-run-without-an-attempt", OTHER_RUN, ci=lambda run: f"{run.id}"),
    _mark("a-run-with-zeros", OTHER_RUN, ci=lambda run: f"0{run.id}.1"),
    _mark("a-run-with-a-space", OTHER_RUN, ci=lambda run: f"{run.id}.1 "),
    _mark("an-empty-run", OTHER_RUN, ci=""),
    _mark("no-commit", OTHER_COMMIT, commit=None),
    _mark("an-unknown-commit", OTHER_COMMIT, commit="f" * 40),
    _mark("a-branch-for-a-commit", OTHER_COMMIT, commit="main"),
    _mark("a-path-for-a-commit", OTHER_COMMIT, commit="../../../user"),
    _mark("a-range-for-a-commit", OTHER_COMMIT, commit="main...topic"),
    _mark("a-short-commit", OTHER_COMMIT, commit=lambda run: run.head_sha[:12]),
    _mark("a-commit-in-capitals", OTHER_COMMIT, commit=lambda run: "A" + run.head_sha[1:].upper()),
    _mark("a-commit-of-another-length", OTHER_COMMIT, commit="f" * 64),
    _mark("a-zero-commit", OTHER_COMMIT, commit="0" * 40),
    _mark("another-tree", STALE, "fail", tree="e" * 40),
    _mark("no-tree", STALE, "fail", tree=None),
    _mark("the-empty-tree", STALE, "fail", tree="4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
    Case("mark-the-attempt-before", "marks", _old_attempt, code=OTHER_RUN),
    Case("mark-an-attempt-to-come", "marks", _future_attempt, code=OTHER_RUN),
    Case("mark-a-foreign-shard", "marks", _one_foreign_shard, code=OTHER_RUN),
    Case("mark-a-merge-with-a-stray-commit", "marks", _merge_with(stray=True), code=OTHER_COMMIT),
    Case("mark-a-merge-the-other-way-round", "marks", _merge_with(stray=False, swapped=True), code=OTHER_COMMIT),
    _replay("an-earlier-head", OTHER_RUN, _earlier_head, keep_run=True),
    _replay("an-earlier-head-renumbered", OTHER_COMMIT, _earlier_head),
    _replay("an-earlier-head-itself-renumbered", OTHER_COMMIT, _earlier_head_itself),
    _replay("another-pull-request", OTHER_RUN, _other_pull, keep_run=True),
    _replay("another-pull-request-renumbered", OTHER_COMMIT, _other_pull),
    _replay("the-base", OTHER_RUN, _base, keep_run=True),
    _replay("the-base-renumbered", OTHER_COMMIT, _base),
    _replay("another-repository", OTHER_RUN, _other_repository, keep_run=True),
    Case("control-the-head-itself-was-tested", "controls", _marked(commit=lambda run: run.head_sha, tree=lambda run: run.repository.git.show(run.head_sha).tree), "pass"),
)  # fmt: skip
