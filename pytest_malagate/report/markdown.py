"""A GateResult as Markdown: `summary.md`, the step summary and the comment on a pull request.

GitHub's limits (65,536 characters for a comment) are kept far away by the bounds below.
"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_malagate.gate.reasons import REASONS
from pytest_malagate.gate.result import GateResult, Reason
from pytest_malagate.report.text import MESSAGE, code, prose
from pytest_malagate.report.wording import (
    NEXT_STEPS,
    attempt_words,
    coverage_words,
    detail,
    subject_words,
    verdict_words,
)

MAX_REASONS = 20
MAX_WARNINGS = 10
MAX_VALIDATIONS = 50
MAX_COMMANDS = 20
_COMMAND = 500


def summary(result: GateResult) -> str:
    """The result as a Markdown document that ends with a newline.

    No text of the change can break out of its place: it stands in code spans, or with its
    markup, links, mentions and references defused. Equal results give equal documents.
    """
    blocks = (
        _head(result),
        _validations(result),
        _coverage(result),
        _reasons(result),
        _warnings(result),
        _next_step(result),
    )
    return "\n\n".join("\n".join(lines) for block in blocks if (lines := list(block))) + "\n"


def _head(result: GateResult) -> Iterator[str]:
    yield f"## malagate: {verdict_words(result)}"
    facts = [prose(subject_words(result))]
    if result.resolution:
        facts.append(f"resolution {code(result.resolution, MESSAGE)}")
    facts.append(prose(attempt_words(result.attempt, result.progress)))
    yield ""
    yield "; ".join(filter(None, facts))


def _validations(result: GateResult) -> Iterator[str]:
    items = result.validation_evidence
    if not items:
        return
    yield "| validation | status | evidence |"
    yield "|---|---|---|"
    for item in items[:MAX_VALIDATIONS]:
        name = code(item.name, 60, cell=True)
        words = code(detail(item, result), 200, cell=True)
        yield f"| {name} | {item.status} | {words} |"
    if len(items) > MAX_VALIDATIONS:
        yield f"| {len(items) - MAX_VALIDATIONS} more | | |"


def _coverage(result: GateResult) -> Iterator[str]:
    if result.coverage is not None:
        yield f"Coverage: {coverage_words(result.coverage)}"


def _reasons(result: GateResult) -> Iterator[str]:
    if not result.reasons:
        return
    yield "### Reasons"
    yield ""
    hint = None
    for number, reason in enumerate(result.reasons[:MAX_REASONS], 1):
        said = f"{_places(reason)}{code(reason.message, MESSAGE)}"
        yield f"{number}. **{prose(reason.code, 60)}** {said}"
        if reason.hint and reason.hint != hint:
            yield f"   <br>{_hint(reason)}"
        hint = reason.hint
    hidden = max(len(result.reasons) - MAX_REASONS, 0) + result.reasons_omitted
    if hidden:
        yield ""
        yield f"{hidden} more not shown."


def _places(reason: Reason) -> str:
    places = []
    if reason.file:
        line = "" if reason.line is None else f":{reason.line}"
        places.append(code(reason.file + line, MESSAGE))
    if reason.nodeid:
        places.append(code(reason.nodeid, MESSAGE))
    return "".join(f"{place} " for place in places)


def _hint(reason: Reason) -> str:
    """The registry's own words keep their code spans; anybody else's are escaped."""
    info = REASONS.get(reason.code)
    hint = reason.hint or ""
    return hint if info is not None and info.fix == hint else prose(hint, MESSAGE)


def _warnings(result: GateResult) -> Iterator[str]:
    if not result.warnings:
        return
    yield "### Warnings"
    yield ""
    for warning in result.warnings[:MAX_WARNINGS]:
        yield f"- {prose(warning.code, 60)}: {_places(warning)}{code(warning.message, MESSAGE)}"
    if len(result.warnings) > MAX_WARNINGS:
        yield f"- {len(result.warnings) - MAX_WARNINGS} more not shown"


def _next_step(result: GateResult) -> Iterator[str]:
    action = result.next_action
    words = NEXT_STEPS[action.kind]
    if not (words or action.commands or action.stop_when):
        return
    yield "### Next"
    yield ""
    if words:
        yield f"- {words[0].upper()}{words[1:]}" + (":" if action.commands else ".")
    for command in action.commands[:MAX_COMMANDS]:
        yield f"- {code(command, _COMMAND)}"
    if action.stop_when:
        yield f"- Stop when: {prose(action.stop_when, MESSAGE)}"
