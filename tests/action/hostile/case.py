"""One entry of the hostile set, and all that must hold after it."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from pytest_malagate.errors import ExitCode
from pytest_malagate.gate.reasons import REASONS
from pytest_malagate.github.comments import MARKER
from tests.action.hostile.scene import Act, Scene
from tests.twin import Twin

OUTPUTS = frozenset(
    {
        *("verdict", "passed", "attempt", "retries-left", "no-progress", "next-action"),
        *("reasons", "result", "state-name", "state-path", "baseline-path"),
        *("evidence-name", "evidence-path", "admitted", "position", "frozen"),
    }
)
NOTHING = "nothing"
"""The verdict of an event that asks for none."""
REFUSED = "refused"
"""The verdict of a call that ended before there was one."""

# What a runner looks for: .NET ends a line at CR, LF or both and strips white space; the older
# form may stand anywhere. The other characters that some reader takes for a line's end count too.
_LINE = re.compile("\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_OLD_COMMAND = re.compile(r"##\[[a-zA-Z-]*[ \]]")
_ANNOTATION = re.compile(
    r"::(?:error|warning|notice) "
    r"(?:file=[^,:\r\n]*,(?:line=-?\d+,)?)?title=(?P<title>[a-z.-]+)::(?P<text>[^\r\n]*)"
)
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_OUR_TAGS = re.compile(r"</?(?:sub|details|summary)>|<details open>|<br>|<!-- malagate:[a-z-]+ -->")
_OUR_LINK = re.compile(r"\[this run\]\(https://github\.com/[\w./-]+\)")
_MARKUP = re.compile(
    r"<[a-zA-Z/!]|(?<!\\)\]\(|(?<!\\)!\[|@[A-Za-z0-9]|-->|(?<![\w&/])#\d|https?://[a-z]",
    re.IGNORECASE,
)

Play = Callable[[Scene], object]


@dataclass(frozen=True)
class Case:
    """An entry. `play` does what the attacker does and ends with a run of the action.

    `code` is the reason's (or the warning's) that the documentation promises, `says` a part of
    the log. A `control` is honest and must pass, so that a gate that refuses everything fails.
    """

    name: str
    family: str
    play: Play
    verdict: str = "inconclusive"
    code: str = ""
    says: str = ""
    exit_code: int = 0

    @property
    def control(self) -> bool:
        return self.verdict == "pass"


@dataclass(frozen=True)
class Outcome:
    """What came of an entry. `faults` are the promises that did not hold, in words."""

    verdict: str
    code: str
    faults: tuple[str, ...]
    wrong_pass: bool
    tracebacks: int
    commands: int


def played(case: Case, scene: Scene) -> Outcome:
    """Plays one entry and looks at everything that it must not have done."""
    case.play(scene)
    verdict, codes = _verdict(scene.last), _codes(scene.last)
    success = not case.control and "success" in scene.states
    commands = [line for act in scene.acts for line in foreign_commands(act.told.log)]
    tracebacks = sum(map(_broke_down, scene.acts))
    faults = [
        *_as_promised(case, scene.last, verdict, codes),
        *(["a status says success"] if success else []),
        *(["a traceback"] if tracebacks else []),
        *(f"a command: {line[:200]!r}" for line in commands),
        *(fault for act in scene.acts for fault in _left_behind(act)),
        *_comments(scene),
    ]
    return Outcome(
        verdict=verdict,
        code=case.code if case.code in codes else next(iter(codes), ""),
        faults=tuple(faults),
        wrong_pass=not case.control and (verdict == "pass" or success),
        tracebacks=tracebacks,
        commands=len(commands),
    )


def played_alone(case: Case) -> Outcome:
    """Plays one entry on a GitHub of its own."""
    with tempfile.TemporaryDirectory(prefix="malagate-hostile-") as directory:
        twin = Twin(Path(directory), checked=False)
        with twin.serve():
            return played(case, Scene(twin))


def _verdict(act: Act) -> str:
    if "verdict" not in act.told.outputs:
        return REFUSED
    return act.told.outputs["verdict"] or NOTHING


def _codes(act: Act) -> list[str]:
    return [*act.told.codes, *act.told.warnings] if "result" in act.told.outputs else []


def _as_promised(case: Case, act: Act, verdict: str, codes: list[str]) -> list[str]:
    faults = []
    if verdict != case.verdict:
        faults.append(f"the verdict is {verdict} ({', '.join(codes)}), not {case.verdict}")
    if case.code and case.code not in codes:
        faults.append(f"{case.code} is not among {', '.join(codes) or 'nothing'}")
    if case.says and case.says not in act.told.log:
        faults.append(f"the log does not say {case.says!r}: {act.told.log[-400:]!r}")
    if act.told.exit_code != case.exit_code:
        faults.append(f"the exit code is {act.told.exit_code}, not {case.exit_code}")
    if act.told.exit_code not in set(ExitCode):
        faults.append(f"the exit code {act.told.exit_code} is not documented")
    if (act.told.outputs.get("passed") == "true") != (verdict == "pass"):
        faults.append("the output `passed` contradicts the verdict")
    faults.extend(f"{code} is not registered" for code in codes if code not in REASONS)
    return faults


def _broke_down(act: Act) -> bool:
    return "Traceback" in act.told.log or "malagate failed:" in act.told.log


def foreign_commands(log: str) -> list[str]:
    """The lines that a runner would carry out, and that are no annotation of malagate's own."""
    return [line for line in _LINE.split(log) if _is_command(line) and not _is_annotation(line)]


