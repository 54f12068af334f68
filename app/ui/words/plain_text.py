"""Text of strangers for places that are not ours: tray menus, tooltips and notifications of the desktop.

Some desktops render HTML there, some do not, and none says so in time; so the characters that could become markup are
replaced by ones that look alike and never do.
"""

import re
from typing import Final

from app.protocol.names import shown_name

LONGEST_NAME: Final = 40
_ENTITY: Final = re.compile(r"&(?=[#A-Za-z])")
_ANGLES: Final = str.maketrans("<>", "\u2039\u203a")
_WIDE_AMPERSAND: Final = "\uff06"


def unmarked(text: str) -> str:
    """`text` without anything that can be taken for markup."""
    return _ENTITY.sub(_WIDE_AMPERSAND, text.translate(_ANGLES))


def short_name(name: str, longest: int = LONGEST_NAME) -> str:
    """A name on one short line, without what can't be shown."""
    return shortened(shown_name(name), longest)


def shortened(text: str, longest: int) -> str:
    """At most so many characters, with a sign where some are missing."""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def menu_text(name: str) -> str:
    """A name as an entry of a menu: a lone `&` would underline what follows."""
    return short_name(name).replace("&", "&&")
