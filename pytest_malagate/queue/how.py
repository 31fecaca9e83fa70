"""How people act on a store: the words in which they are told what to do next."""

from __future__ import annotations

import shlex

from pytest_malagate.queue.model import Value


class How(Value, frozen=True, kw_only=True):
    """On a file by commands, of which `option` names it if it has to be; on GitHub by its parts."""

    option: str = ""
    on_github: bool = False

    def clear(self, freeze: int | None = None) -> str:
        """How a freeze is cleared; None: all that stand."""
        if self.on_github:
            return 'close its issue, or comment /gate unfreeze reason:"WHY" on it'
        number = "" if freeze is None else f" {freeze}"
        return f"malagate unfreeze{self.option}{number} --reason WHY"

    def finish(self, task: str) -> str:
        """How a task ends."""
        if self.on_github:
            return "its pull request is merged, or its issue closed"
        return f"malagate queue finish{self.option} {shlex.quote(task)}"

    def requeue(self, task: str) -> str:
        """How a task is given back whose holder is gone."""
        if self.on_github:
            return "mode coordinate takes it on when its lease has ended"
        return f"malagate queue requeue{self.option} {shlex.quote(task)}"

    def claim(self) -> str:
        """How the next task begins."""
        if self.on_github:
            return "mode coordinate starts it"
        return f"malagate queue claim{self.option}"
