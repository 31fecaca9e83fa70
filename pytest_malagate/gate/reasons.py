"""The registry of reasons: every code that a result may carry, why it exists and what to do.

`malagate explain` and the documentation are printed from it, and `reason` builds every reason of
this package, so a code, its severity and its hint are decided in one place. A fix never tells
anybody to move a bound or to take a test out of the run: it would be followed.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Literal

import msgspec

from pytest_malagate.gate.result import Reason

Severity = Literal["fail", "inconclusive", "error", "warn"]


class ReasonPhase(IntEnum):
    """In which order reasons are told: an earlier phase makes the later ones doubtful."""

    INTEGRITY = 0
    MACHINERY = 1
    RESOLUTION = 2
    COMMIT = 3
    COLLECTION = 4
    TESTS = 5
    COVERAGE = 6
    LINT = 7
    PROGRESS = 8
    RETRY = 9
    ADMISSION = 10

    @property
    def title(self) -> str:
        """The phase in words."""
        return _PHASE_TITLES[self]


_PHASE_TITLES = {
    ReasonPhase.INTEGRITY: "integrity",
    ReasonPhase.MACHINERY: "machinery",
    ReasonPhase.RESOLUTION: "resolution markers",
    ReasonPhase.COMMIT: "commit",
    ReasonPhase.COLLECTION: "evidence and collection",
    ReasonPhase.TESTS: "failing tests",
    ReasonPhase.COVERAGE: "coverage",
    ReasonPhase.LINT: "other commands",
    ReasonPhase.PROGRESS: "progress",
    ReasonPhase.RETRY: "retries",
    ReasonPhase.ADMISSION: "admission",
}


class ReasonInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a code. `severity` is what it does unless the policy says otherwise:

    `fail` blocks and is charged to the author; `inconclusive` and `error` block and are not the
    work's fault; `warn` does not block.
    """

    code: str
    title: str
    why: str
    fix: str
    phase: ReasonPhase
    severity: Severity = "fail"


