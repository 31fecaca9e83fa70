"""Session logs for tests: one story, told in the words of each agent."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

AGENTS = ("claude", "amp", "codex")


class Story:
    """Builds a log line by line. Every method appends; `write` makes a file of it."""

    def __init__(self, agent: str) -> None:
        self.agent = agent
        self.lines: list[bytes] = []
        self._ids = itertools.count(1)
        if agent == "amp":
            self.record({"type": "system", "subtype": "init", "session_id": "T-1", "cwd": "/repo"})
        elif agent == "claude":
            self.record({"type": "summary", "sessionId": "s-1", "cwd": "/repo"})
        else:
            self.record({"method": "thread/started", "payload": {"thread": {"cwd": "/repo"}}})

    def record(self, value: Any) -> Story:
        self.lines.append(json.dumps(value, ensure_ascii=False).encode())
        return self

    def raw(self, line: bytes) -> Story:
        self.lines.append(line)
        return self

    def calls(self, command: str, *, id: str | None = None, **more: Any) -> str:
        """The agent asks for a shell command; its id is returned."""
        call = f"call_{next(self._ids)}" if id is None else id
        if self.agent == "codex":
            item = {"type": "commandExecution", "id": call, "command": command, **more}
            self.record({"method": "item/started", "payload": {"item": item}})
            self._command = command
        else:
            key, tool = ("cmd", "shell_command") if self.agent == "amp" else ("command", "Bash")
            self.assistant(
                {"type": "tool_use", "id": call, "name": tool, "input": {key: command, **more}}
            )
        return call

    def answers(self, call: str, exit_code: int) -> Story:
        """The tool reports how that command ended."""
        if self.agent == "codex":
            item: dict[str, Any] = {"type": "commandExecution", "id": call}
            item["command"] = self._command
            item |= {"status": "failed" if exit_code else "completed", "exit_code": exit_code}
            return self.record({"method": "item/completed", "payload": {"item": item}})
        block = {"type": "tool_result", "tool_use_id": call, "content": "out"}
        return self.user(block | ({"is_error": True} if exit_code else {}))

    def ran(self, command: str, exit_code: int = 0) -> Story:
        return self.answers(self.calls(command), exit_code)

    def edits(self) -> Story:
        if self.agent == "codex":
            item = {"type": "fileChange", "id": "f1", "status": "completed", "changes": []}
            return self.record({"method": "item/completed", "payload": {"item": item}})
        tool = "edit_file" if self.agent == "amp" else "Edit"
        return self.assistant({"type": "tool_use", "id": "e1", "name": tool, "input": {}})

    def says(self, text: str) -> Story:
        if self.agent == "codex":
            item = {"type": "agentMessage", "id": "m1", "text": text}
            return self.record({"method": "item/completed", "payload": {"item": item}})
        return self.assistant({"type": "text", "text": text})

    def user_says(self, text: str) -> Story:
        if self.agent == "codex":
            item = {"type": "userMessage", "id": "m1", "text": text}
            return self.record({"method": "item/completed", "payload": {"item": item}})
        return self.user({"type": "text", "text": text})

    def assistant(self, *blocks: dict[str, Any], **more: Any) -> Story:
        message = {"role": "assistant", "content": list(blocks)}
        return self.record({"type": "assistant", "message": message, **more})

    def user(self, *blocks: dict[str, Any], **more: Any) -> Story:
        message = {"role": "user", "content": list(blocks)}
        return self.record({"type": "user", "message": message, **more})

    @property
    def size(self) -> int:
        """Bytes written so far: the offset of what comes next."""
        return sum(len(line) + 1 for line in self.lines)

    def write(self, directory: Path, name: str = "session.jsonl") -> Path:
        path = directory / name
        path.write_bytes(b"".join(line + b"\n" for line in self.lines))
        return path


Told = Callable[[Story], object]
