"""Modes admit, freeze, unfreeze and post-deploy: what each event comes to, and who may what."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_malagate.github.control import CONTROL, FROZEN, READY
from tests.action.office import CLEAR, Office
from tests.action.stage import Told
from tests.test_workflows import EXAMPLES, loaded
from tests.twin import Twin

# --- the sweep ---


def test_the_first_sweep_sets_up_and_says_that_nothing_is_frozen(office: Office) -> None:
    told = office.tick()
    assert (told.exit_code, told.outputs["frozen"]) == (0, "false"), told.log
    assert office.control.author == "github-actions[bot]"
    assert "## malagate: not frozen" in told.summary
    assert office.control.pinned


def test_a_dry_sweep_writes_nothing(office: Office) -> None:
    office.pull()
    told = office.tick(dry_run="true")
    assert (told.exit_code, told.outputs["frozen"]) == (3, "true"), "nobody knows as yet"
    assert office.writes() == []


@pytest.mark.parametrize("mode", ["auto", "admit"])
def test_a_label_gives_a_ticket_and_tells_the_pull_requests(armed: Office, mode: str) -> None:
    issue = armed.repo.open_issue("Work")
    issue.add_label(READY, armed.twin.user("tina"))
    pull = armed.pull()
    told = armed.told_of(issue, "labeled", label=READY, mode=mode)
    assert told.exit_code == 0, told.log
    assert f"`#{issue.number}`" in told.summary
    state, text = armed.status(pull.head_sha) or ("", "")
    assert (state, text) == ("pending", f"place 1: #{issue.number} is before it, 1 in all")


def test_a_label_freezes_every_pull_request_at_once(armed: Office) -> None:
    pull = armed.pull()
    armed.tick()
    assert armed.status(pull.head_sha) == ("success", "may land")
    issue = armed.burns()
    told = armed.told_of(issue, "labeled", label=FROZEN)
    assert (told.exit_code, told.outputs["frozen"]) == (0, "true"), told.log
    assert (armed.status(pull.head_sha) or "")[0] == "failure"


@pytest.mark.parametrize(
    ("login", "clears"), [("maja", True), ("walt", False), ("rita", False), ("robo[bot]", False)]
)
def test_a_freeze_that_somebody_closes_is_cleared_only_by_who_may(
    armed: Office, login: str, clears: bool
) -> None:
    issue = armed.freeze()
    issue.close(by=login)
    told = armed.told_of(issue, "closed", actor=login)
    assert told.exit_code == 0, told.log
    assert told.outputs["frozen"] == str(not clears).lower()
    assert issue.state == ("closed" if clears else "open")
    assert clears or FROZEN in issue.labels


def test_what_cannot_be_read_is_frozen_and_the_run_is_red(armed: Office) -> None:
    pull = armed.pull()
    armed.repo.delete_label(FROZEN)
    told = armed.tick()
    assert (told.exit_code, told.outputs["frozen"]) == (3, "true")
    assert "is gone: deleted or renamed" in json.loads(told.outputs["reasons"])[0]["message"]
    assert (armed.status(pull.head_sha) or "")[0] == "error"


def test_without_its_permissions_a_sweep_changes_nothing_and_says_so(armed: Office) -> None:
    armed.repo.open_issue("Work").add_label(READY, armed.twin.user("tina"))
    armed.pull()
    reads = {"contents": "read", "issues": "read", "pull-requests": "read", "actions": "read"}
    token = armed.twin.token("t-read", armed.repo, login="github-actions[bot]", permissions=reads)
    before = len(armed.control.comments)
    told = armed.tick(token=token)
    assert "the token may not do this" in told.log
    assert len(armed.control.comments) == before
    assert not armed.repo.all_statuses


# --- one change ---


def test_a_pull_request_may_land_or_waits_or_is_frozen(armed: Office) -> None:
    first = armed.pull("first")
    told = armed.asked(first)
    assert (told.exit_code, told.outputs["admitted"], told.outputs["position"]) == (0, "true", "0")
    assert armed.status(first.head_sha) == ("success", "may land")
    armed.repo.open_issue("Work").add_label(READY, armed.twin.user("tina"))
    armed.tick()
    second = armed.pull("second")
    told = armed.asked(second)
    assert (told.exit_code, told.outputs["admitted"], told.outputs["position"]) == (4, "false", "1")
    assert (armed.status(second.head_sha) or "")[0] == "pending"
    armed.burns()
    third = armed.pull("third")
    told = armed.asked(third)
    assert (told.exit_code, told.outputs["frozen"]) == (4, "true")
    assert json.loads(told.outputs["reasons"])[0]["code"] == "freeze.active"
    assert (armed.status(third.head_sha) or "")[0] == "failure"


def test_a_head_that_a_sweep_has_told_is_left_to_the_sweeps(armed: Office) -> None:
    pull = armed.pull()
    armed.tick()
    armed.burns()
    told = armed.asked(pull)
    assert told.exit_code == 4
    assert armed.status(pull.head_sha) == ("success", "may land")
    armed.tick()
    assert (armed.status(pull.head_sha) or "")[0] == "failure"


def test_a_freeze_between_the_look_and_the_status_is_not_overwritten(armed: Office) -> None:
    pull, twin = armed.pull(), armed.twin
    seen: list[Any] = []
    strike = twin.faults.strike

    def burns_once(host: str, method: str, path: str) -> str | None:
        if method == "POST" and "/statuses/" in path and not seen:
            seen.append(armed.burns())
        return strike(host, method, path)

    twin.faults.strike = burns_once  # type: ignore[method-assign]
    told = armed.asked(pull)
    assert seen, "the freeze came just before the status"
    assert (told.exit_code, told.outputs["admitted"]) == (4, "false")
    assert (armed.status(pull.head_sha) or "")[0] == "failure"


def test_a_fork_s_run_writes_nothing_and_its_conclusion_says_it(armed: Office) -> None:
    pull = armed.pull(fork=True, author="mallory")
    token = armed.twin.token(
        "t-fork", armed.repo, permissions={"contents": "read", "issues": "read"}
    )
    since = len(armed.twin.requests)
    told = armed.asked(pull, token=token)
    assert (told.exit_code, told.outputs["admitted"]) == (0, "true"), told.log
    armed.burns()
    told = armed.asked(pull, token=token)
    assert (told.exit_code, told.outputs["frozen"]) == (4, "true")
    assert armed.writes(since) == []


def test_the_input_names_the_pull_request_where_the_event_does_not(armed: Office) -> None:
    pull = armed.pull()
    told = armed.dispatch("maja", mode="admit", pull_request=str(pull.number))
    assert (told.exit_code, told.outputs["admitted"]) == (0, "true"), told.log


@pytest.mark.parametrize("frozen", [False, True])
def test_a_merge_group_is_looked_at_live(armed: Office, frozen: bool) -> None:
    pull = armed.pull()
    armed.tick()
    if frozen:
        armed.burns()
    told = armed.group(pull)
    assert told.exit_code == (4 if frozen else 0), told.log
    assert told.outputs["frozen"] == str(frozen).lower()
    state = (armed.status(armed.merging.head_sha) or "")[0]
    assert state == ("failure" if frozen else "success")


def test_a_freeze_of_another_branch_lets_a_merge_group_through(armed: Office) -> None:
    pull = armed.pull()
    armed.repo.commit("release", {"a.txt": "a"})
    issue = armed.repo.open_issue("Only there", body="branch: release\n", author="tina")
    issue.add_label(FROZEN, armed.twin.user("tina"))
    assert armed.group(pull).exit_code == 0


@pytest.mark.parametrize(
    ("hand", "cause"),
    [
        (lambda office: office.repo.delete_label(FROZEN), "freeze.label-missing"),
        (lambda office: office.control.close(), "freeze.control-closed"),
        (lambda office: office.twin.faults.add("502", times=50, path="/issues"), "freeze.api"),
        (lambda office: office.twin.faults.add("502", times=50, path="/pulls/"), "freeze.api"),
        (lambda office: office.twin.faults.add("502", times=50, path="/contents"), "freeze.api"),
    ],
    ids=["label", "control", "api", "pull", "policy"],
)
def test_a_merge_group_that_nobody_can_tell_about_is_frozen(
    armed: Office, hand: Any, cause: str
) -> None:
    pull = armed.pull()
    hand(armed)
    told = armed.group(pull)
    assert (told.exit_code, told.outputs["admitted"], told.outputs["frozen"]) == (
        4,
        "false",
        "true",
    )
    assert json.loads(told.outputs["reasons"])[0].get("cause") == cause, told.log
    assert "Traceback" not in told.log


def test_a_merge_group_whose_branch_names_nothing_is_frozen(armed: Office) -> None:
    armed.merging = armed.repo.merge_group(armed.pull())
    payload = armed.twin.event("merge_group", group=armed.merging)
    payload["merge_group"]["head_ref"] = "refs/heads/gh-readonly-queue/main/x-$(id)"
    told = armed.act("merge_group", payload, mode="admit", alone=None)
    assert (told.exit_code, told.outputs["frozen"]) == (4, "true")


def test_a_merge_group_is_the_gate_s_where_nobody_says_admit(armed: Office) -> None:
    group = armed.repo.merge_group(armed.pull())
    told = armed.act("merge_group", armed.twin.event("merge_group", group=group), alone=None)
    assert "verdict" in told.outputs


# --- freezing and clearing ---


@pytest.mark.parametrize(("login", "sets"), [("tina", True), ("rita", False), ("stranger", False)])
def test_whoever_may_label_may_freeze(armed: Office, login: str, sets: bool) -> None:
    told = armed.dispatch(login, mode="freeze", reason="prices are wrong")
    assert told.exit_code == (0 if sets else 2), told.log
    assert armed.frozen is sets


def test_a_freeze_gets_through_without_lock_policy_or_control_issue(office: Office) -> None:
    office.repo.commit("main", {"malagate.yaml": "version: [\n"})
    told = office.dispatch("tina", mode="freeze", reason="on fire", alone=None)
    assert (told.exit_code, told.outputs["frozen"]) == (0, "true"), told.log
    assert "the policy could not be read, so the defaults hold" in told.log


@pytest.mark.parametrize("mode", ["freeze", "unfreeze"])
def test_a_reason_is_needed(armed: Office, mode: str) -> None:
    told = armed.dispatch("maja", mode=mode)
    assert told.exit_code == 2
    assert "input reason" in told.log


@pytest.mark.parametrize(
    ("login", "done"),
    [("maja", True), ("ada", True), ("walt", False), ("stranger", False), ("robo[bot]", False)],
)
@pytest.mark.parametrize("mode", ["auto", "unfreeze"])
def test_only_a_person_who_may_clears_by_a_comment(
    armed: Office, mode: str, login: str, done: bool
) -> None:
    issue = armed.freeze()
    told = armed.say(issue, login, CLEAR, mode=mode)
    assert told.exit_code == 0, told.log
    asked, answered = issue.comments[-2:]
    assert [reaction.content for reaction in asked.reactions] == ["+1" if done else "-1"]
    assert answered.author == "github-actions[bot]"
    assert answered.body.startswith("Cleared by" if done else "Refused")
    assert told.outputs["frozen"] == str(not done).lower()
    assert armed.frozen is not done


def test_on_its_own_issue_one_freeze_is_cleared_and_elsewhere_all(armed: Office) -> None:
    one, _ = armed.freeze("one"), armed.freeze("two")
    told = armed.say(one, "maja", CLEAR)
    assert told.outputs["frozen"] == "true"
    assert "Still standing: 2" in told.log
    armed.freeze("three")
    told = armed.say(armed.pull(), "maja", CLEAR)
    assert told.outputs["frozen"] == "false"
    armed.freeze("four")
    assert armed.say(armed.control, "maja", CLEAR).outputs["frozen"] == "false"


def test_on_any_other_issue_nothing_is_cleared(armed: Office) -> None:
    armed.freeze()
    told = armed.say(armed.repo.open_issue("Chat"), "maja", CLEAR)
    assert "this issue is no freeze that stands" in told.log
    assert armed.frozen


def test_a_freeze_by_a_label_is_cleared_by_a_comment_on_it(armed: Office) -> None:
    issue = armed.burns()
    told = armed.say(issue, "maja", CLEAR)
    assert told.outputs["frozen"] == "false", told.log
    assert FROZEN not in issue.labels


def test_nobody_clears_a_freeze_about_a_change_of_their_own(armed: Office) -> None:
    pull = armed.pull(author="maja")
    assert armed.say(pull, "tina", '/gate freeze reason:"it broke"').outputs["frozen"] == "true"
    refused = armed.say(pull, "maja", CLEAR)
    assert "is the author of what freeze 1 is about" in refused.log
    assert armed.say(pull, "ada", CLEAR).outputs["frozen"] == "false"


@pytest.mark.parametrize("branch", ["malagate/{}", "malagate/{}-words"])
@pytest.mark.parametrize("merged", [False, True])
def test_nor_one_about_the_task_that_the_change_belongs_to(
    armed: Office, branch: str, merged: bool
) -> None:
    task = armed.repo.open_issue("Prices")
    pull = armed.pull(branch.format(task.number), author="maja")
    if merged:
        pull.merge(by="walt")
    armed.say(task, "tina", '/gate freeze reason:"it broke"')
    refused = armed.say(armed.control, "maja", CLEAR)
    assert "Refused: maja is the author of what freeze 1 is about" in refused.log
    assert armed.say(armed.control, "ada", CLEAR).outputs["frozen"] == "false"


def test_a_comment_freezes_on_any_issue_and_in_the_mode_it_names(armed: Office) -> None:
    issue = armed.repo.open_issue("Prices")
    told = armed.say(issue, "tina", '/gate freeze reason:"prices are wrong" mode:hard', alone=None)
    assert told.outputs["frozen"] == "true", told.log
    assert "mode hard" in told.log
    assert f"`#{issue.number}`" in told.summary
    refused = armed.say(issue, "rita", '/gate freeze reason:"me too"')
    assert "may not freeze" in refused.log


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("/gate unfreeze", 'it is written /gate unfreeze reason:"…"'),
        ('/gate unfreeze reason:""', "it is written"),
        ('/gate unfreeze reason:"x" mode:hard', "it is written"),
        ('/gate freeze reason:"x" mode:soft', "drain|pause|hard"),
        ('/gate rearm now reason:"x"', "it is written /gate rearm"),
    ],
)
def test_a_command_that_is_written_wrongly_is_explained(
    armed: Office, body: str, said: str
) -> None:
    armed.freeze()
    told = armed.say(armed.control, "ada", body)
    assert said in told.log
    assert armed.frozen


def test_a_hostile_comment_reaches_neither_the_log_nor_the_ledger_as_more_than_text(
    armed: Office,
) -> None:
    body = '/gate freeze reason:"::error::x `$(id)` @maja <!-- malagate:ledger -->\x1b[31m"'
    told = armed.say(armed.repo.open_issue("x\n::error::y"), "tina", body)
    assert told.outputs["frozen"] == "true", told.log
    assert told.commands() == []
    assert "\x1b" not in told.log
    assert "@maja" not in armed.repo.issues[armed.control.number + 1].comments[-1].body
    assert armed.tick().exit_code == 0


def test_the_gate_leaves_the_queue_s_commands_alone(armed: Office) -> None:
    pull = armed.pull()
    told = armed.say(pull, "maja", CLEAR, mode="gate")
    assert "the comment holds no command" in told.log
    assert len(pull.comments) == 1


def test_a_dry_run_clears_nothing(armed: Office) -> None:
    issue = armed.freeze()
    since = len(armed.twin.requests)
    told = armed.say(issue, "maja", CLEAR, dry_run="true")
    assert "would clear freeze 1" in told.log
    assert armed.writes(since) == []


def test_clearing_by_the_mode_asks_for_the_same(armed: Office) -> None:
    armed.freeze()
    refused = armed.dispatch("walt", mode="unfreeze", reason="trust me")
    assert refused.exit_code == 2
    told = armed.dispatch("maja", mode="unfreeze", reason="rolled back")
    assert (told.exit_code, told.outputs["frozen"]) == (0, "false")


# --- a ledger that cannot be read ---


def broken(office: Office) -> None:
    page = next(c for c in office.control.comments if c.body.startswith("<!-- malagate:ledger"))
    page.delete()


@pytest.mark.parametrize(("login", "done"), [("ada", True), ("maja", False), ("robo[bot]", False)])
def test_an_admin_begins_a_ledger_anew_that_cannot_be_read(
    armed: Office, login: str, done: bool
) -> None:
    armed.freeze("one")
    armed.freeze("two")
    broken(armed)
    assert armed.tick().exit_code == 3
    told = armed.say(armed.control, login, '/gate rearm reason:"looked at it"')
    assert told.outputs["frozen"] == "true", told.log
    assert armed.tick().exit_code == (0 if done else 3)
    if done:
        assert armed.say(armed.control, "maja", CLEAR).outputs["frozen"] == "false"


def test_a_ledger_that_can_be_read_is_not_begun_anew(armed: Office) -> None:
    told = armed.say(armed.control, "ada", '/gate rearm reason:"because"')
    assert "there is nothing to begin anew" in told.log
    assert not armed.frozen


def test_a_label_that_was_deleted_is_made_again_by_rearming(armed: Office) -> None:
    armed.repo.delete_label(FROZEN)
    assert armed.say(armed.control, "ada", '/gate rearm reason:"mended"').exit_code == 0
    assert FROZEN in armed.repo.labels
    assert armed.tick().exit_code == 0


# --- the lock ---


@pytest.mark.parametrize(
    ("call", "group"),
    [
        (lambda office, alone: office.tick(alone=alone), "malagate-tick-v"),
        (lambda office, alone: office.say(office.control, "maja", CLEAR, alone=alone),
         "malagate-commands-v"),
    ],
    ids=["tick", "command"],
)  # fmt: skip
@pytest.mark.parametrize("held", ["no group", "another runs"])
def test_who_does_not_hold_the_lock_writes_nothing(
    armed: Office, call: Any, group: str, held: str
) -> None:
    issue = armed.freeze()
    issue.close(by="maja")
    alone = None
    if held == "another runs":
        armed.repo.run(event="schedule", concurrency=(f"{group}0", "max"))
        alone = (f"{group}0", "max")
    since = len(armed.twin.requests)
    told = call(armed, alone)
    assert told.exit_code == 3
    assert f'concurrency: {{group: "{group}${{{{ vars.MALAGATE_EPOCH' in told.log
    assert armed.writes(since) == []


def test_without_the_api_it_says_that_it_relies_on_the_ledger(armed: Office) -> None:
    armed.twin.no_concurrency_api = True
    issue = armed.repo.open_issue("Work")
    issue.add_label(READY, armed.twin.user("tina"))
    told = armed.told_of(issue, "labeled", alone=None)
    assert told.exit_code == 0, told.log
    assert "relying on the ledger's fencing" in told.log
    assert f"`#{issue.number}`" in told.summary


# --- after a deployment ---


@pytest.mark.parametrize(
    ("command", "code", "verdict"),
    [
        ("true", 0, "HEALTHY"),
        ("echo no; exit 22", 1, "DEGRADED"),
        ("kill -9 $$", 3, "INCONCLUSIVE"),
    ],
)
def test_a_smoke_check_freezes_unless_it_said_yes(
    office: Office, command: str, code: int, verdict: str
) -> None:
    payload = office.twin.event("deployment_status", repo=office.repo, actor="deployer[bot]")
    told = office.act("deployment_status", payload, mode="post-deploy", command=command, alone=None)
    assert (told.exit_code, told.outputs["verdict"]) == (code, verdict), told.log
    assert told.outputs["frozen"] == str(verdict != "HEALTHY").lower()
    assert office.frozen is (verdict != "HEALTHY")
    assert verdict in told.summary


def test_a_smoke_check_that_does_not_end_freezes_before_the_job_is_over(office: Office) -> None:
    payload = office.twin.event("deployment_status", repo=office.repo)
    told = office.act(
        *("deployment_status", payload),
        mode="post-deploy",
        command="sleep 60",
        timeout="1",
        alone=None,
    )
    assert (told.exit_code, told.outputs["frozen"]) == (3, "true"), told.log
    assert "had not ended after 1 s" in told.log


@pytest.mark.parametrize("timeout", ["0", "-1", "10m", "1e9", "10000000"])
def test_a_time_that_is_none_is_refused_before_the_check_runs(office: Office, timeout: str) -> None:
    payload = office.twin.event("deployment_status", repo=office.repo)
    told = office.act(
        "deployment_status", payload, mode="post-deploy", command="exit 1", timeout=timeout
    )
    assert told.exit_code == 2
    assert "input timeout:" in told.log
    assert office.writes() == []


def test_a_freeze_that_could_not_be_written_is_told(office: Office) -> None:
    office.tick()
    payload = office.twin.event("deployment_status", repo=office.repo)
    office.twin.faults.add("forbidden", times=50, method="POST")
    told = office.act(
        "deployment_status", payload, mode="post-deploy", command="exit 1", alone=None
    )
    assert (told.exit_code, told.outputs["frozen"]) == (3, "false")
    assert "Nothing was frozen" in told.log


def test_a_check_that_said_yes_on_its_dry_run_writes_nothing(office: Office) -> None:
    payload = office.twin.event("deployment_status", repo=office.repo)
    told = office.act(
        "deployment_status", payload, mode="post-deploy", command="exit 1", dry_run="true"
    )
    assert told.exit_code == 1
    assert office.writes() == []


# --- what is asked wrongly ---


@pytest.mark.parametrize(
    ("event", "inputs", "said"),
    [
        ("deployment_status", {}, "name post-deploy"),
        ("deployment_status", {"mode": "post-deploy"}, "needs the check"),
        ("schedule", {"mode": "admit", "store": "malagate-out/state.db"}, "no github:OWNER/REPO"),
        ("schedule", {"mode": "admit", "store": "github:acme"}, "is no github:OWNER/REPO"),
        ("schedule", {"mode": "admit", "store": "github:acme/other"}, "is not this repository"),
    ],
)
def test_a_usage_error_names_what_is_wrong(
    office: Office, event: str, inputs: dict[str, str], said: str
) -> None:
    told = office.act(event, office.twin.event(event, repo=office.repo), **inputs)
    assert told.exit_code == 2
    assert said in told.log
    assert office.writes() == []


def test_the_control_issue_can_be_pinned(armed: Office) -> None:
    armed.repo.open_issue("also", author="walt", labels=(CONTROL,))
    assert armed.tick().exit_code == 3
    store = f"github:acme/shop#{armed.control.number}"
    told = armed.tick(store=store)
    assert (told.exit_code, told.outputs["frozen"]) == (0, "false"), told.log


def test_another_repository_is_frozen_from_here(twin: Twin, office: Office) -> None:
    other = twin.repository("acme/app")
    other.commit("main", {"a.py": "x = 1"})
    other.permission("tina", "triage")
    token = twin.token("t-app", other, login="robo[bot]", permissions={"issues": "write"})
    told = office.dispatch(
        "tina", mode="freeze", reason="the deployment failed", token=token, store="github:acme/app"
    )
    assert told.exit_code == 0, told.log
    assert [issue.title for issue in other.issues.values() if FROZEN in issue.labels]


# --- the permissions that the workflows give ---


def scopes(file: str, job: str) -> dict[str, str]:
    """What a job of an example may do. That it sees the repository goes without saying."""
    return {"metadata": "read"} | loaded(EXAMPLES / file)["jobs"][job]["permissions"]


def sweeps(office: Office, **given: Any) -> Told:
    office.repo.open_issue("Work").add_label(READY, office.twin.user("tina"))
    office.burns().close(by="maja")
    office.freeze().close(by="walt")
    office.repo.private = True
    return office.tick(**given)


def commands(office: Office, **given: Any) -> Told:
    office.freeze()
    office.repo.private = True
    return office.say(office.pull("other"), "maja", CLEAR, **given)


def checks(office: Office, **given: Any) -> Told:
    payload = office.twin.event("deployment_status", repo=office.repo)
    given = {"mode": "post-deploy", "command": "exit 1", "alone": None} | given
    office.repo.private = True
    return office.act("deployment_status", payload, **given)


def merges(office: Office, **given: Any) -> Told:
    office.repo.private = True
    return office.group(office.pull("other"), **given)


@pytest.mark.parametrize(
    ("call", "file", "job", "code"),
    [
        (sweeps, "queue/malagate-queue.yml", "admit", 0),
        (sweeps, "queue/malagate-commands.yml", "sweep", 0),
        (commands, "queue/malagate-commands.yml", "command", 0),
        (merges, "merge-queue/admission.yml", "admission", 0),
        (checks, "post-deploy/malagate-post-deploy.yml", "smoke", 1),
        (sweeps, "post-deploy/malagate-post-deploy.yml", "sweep", 0),
    ],
)
def test_the_examples_permissions_are_enough_in_a_private_repository(
    armed: Office, call: Callable[..., Told], file: str, job: str, code: int
) -> None:
    armed.pull()
    login = "github-actions[bot]"
    token = armed.twin.token("t-job", armed.repo, login=login, permissions=scopes(file, job))
    told = call(armed, token=token)
    assert told.exit_code == code, told.log
    assert "the token may not" not in told.log
    assert "not written" not in told.log
