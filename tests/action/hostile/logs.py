"""Evidence logs that are broken, or that lie about what they hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.action.evidence import PASSING, Recorded
from tests.action.hostile.case import Case, Play
from tests.action.hostile.scene import EVIDENCE, Scene
from tests.action.stage import FAILING

Records = list[dict[str, Any]]
Spoil = Callable[[Records], "Records | bytes | None"]
"""Changes the records of an honest, green log: in place, or into what it returns."""

COVERED = "version: 1\nvalidations:\n  tests: {kind: test}\ncoverage: {min_percent: 10}\n"
LINTED = "version: 1\nvalidations:\n  tests: {kind: test}\n  lint: {command: ruff check .}\n"
LINT = {"lint": ("ruff check .", 0)}


def _spoiled(spoil: Spoil, policy: str | None = None, **recorded: Any) -> Play:
    def play(scene: Scene) -> None:
        if policy is not None:
            scene.repo.commit("main", {"malagate.yaml": policy}, message="policy")
        pull = scene.opened()
        run = scene.ran(pull)
        records = scene.log_of(run, pull, **recorded)
        changed = spoil(records)
        log = changed if isinstance(changed, bytes) else encoded(changed or records)
        run.artifact(EVIDENCE, {"evidence.jsonl": log})
        scene.gate(run)

    return play


def encoded(records: Records) -> bytes:
    """The records as a log."""
    return b"".join(
        json.dumps(record, separators=(",", ":")).encode() + b"\n" for record in records
    )


def _log(
    name: str,
    code: str,
    spoil: Spoil,
    verdict: str = "fail",
    policy: str | None = None,
    **recorded: Any,
) -> Case:
    return Case(f"log-{name}", "logs", _spoiled(spoil, policy, **recorded), verdict, code)


def _of(records: Records, kind: str) -> dict[str, Any]:
    return next(record for record in records if record["type"] == kind)


def _finish(**changes: Any) -> Spoil:
    return lambda records: _of(records, "finish").update(changes)


def _started(**changes: Any) -> Spoil:
    return lambda records: _of(records, "session").update(changes)


def _tested(**changes: Any) -> Spoil:
    return lambda records: _of(records, "test").update(changes)


def _measured(**changes: Any) -> Spoil:
    return lambda records: _of(records, "coverage").update(changes)


def _receipt(**changes: Any) -> Spoil:
    return lambda records: _of(records, "receipt").update(changes)


def _raw(old: bytes, new: bytes) -> Spoil:
    """Changes the bytes themselves, where JSON knows no such value."""

    def spoil(records: Records) -> bytes:
        log = encoded(records)
        assert old in log, old
        return log.replace(old, new, 1)

    return spoil


def _without(*kinds: str) -> Spoil:
    return lambda records: [record for record in records if record["type"] not in kinds]


def _failure(**changes: Any) -> dict[str, Any]:
    return {"fingerprint": "v1:0123456789abcdef", "exception": "AssertionError", **changes}


# --- lines that are no records ---


def _header_only(records: Records) -> Records:
    return records[:1]


def _bad_utf8(records: Records) -> bytes:
    return encoded(records).replace(b"test_total", b"test_\xff\xfe\x80total", 1)


def _giant_line(records: Records) -> bytes:
    lines = encoded(records).splitlines(keepends=True)
    giant = b'{"type":"test","session":"s1","nodeid":"' + b"a" * (17 * 2**20) + b'"}\n'
    return b"".join([*lines[:2], giant, *lines[3:]])


def _deep(records: Records) -> bytes:
    lines = encoded(records).splitlines(keepends=True)
    deep = b'{"type":"test","session":"s1","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    return b"".join([*lines[:2], deep, *lines[3:]])


def _deep_everything(records: Records) -> bytes:
    return (b'{"type":' * 50_000) + b"\n" + (b"[" * 200_000) + b"\n"


def _torn(records: Records) -> bytes:
    return encoded(records)[:-30]


def _with_nul(records: Records) -> bytes:
    return encoded(records).replace(b"\n", b"\0\n")


def _carriage_returns(records: Records) -> bytes:
    return encoded(records).replace(b"\n", b"\r")


def _with_mark(records: Records) -> bytes:
    return b"\xef\xbb\xbf" + encoded(records).replace(
        b'{"type":"session', b'\xef\xbb\xbf{"type":"session'
    )


def _utf16(records: Records) -> bytes:
    return encoded(records).decode().encode("utf-16")


# --- sessions that do not add up ---


def _second_session(first_fails: bool) -> Spoil:
    """Two sessions of one name. The later one is the session that counts."""

    def spoil(records: Records) -> Records:
        header, *green = records
        red = [dict(record, session="s0") for record in green]
        for record in red:
            if record["type"] == "test":
                record |= {"outcome": "failed", "failures": [_failure(message="no")]}
            if record["type"] == "finish":
                record |= {"exitstatus": 1, "counts": {"failed": 2}}
        return [header, *red, *green] if first_fails else [header, *green, *red]

    return spoil


def _same_id_twice(records: Records) -> Records:
    """The failing session's records count for both, since their id is the same."""
    both = _second_session(first_fails=True)(records)
    assert isinstance(both, list)
    return [dict(record, session="s1") if "session" in record else record for record in both]


