"""Which shell commands cannot have changed the working files.

Evidence from a log is credited to the tree at ingestion, so a change between the run and the
ingestion would be believed unseen. Therefore this module knows commands that leave the working
files alone, and every other command counts as one that may have changed them: it fails closed.
The price is that an agent has to run its checks again, last. A redirection, an expansion and an
option that writes or repairs take a command off the list. A checker writes caches and reports
beside the work, and the tests it runs are the ones that the policy's own command runs.
"""

from __future__ import annotations

import re
import shlex

_READ = (
    ": [ basename cat cd cmp cut date df diff dirname du echo egrep false fgrep find grep head id "
    "jq ls nl printf ps pwd readlink realpath rg sleep stat tail test tr true type uname wait wc "
    "which whoami"
)
_READERS = frozenset(_READ.split())
_CHECKERS = frozenset({"mypy", "pyright", "pytest"})

# Committing and pushing leave the working files alone; checkout, restore, reset, stash, merge,
# rebase and pull do not.
_GIT = (
    "add blame cat-file commit describe diff fetch for-each-ref log ls-files ls-remote ls-tree "
    "merge-base push rev-list rev-parse shortlog show show-ref status"
)
_SUBCOMMANDS = {
    "git": frozenset(_GIT.split()),
    "gh pr": frozenset({"checks", "comment", "create", "diff", "edit", "list", "status", "view"}),
    "gh issue": frozenset({"comment", "create", "edit", "list", "status", "view"}),
    "gh run": frozenset({"list", "view", "watch"}),
    "malagate": frozenset({"check", "explain", "run", "status"}),
    "ruff": frozenset({"check"}),
}
_REFORMATTERS = {("ruff", "format"), ("black",)}
_LAUNCHERS = {("uv", "run"), ("poetry", "run"), ("python", "-m"), ("python3", "-m")}

# Options that write, repair, or start a program. git takes an abbreviation for an option.
_WRITING_OPTION = re.compile(
    r"--(ou(?!tput-format)|ext|textc|rece|up|exec|pre|hostname-bin|fix|unsafe-fixes|add-noqa|write|basetemp|"
    r"snapshot-up|inline-snapshot|force-regen|regen|install-types|junit|html|xml|result-log)|"
    r"-(delete|exec|execdir|ok|okdir|fprint\w*|fls)$"
)
_SED_PRINT = re.compile(r"\d+(,(\d+|\$))?p")

_MESSAGE = "\x01"  # stands for a quoted here-document
_HEREDOC = re.compile(
    r"\$\(cat <<(['\"])(\w+)\1\n(?:(?![ \t]*\2[ \t]*\n).*\n)*[ \t]*\2\n\s*\)",
)
_MESSAGE_OPTIONS = frozenset({"-m", "-am", "--message", "--body", "-b"})
_WRITERS_OF_MESSAGES = {("git", "commit"), ("gh", "pr"), ("gh", "issue")}

_NO_REDIRECTION = re.compile(r"(?<![\w>&])(?:2>&1|[12&]?>[ \t]*/dev/null)(?=[\s;|&)]|$)")
_EXPANSIONS = ("$(", "`", "{", "$'", '$"', "\\\n", "\x00")
_SEPARATORS = frozenset({"&&", "||", ";", "|", "&"})
_PUNCTUATION = frozenset("();<>|&")
_MAX_COMMAND = 64 * 1024


def may_change_files(command: str) -> bool:
    """False only for a line in which every command is known to leave the working files alone."""
    if len(command) > _MAX_COMMAND or _MESSAGE in command:
        return True
    line = _HEREDOC.sub(_MESSAGE, command.strip())
    line = _NO_REDIRECTION.sub(" ", line)
    if any(mark in line for mark in _EXPANSIONS):
        return True
    lexer = shlex.shlex(line.replace("\n", " ; "), posix=True, punctuation_chars="();<>|&")
    lexer.commenters = ""
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # a quotation mark that nothing closes
        return True
    return any(not _harmless(part) for part in _simple_commands(words))


def _simple_commands(words: list[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word in _SEPARATORS:
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


def _harmless(words: list[str]) -> bool:
    """Whether one command, its separators taken off, is known to change no file."""
    if any(word and _PUNCTUATION.issuperset(word) for word in words):
        return False  # a redirection, a subshell, or an operator that is not known here
    if not _messages_are_messages(words) or any(map(_WRITING_OPTION.match, words)):
        return False
    while len(words) > 2 and tuple(words[:2]) in _LAUNCHERS:
        words = words[2:]
    return _known(words)


def _known(words: list[str]) -> bool:
    program = words[0]
    if program in _READERS or program in _CHECKERS:
        return True
    if program == "sed":
        options = any(word.startswith("-") for word in words[3:])
        prints = words[1:2] == ["-n"] and _SED_PRINT.fullmatch("".join(words[2:3]))
        return bool(prints) and not options
    if tuple(words[:2]) in _REFORMATTERS or tuple(words[:1]) in _REFORMATTERS:
        return "--check" in words or "--diff" in words
    if program == "malagate" and "--" in words:
        return False  # `malagate run NAME -- CMD` runs whatever it is given
    depth = 2 if " ".join(words[:2]) in _SUBCOMMANDS else 1
    return "".join(words[depth : depth + 1]) in _SUBCOMMANDS.get(" ".join(words[:depth]), ())


def _messages_are_messages(words: list[str]) -> bool:
    """A here-document is text only where text is expected; elsewhere it could be an option."""
    places = [index for index, word in enumerate(words) if _MESSAGE in word]
    if not places:
        return True
    return tuple(words[:2]) in _WRITERS_OF_MESSAGES and all(
        words[index] == _MESSAGE and words[index - 1] in _MESSAGE_OPTIONS for index in places
    )
