"""Events, subjects and comments that are not what they seem to be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.action.evidence import PASSING, Recorded
from tests.action.hostile.case import NOTHING, REFUSED, Case, Play
from tests.action.hostile.scene import CANARY, EVIDENCE, Scene
from tests.action.hostile.texts import ALL, TEXTS
from tests.action.stage import FAILING, GATE_YML, TESTS_YML

Payload = dict[str, Any]
BRANCH = "$(touch$IFS" + CANARY + ");`id`|x&&<b>@everyone#1!'\"%0A"


def _changed(change: Callable[[Scene, Payload], Any], **tested: Any) -> Play:
    """The event of a finished, green run, after somebody's hand in it."""

    def play(scene: Scene) -> None:
        pull = scene.opened()
        payload = scene.twin.event("workflow_run", run=scene.tested(pull, **tested))
        change(scene, payload)
        scene.act("workflow_run", payload)

    return play


def _run(**fields: Any) -> Callable[[Scene, Payload], Any]:
    return lambda scene, payload: payload["workflow_run"].update(fields)


def _fork_s_push(scene: Scene) -> None:
    fork = scene.repo.fork("mallory")
    fork.commit("main", {"shop.py": "# mine\n"}, message="mine")
    run = fork.run(workflow=TESTS_YML, event="push", branch="main")
    recorded = Recorded(commit=run.head_sha, tree="a" * 40, ci=f"{run.id}.1")
    run.artifact(EVIDENCE, recorded.files())
    run.finish("success")
    payload = scene.twin.event("workflow_run", run=run)
    payload["repository"] = scene.twin.event("schedule", repo=scene.repo)["repository"]
    payload["workflow_run"]["repository"] = payload["repository"]
    scene.act("workflow_run", payload)


def _fork_s_branch_called_main(scene: Scene) -> None:
    fork = scene.repo.fork("mallory")
    fork.commit("main", {"shop.py": "# mine\n"}, message="mine")
    pull = scene.repo.open_pull(head="main", fork=fork, title="Work", author="mallory")
    run = scene.tested(pull, tests=FAILING)
    scene.gate(run)
    assert not [name for name in scene.last.told.outputs if name.startswith("baseline")]


def _other_repository(scene: Scene, payload: Payload) -> None:
    payload["workflow_run"]["repository"] = dict(payload["workflow_run"]["repository"], id=7)


def _gone_repository(scene: Scene, payload: Payload) -> None:
    payload["workflow_run"]["head_repository"] = None


def _says_another_pull(scene: Scene) -> None:
    scene.repo.commit("good", {"good.py": "1\n"}, message="good")
    other = scene.repo.open_pull(head="good", title="Good", author="alice")
    pull = scene.opened()
    payload = scene.twin.event("workflow_run", run=scene.tested(pull, tests=FAILING))
    payload["workflow_run"]["pull_requests"] = [{"number": other.number, "head": {"sha": "x"}}]
    scene.act("workflow_run", payload)
    assert other.comments == []
    assert scene.status(other.head_sha) is None


def _says_a_pull_in_its_artifact(scene: Scene) -> None:
    pull = scene.opened()
    run = scene.ran(pull)
    files = scene.recorded(run, pull).files()
    run.artifact(EVIDENCE, {**files, "pr.json": b'{"number": 2}', "NUMBER": b"2"})
    scene.gate(run)


def _closed(scene: Scene) -> None:
    pull = scene.opened()
    run = scene.tested(pull)
    pull.close()
    scene.gate(run)


def _two_pulls(scene: Scene) -> None:
    pull = scene.opened()
    scene.repo.commit("release", {"x": "y"}, message="another base")
    fork = scene.twin.repositories["mallory/shop"]
    scene.repo.open_pull(head="topic", base="release", fork=fork, title="Again", author="mallory")
    scene.gate(scene.tested(pull))


def _force_pushed(scene: Scene) -> None:
    pull = scene.opened()
    run = scene.tested(pull)
    fork = scene.twin.repositories["mallory/shop"]
    fork.commit("topic", {"evil.py": "1\n"}, message="other", parent=scene.repo.tip("main"))
    scene.gate(run)


