"""The evidence log's records, and what they fold into.

A record is one JSON object on one line (schema `malagate/evidence@1`). The log is appended to and
never rewritten, so every type here may gain optional fields but must not lose or rename any.

Times are seconds since the epoch (UTC); durations are seconds; offsets are bytes; a `tree` is
git's own tree hash of the working files; digests are `sha256:` and hexadecimal; `ci` is the
workflow run and its attempt, `RUN_ID.ATTEMPT`, None outside of one.
"""

from __future__ import annotations

from typing import Literal

import msgspec

SCHEMA = "malagate/evidence@1"

Outcome = Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed", "incomplete"]
"""One test's outcome, its set-up, call, tear-down and subtests folded into one word.

`incomplete`: the test started and its call or its tear-down was never reported.
"""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all records. `type` in the JSON names the kind of record."""


class LogHeader(Record, frozen=True, kw_only=True, tag="log"):
    """The first line. Its random id gives the log an identity that byte offsets belong to."""

    schema: str
    id: str
    at: float


class CommandStarted(Record, frozen=True, kw_only=True, tag="started"):
    """Written before a command runs, so that one that never ended can be told from none."""

    run: str
    name: str
    argv: tuple[str, ...]
    at: float
    tree: str | None = None
    commit: str | None = None
    ci: str | None = None


class Receipt(Record, frozen=True, kw_only=True, tag="receipt"):
    """Written when the command has ended.

    `exit_code` is None when a signal ended it; `signal` names that signal then.
    """

    run: str
    name: str
    argv: tuple[str, ...]
    at: float
    duration: float
    exit_code: int | None = None
    signal: str | None = None
    tree: str | None = None
    tree_after: str | None = None
    commit: str | None = None
    output_digest: str | None = None
    output_bytes: int = 0
    ci: str | None = None


class Ingested(Record, frozen=True, kw_only=True, tag="ingested"):
    """A command that an agent's session log shows, exactly as the policy words it.

    `exit_code` is None when the log holds no result for the call. `withdrawn` says why a call
    that ran well does not count (a file-changing tool call follows it, say).
    """

    name: str
    source: Literal["claude", "amp", "codex"]
    command: str
    at: float
    exit_code: int | None = None
    call: str = ""
    log: str = ""
    offset: int = 0
    tree: str | None = None
    commit: str | None = None
    withdrawn: str | None = None


class Resolution(Record, frozen=True, kw_only=True, tag="resolution"):
    """A resolution marker that an agent wrote as a whole line, with its rationale."""

    marker: str
    rationale: str
    at: float
    task: str | None = None
    source: str = ""
    log: str = ""
    offset: int = 0
    tree: str | None = None


class Failure(Record, frozen=True, kw_only=True):
    """Why a test or a collector failed: enough to recognise it again, not a traceback.

    `fingerprint` is `v1:` and a digest (see `gate.fingerprint`). `message` is the first line of
    the exception's text, bounded and free of control characters. `path` and `line` point at the
    innermost frame of the repository's own code, relative to the root directory.
    """

    fingerprint: str
    exception: str = ""
    message: str = ""
    phase: Literal["setup", "call", "teardown", "collect", "crash"] = "call"
    path: str | None = None
    line: int | None = None
    function: str | None = None


class SessionStarted(Record, frozen=True, kw_only=True, tag="session"):
    """A pytest session opened its journal. Only `SessionFinished` closes it."""

    session: str
    name: str
    at: float
    tree: str | None = None
    commit: str | None = None
    rootdir: str = ""
    args: tuple[str, ...] = ()
    selection: tuple[str, ...] = ()  # active options that select tests, sorted: ("-k", "name"), ...
    workers: int = 0
    python: str = ""
    platform: str = ""  # Python's word for the operating system
    pytest: str = ""
    malagate: str = ""
    ci: str | None = None


class TestEnded(Record, frozen=True, kw_only=True, tag="test"):
    """One test is over. `nodeid` is pytest's own; one record a test, reruns folded in."""

    __test__ = False

    session: str
    nodeid: str
    outcome: Outcome
    duration: float = 0.0
    failures: tuple[Failure, ...] = ()
    reruns: int = 0
    subtests_failed: int = 0


class Retested(Record, frozen=True, kw_only=True, tag="retest"):
    """A failed test was run once more, in a fresh process on the same files, and passed."""

    session: str
    nodeid: str


class CollectEnded(Record, frozen=True, kw_only=True, tag="collect"):
    """A collector (a module, say) failed, or skipped itself as a whole."""

    session: str
    nodeid: str
    outcome: Literal["failed", "skipped"]
    failures: tuple[Failure, ...] = ()


