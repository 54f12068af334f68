"""The text of chat messages as it is shown: links found, long ones shortened, nothing that draws over its neighbours.

Whatever a hostile peer sent, the result is bounded in characters, lines and links, and is found in linear time. Pure;
used by the chat's model and windows.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from app.protocol.conversation import shown_text

MAX_SHOWN: Final = 1_000
"""Characters of a message that the conversation itself shows; the rest has a window of its own."""
MAX_LINES: Final = 20
MAX_MARKS: Final = 4
"""Combining marks that one letter keeps: more would tower over other messages, and cost time to lay out."""
MAX_LINK: Final = 2_048
MAX_LINKS: Final = 20
"""In one message."""

_LINK: Final = re.compile(
    r"(?<![A-Za-z0-9+.\-])(?:https?|buri)://(?P<rest>[A-Za-z0-9\[][A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*)"
)
_END_OF_SENTENCE: Final = ".,;:!?'*"
_PAIRS: Final = {")": "(", "]": "["}


@dataclass(frozen=True, slots=True)
class Link:
    """A part of a text that can be opened: exactly the characters that are shown."""

    start: int
    target: str

    @property
    def end(self) -> int:
        """Where it ends in the text."""
        return self.start + len(self.target)


def find_links(text: str) -> tuple[Link, ...]:
    """Links with the schemes http, https and buri; of ASCII alone, so that no letter only looks like another.

    An address with a user name before an @ is none: it shows one host and leads to another.
    """
    links: list[Link] = []
    for match in _LINK.finditer(text):
        target = _without_sentence_end(match.group())
        authority = re.split(r"[/?#]", target.partition("://")[2], maxsplit=1)[0]
        if len(target) <= MAX_LINK and authority and "@" not in authority:
            links.append(Link(match.start(), target))
        if len(links) == MAX_LINKS:
            break
    return tuple(links)


def _without_sentence_end(target: str) -> str:
    """Without the full stop after it, or the bracket around it."""
    end = len(target)
    surplus = {close: target.count(close) - target.count(open_) for close, open_ in _PAIRS.items()}
    while end:
        last = target[end - 1]
        if surplus.get(last, 0) > 0:
            surplus[last] -= 1
        elif last not in _END_OF_SENTENCE:
            break
        end -= 1
    return target[:end]


def shortened(text: str) -> tuple[str, bool]:
    """The part of a message that is shown at first, and whether there is more."""
    part = without_towers(_with_plain_breaks(shown_text(text[: 4 * MAX_SHOWN])).strip("\n"))
    shown = "\n".join(part[:MAX_SHOWN].split("\n")[:MAX_LINES])
    more = len(shown) < len(part) or len(text) > 4 * MAX_SHOWN
    return shown.rstrip(), more


def _with_plain_breaks(text: str) -> str:
    return text.replace("\u2028", "\n").replace("\u2029", "\n")


def without_towers(text: str) -> str:
    """At most MAX_MARKS combining marks in a row."""
    if text.isascii():
        return text
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if marks <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def units(text: str) -> int:
    """How long Qt finds a text: it counts characters beyond the first 65,536 twice."""
    return len(text) + sum(character > "\uffff" for character in text)


def part_of_units(text: str, start: int, end: int) -> str:
    """The part of a text between two of Qt's positions."""
    return text.encode("utf-16-le")[2 * start : 2 * end].decode("utf-16-le", "ignore")
