"""The code under test: an account, and helpers that fail with volatile text."""

import os
import uuid
from dataclasses import dataclass, field


@dataclass
class Account:
    balance: int
    history: list[int] = field(default_factory=list)

    def withdraw(self, amount: int) -> int:
        if amount > self.balance:
            raise ValueError(f"only {self.balance} left, {amount} asked")
        self.balance -= amount
        return self.balance

    @property
    def overdrawn(self) -> bool:
        return self.balance < 0


class Handle:
    """Shown by its address."""


def total(amounts: list[int]) -> int:
    """A sum of something that is read, not run, when an assertion is described."""
    first = amounts[0]
    return first + sum(amounts[1:])


def check(account: Account) -> bool:
    return not account.overdrawn and account.balance > 100


def ping(number: int) -> int:
    return pong(number + 1)


def pong(number: int) -> int:
    return ping(number + 1)


def in_process() -> None:
    raise RuntimeError(f"process {os.getpid()} of {os.getppid()} gave up")


def with_identity() -> None:
    raise LookupError(f"no job {uuid.uuid4()} for {Handle()}")
