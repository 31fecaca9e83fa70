"""What the runner obeys in a step's output: `::name key=value::data` and `##[name key=value]data`.

The rules are the runner's: a line ends at CR, LF or both; `::` counts at the start of a line, after
white space; `##[` counts anywhere in it; a name that is not registered is mere text; names ignore
case; `::stop-commands::TOKEN` switches all of it off until `::TOKEN::`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

REGISTERED_TEXT = """
    set-env set-output save-state add-mask add-path add-matcher remove-matcher warning error
    notice debug group endgroup echo internal-set-repo-path stop-commands
"""
REGISTERED = frozenset(REGISTERED_TEXT.split())
REFUSED = frozenset({"set-env", "add-path"})
"""Commands that the runner answers with an error, which fails the step."""

ANNOTATIONS = ("error", "warning", "notice")
MAX_PER_KIND = 10
MAX_MESSAGE = 4096

_LINES = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Command:
    """A command that the runner carried out, its values unescaped."""

    name: str
    data: str
    properties: dict[str, str] = field(default_factory=dict)
    step: str = ""


class CommandReader:
    """Reads the output of the steps of one job: what is stopped in one step is that step's."""

    def __init__(self, step: str) -> None:
        self._step = step
        self._stop_token: str | None = None

    def read(self, output: str) -> Iterator[Command]:
        """The commands of an output, in order."""
        for line in _LINES.split(output):
            command = self._parse(line)
            if command is None:
                continue
            if self._stop_token is not None:
                if command.name == self._stop_token.lower():
                    self._stop_token = None
                continue
            if command.name == "stop-commands":
                self._stop_token = command.data
            yield command

    def _parse(self, line: str) -> Command | None:
        return self._double_colon(line.lstrip()) or self._brackets(line)

    def _known(self, name: str) -> bool:
        stopped = self._stop_token is not None and name == self._stop_token.lower()
        return name in REGISTERED or stopped

    def _double_colon(self, line: str) -> Command | None:
        if not line.startswith("::") or (end := line.find("::", 2)) < 0:
            return None
        name, _, properties = line[2:end].strip().partition(" ")
        if not self._known(name.lower()):
            return None
        values = _properties(properties, ",", "\r\n:,")
        return Command(name.lower(), _unescaped(line[end + 2 :], "\r\n"), values, self._step)

    def _brackets(self, line: str) -> Command | None:
        start = line.find("##[")
        if start < 0 or (end := line.find("]", start)) < 0:
            return None
        name, _, properties = line[start + 3 : end].partition(" ")
        if not self._known(name.lower()):
            return None
        values = _properties(properties, ";", "\r\n;]")
        return Command(name.lower(), _unescaped(line[end + 1 :], "\r\n;]"), values, self._step)


def shown(commands: list[Command]) -> list[Command]:
    """The annotations that the run's page shows of one step: ten of a kind, cut at their length."""
    counts = dict.fromkeys(ANNOTATIONS, 0)
    kept = []
    for command in commands:
        if command.name in counts and counts[command.name] < MAX_PER_KIND:
            counts[command.name] += 1
            text = command.data[:MAX_MESSAGE]
            kept.append(Command(command.name, text, command.properties, command.step))
    return kept


def _properties(text: str, between: str, escaped: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in text.split(between) if "=" in part)
    return {key: _unescaped(value, escaped) for key, _, value in pairs}


def _unescaped(text: str, characters: str) -> str:
    for character in characters:
        text = text.replace(f"%{ord(character):02X}", character)
    return text.replace("%25", "%")
