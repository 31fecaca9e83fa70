"""All entries of the hostile set, each once."""

from __future__ import annotations

from tests.action.hostile import archives, events, logs, marks, memories, texts
from tests.action.hostile.case import Case

CASES: tuple[Case, ...] = (
    *archives.CASES,
    *logs.CASES,
    *texts.CASES,
    *marks.CASES,
    *events.CASES,
    *memories.CASES,
)