def _pass_after_fail(records: Records) -> Records:
    bad = next(n for n, record in enumerate(records) if record["type"] == "test")
    good = dict(records[bad])
    records[bad] |= {"outcome": "failed", "failures": [_failure(message="no")]}
    return [*records[:-1], good, records[-1]]


def _retested(records: Records) -> Records:
    retests = [{"type": "retest", "session": "s1", "nodeid": nodeid} for nodeid in PASSING]
    return [*records[:-1], *retests, records[-1]]


def _end_twice(records: Records) -> Records:
    broken = dict(records[-1], exitstatus=1, counts={"failed": 1}, partial=["ran with -k x"])
    return [*records, broken]


def _end_first(records: Records) -> Records:
    """The end stands before the tests, one of which never came."""
    header, session, *tests, end = records
    return [header, session, end, *tests[1:]]


def _collect_failed(records: Records) -> Records:
    broken = {"type": "collect", "session": "s1", "nodeid": "tests/test_x.py", "outcome": "failed"}
    return [*records[:-1], broken | {"failures": [_failure(phase="collect")]}, records[-1]]


def _foreign_tests(records: Records) -> Records:
    for record in records:
        if record["type"] == "test":
            record["session"] = "s2"
    return records


def _ten_thousand(records: Records) -> Records:
    header, session, *_, end = records
    failing = [
        {
            "type": "test",
            "session": "s1",
            "nodeid": f"tests/test_many.py::test_{number}",
            "outcome": "failed",
            "failures": [_failure(message=f"number {number}", fingerprint=f"v1:{number:016x}")],
        }
        for number in range(10_000)
    ]
    numbers = {"collected": 10_000, "reported": 10_000, "executed": 10_000, "exitstatus": 0}
    return [header, session, *failing, end | numbers]


INCONSISTENT, PARTIAL, UNFINISHED = (
    "evidence.inconsistent",
    "evidence.partial",
    "evidence.unfinished",
)
FAILED, EMPTY, MOVED = "tests.failed", "evidence.empty", "evidence.moved"
NONE = {"collected": 0, "reported": 0, "counts": {}}

