"""The keys of the policy: what each takes, what it means, what people call it by mistake.

The one place that knows them: `check`, `json_schema` and the hints read this table, and the
defaults are those of the structs in `model` and `gate.spec`.
"""

from __future__ import annotations

from typing import Final, get_args

from pytest_malagate.gate.spec import IntegrityRule, RetryRule, Severity, Validation, ValidationKind
from pytest_malagate.policy.model import (
    VERSION,
    CoordinatePolicy,
    CoveragePolicy,
    FreezeMode,
    FreezePolicy,
    Permission,
    ReconcilePolicy,
    SerialPolicy,
)
from pytest_malagate.policy.rules import (
    Choice,
    Flag,
    ListOf,
    Named,
    Number,
    Options,
    Rule,
    Table,
    Text,
)

_TEXT = Text(doc="A text.")
_NAME = Text(
    doc="A name.",
    pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}",
    phrase="a name of at most 64 letters, digits, dots, dashes and underscores, "
    "beginning with a letter or a digit",
)

_VALIDATION = Table(
    doc="One named check.",
    defaults=Validation(name=""),
    keys={
        "kind": Choice(
            doc="Where the evidence comes from: `test` from a run of `pytest -p malagate`, "
            "`command` from `malagate run NAME` or an agent's session log.",
            also=("type",),
            values=tuple(ValidationKind),
        ),
        "command": Text(
            doc="The command line that `malagate run NAME` starts; through a shell only if it "
            "holds shell syntax. No other command satisfies the validation.",
            also=("cmd", "run", "exec", "script", "commands"),
            hint="leave the key out, or say `required: false`",
        ),
        "allow_fail": Flag(
            doc="It must have run on the judged tree, but its failure does not block.",
            also=("allow_failure", "allowed_to_fail", "may_fail", "continue_on_error", "optional"),
        ),
        "required": Flag(
            doc="false: it never blocks, neither missing nor failing (a set-up step).",
            also=("mandatory", "require"),
        ),
        "selection": Options(
            doc='The pytest options that define the whole suite, such as `-m "not slow"`; a run '
            "with any other selection is partial. For `kind: test` only.",
            also=("select", "args", "options", "markers", "addopts"),
        ),
    },
)


def _scope(doc: str, *also: str) -> ListOf:
    return ListOf(
        doc=f"{doc} By default every required validation.", also=also, item=_NAME, unique=True
    )


_SCOPES = Table(
    doc="Which validations are required, in the order in which reasons name them.",
    also=("scope", "requires"),
    keys={
        "task": _scope("For a pull request or an issue.", "issue", "pull_request", "pr", "issues"),
        "global": _scope("For the default branch, before a release.", "main", "release", "all"),
    },
)


def _percent(doc: str, *also: str) -> Number:
    return Number(
        doc=doc,
        also=also,
        maximum=100,
        hint="write percent as a number, such as 85, or leave the key out",
    )


_COVERAGE = Table(
    doc="What is measured, and the bounds that it is held against.",
    also=("cov",),
    defaults=CoveragePolicy(),
    keys={
        "source": ListOf(
            doc="Paths or import names to measure, as coverage.py takes them.",
            also=("sources", "include", "src", "paths", "packages"),
            item=_TEXT,
        ),
        "branch": Flag(doc="Whether branches are measured.", also=("branches",)),
        "min_percent": _percent(
            "The least coverage of the whole, in percent.",
            *("threshold", "fail_under", "min", "minimum", "percent", "target", "min_coverage"),
        ),
        "min_changed_percent": _percent(
            "The least coverage of the lines that a change touches, in percent.",
            *("patch", "diff_fail_under", "min_patch_percent", "min_diff_percent", "changed"),
        ),
        "no_decrease": Flag(
            doc="Whether coverage may not fall below that of the base.",
            also=("ratchet", "no_regression", "fail_on_decrease"),
        ),
        "report": Text(
            doc="The path of a Cobertura XML report to read instead of measuring.",
            also=("file", "xml", "path", "report_path"),
        ),
    },
)

_RETRY = Table(
    doc="How many attempts there are.",
    also=("retries", "attempts"),
    defaults=RetryRule(),
    keys={
        "max_attempts": Number(
            doc="Attempts in total: 3 means the first and two more.",
            also=("max_retries", "attempts", "max", "retries", "limit"),
            minimum=1,
            maximum=1000,
            whole=True,
        ),
        "max_infra_attempts": Number(
            doc="Attempts that the machinery spoiled, which have a budget of their own.",
            also=("infra_attempts", "max_infra_retries", "max_infra", "infra"),
            minimum=1,
            maximum=1000,
            whole=True,
        ),
    },
)


def _severity(doc: str, *also: str) -> Choice:
    return Choice(doc=doc, also=also, values=tuple(Severity), false_is=Severity.OFF)


