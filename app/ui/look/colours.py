"""The two colour schemes. Text is legible on every ground it stands on: 4.5 to 1, shapes 3 to 1 (WCAG 2.2, 1.4.3 and
1.4.11; tests/ui/look/test_colours.py computes it). Put to use by theme.py, which says which one is shown.
"""

from dataclasses import dataclass
from typing import Final

from PySide6.QtGui import QColor


@dataclass(frozen=True, slots=True)
class Colours:
    """One scheme."""

    window: str
    surface: str
    raised: str
    border: str
    edge: str
    """Around what can be typed in or ticked: seen by everybody (WCAG 2.2, 1.4.11)."""
    text: str
    muted: str
    accent: str
    on_accent: str
    """Text on `accent`, and on `blocked` where that fills a button."""
    selection: str
    """Behind selected lines."""
    banner: str
    """Behind a problem."""
    direct: str
    relayed: str
    connecting: str
    failed: str
    offline: str
    blocked: str
    attention: str


LIGHT: Final = Colours(
    window="#f5f6f8",
    surface="#ffffff",
    raised="#eceef2",
    border="#d9dce3",
    edge="#858d9b",
    text="#1b1f27",
    muted="#596273",
    accent="#2563c9",
    on_accent="#ffffff",
    selection="#dce8fb",
    banner="#fdf1df",
    direct="#167a40",
    relayed="#2867c9",
    connecting="#8f5e00",
    failed="#bd3d08",
    offline="#7f8897",
    blocked="#b42318",
    attention="#9c4a06",
)
DARK: Final = Colours(
    window="#16191f",
    surface="#1d2129",
    raised="#282d37",
    border="#353b47",
    edge="#6b7484",
    text="#e8ebf0",
    muted="#a3acba",
    accent="#7aabff",
    on_accent="#0d1520",
    selection="#26395a",
    banner="#3a2d16",
    direct="#4cc779",
    relayed="#6ea3ff",
    connecting="#e0ac3f",
    failed="#ff8a5c",
    offline="#7f899a",
    blocked="#ff7a6e",
    attention="#f2b04a",
)


def mixed(colour: str, other: str, share: float) -> str:
    """`share` of `other` mixed into `colour`."""
    near, far = QColor(colour), QColor(other)
    return QColor(
        round(near.red() + (far.red() - near.red()) * share),
        round(near.green() + (far.green() - near.green()) * share),
        round(near.blue() + (far.blue() - near.blue()) * share),
    ).name()