GARBLED = (
    _log("is-empty", "evidence.unreadable", lambda records: b"", "inconclusive"),
    _log("is-one-newline", "evidence.unreadable", lambda records: b"\n", "inconclusive"),
    _log("has-a-header-alone", "evidence.missing", _header_only),
    _log(
        "is-a-json-list",
        "evidence.unreadable",
        lambda records: json.dumps(records).encode() + b"\n",
        "inconclusive",
    ),
    _log(
        "is-binary", "evidence.unreadable", lambda records: bytes(range(256)) * 4096, "inconclusive"
    ),
    _log("is-utf-16", "evidence.unreadable", _utf16, "inconclusive"),
    _log("has-bad-utf-8", "evidence.inconsistent", _bad_utf8),
    _log("has-a-giant-line", "evidence.inconsistent", _giant_line),
    _log("is-nested-100000-deep", "evidence.inconsistent", _deep),
    _log("is-nothing-but-nesting", "evidence.unreadable", _deep_everything, "inconclusive"),
    _log("is-torn-at-its-end", "evidence.unfinished", _torn, "inconclusive"),
    _log("ends-its-lines-with-nul", "evidence.unreadable", _with_nul, "inconclusive"),
    _log("ends-its-lines-with-cr", "evidence.unreadable", _carriage_returns, "inconclusive"),
    _log("begins-lines-with-a-mark", "evidence.unreadable", _with_mark, "inconclusive"),
    _log("has-an-unknown-outcome", "evidence.inconsistent", _tested(outcome="excellent")),
    _log("has-an-unknown-record", "evidence.missing", _started(type="sessions")),
    _log("has-a-number-for-an-outcome", "evidence.inconsistent", _tested(outcome=1)),
    _log("has-a-list-for-a-node-id", "evidence.inconsistent", _tested(nodeid=["x"])),
    _log("has-a-lone-surrogate", "evidence.inconsistent", _raw(b"test_total", b"test_\\ud800")),
    _log(
        "has-nan-for-a-duration",
        "evidence.unfinished",
        _raw(b'"duration":1.0', b'"duration":NaN'),
        "inconclusive",
    ),
    _log(
        "has-infinity-for-a-time",
        "evidence.unfinished",
        _raw(b'"duration":1.0', b'"duration":Infinity'),
        "inconclusive",
    ),
    _log(
        "has-a-number-beyond-all",
        "evidence.unfinished",
        _raw(b'"duration":1.0', b'"duration":1e999'),
        "inconclusive",
    ),
    _log(
        "has-a-count-of-4000-digits", PARTIAL, _raw(b'"collected":2', b'"collected":' + b"9" * 4000)
    ),
    _log("has-true-for-a-count", "evidence.unfinished", _finish(collected=True), "inconclusive"),
    _log(
        "has-a-fraction-for-a-count", "evidence.unfinished", _finish(collected=2.5), "inconclusive"
    ),
)

SESSIONS = (
    _log("has-no-session", "evidence.missing", _without("session")),
    _log("has-no-end", UNFINISHED, _without("finish"), "inconclusive"),
    _log("has-no-tests", INCONSISTENT, _without("test")),
    _log("has-its-failing-session-last", FAILED, _second_session(first_fails=False)),
    _log("uses-a-session-s-id-twice", INCONSISTENT, _same_id_twice),
    _log("takes-a-failure-back", FAILED, _pass_after_fail),
    _log("calls-its-failures-flaky", FAILED, _retested, tests=FAILING),
    _log("calls-every-failure-rerun", FAILED, _tested(reruns=9), tests=FAILING),
    _log("ends-twice", PARTIAL, _end_twice),
    _log("ends-before-its-tests", INCONSISTENT, _end_first),
    _log("gives-its-tests-to-another-session", INCONSISTENT, _foreign_tests),
    _log("exits-with-0-and-a-failure", FAILED, _finish(exitstatus=0), tests=FAILING),
    _log("exits-with-5-and-no-failure", "tests.exit-status", _finish(exitstatus=5)),
    _log("exits-with-a-negative-status", "tests.exit-status", _finish(exitstatus=-9)),
    _log("executed-nothing", EMPTY, _finish(executed=0)),
    _log("executed-less-than-nothing", INCONSISTENT, lambda records: [*_none(records, -1)]),
    _log("executed-more-than-it-has", INCONSISTENT, lambda records: [*_none(records, 5)]),
    _log("reports-more-than-it-collected", INCONSISTENT, _finish(collected=1)),
    _log("reports-more-than-is-on-record", INCONSISTENT, _finish(reported=3, collected=3)),
    _log("collected-more-than-it-reports", PARTIAL, _finish(collected=9)),
    _log("has-negative-counts", INCONSISTENT, _finish(collected=-2, reported=-2)),
    _log("deselects-less-than-nothing", INCONSISTENT, _finish(deselected=-5, collected=-3)),
    _log("hides-that-it-was-partial", PARTIAL, _finish(deselected=3, collected=5)),
    _log("says-that-it-was-partial", PARTIAL, _finish(partial=["ran with --lf"])),
    _log("was-a-selection", PARTIAL, _started(selection=["-k", "total"])),
    _log("was-interrupted", PARTIAL, _finish(interrupted="Ctrl-C")),
    _log("lost-a-worker", "tests.worker-lost", _finish(lost_workers=["gw0"])),
    _log("broke-pytest", "tests.internal-error", _finish(internal_error="boom")),
    _log("has-a-test-that-never-ended", PARTIAL, _tested(outcome="incomplete")),
    _log("has-a-failed-test-without-a-failure", INCONSISTENT, _tested(outcome="failed")),
    _log("has-an-error-without-a-failure", INCONSISTENT, _tested(outcome="error")),
    _log("has-a-passed-test-with-a-failure", FAILED, _tested(failures=[_failure(message="no")])),
    _log("has-a-collector-that-failed", "tests.collection", _collect_failed),
    _log("has-a-collector-that-failed-without-a-failure", INCONSISTENT, lambda r: [*r[:-1], {"type": "collect", "session": "s1", "nodeid": "x.py", "outcome": "failed"}, r[-1]]),
    _log("moved-the-files-meanwhile", MOVED, _finish(tree_after="a" * 40)),
    _log("does-not-know-the-files-afterwards", MOVED, _finish(tree_after=None)),
    _log("has-10000-failures", FAILED, _ten_thousand),
    _log("is-of-a-later-schema", "evidence.unreadable", _raw(b"malagate/evidence@1", b"malagate/evidence@2"), "inconclusive"),
    _log("is-of-another-program", "evidence.unreadable", _raw(b"malagate/evidence@1", b"other/evidence@1"), "inconclusive"),
    _log("has-no-header", "evidence.unreadable", _without("log"), "inconclusive"),
    _log("names-its-session-otherwise", "evidence.missing", _started(name="unit")),
)  # fmt: skip


