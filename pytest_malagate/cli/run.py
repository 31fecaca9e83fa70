"""`malagate run NAME [-- CMD…]`: runs a validation and leaves a receipt in the evidence log.

The exit code is always the command's own (128 and the number for a signal), whatever happens to
the evidence. If nothing can be recorded, a line on stderr says so, and the gate, which finds no
receipt of this run, does not pass it.
"""

from __future__ import annotations

import argparse
import difflib
import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pytest_malagate.collect.ci import ci_run
from pytest_malagate.collect.command import CommandNotStartedError, Ended, run_command
from pytest_malagate.collect.log import EvidenceLog
from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.gate.evidence import CommandStarted, Receipt, Record
from pytest_malagate.gate.spec import Validation, ValidationKind
from pytest_malagate.local import OUT_VARIABLE, POLICY_VARIABLE, VALIDATION_VARIABLE, Place
from pytest_malagate.report.text import plain

_USAGE = "malagate run [--out DIR] [--policy FILE] NAME [-- CMD ...]"
_EPILOG = (
    "The command runs in the directory of the policy (the repository's root if there is none). "
    "Without CMD it is the policy's command for NAME; another CMD is recorded, but it does not "
    "satisfy the gate. The exit code is the command's own."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments. NAME and all that follows it are taken apart by `_words`."""
    parser.usage = _USAGE
    parser.epilog = _EPILOG
    _add_options(parser)
    parser.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="NAME [-- CMD ...]", help="see below"
    )


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="DIR", help="output directory")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="policy file")


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns its exit code.

    Raises UsageError for a name that the policy does not define, PolicyError for a wrong policy
    and MachineryError if the repository cannot be found out about: nothing has run then.
    """
    name, given = _words(options)
    place = Place.find(Path.cwd(), out=options.out, policy=options.policy)
    validation = _validation(place, name)
    argv = given if given is not None else _argv(validation)
    try:
        return _Run(place, validation, argv, options.policy).execute()
    except KeyboardInterrupt:  # before the command was started, or after it had ended
        return 128 + signal.SIGINT


def _words(options: argparse.Namespace) -> tuple[str, tuple[str, ...] | None]:
    """The name, and the command after the first `--`, if there is one.

    Everything from NAME on reaches us untouched, because argparse by itself would look for
    options of ours among those of the command. So the part before `--` is parsed here.
    """
    words: list[str] = options.words
    at = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(
        prog="malagate run", usage=_USAGE, epilog=_EPILOG, allow_abbrev=False
    )
    parser.add_argument("name", metavar="NAME", help="a validation of the policy")
    _add_options(parser)
    parser.set_defaults(out=options.out, policy=options.policy)
    _, rest = parser.parse_known_args(words[:at], options)
    if rest:
        parser.error(f"unexpected {plain(' '.join(rest), 80)!r}; a command is written after `--`")
    if at == len(words):
        return options.name, None
    if at == len(words) - 1:
        parser.error("there is no command after `--`")
    return options.name, tuple(words[at + 1 :])


def _validation(place: Place, name: str) -> Validation:
    defined = {validation.name: validation for validation in place.policy.validations}
    if name in defined:
        return defined[name]
    policy = place.policy.file or "the default policy"
    near = difflib.get_close_matches(name, defined, n=1)
    known = f"did you mean {near[0]!r}?" if near else f"it defines {', '.join(defined) or 'none'}"
    raise UsageError(f"{plain(policy)} defines no validation {plain(name, 80)!r}; {known}")


def _argv(validation: Validation) -> tuple[str, ...]:
    if validation.argv:
        return validation.argv
    name = validation.name
    if validation.kind is ValidationKind.TEST:
        raise UsageError(
            f"{name!r} is a test run without a command of its own: run `pytest -p malagate`, or "
            f"`malagate run {name} -- pytest -p malagate`"
        )
    raise UsageError(f"{name!r} has no command: give it a `command` in the policy")


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a validation's command and what is recorded of it."""

    place: Place
    validation: Validation
    argv: tuple[str, ...]
    policy: Path | None

    def execute(self) -> int:
        run = uuid.uuid4().hex
        tree, commit = self._tree_and_commit()
        name, argv = self.validation.name, self.argv
        began = time.time()
        self._record(
            CommandStarted(
                run=run,
                name=name,
                argv=argv,
                at=round(began, 3),
                tree=tree,
                commit=commit,
                ci=ci_run(os.environ),
            )
        )
        try:
            ended = run_command(argv, cwd=self.place.root, env=self._environment())
        except CommandNotStartedError as error:
            _say(f"{name}: {error}")
            ended = Ended(error.exit_code, 0.0, "", 0)
        if ended.output_lost:
            _say(f"{name}: output was lost: {ended.output_lost}")
        with _undisturbed():
            self._record(self._receipt(run, ended, tree, commit))
        return ended.shell_status

    def _receipt(self, run: str, ended: Ended, tree: str | None, commit: str | None) -> Receipt:
        after, _ = self._tree_and_commit()
        return Receipt(
            run=run,
            name=self.validation.name,
            argv=self.argv,
            at=round(time.time(), 3),
            duration=round(ended.duration, 3),
            exit_code=ended.exit_code,
            signal=ended.signal,
            tree=tree,
            tree_after=after,
            commit=commit,
            output_digest=ended.output_digest or None,
            output_bytes=ended.output_bytes,
            ci=ci_run(os.environ),
        )

    def _environment(self) -> dict[str, str]:
        """Ours. A test run is told under which name it counts and where this run records."""
        environment = dict(os.environ)
        for variable in (VALIDATION_VARIABLE, OUT_VARIABLE, POLICY_VARIABLE):
            environment.pop(variable, None)
        if self.validation.kind is ValidationKind.TEST:
            environment[VALIDATION_VARIABLE] = self.validation.name
            environment[OUT_VARIABLE] = str(self.place.out)
            if self.policy is not None:
                environment[POLICY_VARIABLE] = str(self.policy.absolute())
        return environment

    def _tree_and_commit(self) -> tuple[str | None, str | None]:
        """Evidence without a tree is of no tree, so the gate does not take it for a pass."""
        try:
            return self.place.tree_and_commit()
        except MachineryError as error:
            _say(f"{self.validation.name}: the files could not be identified: {error}")
            return None, None

    def _record(self, record: Record) -> None:
        # Opened anew each time: the command may write to the same log meanwhile.
        try:
            with EvidenceLog(self.place.log_path) as log:
                log.append(record, sync=True)
        except MachineryError as error:
            _say(f"{self.validation.name}: not recorded: {error}")


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C is meant for the command, which is over; the receipt is still written."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _say(message: str) -> None:
    """One line on stderr. If nobody reads that either, the exit code still is the command's."""
    with suppress(OSError):
        os.write(2, f"malagate: error: {plain(message)}\n".encode())
