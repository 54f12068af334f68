"""Names that people give: of networks, servers and themselves, checked so that none can pose as another.

Called wherever a name comes from outside: by the server for what it keeps, by clients for what a server tells.
"""

import unicodedata

from app.protocol.wire import MAX_NAME, RemoteProtocolError

_UNSHOWABLE = ("Cc", "Cf", "Cs", "Co")
"""Unicode categories of control, direction-changing, surrogate and private-use characters."""


def checked_name(name: str) -> str:
    """A network name or nickname in normal form (NFC, single spaces inside, none around).

    Raises RemoteProtocolError if nothing is left, if it is over MAX_NAME characters, or if it holds control,
    private-use, surrogate or direction-changing characters, with which one name could pose as another.
    """
    normal = " ".join(unicodedata.normalize("NFC", name).split())
    if not 1 <= len(normal) <= MAX_NAME:
        raise RemoteProtocolError(f"name: must have 1 to {MAX_NAME} characters")
    if any(unicodedata.category(character) in (*_UNSHOWABLE, "Cn") for character in normal):
        raise RemoteProtocolError("name: holds a character that can't be shown")
    return normal


def shown_name(name: str) -> str:
    """A name of a server that may not have checked it, safe to show: one line, U+FFFD for what can't be shown.

    A character that is unassigned here may be new elsewhere and stays.
    """
    return " ".join("".join("\ufffd" if unicodedata.category(each) in _UNSHOWABLE else each for each in name).split())