def _none(records: Records, executed: int) -> Records:
    _of(records, "finish").update(NONE, executed=executed)
    return [record for record in records if record["type"] != "test"]


# --- coverage ---

RATE = "coverage.report-rate"
COVERAGE = (
    _log("covers-101-percent", RATE, _measured(percent=101.0), policy=COVERED, percent=90.0),
    _log("covers-less-than-nothing", RATE, _measured(percent=-1.0), policy=COVERED, percent=90.0),
    _log("covers-nan-percent", "coverage.missing", _raw(b'"percent":90.0', b'"percent":NaN'), policy=COVERED, percent=90.0),
    _log("covers-a-text", "coverage.missing", _measured(percent="100"), policy=COVERED, percent=90.0),
    _log("covers-no-number", RATE, _measured(percent=None), policy=COVERED, percent=90.0),
    _log("covers-1e308-percent", RATE, _measured(percent=1e308), policy=COVERED, percent=90.0),
    _log("covers-other-files", "coverage.stale", _measured(tree="a" * 40), policy=COVERED, percent=90.0),
    _log("covers-another-session", "coverage.missing", _measured(session="s0"), policy=COVERED, percent=90.0),
    _log("covers-nothing-at-all", "coverage.missing", _without("coverage"), policy=COVERED, percent=90.0),
    _log("shows-other-coverage-than-it-has", "coverage.total", _measured(display="100", percent=3.0), policy=COVERED, percent=90.0),
    _log("measures-twice-and-the-worse-last", "coverage.total", lambda r: [*r[:-1], dict(_of(r, "coverage"), percent=1.0), r[-1]], policy=COVERED, percent=90.0),
    _log("has-a-coverage-problem-of-no-known-code", "coverage.failed", _measured(problems=[{"code": "::error::x", "message": "::error::y"}]), policy=COVERED, percent=90.0),
)  # fmt: skip

# --- commands ---


def _lint(name: str, code: str, spoil: Spoil, **options: Any) -> Case:
    return _log(f"lint-{name}", code, spoil, policy=LINTED, commands=LINT, **options)


def _restarted(records: Records) -> Records:
    """It was started once more after it had passed."""
    again = dict(_of(records, "started"), run="run-2", at=9.0)
    return [*records, again]


def _old_result(records: Records) -> Records:
    """It was started, started again, and only the first has a result."""
    header, started, receipt, *rest = records
    return [header, started, dict(started, run="run-2"), receipt, *rest]


def _ingested(records: Records) -> Records:
    mark = _of(records, "started")
    claim = {"type": "ingested", "name": "lint", "source": "claude", "command": "ruff check ."}
    claim |= {"at": 9.0, "exit_code": 0, "tree": mark["tree"], "commit": mark["commit"]}
    return [*_kept(records), claim]


def _kept(records: Records) -> Records:
    return [record for record in records if record["type"] not in ("started", "receipt")]


