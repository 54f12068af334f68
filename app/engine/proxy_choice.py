"""Which HTTP proxy a person wants to be used: kept in settings.json, shown and changed by command line and window.

Plain data without the password, which is kept like other secrets.
"""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

MAX_USER: Final = 255
MAX_PAC: Final = 2_048


class ProxyMode(StrEnum):
    """Where the proxy comes from."""

    SYSTEM = "system"
    """Environment, then the system's settings; no proxy where neither names one."""
    NONE = "none"
    BY_HAND = "by-hand"
    PAC = "pac"
    """A script (proxy automatic configuration) says which one for each destination."""


class ProxyChoice(Struct, frozen=True, omit_defaults=True):
    """What was chosen; the fields of another mode stay, for when it is chosen again."""

    mode: ProxyMode = ProxyMode.SYSTEM
    host: Annotated[str, Meta(max_length=253)] = ""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    user: Annotated[str, Meta(max_length=MAX_USER)] = ""
    pac: Annotated[str, Meta(max_length=MAX_PAC)] = ""
    """Web address or path of the script."""