def _pushed_meanwhile(scene: Scene) -> None:
    pull = scene.opened()
    run = scene.tested(pull)
    pull.push({"shop.py": "# newer\n"})
    scene.gate(run)


def _strange_branch(scene: Scene) -> None:
    fork = scene.repo.fork("mallory")
    fork.commit(BRANCH, {"shop.py": "# mine\n"}, message=ALL)
    pull = scene.repo.open_pull(head=BRANCH, fork=fork, title=ALL, body=ALL, author="mallory")
    pull.add_label("$(id)::error::<b>")
    scene.gate(scene.tested(pull, tests=FAILING))


def _pull_event(name: str) -> Play:
    def play(scene: Scene) -> None:
        pull = scene.opened()
        run = scene.repo.run(workflow=GATE_YML, event="pull_request", pull=pull)
        log = scene.recorded(run, pull).log()
        payload = scene.twin.event("pull_request", pull=pull)
        files = {"malagate-out/evidence.jsonl": log}
        scene.act(name, payload, run=run, workspace=files)

    return play


def _ended(conclusion: str) -> Play:
    return lambda scene: scene.gate(scene.tested(scene.opened(), conclusion=conclusion))


def _event_file(data: bytes | None) -> Play:
    """The runner's event file holds something else, or is not there."""

    def play(scene: Scene) -> None:
        payload = scene.twin.event("workflow_run", run=scene.tested(scene.opened()))

        def twist(environ: dict[str, str]) -> None:
            path = Path(environ["GITHUB_EVENT_PATH"])
            path.unlink() if data is None else path.write_bytes(data)

        scene.act("workflow_run", payload, twist=twist)

    return play


def _variables(tests: dict[str, str] = PASSING, **values: str | None) -> Play:
    """Variables of the runner's are gone (None) or hold something else."""

    def play(scene: Scene) -> None:
        payload = scene.twin.event("workflow_run", run=scene.tested(scene.opened(), tests=tests))

        def twist(environ: dict[str, str]) -> None:
            for name, value in values.items():
                environ.pop(name)
                if value is not None:
                    environ[name] = value

        scene.act("workflow_run", payload, twist=twist)

    return play


def _inputs(**inputs: str) -> Play:
    return lambda scene: scene.gate(scene.tested(scene.opened()), **inputs)


def _said(
    body: str, author: str = "alice", role: str = "maintain", action: str = "created"
) -> Play:
    """A comment on a pull request that was judged as failed."""

    def play(scene: Scene) -> None:
        pull = scene.opened()
        scene.gate(scene.tested(pull, tests=FAILING))
        if role:
            scene.repo.permission(author, role)
        comment = pull.comment(author=author, body=body)
        payload = scene.twin.event("issue_comment", comment=comment, action=action)
        scene.act("issue_comment", payload)

    return play


def _spoken_after_a_push(scene: Scene) -> None:
    pull = scene.opened()
    scene.gate(scene.tested(pull, tests=FAILING))
    scene.repo.permission("alice", "maintain")
    pull.push({"shop.py": "# sneaky\n"})
    scene.tested(pull, tests=FAILING)
    scene.say(pull, "alice", "/gate retry")


def _event(name: str, play: Play, verdict: str = NOTHING, **promise: Any) -> Case:
    return Case(f"event-{name}", "events", play, verdict, **promise)


def _refused(name: str, play: Play, says: str = "", exit_code: int = 2) -> Case:
    return _event(name, play, REFUSED, says=says, exit_code=exit_code)


def _wrong_type(name: str, change: Callable[[Scene, Payload], Any]) -> Case:
    return _refused(f"has-{name}", _changed(change), "is none of GitHub's")