class SessionFinished(Record, frozen=True, kw_only=True, tag="finish"):
    """The end marker of a pytest session.

    `counts` are the numbers of pytest's own summary line, by its own category names (`passed`,
    `failed`, `error`, `skipped`, `xfailed`, `xpassed`, `deselected`, `rerun`, `subtests passed`).
    `collected` counts tests before deselection; `reported` counts `TestEnded` records written.
    The journal is complete when collected = reported + deselected and nothing was partial.
    `partial` says in words what was left out, one entry a cause.

    Some facts let the parts of one suite be joined: `population` is `sha256:` and the digest of
    the node ids that were found, sorted, None where they are not known; `left_out` are the test
    files that the run's paths leave out, the first of them only if `left_out_cut`. `found` counts
    those node ids: it is more than `collected` where a plugin took tests away in silence.
    """

    session: str
    at: float
    duration: float
    exitstatus: int
    collected: int
    reported: int
    deselected: int = 0
    executed: int = 0
    counts: dict[str, int] = {}
    partial: tuple[str, ...] = ()
    interrupted: str | None = None
    internal_error: str | None = None
    lost_workers: tuple[str, ...] = ()
    tree_after: str | None = None
    population: str | None = None
    found: int = 0
    left_out: tuple[str, ...] = ()
    left_out_cut: bool = False


class CoverageProblem(Record, frozen=True, kw_only=True):
    """Why coverage data must not be believed. `code` is a reason code (`coverage.…`)."""

    code: str
    message: str
    file: str | None = None
    line: int | None = None


class CoverageMeasured(Record, frozen=True, kw_only=True, tag="coverage"):
    """Totals of one test session, as coverage.py itself counts them.

    `percent` is coverage.py's own unrounded total (branches included if measured); `display` is
    what `coverage report` prints for it. `detail` is the digest of `coverage.json` beside the
    log, which holds each file's own digest. A record with problems is never a pass.
    """

    session: str
    at: float
    tree: str | None = None
    source: str = "coverage.py"  # or "pytest-cov", or the path of a Cobertura report
    core: str = ""
    branch: bool = False
    percent: float | None = None
    display: str = ""
    statements: int = 0
    missing: int = 0
    excluded: int = 0
    branches: int = 0
    partial_branches: int = 0
    covered_branches: int = 0
    files: int = 0
    detail: str | None = None
    problems: tuple[CoverageProblem, ...] = ()
    warnings: tuple[CoverageProblem, ...] = ()


AnyRecord = (
    LogHeader
    | CommandStarted
    | Receipt
    | Ingested
    | Resolution
    | SessionStarted
    | TestEnded
    | Retested
    | CollectEnded
    | SessionFinished
    | CoverageMeasured
)


def failure_key(failure: Failure, nodeid: str) -> str:
    """A failure in a failure set: its fingerprint, a space, and the test that it belongs to."""
    return f"{failure.fingerprint} {nodeid}"


class CommandRun(msgspec.Struct, frozen=True, kw_only=True):
    """The latest run of a named command, as the judge sees it."""

    name: str
    argv: tuple[str, ...]
    at: float
    source: str = "run"  # or the agent whose log it was found in
    finished: bool = True
    exit_code: int | None = None
    signal: str | None = None
    tree: str | None = None
    tree_after: str | None = None
    commit: str | None = None
    withdrawn: str | None = None
    duration: float = 0.0
    output_digest: str | None = None
    ci: str | None = None


class TestFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A failure and the test (or collector) that it belongs to."""

    __test__ = False

    nodeid: str
    failure: Failure


class TestRun(msgspec.Struct, frozen=True, kw_only=True):
    """The latest pytest session of a name, read back from its journal.

    `reported` and `outcomes` are counted from the records that could be read, so a journal that
    lost lines does not add up with its own end marker. `failure_keys` (see `failure_key`) are
    sorted and at most MAX_FAILURE_KEYS; `failures` keeps the first MAX_FAILURES in full.
    """

    __test__ = False

    start: SessionStarted
    finish: SessionFinished | None = None
    reported: int = 0
    outcomes: dict[str, int] = {}
    failures: tuple[TestFailure, ...] = ()
    failures_total: int = 0
    failure_keys: tuple[str, ...] = ()
    collect_failed: int = 0
    collect_skipped: int = 0
    flaky: tuple[str, ...] = ()
    coverage: CoverageMeasured | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a log holds for the judge, from one offset to the end, or several logs joined.

    `fresh` says whether anything at all was recorded after that offset. `unreadable` counts the
    lines that were skipped because they are no records. `problems` are (reason code, message) of
    what makes it unfit to be judged.
    """

    tests: dict[str, TestRun] = {}
    commands: dict[str, tuple[CommandRun, ...]] = {}  # the latest of each argv, oldest first
    resolutions: tuple[Resolution, ...] = ()
    log: str = ""  # the log's identity
    end: int = 0  # the byte offset where reading stopped
    fresh: bool = False
    unreadable: int = 0
    problem: str | None = None  # the log could not be read at all: fails closed
    problems: tuple[tuple[str, str], ...] = ()


MAX_FAILURES = 500
MAX_FAILURE_KEYS = 20_000
MAX_NAMES = 1_000
"""Bounds of what is kept in memory of a log that somebody else may have written."""
