"""What can be done with a row of the roster: entries for context menus, which are also its keyboard shortcuts.

Entries that make no sense are absent; those that make none just now are disabled. Used by view.py.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from app.engine.state import Conversation, NetworkStatus, PeerStatus, PeerView
from app.ui.look.icons import icon
from app.ui.look.theme import colours
from app.ui.roster.rows import MemberRow, NetworkRow
from app.ui.verbs import Verbs
from app.ui.words.plain_text import menu_text
from app.ui.words.translations import _


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to do."""

    text: str
    act: Callable[[], object]
    icon: str = ""
    shortcut: str = ""
    """As Qt writes it, `Ctrl+C`."""
    enabled: bool = True
    grave: bool = False
    """It can't be taken back."""


Entries = Iterator[Entry | None]
"""None is a line between two groups of entries."""


def network_entries(actions: Verbs, row: NetworkRow) -> Entries:
    """What can be done with a network."""
    network = row.view
    member = row.status is not NetworkStatus.PENDING
    if member:
        online = row.status is NetworkStatus.ONLINE
        text = _("Go &offline here") if online else _("Go &online here")
        yield Entry(text, lambda: actions.set_network_online(network, not online), "power")
        yield Entry(
            _("&Chat with everybody"),
            lambda: actions.open_chat(Conversation(network=network.id)),
            "chat",
            "Ctrl+Return",
            row.others > 0,
        )
        yield Entry(_("&Invite…"), lambda: actions.invite(network), "invite", "Ctrl+I")
        yield None
    yield Entry(_("Copy &name"), lambda: actions.copy(network.name), "copy", "Ctrl+C")
    yield Entry(_("Copy network i&d"), lambda: actions.copy(network.label), "", "Ctrl+Shift+C")
    yield None
    if network.is_owner:
        yield Entry(_("A&pprovals…"), lambda: actions.approvals(network), "people")
        yield Entry(_("Set &access…"), lambda: actions.set_access(network), "lock")
        yield Entry(_("Set pass&word…"), lambda: actions.set_password(network), "key")
        yield None
        yield Entry(_("D&elete network…"), lambda: actions.delete(network), "trash", "Delete", grave=True)
    else:
        text = _("&Leave network…") if member else _("&Take back the wish to join…")
        yield Entry(text, lambda: actions.leave(network), "leave", "Delete", grave=True)


def member_entries(actions: Verbs, row: MemberRow, network: NetworkRow) -> Entries:
    """What can be done with a member of a network."""
    if row.waiting:
        yield Entry(_("&Approve"), lambda: actions.approve(network.view, row.member), "check", "Ctrl+Return")
        yield Entry(_("&Reject"), lambda: actions.reject(network.view, row.member), "cross", "Delete")
        yield None
        yield Entry(_("Copy &address"), lambda: actions.copy(row.address), "copy", "Ctrl+C")
        return
    if row.peer is not None:
        yield from _peer_entries(actions, row.peer)
    if network.is_owner:
        yield None
        text = _("&Evict from {network}…").format(network=menu_text(network.name))
        yield Entry(text, lambda: actions.evict(network.view, row.member), "leave", "Delete", grave=True)


def _peer_entries(actions: Verbs, peer: PeerView) -> Entries:
    blocked = peer.status is PeerStatus.BLOCKED
    up = peer.status.has_tunnel
    yield Entry(_("&Chat"), lambda: actions.open_chat(Conversation(peer.address)), "chat", "Return", not blocked)
    yield Entry(_("&Ping"), lambda: actions.open_ping(peer), "ping", "Ctrl+G", not blocked)
    yield Entry(_("&Browse shares"), lambda: actions.browse_shares(peer), "folder", "Ctrl+B", up)
    yield from (
        Entry(menu_text(each.name), lambda each=each: actions.run_command(each, peer), "command", enabled=up)  # type: ignore[misc]
        for each in actions.preferences.choices.commands
    )
    yield None
    yield Entry(_("Copy IPv&4 address"), lambda: actions.copy(peer.address), "copy", "Ctrl+C")
    yield Entry(_("Copy IPv&6 address"), lambda: actions.copy(peer.address6), "", "Ctrl+Shift+C")
    yield None
    yield Entry(_("&Details…"), lambda: actions.show_peer(peer), "info", "Alt+Return")
    yield Entry(_("Set a&lias…"), lambda: actions.set_alias(peer), "edit", "F2")
    if peer.status is PeerStatus.KEY_CHANGED:
        yield Entry(_("Accept &new key…"), lambda: actions.accept_key(peer), "key-changed")
    else:
        yield Entry(_("&Verify…"), lambda: actions.verify(peer), "verified", enabled=bool(peer.fingerprint))
    text = _("&Unblock") if blocked else _("&Block")
    yield Entry(text, lambda: actions.set_blocked(peer, not blocked), "block")


def menu_of(entries: Entries, parent: QWidget) -> QMenu:
    """A menu that is gone once it is closed."""
    menu = QMenu(parent)
    menu.aboutToHide.connect(menu.deleteLater)
    for entry in entries:
        if entry is None:
            menu.addSeparator()
            continue
        action = menu.addAction(entry.text)
        action.triggered.connect(lambda _checked=False, act=entry.act: act())
        action.setEnabled(entry.enabled)
        if entry.icon:
            action.setIcon(icon(entry.icon, colours().failed if entry.grave else None))
        if entry.shortcut:
            action.setShortcut(QKeySequence(entry.shortcut))
            action.setShortcutVisibleInContextMenu(True)
    return menu


def entry_for(entries: Entries, keys: QKeySequence) -> Entry | None:
    """What these keys do."""
    for entry in entries:
        if entry is not None and entry.enabled and entry.shortcut and keys == QKeySequence(entry.shortcut):
            return entry
    return None