def _is_command(line: str) -> bool:
    return line.strip().startswith("::") or _OLD_COMMAND.search(line) is not None


def _is_annotation(line: str) -> bool:
    found = _ANNOTATION.fullmatch(line)
    if found is None or _OLD_COMMAND.search(line) or re.search("%0[AaDd]", line):
        return False
    return found["title"] == "malagate" or found["title"] in REASONS


def _left_behind(act: Act) -> list[str]:
    """What is wrong with the files after a run of the action."""
    faults = [f"{name} was written" for name, size in act.commands_of_the_runner.items() if size]
    faults.extend(f"it left {path}" for path in act.strays)
    faults.extend(f"an output: {trouble}" for trouble in strange_outputs(act.raw_output))
    faults.extend(f"the summary holds {found!r}" for found in live_markup(act.told.summary))
    return faults


def strange_outputs(data: bytes) -> list[str]:
    """What a runner would read in GITHUB_OUTPUT besides malagate's own outputs of one line."""
    found, lines = [], iter(data.decode("utf-8").splitlines())
    for line in lines:
        name, sign, delimiter = line.partition("<<")
        value = list(takewhile(lambda part, end=delimiter: part != end, lines))
        if not sign or name not in OUTPUTS:
            found.append(f"{line[:100]!r} is none of malagate's")
        if len(value) != 1 or not re.fullmatch(r"malagate-[0-9a-f]{32}", delimiter):
            found.append(f"{name} has {len(value)} lines, delimiter {delimiter!r}")
        if name == "reasons":
            json.loads("".join(value))
    return found


def _comments(scene: Scene) -> list[str]:
    faults = []
    for issue in scene.repo.issues.values():
        ours = [c for c in issue.comments if c.author == "github-actions[bot]"]
        if len(ours) > 1:
            faults.append(f"{len(ours)} comments on #{issue.number}")
        for comment in ours:
            if not comment.body.startswith(MARKER):
                faults.append("a comment without the marker")
            faults.extend(f"the comment holds {found!r}" for found in live_markup(comment.body))
    return faults


def live_markup(body: str) -> list[str]:
    """Markup that GitHub would render although malagate did not write it."""
    kept, fence = [], ""
    for line in body.splitlines():
        mark = re.match(r" {0,3}(`{3,}|~{3,})", line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif mark:
            fence = mark[1]
        else:
            kept.append(line)
    text = "\n".join(_CODE_SPAN.sub("code", line) for line in kept)
    text = _OUR_LINK.sub("", _OUR_TAGS.sub("", text))
    return [found[0] for found in _MARKUP.finditer(text)]
