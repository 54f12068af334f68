"""The sign and the colour of each status, one family for all windows; the words are in words/statuses.py.

Every status has a shape of its own besides its colour.
"""

from typing import Final

from app.engine.state import PeerStatus
from app.ui.look.colours import Colours

STATUS_ICONS: Final = {status: str(status) for status in PeerStatus}
"""The drawing in resources/icons for each status; they carry the statuses' names."""
WAITING: Final = "clock"
"""In place of the ring of those who are connecting, while no tunnel can come up."""


def status_sign(status: PeerStatus, without_helper: bool = False) -> str:
    """The drawing for a status."""
    return WAITING if without_helper and status is PeerStatus.CONNECTING else STATUS_ICONS[status]


def status_colour(status: PeerStatus, colours: Colours, without_helper: bool = False) -> str:
    """What its shape is painted with."""
    if without_helper and status is PeerStatus.CONNECTING:
        return colours.muted
    shades = {
        PeerStatus.OFFLINE: colours.offline,
        PeerStatus.CONNECTING: colours.connecting,
        PeerStatus.DIRECT: colours.direct,
        PeerStatus.RELAYED: colours.relayed,
        PeerStatus.FAILED: colours.failed,
        PeerStatus.BLOCKED: colours.blocked,
        PeerStatus.KEY_CHANGED: colours.attention,
        PeerStatus.UNPROVEN: colours.attention,
    }
    return shades[status]