SUBJECTS = (
    _event("push-of-a-fork-s-main", _fork_s_push, says="from another repository is not judged"),
    _event("pull-request-from-a-fork-s-main", _fork_s_branch_called_main, "fail", code="tests.failed"),
    _event("of-another-repository", _changed(_other_repository), says="another repository"),
    _event("of-a-repository-that-is-gone", _changed(_gone_repository), says="is gone"),
    _event("of-a-branch-that-is-gone", _changed(_run(head_branch=None)), says="is gone"),
    _event("of-a-pull-request-target-run", _changed(_run(event="pull_request_target"))),
    _event("of-a-comment-s-run", _changed(_run(event="issue_comment"))),
    _event("of-an-unknown-event", _changed(_run(event="::error::x\n##[error]y"))),
    _event("says-it-is-a-push-to-main", _changed(_run(event="push", head_branch="main")), says="another repository"),
    _event("says-it-is-a-merge-group", _changed(_run(event="merge_group", head_branch="gh-readonly-queue/main/pr-1-a")), says="another repository"),
    _event("has-another-head", _changed(_run(head_sha="f" * 40)), says="has moved on"),
    _event("has-a-path-for-a-head", _changed(_run(head_sha="../../../user")), says="has moved on"),
    _event("has-a-search-for-a-branch", _changed(_run(head_branch="x&state=closed#")), says="No open pull request"),
    _event("names-another-pull-request", _says_another_pull, "fail", code="tests.failed"),
    _event("names-a-pull-request-in-its-artifact", _says_a_pull_in_its_artifact, "inconclusive", code="artifact.unsafe"),
    _event("of-a-closed-pull-request", _closed, says="No open pull request"),
    _event("of-two-pull-requests", _two_pulls, says="several pull requests"),
    _event("of-a-head-that-was-forced-away", _force_pushed, says="has moved on"),
    _event("of-a-head-before-the-last", _pushed_meanwhile, says="has moved on"),
    _event("with-a-strange-branch-and-title", _strange_branch, "fail", code="tests.failed"),
    _event("of-a-cancelled-run", _ended("cancelled"), "inconclusive", code="run.cancelled"),
    _event("of-a-run-that-timed-out", _ended("timed_out"), "inconclusive", code="run.cancelled"),
    _event("of-a-run-that-waits-for-approval", _ended("action_required"), "inconclusive", code="run.cancelled"),
    _refused("is-pull-request-target", _pull_event("pull_request_target"), "workflow_run"),
    _refused("is-pull-request-target-by-a-trick", _pull_event("pull_request_target "), "knows nothing to do"),
    _refused("is-unknown", _pull_event("::error::x"), "knows nothing to do"),
)  # fmt: skip

FILES = (
    _refused("file-is-not-there", _event_file(None), "cannot be read"),
    _refused("file-is-empty", _event_file(b""), "none of GitHub's"),
    _refused("file-is-no-json", _event_file(b"::error::x\n"), "none of GitHub's"),
    _refused("file-is-a-list", _event_file(b"[]"), "none of GitHub's"),
    _refused("file-is-null", _event_file(b"null"), "none of GitHub's"),
    _refused("file-has-no-repository", _event_file(b"{}"), "none of GitHub's"),
    _refused("file-is-nested-deeply", _event_file(b'{"repository":' * 100_000), "none of GitHub's"),
    _refused("file-is-no-utf-8", _event_file(b'{"action":"\xff\xfe"}'), "none of GitHub's"),
    _refused("file-has-33-megabytes", _event_file(b" " * (33 * 2**20)), "more than"),
    _wrong_type("a-list-for-a-run", lambda scene, payload: payload.update(workflow_run=[])),
    _wrong_type("a-number-for-a-head", _run(head_sha=7)),
    _wrong_type("a-text-for-an-id", _run(id="7 or 1=1")),
    _wrong_type("a-fraction-for-an-id", _run(id=7.5)),
    _wrong_type("no-attempt", _run(run_attempt=None)),
    _wrong_type("an-object-for-a-branch", _run(head_branch={"name": "main"})),
    _wrong_type("no-default-branch", lambda scene, payload: payload["repository"].update(default_branch=None)),
    _wrong_type("a-text-for-a-repository-s-id", lambda scene, payload: payload["repository"].update(id="7")),
)  # fmt: skip

