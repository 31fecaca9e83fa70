"""The one comment on a pull request, and the status's one line. Both are small and hold no markup
of the change's own."""

from __future__ import annotations

import re

from pytest_malagate.action.memory import Evaluation, Memory
from pytest_malagate.gate.reasons import REASONS
from pytest_malagate.gate.result import GateResult, encode
from pytest_malagate.github.comments import MARKER, MAX_BODY
from pytest_malagate.github.statuses import DESCRIPTION, State
from pytest_malagate.report.agent import agent_view
from pytest_malagate.report.markdown import summary
from pytest_malagate.report.text import code, plain, prose
from pytest_malagate.report.wording import VERDICTS

_SHOWN = 15  # rows of a table
_STATES: dict[str, State] = {
    "pass": "success",
    "fail": "failure",
    "inconclusive": "error",
    "error": "error",
}

TRUSTS = {
    "job": "One job ran the validations and judged them; whoever can edit the workflow can forge "
    "the evidence",
    "workflow": "The change's own workflow recorded the evidence, the default branch's judged it; "
    "a change that edits its workflow can forge the evidence",
    "verified": "The default branch's own workflow ran the validations on the change",
}


def status_of(result: GateResult) -> tuple[State, str]:
    """The status's state, and its one line of at most 140 characters."""
    return _STATES[result.verdict], plain(_line(result), DESCRIPTION)


def _line(result: GateResult) -> str:
    attempt = result.attempt
    counted = f"attempt {attempt.number} of {attempt.max}" if result.verdict == "fail" else ""
    if result.verdict == "pass":
        said = _warned(len(result.warnings))
    else:
        said = result.reasons[0].message if result.reasons else ""
        more = len(result.reasons) + result.reasons_omitted - 1
        if more > 0:
            said += f" (+{more} more)"
    head = VERDICTS[result.verdict]
    counted = f"{head}, {counted}" if counted else head
    return f"{counted}: {said}" if said else counted


def _warned(number: int) -> str:
    return f"{number} warning{'s' if number > 1 else ''}" if number else ""


def render(
    result: GateResult, memory: Memory | None, *, run_url: str, explained: bool = False
) -> str:
    """The comment's Markdown, at most MAX_BODY bytes; what has no room is left out from the end."""
    must = [MARKER, summary(result).rstrip(), _trust(result, run_url)]
    blocks = [
        _block("What the reasons mean", _explained(result), opened=True) if explained else "",
        _block("For agents", [_fenced(encode(agent_view(result)).decode())]),
        _block("History", _history(memory)) if memory else "",
        _block("Commands", _audit(memory)) if memory else "",
        _help(result),
    ]
    body = "\n\n".join(must)
    for block in filter(None, blocks):
        longer = f"{body}\n\n{block}"
        if len(longer.encode()) <= MAX_BODY - 1:
            body = longer
    return _cut(body) + "\n"


def _cut(body: str) -> str:
    data = body.encode()
    if len(data) < MAX_BODY:
        return body
    return data[: MAX_BODY - 200].decode("utf-8", "ignore").rpartition("\n")[0] + "\n\n(cut)"


def _trust(result: GateResult, run_url: str) -> str:
    where = f"[this run]({run_url})" if re.fullmatch(r"https?://[\w./:-]+", run_url) else "this run"
    rule = f"the policy {code(result.policy.source, 80)}"
    return f"<sub>Judged by {where} with {rule}. {TRUSTS.get(result.trust, '')}.</sub>"


def _block(title: str, lines: list[str], *, opened: bool = False) -> str:
    if not lines:
        return ""
    inside = "\n".join(lines)
    tag = "<details open>" if opened else "<details>"
    return f"{tag}<summary>{title}</summary>\n\n{inside}\n\n</details>"


def _fenced(text: str) -> str:
    """A code block that the text cannot end: the fence is longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}json\n{text.rstrip()}\n{fence}"


def _history(memory: Memory) -> list[str]:
    if len(memory.evaluations) < 2 and not memory.rebuilt:
        return []
    rows = [_row(evaluation) for evaluation in reversed(memory.evaluations[-_SHOWN:])]
    more = len(memory.evaluations) - _SHOWN
    note = [f"{more} earlier ones are not shown."] if more > 0 else []
    if memory.rebuilt:
        note.append("Earlier attempts were counted from the list of runs.")
    table = ["| commit | verdict | attempt | progress | why |", "|---|---|---|---|---|", *rows]
    return [*table, *(["", *note] if note else [])]


def _row(evaluation: Evaluation) -> str:
    number = str(evaluation.number) if evaluation.counted else f"{evaluation.number}, not charged"
    verdict = VERDICTS.get(evaluation.verdict, "unknown")
    progress = code(evaluation.progress.replace("_", " "), 20, cell=True)
    why = code(evaluation.summary, 100, cell=True)
    return (
        f"| {code(evaluation.head[:12], cell=True)} | {verdict} | {number} | {progress} | {why} |"
    )


def _audit(memory: Memory) -> list[str]:
    if not memory.audit:
        return []
    rows = [
        f"| {code(entry.actor, 40, cell=True)} | {code(entry.command, 120, cell=True)} "
        f"| {code(entry.head[:12], cell=True)} | {code(entry.outcome, 160, cell=True)} |"
        for entry in reversed(memory.audit[-_SHOWN:])
    ]
    return ["| who | command | commit | outcome |", "|---|---|---|---|", *rows]


def _explained(result: GateResult) -> list[str]:
    codes = dict.fromkeys(why.code for why in (*result.reasons, *result.warnings))
    known = [REASONS[name] for name in codes if name in REASONS]
    if not known:
        return ["There is nothing to explain: no reason was given."]
    return [
        f"- **{prose(info.code)}**: {info.title}. {info.why} *What to do:* {info.fix}"
        for info in known[:_SHOWN]
    ]


def _help(result: GateResult) -> str:
    if result.verdict == "pass":
        return ""
    head = plain(result.subject.commit or "", 40)[:12]
    return (
        f"<sub>People with the right to it may answer with `/gate explain`, `/gate retry {head}`, "
        f'`/gate accept CODE {head} reason:"…"` or `/gate stop`.</sub>'
    )
