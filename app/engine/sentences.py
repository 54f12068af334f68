"""The form in which everything is said to people: a title, what happened, and what to do.

The tables are in engine/errors.py and beside it, in modules of their own where there are many.
"""

from enum import IntEnum
from typing import NamedTuple


class ExitKind(IntEnum):
    """What the shell sees of an error."""

    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3
    REFUSED = 4
    NOT_FOUND = 5
    NO_ANSWER = 6


class Sentences(NamedTuple):
    """What is said for one code; message and remedy are templates for `str.format`."""

    title: str
    message: str
    remedy: str
    kind: ExitKind = ExitKind.FAILED
