"""Session logs of Claude Code, and of Amp, whose `--stream-json` has the same records.

A record counts when its `type` (or else its message's `role`) is `assistant` or `user` and its
message's content is a list of blocks. Calls and text come from the assistant's records, results
from the user's, because that is where the tools answer.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pytest_malagate.collect.agentlog.events import Call, Event, Result, Said
from pytest_malagate.collect.agentlog.records import (
    EMPTY,
    Record,
    decode_line,
    decode_part,
    text_or_none,
)

_SHELLS = frozenset({"bash", "shell_command"})

# Tools that read, plan, ask or wait. Any other tool may have changed a file: an unknown one, one
# of an MCP server, and a sub-agent, whose own calls stand in another log.
_HARMLESS_TOOLS = (
    "askuserquestion bashoutput enterplanmode exitplanmode finder get_diagnostics glob grep "
    "killbash killshell librarian list_directory ls mermaid notebookread oracle read read_thread "
    "read_web_page taskcreate taskget tasklist taskoutput taskstop taskupdate todo_read todo_write "
    "todoread todowrite toolsearch web_search webfetch websearch"
)
_HARMLESS = frozenset(_HARMLESS_TOOLS.split())


class _Line(Record, frozen=True):  # the fields are spelt as the log spells them
    type: Any = None
    message: msgspec.Raw = EMPTY
    cwd: Any = None
    isSidechain: Any = None
    parent_tool_use_id: Any = None
    toolUseResult: msgspec.Raw = EMPTY
    tool_use_result: msgspec.Raw = EMPTY


class _Message(Record, frozen=True):
    role: Any = None
    content: msgspec.Raw = EMPTY


class _Block(Record, frozen=True):
    type: Any = None
    text: Any = None
    id: Any = None
    name: Any = None
    input: msgspec.Raw = EMPTY
    tool_use_id: Any = None
    is_error: Any = False


class _Input(Record, frozen=True):
    command: Any = None
    cmd: Any = None
    cwd: Any = None
    run_in_background: Any = False


class _Detail(Record, frozen=True):
    interrupted: Any = None
    backgroundTaskId: Any = None
    returnCodeInterpretation: Any = None


_line = msgspec.json.Decoder(_Line)
_message = msgspec.json.Decoder(_Message)
_blocks = msgspec.json.Decoder(list[msgspec.Raw])
_block = msgspec.json.Decoder(_Block)
_input = msgspec.json.Decoder(_Input)
_detail = msgspec.json.Decoder(_Detail)


class ClaudeFormat:
    """Reads the lines of a Claude Code or an Amp session."""

    def events(self, line: bytes) -> list[Event]:
        """See `LogFormat.events`."""
        record = decode_line(_line, line)
        if record.type not in (None, "assistant", "user"):
            return []
        message = decode_part(_message, record.message)
        if message is None:
            return []
        author = record.type or message.role
        raw_blocks = decode_part(_blocks, message.content) or []
        blocks = [block for raw in raw_blocks if (block := decode_part(_block, raw))]
        if author == "assistant":
            return [event for block in blocks if (event := _from_agent(record, block))]
        if author == "user":
            return [event for block in blocks if (event := _from_tool(record, block))]
        return []


def _from_agent(record: _Line, block: _Block) -> Event | None:
    if block.type == "text" and isinstance(block.text, str):
        # A sub-agent reports to the agent; what it says about the issue is not the agent's word.
        sub_agent = record.isSidechain is True or record.parent_tool_use_id is not None
        return None if sub_agent else Said(block.text)
    if block.type == "tool_use":
        return _call(record, block)
    return None


def _call(record: _Line, block: _Block) -> Call:
    tool = text_or_none(block.name) or ""
    call = text_or_none(block.id) or ""
    kind = tool.lower()
    if kind not in _SHELLS:
        return Call(call, tool, harmless=kind in _HARMLESS)
    arguments = decode_part(_input, block.input) or _Input()
    return Call(
        call,
        tool,
        command=text_or_none(arguments.command) or text_or_none(arguments.cmd) or "",
        background=arguments.run_in_background not in (False, None),
        directory=text_or_none(arguments.cwd) or text_or_none(record.cwd),
    )


def _from_tool(record: _Line, block: _Block) -> Result | None:
    call = text_or_none(block.tool_use_id)
    if block.type != "tool_result" or not call:
        return None
    if not isinstance(block.is_error, bool):
        return Result(call, invalid="its result is malformed: is_error is no boolean")
    detail = decode_part(_detail, record.toolUseResult) or decode_part(
        _detail, record.tool_use_result
    )
    if detail and (detail.backgroundTaskId or detail.interrupted):
        # A command that outlasts its time limit goes on in the background, and is_error is false.
        what = "went on in the background" if detail.backgroundTaskId else "was interrupted"
        return Result(call, invalid=f"it {what}, so its exit status is not known")
    # For some commands (grep, diff, test) a status of 1 is no error to Claude Code; it says so.
    failed = block.is_error or bool(detail and detail.returnCodeInterpretation)
    return Result(call, exit_code=1 if failed else 0)
