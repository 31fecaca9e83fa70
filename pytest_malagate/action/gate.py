"""Mode `gate`: one evaluation from start to end, and the commands that ask for another."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from pytest_malagate.action.baseline import BASELINE_FILE, Baseline, encode_baseline
from pytest_malagate.action.commands import Asked, Commented, answer, moment, parse, record
from pytest_malagate.action.comment import status_of
from pytest_malagate.action.history import HistoryUnreadable, recall, state_name
from pytest_malagate.action.inputs import Inputs
from pytest_malagate.action.judging import Evaluation, Verdict
from pytest_malagate.action.memory import STATE_FILE, Memory, encode_memory, evaluation_of
from pytest_malagate.action.speaking import Said, say
from pytest_malagate.action.subjects import Judged, Nothing, find_subject, subject_of_pull
from pytest_malagate.action.telling import annotation_lines, command, write_outputs, write_summary
from pytest_malagate.errors import ExitCode, MachineryError, MalagateError, UsageError
from pytest_malagate.gate.population import Population
from pytest_malagate.gate.result import GateResult, encode
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.comments import react
from pytest_malagate.github.environment import RunnerEnvironment
from pytest_malagate.github.lock import LockProof, prove
from pytest_malagate.github.people import person
from pytest_malagate.github.pulls import pull_of
from pytest_malagate.github.records import Pull
from pytest_malagate.github.statuses import set_status
from pytest_malagate.local import OUT, write_file
from pytest_malagate.report.markdown import summary
from pytest_malagate.report.terminal import lines, paint
from pytest_malagate.report.text import plain

EXIT = {
    "pass": ExitCode.PASSED,
    "fail": ExitCode.FAILED,
    "inconclusive": ExitCode.INCONCLUSIVE,
    "error": ExitCode.INCONCLUSIVE,
}

_ONE_JOB = frozenset({"pull_request", "push", "merge_group"})
"""Events of a workflow that tests and judges in one job. Nobody relies on what it remembers."""


class Gate:
    """The mode. `now` is in seconds since the epoch, `say_line` prints one line for the log."""

    def __init__(
        self,
        client: Client,
        runner: RunnerEnvironment,
        inputs: Inputs,
        *,
        now: Callable[[], float],
    ) -> None:
        self._client, self._runner, self._inputs = client, runner, inputs
        self._now = now
        self._out = runner.temp / OUT

    def run(self) -> ExitCode:
        """Judges what the event names. Raises MalagateError for what cannot be told otherwise."""
        event = self._runner.event
        if self._runner.event_name == "issue_comment":
            return self._commented()
        self._prove_alone()
        try:
            subject = find_subject(self._client, self._runner, self._inputs)
        except GitHubError as error:
            head = event.workflow_run.head_sha if event.workflow_run else None
            self._post_error(head, str(error))
            raise
        if isinstance(subject, Nothing):
            return self._nothing(subject)
        return self._judge(subject)

    def _prove_alone(self) -> None:
        """Raises MachineryError if another run of this workflow may write at the same time.

        Each evaluation reads the attempts that the one before it left behind, so two at once would
        lose one. Failure direction: open where GitHub does not tell who holds the group.
        """
        if self._runner.event_name in _ONE_JOB:
            return
        proof = prove(self._client, self._runner.run_id)
        if not proof.known:
            print(plain(f"malagate: not known to be the only evaluation; going on: {proof.why}"))
        elif not proof.held:
            raise MachineryError(_not_alone(proof))

    # --- one evaluation ---

    def _judge(
        self, subject: Judged, memory: Memory | None = None, *, explained: bool = False
    ) -> ExitCode:
        evaluation = Evaluation(self._client, self._runner, self._inputs, subject, memory)
        try:
            verdict = evaluation.run()
        except (UsageError, GitHubError) as error:
            if subject.writable:
                self._post_error(subject.head, str(error))
            raise
        result = verdict.judgement.result
        updated = verdict.memory if explained else self._remember(subject, verdict)
        said = Said(memory=updated)
        if subject.writable and not self._inputs.dry_run:
            said = say(
                self._client,
                subject,
                result,
                updated,
                run_url=self._runner.run_url,
                explained=explained,
            )
        self._tell(subject, verdict, said)
        return self._exit(subject, result, said)

    def _remember(self, subject: Judged, verdict: Verdict) -> Memory | None:
        """The memory after this evaluation; None if there was none to begin with."""
        memory, judgement = verdict.memory, verdict.judgement
        if memory is None:
            return None
        retry = memory.retry
        if judgement.past is not None:
            retry = retry.after_failure(judgement.past, log_offset=0)
        elif judgement.spoiled:
            retry = retry.after_infrastructure()
        _, line = status_of(judgement.result)
        entry = evaluation_of(
            judgement.result, head=subject.head, run=subject.source, summary=line, at=self._now()
        )
        return msgspec.structs.replace(memory, retry=retry).evaluated(entry)

    def _exit(self, subject: Judged, result: GateResult, said: Said) -> ExitCode:
        """In one job the job's conclusion is the verdict; else it says whether it was delivered."""
        if subject.trust == "job" or self._inputs.dry_run:
            return EXIT[result.verdict]
        return ExitCode.PASSED if said.heard else ExitCode.INCONCLUSIVE

    # --- what is told ---

    def _tell(self, subject: Judged, verdict: Verdict, said: Said) -> None:
        result = verdict.judgement.result
        self._out.mkdir(parents=True, exist_ok=True)
        path = self._out / "gate-result.json"
        write_file(path, encode(result))
        # No line of it is a command to the runner: `report.text.plain` made each text harmless.
        sys.stdout.write(paint(lines(result, width=100), color=False))
        for line in annotation_lines(result):
            print(line)
        for text in said.missing:
            print(command("warning", f"not written: {text}"))
        write_summary(self._runner.step_summary, [summary(result)])
        outputs = outputs_of(result) | {"result": str(path)}
        write_outputs(self._runner.output, outputs | self._uploads(subject, verdict, said))

    def _uploads(self, subject: Judged, verdict: Verdict, said: Said) -> dict[str, str]:
        """The files that the steps after this one hand over as artifacts."""
        uploads = {}
        if said.memory is not None and subject.pull is not None and subject.writable:
            name = state_name(subject.pull.number)
            uploads["state-name"] = name
            uploads["state-path"] = str(self._keep(name, STATE_FILE, encode_memory(said.memory)))
        populations = _whole(verdict) if subject.keeps_baseline else {}
        if populations and verdict.bound.commit is not None:
            baseline = Baseline(
                repository=self._runner.repository,
                commit=verdict.bound.commit,
                tree=verdict.bound.tree,
                populations=populations,
            )
            file = self._keep("baseline", BASELINE_FILE, encode_baseline(baseline))
            uploads["baseline-path"] = str(file)
        return uploads

    def _keep(self, directory: str, name: str, data: bytes) -> Path:
        path = self._out / directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, data)
        return path

    def _nothing(self, found: Nothing) -> ExitCode:
        print(plain(f"malagate: nothing to judge: {found.why}"))
        write_outputs(self._runner.output, {"verdict": "", "passed": "false"})
        if found.head is not None:
            self._post_error(found.head, found.why)
        return ExitCode.PASSED

    def _post_error(self, head: str | None, why: str) -> None:
        """Says on the commit that it was not judged; that it could not be said is in the log."""
        if head is None or self._inputs.dry_run:
            return
        try:
            text = f"not judged: {why}"
            set_status(self._client, head, "error", text, self._runner.run_url)
        except GitHubError as error:
            print(command("warning", f"not written: {error}"))

    # --- commands ---

    def _commented(self) -> ExitCode:
        event = self._runner.event
        comment, issue = event.comment, event.issue
        asked = parse(comment.body or "") if comment and event.action == "created" else None
        if asked is None or comment is None or issue is None or issue.pull_request is None:
            print("malagate: the comment holds no command")
            return ExitCode.PASSED
        self._prove_alone()
        login = comment.user.login if comment.user else ""
        pull = pull_of(self._client, issue.number)
        commented = Commented(
            id=comment.id,
            number=issue.number,
            person=person(self._client, login),
            author=pull.user is not None and pull.user.login == login,
            at=moment(comment.created_at),
        )
        return self._obey(asked, commented, pull)

    def _obey(self, asked: Asked, commented: Commented, pull: Pull) -> ExitCode:
        stranger = not commented.person.may("triage") and not commented.author
        if stranger or pull.state != "open":
            why = "the pull request is closed" if pull.state != "open" else "it needs a permission"
            self._react(commented, done=False, outcome=f"refused: {why}")
            return ExitCode.PASSED
        subject = self._subject_again(pull, None)
        if isinstance(subject, Nothing):
            self._react(commented, done=False, outcome=f"refused: {subject.why}")
            return ExitCode.PASSED
        try:
            memory = recall(self._client, self._runner, subject, pull).memory
        except HistoryUnreadable as error:
            if asked.kind != "retry":
                self._react(commented, done=False, outcome=f"refused: {error}")
                return ExitCode.PASSED
            name = self._runner.repository
            memory = Memory(repository=name, pull_request=pull.number, rebuilt=True)
        last = memory.last()
        if last is not None and last.head == pull.head.sha and subject.source[0] != last.run:
            again = self._subject_again(pull, last.run)
            subject = again if isinstance(again, Judged) else subject
        given = answer(asked, commented, memory, pull.head.sha)
        memory = record(asked, commented, given, pull.head.sha)
        self._react(commented, done=given.done, outcome=given.outcome)
        return self._judge(subject, memory, explained=given.done and asked.kind == "explain")

    def _subject_again(self, pull: Pull, run_id: int | None) -> Judged | Nothing:
        return subject_of_pull(self._client, self._runner, self._inputs, pull, run_id)

    def _react(self, commented: Commented, *, done: bool, outcome: str) -> None:
        print(plain(f"malagate: {commented.person.login}: {outcome}"))
        if self._inputs.dry_run:
            return
        try:
            react(self._client, commented.id, "+1" if done else "-1")
        except GitHubError as error:  # the record in our comment says it too
            print(command("warning", f"not written: {error}"))