_INTEGRITY = Table(
    doc="What a change to the tests, or to the rule that judges it, does to the verdict.",
    defaults=IntegrityRule(),
    keys={
        "tests_removed": _severity(
            "Tests that the base has and the change has not.", "removed_tests"
        ),
        "skips_added": _severity("Tests that the change newly skips.", "added_skips", "new_skips"),
        "checks_weakened": _severity("Assertions that the change weakens.", "weakened_checks"),
        "pragmas_added": _severity("Pragmas that take code out of a check.", "added_pragmas"),
        "policy_changed": _severity("A change of the policy itself.", "changed_policy"),
        "protected_paths": ListOf(
            doc="Patterns, as in a .gitignore, of files that a change must leave alone: one "
            "without a slash matches a name at any depth; there is no negation.",
            also=("protected", "protected_files", "protect"),
            item=_TEXT,
        ),
    },
)

_SERIAL = Table(
    doc="One task at a time for each repository.",
    also=("serial_gate", "queue"),
    defaults=SerialPolicy(),
    keys={
        "enabled": Flag(doc="The kill switch.", also=("enable", "on", "active")),
        "repos": ListOf(
            doc="Repositories (OWNER/REPO) that the rule holds for; none listed: every one.",
            also=("repositories", "repository", "repo", "scope"),
            item=_TEXT,
        ),
    },
)

_FREEZE = Table(
    doc="The durable freeze of a repository.",
    defaults=FreezePolicy(),
    keys={
        "enabled": Flag(doc="The kill switch.", also=("enable", "on", "active")),
        "mode": Choice(
            doc="drain: what runs may land; pause: nothing starts or lands; hard: running work is "
            "told to stop.",
            values=get_args(FreezeMode),
        ),
        "clear_needs": Choice(
            doc="The least collaborator permission that clears a freeze.",
            also=("clear_permission", "permission", "clear", "unfreeze_needs"),
            values=get_args(Permission),
        ),
        "ask_after_hours": Number(
            doc="After how many hours without a word somebody is asked whether a freeze is still "
            "needed; null: never. It never ends by itself.",
            also=("expires", "expires_hours", "expiry", "ttl", "ask_after"),
            minimum=1,
            maximum=366 * 24,
            nullable=True,
        ),
    },
)

_YEAR_OF_MINUTES = 366 * 24 * 60

_RECONCILE = Table(
    doc="The sweep that finds work which a lost event left behind.",
    also=("reconciler",),
    defaults=ReconcilePolicy(),
    keys={
        "enabled": Flag(doc="The kill switch.", also=("enable", "on", "active")),
        "grace_minutes": Number(
            doc="How many minutes a task may stand in a stage before the sweep looks at it.",
            also=("grace", "grace_seconds", "grace_period"),
            maximum=_YEAR_OF_MINUTES,
        ),
        "grace_overrides": Named(
            doc="The same for single stages, by the stage's name.",
            also=("overrides", "grace_by_stage"),
            names=_NAME,
            item=Number(doc="Minutes.", maximum=_YEAR_OF_MINUTES),
        ),
        "notify": Flag(doc="Whether an advance is announced.", also=("notifications",)),
    },
)

_COORDINATE = Table(
    doc="The loop that starts the next ready issue.",
    also=("coordinator",),
    defaults=CoordinatePolicy(),
    keys={
        "max_agents": Number(
            doc="How many agents work at once; 0 starts none.",
            also=("agents", "concurrency", "max_parallel", "workers"),
            maximum=1000,
            whole=True,
        ),
        "max_issues": Number(
            doc="How many issues are started in total; null: no limit.",
            also=("issues", "limit"),
            maximum=1_000_000,
            whole=True,
            nullable=True,
        ),
        "workflow": Text(
            doc="The file name, below .github/workflows, of the workflow that runs an agent.",
            pattern=r"[^/\\\u0000-\u001f]+\.ya?ml",
            phrase="the name of a .yml or .yaml file below .github/workflows, without folders",
        ),
    },
)

_KEYS: dict[str, Rule] = {
    "version": Number(
        doc="The version of the policy's language.", minimum=VERSION, maximum=VERSION, whole=True
    ),
    "validations": Named(
        doc="What the gate can require, by name. By default `tests: {kind: test}` alone.",
        also=("validation", "checks", "commands", "gates", "steps"),
        names=_NAME,
        item=_VALIDATION,
    ),
    "scopes": _SCOPES,
    "coverage": _COVERAGE,
    "retry": _RETRY,
    "integrity": _INTEGRITY,
    "serial": _SERIAL,
    "freeze": _FREEZE,
    "reconcile": _RECONCILE,
    "coordinate": _COORDINATE,
}

POLICY: Final = Table(doc="The policy of malagate.", keys=_KEYS)