ENVIRONMENTS = (
    *(
        _refused(f"without-{name.lower().replace('_', '-')}", _variables(**{name: None}), f"{name} is not set")
        for name in ("GITHUB_REPOSITORY", "GITHUB_EVENT_NAME", "GITHUB_EVENT_PATH", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "RUNNER_TEMP")
    ),
    _refused("run-id-is-a-command", _variables(GITHUB_RUN_ID="1\n::error::x"), "is no number"),
    _refused("run-id-is-a-foreign-digit", _variables(GITHUB_RUN_ID="²"), "is no number"),
    _refused("repository-leads-elsewhere", _variables(GITHUB_REPOSITORY="acme/../../user"), exit_code=3),
    _event("workflow-ref-is-empty", _variables(FAILING, GITHUB_WORKFLOW_REF=""), "fail", code="tests.failed"),
    _event("workflow-ref-is-the-change-s", _variables(FAILING, GITHUB_WORKFLOW_REF=f"acme/shop/{TESTS_YML}@refs/pull/1/merge"), "fail", code="tests.failed"),
    _event("workflow-ref-is-a-command", _variables(FAILING, GITHUB_WORKFLOW_REF="\n::error::x@y@z"), "fail", code="tests.failed"),
    _event("server-address-has-markup", _variables(FAILING, GITHUB_SERVER_URL="https://x)<script>"), "fail", code="tests.failed"),
    _refused("input-mode-is-a-command", _inputs(mode="\n::error::x"), "is none of"),
    _refused("input-pull-request-is-a-path", _inputs(pull_request="1/../2"), "is no number"),
    _refused("input-policy-leads-up", _inputs(policy="../evil.yaml"), "within the repository"),
    _refused("input-policy-is-not-there", _inputs(policy="a\n::error::b.yaml"), "is not in the base"),
    _refused("input-dry-run-is-a-word", _inputs(dry_run="yes\n::error::x"), "true or false"),
    _event("input-evidence-finds-nothing", _inputs(evidence="[\n::error::x"), "inconclusive", code="artifact.missing"),
)  # fmt: skip


def _comment(name: str, play: Play, says: str, verdict: str = "fail", **promise: Any) -> Case:
    promise = {"code": "tests.failed"} | promise if verdict == "fail" else promise
    return Case(f"comment-{name}", "events", play, verdict, says=says, **promise)


COMMENTS = (
    _comment("was-edited", _said("/gate retry", action="edited"), "no command", REFUSED),
    _comment("was-deleted", _said("/gate retry", action="deleted"), "no command", REFUSED),
    _comment("in-a-quotation", _said("> /gate retry"), "no command", REFUSED),
    _comment("after-another-line", _said("thanks\n/gate retry"), "no command", REFUSED),
    _comment("with-a-letter-that-looks-alike", _said("/g\u0430te retry"), "no command", REFUSED),
    _comment("by-a-stranger", _said("/gate retry", "eve", ""), "it needs a permission", REFUSED),
    _comment("by-a-reader", _said("/gate accept tests.failed", "eve", "read"), "it needs a permission", REFUSED),
    _comment("by-a-bot", _said("/gate retry", "helpful[bot]", "admin"), "only a person"),
    _comment("by-the-author", _said('/gate accept integrity.tests-removed reason:"me"', "mallory", "admin"), "of their own change"),
    _comment("accepts-a-failing-test", _said('/gate accept tests.failed reason:"fine"'), "cannot be accepted"),
    _comment("accepts-missing-evidence", _said('/gate accept artifact.missing reason:"fine"'), "cannot be accepted"),
    _comment("accepts-everything", _said('/gate accept * reason:"fine"'), "no such code"),
    _comment("accepts-two", _said('/gate accept coverage.total tests.failed x reason:"y"'), "it is written"),
    _comment("for-another-head", _said("/gate retry 0123456789ab"), "the head is"),
    _comment("for-a-head-that-was-not-judged", _spoken_after_a_push, "was pushed after"),
    *(
        _comment(f"with-{name}", _said(f"/gate {text}\n{text}"), "refused: there are")
        for name, text in TEXTS.items()
        if name in ("an-error-command", "stop-commands", "colours", "a-comment-s-end", "a-fence", "closing-details", "mentions", "a-table-row", "a-shell-substitution", "an-expression", "backticks", "65000-characters", "the-older-command", "a-lone-cr")
    ),
    _comment("with-a-reason-full-of-markup", _said('/gate accept coverage.total reason:"::error::x | <b> @everyone `x` ##[error]y"'), ""),
)  # fmt: skip

CASES = (*SUBJECTS, *FILES, *ENVIRONMENTS, *COMMENTS)