def _not_alone(proof: LockProof) -> str:
    where = "to the job that runs malagate"
    add = f"add {where}: `concurrency: {{group: malagate-gate, queue: max}}`"
    if proof.group is not None:
        add = f"the group belongs {where}, which then waits for its turn"
    return f"nothing was written, for this may not be the only evaluation: {proof.why}; {add}"


def _whole(verdict: Verdict) -> dict[str, Population]:
    """The tests of those validations whose run left nothing out."""
    ended = {"passed", "failed", "allowed"}
    evidence = verdict.judgement.result.validation_evidence
    names = {item.name for item in evidence if item.status in ended}
    return {name: tests for name, tests in verdict.populations.items() if name in names}


def outputs_of(result: GateResult) -> dict[str, str]:
    """The action's outputs that say what the verdict is."""
    reasons = [{"code": why.code, "message": plain(why.message, 300)} for why in result.reasons]
    return {
        "verdict": result.verdict,
        "passed": str(result.passed).lower(),
        "attempt": str(result.attempt.number),
        "retries-left": str(result.attempt.remaining),
        "no-progress": str(result.no_progress).lower(),
        "next-action": result.next_action.kind,
        "reasons": msgspec.json.encode(reasons[:50]).decode(),
    }


def explain_failure(error: MalagateError) -> str:
    """An error of the whole mode, as the runner shows it."""
    return command("error", str(error))