class UnregisteredCode(KeyError):
    """A bug of the caller: a reason was built with a code that the registry does not hold."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    def __str__(self) -> str:
        near = nearest(self.code)
        return f"{self.code!r} is no registered reason code" + (f"; {near!r} is" if near else "")


def reason(  # noqa: PLR0913 - one keyword per field of Reason
    code: str,
    message: str,
    *,
    severity: Severity | None = None,
    hint: str | None = None,
    file: str | None = None,
    line: int | None = None,
    nodeid: str | None = None,
    fingerprint: str | None = None,
) -> Reason:
    """A reason with the registry's severity, and its fix as the hint, unless they are given.

    Raises UnregisteredCode, a KeyError.
    """
    info = REASONS.get(code)
    if info is None:
        raise UnregisteredCode(code)
    return Reason(
        code=code,
        message=message,
        severity=info.severity if severity is None else severity,
        hint=info.fix if hint is None else hint,
        file=file,
        line=line,
        nodeid=nodeid,
        fingerprint=fingerprint,
    )


def phase(code: str) -> ReasonPhase:
    """Where a reason stands in the order.

    A code that the registry does not hold comes from somebody's own judge, or from a result of
    another version; it stands beside the other commands.
    """
    info = REASONS.get(code)
    return ReasonPhase.LINT if info is None else info.phase


def nearest(code: str) -> str | None:
    """The registered code that resembles `code` most, or None if none does."""
    return next(iter(difflib.get_close_matches(code, REASONS, n=1, cutoff=0.5)), None)


def _rows(
    where: ReasonPhase, *rows: tuple[str, str, str, str] | tuple[str, str, str, str, Severity]
) -> list[ReasonInfo]:
    return [
        ReasonInfo(
            code=row[0],
            title=row[1],
            why=row[2],
            fix=row[3],
            phase=where,
            severity=row[4] if len(row) == 5 else "fail",
        )
        for row in rows
    ]


_INTEGRITY = _rows(
    ReasonPhase.INTEGRITY,
    (
        "integrity.policy-changed",
        "The change edits the policy that judges it",
        "A change that could rewrite its own rule could pass anything. It is judged by the policy "
        "of the base, and the edit is shown to whoever reviews it.",
        "Move the policy edit into a change of its own, or ask a maintainer to review it.",
        "warn",
    ),
    (
        "integrity.tests-removed",
        "Tests that the base has are gone",
        "Deleting a failing test is the shortest way to a green run, and the run itself cannot "
        "show it: a test that is gone does not fail.",
        "Put the tests back and make them pass. If they are obsolete, say why in the change and "
        "ask a maintainer to decide.",
    ),
    (
        "integrity.skips-added",
        "Tests that ran on the base do not run any more",
        "A test that is set aside proves nothing, yet the run stays green. Markers of this sort "
        "tend to call the failure an old one.",
        "Take the added marker or condition away and repair what the test shows.",
    ),
    (
        "integrity.checks-weakened",
        "Assertions were removed or made weaker",
        "A test that asserts less than before still passes and still counts, while what it "
        "guarded is no longer guarded.",
        "Restore the assertions and change the code until they hold.",
    ),
    (
        "integrity.pragmas-added",
        "Lines were taken out of the coverage measurement",
        "A line that is not measured cannot lack coverage, so the percentage rises although "
        "nothing more is tested.",
        "Take the added comments away and write tests that reach those lines.",
        "warn",
    ),
    (
        "integrity.protected-path",
        "The change touches a protected path",
        "Files that configure the tests, the workflows or the gate decide what a green run "
        "means; the policy names them so that a person looks at every edit.",
        "Undo the edit of the protected file, or ask a maintainer to make it.",
    ),
    (
        "integrity.workflow-changed",
        "The change edits the workflow that tests it",
        "A pull request runs its own version of the workflow file. Whoever edits that file decides "
        "what runs and what is recorded, so evidence from it proves nothing until a person has "
        "read the edit.",
        "Move the edit of the workflow into a change of its own, or ask a maintainer to accept it.",
    ),
    (
        "integrity.accepted",
        "A person accepted a reason",
        "Somebody with the right to it looked at this reason and decided that it shall not block. "
        "The decision holds for this commit only, and it is shown with its author.",
        "Nothing is left to do. Who reviews the change should know of it.",
        "warn",
    ),
)

_MACHINERY = _rows(
    ReasonPhase.MACHINERY,
    (
        "machinery.git",
        "git could not answer",
        "Evidence belongs to a tree, and only git says which tree the working files are. Without "
        "that answer nothing can be matched.",
        "Run `git status` in the repository, repair what it reports, then judge again.",
        "inconclusive",
    ),
    (
        "machinery.store",
        "The state store could not be read or written",
        "Attempts, tasks and freezes are kept there. Guessing them would reset a retry budget or "
        "lift a freeze.",
        "Check that the output directory is writable and has space left, then judge again.",
        "inconclusive",
    ),
    (
        "machinery.log",
        "The evidence log could not be opened",
        "What cannot be read cannot be believed, and a log that is there but locked away is not "
        "the same as no evidence.",
        "Check the permissions of the output directory and the space on its disk, then rerun the "
        "validations.",
        "inconclusive",
    ),
    (
        "machinery.internal",
        "malagate itself failed",
        "A bug in the gate says nothing about the work, so it neither passes it nor is charged "
        "to its author.",
        "Report the traceback with the version of malagate; a maintainer has to look at it.",
        "error",
    ),
    (
        "evidence.unreadable",
        "The evidence log could not be read",
        "A damaged log may have held a failure, so what is left of it is not taken for the whole.",
        "Move the damaged log out of the output directory and rerun every validation.",
        "inconclusive",
    ),
    (
        "evidence.killed",
        "A validation was killed from outside",
        "A process that was killed (exit 137 or 143, SIGKILL, SIGTERM) was stopped by the "
        "machine or a time limit before it could say anything about the work.",
        "Rerun the validation. If it is killed again, look for memory use or a time limit.",
        "inconclusive",
    ),
    (
        "policy.unjudged",
        "The policy asks for something that was not judged",
        "A rule that is written down and silently not applied would be trusted for nothing. Some "
        "rules compare with a recorded run of the base, which GitHub keeps, and not this machine.",
        "Look at the verdict of the change's pull request, or of `malagate coordinate`, which runs "
        "the base itself. A key that the message calls unknown to this version needs a newer one.",
        "warn",
    ),
    (
        "machinery.github",
        "GitHub could not be asked",
        "Which commit and which run this is comes from GitHub and from nobody else. Without its "
        "answer nothing can be matched.",
        "Wait until GitHub answers again, then run the gate's workflow once more; check the "
        "permissions of its token if it goes on.",
        "inconclusive",
    ),
    (
        "artifact.missing",
        "The run left no evidence behind",
        "A run without an artifact may have tested anything or nothing. What was not handed over "
        "cannot be judged.",
        "Look at the run's upload step; let the job upload its output directory even where a step "
        "before it failed.",
        "inconclusive",
    ),
    (
        "artifact.expired",
        "The evidence has expired",
        "GitHub removes artifacts after a while. What they held is not known any more, whatever "
        "was made of it then.",
        "Run the workflow of the change again, so that it leaves new evidence.",
        "inconclusive",
    ),
    (
        "artifact.digest",
        "An artifact is not the one that was uploaded",
        "Its digest differs from the one that GitHub recorded, or there is none to compare with: "
        "it was damaged or exchanged on the way.",
        "Run the workflow of the change again. If the digest differs again, tell a maintainer.",
        "inconclusive",
    ),
    (
        "artifact.unsafe",
        "An artifact holds what no honest upload holds",
        "A link, a path that leads out, a doubled name or a file that does not belong there is "
        "how an archive is made to mean different things to different readers.",
        "Upload malagate's output directory as it is, and nothing beside it.",
        "inconclusive",
    ),
    (
        "artifact.too-large",
        "An artifact is too large",
        "An archive that unpacks to far more than evidence ever needs, or one of very many, would "
        "stop the machine that judges it.",
        "Upload malagate's output directory alone, and join shards into fewer artifacts.",
        "inconclusive",
    ),
    (
        "artifact.damaged",
        "An artifact is broken",
        "Half of an archive may have lost exactly the failure, so what is left is not read.",
        "Run the workflow of the change again, so that it uploads the evidence once more.",
        "inconclusive",
    ),
    (
        "evidence.other-run",
        "The evidence is of another run",
        "Each record names the run and the attempt that made it. Evidence from elsewhere, however "
        "green, says nothing about this run.",
        "Run the validations in the workflow itself, and upload what that run wrote.",
        "inconclusive",
    ),
    (
        "evidence.other-commit",
        "The evidence is of another commit",
        "The records name the commit that was checked out, and it is not the one to be judged.",
        "Check out the head of the change, or its merge with the base, and run the validations "
        "there.",
        "inconclusive",
    ),
    (
        "run.cancelled",
        "The run did not come to its end",
        "It was cancelled, it timed out or it never started, so what it left is no answer.",
        "Run the workflow of the change again and let it finish.",
        "inconclusive",
    ),
    (
        "run.conclusion",
        "The run ended as failed though its evidence is good",
        "A step that is no validation failed, or one failed after the evidence was complete. The "
        "gate judges the evidence; the run's own mark is for whoever looks after the workflow.",
        "Look at the failed step of the run.",
        "warn",
    ),
    (
        "subject.unknown",
        "No open pull request has this commit as its head",
        "A verdict belongs to a pull request and its base. Without one there is nothing to judge, "
        "and no policy to judge by.",
        "Open a pull request for the branch, or push to the one that is open.",
        "inconclusive",
    ),
    (
        "subject.ambiguous",
        "Several pull requests have this commit as their head",
        "They may have different bases and so different rules; a verdict for one would show on "
        "all of them.",
        "Close all but one of them, or give one a commit of its own.",
        "inconclusive",
    ),
    (
        "subject.superseded",
        "The pull request has moved on",
        "A newer commit was pushed while the run was under way. A verdict on the old one would be "
        "of no use to anybody.",
        "Wait for the run of the newest commit; it is judged by itself.",
        "inconclusive",
    ),
    (
        "base.moved",
        "Tested together with an older base",
        "The base has changed since the run began, and the two may not go together although each "
        "is good by itself.",
        "Update the branch from its base and let the workflow run again, or use a merge queue.",
        "warn",
    ),
    (
        "baseline.missing",
        "The base has left no trusted run to compare with",
        "Without it nobody can say which tests were there before, so tests that are gone and "
        "coverage that was lost were not judged.",
        "Let the gate's workflow run on the default branch once; it keeps the baseline.",
        "warn",
    ),
    (
        "history.rebuilt",
        "Earlier attempts were counted from the list of runs",
        "What they failed with has expired or was lost, so the budget holds, but standing still "
        "may go unseen for an attempt.",
        "Nothing is left to do. Keep the state artifacts longer if it happens often.",
        "warn",
    ),
    (
        "history.refused",
        "A state artifact that is not ours was not used",
        "Retry state counts only from the gate's own workflow on the default branch. One from "
        "elsewhere could grant attempts or hide that there is no progress.",
        "Find out which workflow uploads artifacts under malagate's name.",
        "warn",
    ),
    (
        "comment.unsent",
        "The comment could not be written",
        "The verdict stands in the status and the summary; only the comment is not current.",
        "Check that the workflow's token may write to pull requests.",
        "warn",
    ),
)

_RESOLUTION = _rows(
    ReasonPhase.RESOLUTION,
    (
        "resolution.no-rationale",
        "A resolution marker without its reason",
        "A marker closes a task without a change. A person must be able to see on which grounds, "
        "on the marker's own line.",
        "Write the marker as a whole line with the rationale after the colon, or do the task.",
    ),
    (
        "resolution.no-commit",
        "The commit that the marker refers to does not exist",
        "A task is complete already only if some commit completed it, and that commit can be "
        "found and looked at.",
        "Name the task whose commit holds the work, or commit the work under this task's id.",
    ),
    (
        "resolution.contradicted",
        "The marker says that nothing was changed, a commit says otherwise",
        "A task that needed no change has no commit. The commit is what lands, so it is judged "
        "and the marker is not.",
        "Drop the marker; what the commit holds is judged as any other work.",
        "warn",
    ),
    (
        "resolution.not-docs",
        "The marker says documentation only, the change says otherwise",
        "Documentation needs no tests; code does. One code file, build file or policy edit in "
        "the range makes it a code change.",
        "Drop the marker and run the validations, or move the named files to another change.",
    ),
    (
        "resolution.unverifiable",
        "It could not be checked what the marker claims",
        "A marker is a claim. Where git cannot confirm it, it is not believed.",
        "Repair the repository so that git can list the range, then judge again.",
    ),
)

_COMMIT = _rows(
    ReasonPhase.COMMIT,
    (
        "commit.missing",
        "No commit belongs to the task",
        "Work that is not committed cannot land, and evidence of it could not be found again.",
        "Commit the work with the task's id at the start of the subject or in a trailer.",
    ),
    (
        "commit.stale",
        "The commit is older than the task",
        "A commit from before the work began is somebody's earlier work under the same id.",
        "Commit the work that was done for this task.",
    ),
    (
        "commit.dirty",
        "Tracked files differ from the commit",
        "The validations ran on the working files, but the commit is what lands.",
        "Commit or undo the edits, then rerun the validations.",
    ),
)

_COLLECTION = _rows(
    ReasonPhase.COLLECTION,
    (
        "validations.none",
        "The policy requires nothing",
        "A pass without any requirement is worth nothing, so it says so.",
        "Name the checks that matter under `validations` and list them in the scope.",
        "warn",
    ),
    (
        "evidence.missing",
        "A required validation has no evidence",
        "That a check would pass is a claim until it was run and recorded.",
        "Run `malagate run NAME`, or `pytest -p malagate` for the tests.",
    ),
    (
        "evidence.undefined",
        "A required validation is not defined",
        "A name that the scope requires and nobody defines can never be satisfied, and leaving "
        "it out would make a spelling mistake a pass.",
        "Define the name under `validations` in the policy, or correct its spelling in the scope.",
    ),
    (
        "evidence.stale",
        "The evidence is of other files",
        "A pass belongs to the files that were checked. An edit afterwards, however small, has "
        "not been checked.",
        "Rerun the validation on the files as they are now.",
    ),
    (
        "evidence.moved",
        "The files changed while the validation ran",
        "Part of the run saw the old files and part the new, so it is evidence of neither.",
        "Rerun the validation and leave the files alone until it ends. If the command rewrites "
        "files, commit what it wrote and run it once more.",
    ),
    (
        "evidence.partial",
        "Only part of the tests ran",
        "A selection (-k, -m, --lf, a node id, --maxfail) says nothing about the tests outside it.",
        "Run the whole suite: `pytest -p malagate` without options that select tests.",
    ),
    (
        "evidence.unjoined",
        "The parts do not add up to one suite",
        "Shards prove what the whole suite would only if they ran on the same files and no test "
        "is missing between them.",
        "Run every shard of the same commit, each to its end, and upload all of them.",
    ),
    (
        "evidence.unfinished",
        "The run never ended",
        "Without an end marker the run is still going on, or it died before the rest could fail.",
        "Wait for the run to end, or run it again and let it finish.",
        "inconclusive",
    ),
    (
        "evidence.skipped-lines",
        "Lines of the evidence log are no records",
        "Something else wrote into the log, or a write was torn. Each such line is skipped and "
        "the others count, but somebody should know.",
        "Look at the log for the lines that are no JSON records; rerun what they may have held.",
        "warn",
    ),
    (
        "evidence.empty",
        "No test was executed",
        "A run without tests fails nothing and proves nothing.",
        "Check `testpaths` and the file names, then run the suite where the tests are found.",
    ),
    (
        "evidence.wrong-command",
        "Another command ran under this name",
        "The name stands for the command in the policy; the exit code of another one does not "
        "answer the same question.",
        "Run `malagate run NAME` without a command of your own.",
    ),
    (
        "evidence.withdrawn",
        "The latest record takes back an earlier pass",
        "The newest evidence counts. Where it is invalid, the pass before it describes something "
        "that has been superseded.",
        "Rerun the validation and let it finish.",
    ),
    (
        "evidence.inconsistent",
        "The record of the run contradicts itself",
        "A journal whose counts do not add up, or that holds no failure although pytest's exit "
        "status does, lost lines or was edited.",
        "Rerun the validation. If it happens again, look for a plugin or a conftest.py that "
        "changes reports or the exit status.",
    ),
    (
        "tests.collection",
        "Test files could not be collected",
        "A module that cannot be imported hides all of its tests, so the rest is not the suite.",
        "Repair the import or the syntax error that `pytest --collect-only` shows.",
    ),
    (
        "tests.internal-error",
        "pytest itself broke off",
        "After an internal error nobody knows which tests would still have run.",
        "Read the INTERNALERROR lines; a plugin or a hook in conftest.py usually raised it.",
    ),
    (
        "tests.interrupted",
        "The test run was interrupted",
        "The tests that had not run yet may fail.",
        "Run the whole suite again and let it finish.",
    ),
    (
        "tests.worker-lost",
        "A worker process died",
        "The tests that it still had to run were never reported, and a crash of the interpreter "
        "is a failure that no assertion shows.",
        "Run the named test alone with `pytest -p no:xdist NODEID` to see where it crashes.",
    ),
    (
        "tests.exit-status",
        "pytest's exit status says failure",
        "Something failed the run outside the tests: a plugin's own check, a usage error or a "
        "hook at the end of the session.",
        "Read the last lines of pytest's output for what failed the session.",
    ),
)

_TESTS = _rows(
    ReasonPhase.TESTS,
    (
        "tests.failed",
        "A test failed",
        "The test states what the code must do, and the code does not do it.",
        "Read the assertion and the named line, repair the code, then run the whole suite.",
    ),
    (
        "tests.errors",
        "A test's set-up or tear-down failed",
        "A test whose set-up failed did not run, and one whose tear-down failed left something "
        "behind for the others.",
        "Repair the fixture named in the message, then run the whole suite.",
    ),
)

_COVERAGE = _rows(
    ReasonPhase.COVERAGE,
    (
        "coverage.total",
        "Coverage is below the bound of the policy",
        "Code that no test runs can break unnoticed. The bound is read from the base and is the "
        "same for everybody.",
        "Write tests for the uncovered lines of this change first, its error paths before all.",
    ),
    (
        "coverage.changed",
        "Changed lines are not covered",
        "The lines that a change touches are the ones most likely to be wrong.",
        "Write tests that reach the listed lines.",
    ),
    (
        "coverage.decreased",
        "Coverage is less than on the base",
        "A slow loss stays above any fixed bound for a long time.",
        "Write tests for the code that this change adds or that lost its tests.",
    ),
    (
        "coverage.missing",
        "No coverage was measured",
        "The policy has a bound, and a run without a measurement cannot meet it.",
        "Run the tests with `pytest -p malagate`, which measures by itself.",
    ),
    (
        "coverage.stale",
        "The coverage data is of other files",
        "Line numbers of another version of a file mark the wrong lines.",
        "Run the whole suite again on the files as they are now.",
    ),
    (
        "coverage.no-source",
        "The measured source does not exist",
        "A path or a package that is not there has no lines, and nothing of nothing is no "
        "percentage.",
        "Correct `coverage.source` in the policy so that it names the code under test.",
    ),
    (
        "coverage.no-data",
        "The measurement is empty",
        "Tests that run without a line of the source being executed tested something else, an "
        "installed copy for instance.",
        "Make the tests import the code of this checkout (an editable installation, usually).",
    ),
    (
        "coverage.unparsable",
        "A source file could not be parsed",
        "A file that cannot be parsed has no known lines, so the percentage would leave it out.",
        "Repair the syntax of the named file, or measure with the Python that it is written for.",
    ),
    (
        "coverage.tracer-lost",
        "Something else took over the tracing",
        "After another tool has set its own trace function, executed lines look like missing "
        "ones or the other way round.",
        "Run without the debugger or the profiler that sets sys.settrace.",
    ),
    (
        "coverage.imported-early",
        "The source was imported before the measurement began",
        "Lines that run at import, definitions above all, then seem never to have run.",
        "Start the run with `pytest -p malagate`, and move imports of the code out of plugins that "
        "are loaded earlier.",
    ),
    (
        "coverage.worker-lost",
        "A process ended without handing over its data",
        "What it executed is missing, so the sum is not the sum.",
        "Find out why the process died or left through os._exit, then run the whole suite again.",
    ),
    (
        "coverage.config",
        "coverage.py refuses its configuration",
        "Without its configuration coverage.py measures something else, or nothing.",
        "Correct the option that the message names in the project's coverage configuration.",
    ),
    (
        "coverage.settings",
        "Something other than the policy's source was measured",
        "A percentage of other files, or without the branches that the policy asks for, is "
        "another figure under the same name.",
        "Give pytest-cov the source and the branches that the policy names, or leave --cov away: "
        "`pytest -p malagate` measures by itself.",
    ),
    (
        "coverage.appended",
        "The data of earlier runs was added",
        "Lines that an earlier version of the tests executed would count for this one.",
        "Run without --cov-append.",
    ),
    (
        "coverage.nested",
        "Another measurement runs around this one",
        "Two measurements in one process see each other's tracer; one of them may miss lines.",
        "Measure once: run `pytest -p malagate` without `coverage run` around it.",
        "warn",
    ),
    (
        "coverage.subprocess",
        "Child processes are not measured",
        "Code that the tests run in a child process then counts as never executed.",
        "Let coverage.py measure child processes (`patch = subprocess` in its settings).",
        "warn",
    ),
    (
        "coverage.core",
        "The measuring core cannot do what the policy asks",
        "Some cores of coverage.py measure no branches or no dynamic contexts, and would report "
        "figures that mean something else.",
        "Set COVERAGE_CORE=ctrace for the run, or use a newer coverage.py.",
    ),
    (
        "coverage.combine",
        "Coverage data of several processes does not fit together",
        "Data with branches and data without, or of different versions of a file, cannot be "
        "added up.",
        "Remove old data files and measure all processes of one run in the same way.",
    ),
    (
        "coverage.write",
        "The coverage data could not be written",
        "A measurement that was not stored cannot be checked afterwards.",
        "Check that the output directory is writable and has space left, then rerun the tests.",
        "inconclusive",
    ),
    (
        "coverage.unreported",
        "A measured file is missing from the report",
        "The percentage of a report that leaves files out is not the percentage of the source.",
        "Remove the setting that keeps the file out of the report, then run the whole suite again.",
    ),
    (
        "coverage.source-changed",
        "A source file changed during the measurement",
        "Lines were counted in one version of the file and would be looked up in another.",
        "Rerun the tests and leave the files alone until they end.",
    ),
    (
        "coverage.failed",
        "The measurement failed",
        "coverage.py gave an error instead of a figure.",
        "Read the message, repair what it names, then run the whole suite again.",
    ),
    (
        "coverage.report-missing",
        "The coverage report does not exist",
        "The policy names a report, and no report is no coverage.",
        "Run the command that writes the report, or correct its path in the policy.",
    ),
    (
        "coverage.report-unreadable",
        "The coverage report could not be read",
        "A directory, a file without permission or one that is far too large is no report.",
        "Make the named path a readable file that the coverage tool wrote.",
    ),
    (
        "coverage.report-not-xml",
        "The coverage report is not XML",
        "A truncated or foreign file cannot be interpreted, and a guess would be a claim.",
        "Write the report again as Cobertura XML (`coverage xml`).",
    ),
    (
        "coverage.report-root",
        "The coverage report is of another format",
        "Only a Cobertura report, with the root element `coverage`, says what its figures mean.",
        "Write the report as Cobertura XML (`coverage xml`).",
    ),
    (
        "coverage.report-no-rate",
        "The coverage report states no rate",
        "Without `line-rate` there is nothing to hold against the bound.",
        "Write the report with a tool that states `line-rate` (`coverage xml`).",
    ),
    (
        "coverage.report-rate",
        "The coverage report states an impossible rate",
        "A rate is a finite number from 0 to 1; anything else is a broken or an edited report.",
        "Write the report again with the coverage tool itself and do not edit it.",
    ),
    (
        "coverage.report-counts",
        "The figures of the coverage report contradict each other",
        "A rate that does not follow from the report's own line counts was not computed from them.",
        "Write the report again with the coverage tool itself and do not edit it.",
    ),
    (
        "coverage.warned",
        "coverage.py gave a warning",
        "The figure stands, but coverage.py itself found something odd about the measurement.",
        "Read the warning and repair what it names.",
        "warn",
    ),
)

_LINT = _rows(
    ReasonPhase.LINT,
    (
        "evidence.failed",
        "A validation's command failed",
        "The command ran on these files and exited with something other than 0.",
        "Read the command's output, repair what it names, then run `malagate run NAME` again.",
    ),
)

_PROGRESS = _rows(
    ReasonPhase.PROGRESS,
    (
        "progress.none",
        "This attempt brought no progress",
        "An attempt that leaves the files or the failures as they were will do so again, at the "
        "same price.",
        "Stop repeating this approach. Question the diagnosis, or hand the task to a person.",
    ),
    (
        "progress.oscillating",
        "The failures go back and forth",
        "Each repair brings back what the one before it had repaired, so no number of attempts "
        "ends it.",
        "Look at both sets of failures together: they need one solution. Otherwise ask a person.",
    ),
    (
        "progress.nudge",
        "The same failures on different files",
        "The change did not reach the cause. Once more, and the attempts are stopped.",
        "Form another explanation of the failure before the next edit.",
        "warn",
    ),
)

_RETRY = _rows(
    ReasonPhase.RETRY,
    (
        "retry.exhausted",
        "The attempts are used up",
        "The budget bounds what a task may cost before a person looks at it.",
        "Stop here and ask a person; only a person can grant more attempts.",
    ),
    (
        "retry.infra-exhausted",
        "The machinery spoiled too many attempts",
        "Runs that are killed again and again are no bad luck any more, and they cost the same.",
        "Stop here and ask a person to repair the runner or its limits.",
        "inconclusive",
    ),
    (
        "retry.stopped",
        "A person said stop",
        "Whoever looks after the repository wants no further attempts at this change, whatever "
        "its evidence says.",
        "Stop here and ask the person who stopped it.",
    ),
    (
        "retry.reset",
        "A person granted new attempts",
        "The budget began anew by the decision of somebody with the right to it, and that is "
        "shown with its author.",
        "Nothing is left to do but to use the attempts well.",
        "warn",
    ),
)

# Neither says anything against the work: it waits, and the attempt is not charged.
_ADMISSION = _rows(
    ReasonPhase.ADMISSION,
    (
        "freeze.active",
        "The repository is frozen",
        "Somebody found it unsafe to land anything at the moment.",
        "Wait until a maintainer clears the freeze; `malagate status` shows its reason.",
        "inconclusive",
    ),
    (
        "freeze.api",
        "GitHub could not be asked whether the repository is frozen",
        "A list that did not come, or not whole, is no proof that nothing is frozen.",
        "Wait for GitHub, or look at the token's permissions; the next sweep looks again.",
        "inconclusive",
    ),
    (
        "freeze.control-missing",
        "There is no control issue",
        "The control issue is the sign that the repository may be open. It was never made, "
        "was deleted, was moved elsewhere, or has lost its label.",
        "Run the mode admit once if there never was one; otherwise put the label "
        "malagate:control back on it.",
        "inconclusive",
    ),
    (
        "freeze.control-foreign",
        "The control issue is a stranger's",
        "Whoever may label could put the control issue's label on an issue of their own, with a "
        "ledger of their own, and so forget the freezes.",
        "Take the label malagate:control off it and put it back on the control issue. Name that "
        "one in the store, github:OWNER/REPO#N, and no label is asked any more.",
        "inconclusive",
    ),
    (
        "freeze.control-ambiguous",
        "Several issues carry the control issue's label",
        "Whoever may label could offer an issue of their own as the ledger, and so forget the"
        " freezes.",
        "Take malagate:control off all but the real one, and name its number: github:OWNER/REPO#N.",
        "inconclusive",
    ),
    (
        "freeze.control-closed",
        "The control issue is closed",
        "An open control issue is the sign that the repository may be open.",
        "Reopen it.",
        "inconclusive",
    ),
    (
        "freeze.control-unlabelled",
        "The control issue has lost its label",
        "Anybody who may triage can take a label off, and that clears nothing.",
        "Put the label malagate:control back on it.",
        "inconclusive",
    ),
    (
        "freeze.control-edited",
        "The control issue's text was edited",
        "It holds the number of the ledger's newest page, without which nobody sees that "
        "pages were deleted.",
        "Restore the text from the issue's edit history; or an admin comments /gate rearm.",
        "inconclusive",
    ),
    (
        "freeze.label-missing",
        "The label malagate:frozen is gone",
        "Deleting or renaming it takes it off every issue, and so hides every freeze that was"
        " set by it.",
        "Make the label again, and put it back where it was.",
        "inconclusive",
    ),
    (
        "freeze.ledger-behind",
        "The list of comments is behind the ledger",
        "GitHub shows fewer pages than were written: its lists lag, or the newest pages were "
        "deleted.",
        "Wait a minute; if it stays, an admin looks at what was deleted and comments /gate rearm.",
        "inconclusive",
    ),
    (
        "freeze.ledger-hole",
        "A page of the ledger is missing",
        "What it said, perhaps a freeze, is not known.",
        "An admin looks at what was lost and comments /gate rearm, which stays frozen until "
        "it is cleared.",
        "inconclusive",
    ),
    (
        "freeze.ledger-edited",
        "A page of the ledger was edited",
        "Pages are written once. What an edited one said before, perhaps a freeze, is not known.",
        "An admin looks at the comment's edit history and comments /gate rearm.",
        "inconclusive",
    ),
    (
        "freeze.ledger-damaged",
        "A page of the ledger cannot be read",
        "Its digest is wrong, or another version of malagate wrote it.",
        "Use the newest version everywhere; if that is not it, an admin comments /gate rearm.",
        "inconclusive",
    ),
    (
        "freeze.ledger-full",
        "The ledger's issue takes no more comments",
        "GitHub takes 2,500 comments on one issue. The ledger goes on in another before that; "
        "here it could not, so neither a freeze nor its clearing could be written.",
        "An admin comments /gate rearm on another issue, which begins a new volume.",
        "inconclusive",
    ),
    (
        "queue.waiting",
        "An earlier task is not finished",
        "One task at a time lands, in the order in which they became ready.",
        "Wait for the turn; `malagate status` shows the position.",
        "inconclusive",
    ),
    (
        "queue.trouble",
        "The queue could not be asked in full",
        "Trouble with the queue holds nobody up: an error there must not stop every change. That "
        "two tasks may then go at once is said aloud.",
        "Read the message and repair what it names; `malagate status` shows whether it is well.",
        "warn",
    ),
)

_ALL = (
    *_INTEGRITY,
    *_MACHINERY,
    *_RESOLUTION,
    *_COMMIT,
    *_COLLECTION,
    *_TESTS,
    *_COVERAGE,
    *_LINT,
    *_PROGRESS,
    *_RETRY,
    *_ADMISSION,
)

ACCEPTABLE = frozenset(
    {
        "integrity.policy-changed",
        "integrity.tests-removed",
        "integrity.skips-added",
        "integrity.checks-weakened",
        "integrity.pragmas-added",
        "integrity.protected-path",
        "integrity.workflow-changed",
        "coverage.total",
        "coverage.changed",
        "coverage.decreased",
    }
)
"""What a person may accept: a judgement of taste or of intent. Never a failing test, never missing
evidence, never the machinery: no word of anybody makes those true."""

REASONS: Mapping[str, ReasonInfo] = MappingProxyType({info.code: info for info in _ALL})
"""Every registered reason by its code, in the order of the phases."""
