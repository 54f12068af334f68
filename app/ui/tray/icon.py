"""The tray icon's state: which drawing, and what its tooltip says. Pure; shown by tray.py.

Each state has a shape of its own, so that it can be read at 16 pixels and without colours; the drawings in
resources/icons/tray have an outline that stands on light and dark panels.
"""

from enum import StrEnum
from typing import Final

from PySide6.QtGui import QIcon

from app.engine.state import EngineState, MemberStatus, PeerStatus, ServerStatus
from app.ui.look.icons import pixmap
from app.ui.words.plain_text import unmarked
from app.ui.words.statuses import server_line
from app.ui.words.translations import ngettext

SIZES: Final = (16, 22, 24, 32, 48, 64)


class TrayState(StrEnum):
    """What the icon shows, by the name of its drawing."""

    OFF = "off"
    CONNECTING = "connecting"
    ONLINE = "online"
    ATTENTION = "attention"
    """A person has to do something, or to know something."""
    UNREAD = "unread"
    """A chat message waits."""


def tray_state(state: EngineState, troubled: bool) -> TrayState:
    """The one thing that matters most; `troubled` if no engine runs although it should."""
    if any(each.unread for each in state.peers) or any(each.unread for each in state.networks):
        return TrayState.UNREAD
    if troubled or (state.power and _needs_attention(state)):
        return TrayState.ATTENTION
    if not state.power:
        return TrayState.OFF
    return TrayState.ONLINE if state.server.status is ServerStatus.ONLINE else TrayState.CONNECTING


def _needs_attention(state: EngineState) -> bool:
    """A server that is away is tried again without anybody's doing, and needs none."""
    if state.server.status is ServerStatus.REFUSED or any(each != state.server.problem for each in state.problems):
        return True
    if any(each.status is PeerStatus.KEY_CHANGED for each in state.peers):
        return True
    own = (network for network in state.networks if network.is_owner)
    return any(member.status is MemberStatus.PENDING for network in own for member in network.members)


def drawing(state: TrayState) -> QIcon:
    """Drawn for every size that panels have."""
    drawn = QIcon()
    for size in SIZES:
        drawn.addPixmap(pixmap(f"tray/{state}", size))
    return drawn


def tooltip(state: EngineState) -> str:
    """Where the server's connection stands, and how many friends are there. Some desktops take it for HTML."""
    lines = [f"Buri · {server_line(state, '')}"]
    if state.power:
        online = sum(each.status.has_tunnel for each in state.peers)
        lines.append(ngettext("{count} friend online", "{count} friends online", online))
    unread = sum(each.unread for each in state.peers) + sum(each.unread for each in state.networks)
    if unread:
        lines.append(ngettext("{count} unread message", "{count} unread messages", unread))
    return unmarked("\n".join(lines))