def _thousand_argvs(records: Records) -> Records:
    """The failure is to be pushed out of what is remembered."""
    receipt, started = _of(records, "receipt"), _of(records, "started")
    receipt["exit_code"] = 1
    more = []
    for number in range(40):
        about = {"argv": ["ruff", "check", str(number)], "run": f"r{number}"}
        more += [started | about, receipt | about | {"exit_code": 0}]
    return [*records, *more]


COMMANDS = (
    _lint("failed", "evidence.failed", _receipt(exit_code=1)),
    _lint("has-no-exit-code", "evidence.failed", _receipt(exit_code=None)),
    _lint("was-killed", "evidence.killed", _receipt(exit_code=137), verdict="inconclusive"),
    _lint("has-another-argv", "evidence.wrong-command", lambda r: [x | {"argv": ["true"]} if "argv" in x else x for x in r]),
    _lint("has-a-result-of-another-argv", INCONSISTENT, _receipt(argv=["true"])),
    _lint("has-no-result", "evidence.unfinished", _without("receipt"), verdict="inconclusive"),
    _lint("was-started-again", "evidence.unfinished", _restarted, verdict="inconclusive"),
    _lint("has-a-result-of-an-earlier-start", "evidence.unfinished", _old_result, verdict="inconclusive"),
    _lint("was-never-started", INCONSISTENT, _without("started")),
    _lint("is-of-other-files", "evidence.stale", _receipt(tree="a" * 40, tree_after="a" * 40)),
    _lint("changed-the-files", "evidence.moved", _receipt(tree_after="a" * 40)),
    _lint("is-an-agent-s-word", "evidence.other-run", _ingested, verdict="inconclusive"),
    _lint("is-pushed-out-of-memory", "evidence.wrong-command", _thousand_argvs),
    _lint("has-a-list-for-an-exit-code", "evidence.unfinished", _receipt(exit_code=[0]), verdict="inconclusive"),
    _log("closes-the-task-by-a-marker", "evidence.missing", lambda r: [r[0], {"type": "resolution", "marker": "ISSUE_NO_CHANGE", "rationale": "nothing to do", "at": 1.0}]),
)  # fmt: skip


def _two_parts(second: Callable[[Recorded], Records]) -> Play:
    """Two artifacts, the first of them honest and green."""

    def play(scene: Scene) -> None:
        pull = scene.opened()
        run = scene.ran(pull)
        first, other = PASSING
        run.artifact(f"{EVIDENCE}-1", scene.recorded(run, pull, tests={first: "passed"}).files())
        recorded = scene.recorded(run, pull, tests={other: "failed"}, identity="2")
        run.artifact(f"{EVIDENCE}-2", {"evidence.jsonl": encoded(second(recorded))})
        scene.gate(run)

    return play


def _records_of(recorded: Recorded) -> Records:
    return [json.loads(line) for line in recorded.log().splitlines()]


PARTS = (
    Case("parts-of-different-files", "logs", _two_parts(lambda it: [x | {"tree": "a" * 40} if "tree" in x else x for x in _records_of(it)]), "fail", "evidence.unjoined"),
    Case("parts-with-a-failure-in-the-second", "logs", _two_parts(_records_of), "fail", FAILED),
    Case("parts-with-an-open-end", "logs", _two_parts(lambda it: _records_of(it)[:-1]), "inconclusive", UNFINISHED),
    Case("parts-with-an-empty-second", "logs", _two_parts(lambda it: []), "inconclusive", "evidence.unreadable"),
)  # fmt: skip

CONTROLS = (
    Case("control-an-honest-log", "controls", _spoiled(lambda records: None), "pass"),
    Case("control-fields-of-a-later-minor-version", "controls", _spoiled(_started(colour="red")), "pass"),
    Case("control-coverage-of-90", "controls", _spoiled(lambda r: None, COVERED, percent=90.0), "pass"),
    Case("control-a-command-that-passed", "controls", _spoiled(lambda r: None, LINTED, commands=LINT), "pass"),
    Case("control-the-last-session-of-a-name-counts", "controls", _spoiled(_second_session(first_fails=True)), "pass"),
)  # fmt: skip

CASES = (*GARBLED, *SESSIONS, *COVERAGE, *COMMANDS, *PARTS, *CONTROLS)
