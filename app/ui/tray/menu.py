"""The tray icon's menu: what it holds, as plain data made from a snapshot, and the menu itself.

Snapshots come ten times a second and the menu goes to the desktop over D-Bus, so it is made anew only if what it holds
has changed. Used by tray.py.
"""

from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QMenu, QWidget

from app.engine.state import Conversation, EngineState, NetworkStatus, NetworkView, PeerView
from app.ui.verbs import Verbs
from app.ui.words.plain_text import menu_text
from app.ui.words.statuses import peer_name
from app.ui.words.translations import _, ngettext

MOST_NETWORKS: Final = 20
MOST_PEERS: Final = 20


@dataclass(frozen=True, slots=True)
class NetworkEntry:
    """A network that one can go online or offline in."""

    id: int
    name: str
    online: bool


@dataclass(frozen=True, slots=True)
class PeerEntry:
    """A peer that can be reached now."""

    address: str
    name: str


@dataclass(frozen=True, slots=True)
class MenuPlan:
    """What the menu holds."""

    usable: bool = False
    """Whether an engine runs."""
    power: bool = False
    networks: tuple[NetworkEntry, ...] = ()
    more_networks: int = 0
    peers: tuple[PeerEntry, ...] = ()
    more_peers: int = 0


def menu_plan(state: EngineState, usable: bool) -> MenuPlan:
    """What the menu holds at this snapshot, those with the first names first."""
    networks = sorted((_network_entry(each) for each in state.networks if _is_in(each)), key=_order)
    peers = sorted((_peer_entry(each) for each in state.peers if each.status.has_tunnel), key=_order)
    return MenuPlan(
        usable,
        state.power,
        tuple(networks[:MOST_NETWORKS]),
        max(len(networks) - MOST_NETWORKS, 0),
        tuple(peers[:MOST_PEERS]),
        max(len(peers) - MOST_PEERS, 0),
    )


def _is_in(network: NetworkView) -> bool:
    return network.status is not NetworkStatus.PENDING


def _network_entry(network: NetworkView) -> NetworkEntry:
    return NetworkEntry(network.id, menu_text(network.name), network.status is NetworkStatus.ONLINE)


def _peer_entry(peer: PeerView) -> PeerEntry:
    return PeerEntry(peer.address, menu_text(peer_name(peer)))


def _order(entry: NetworkEntry | PeerEntry) -> tuple[str, str]:
    return entry.name.casefold(), str(entry.id if isinstance(entry, NetworkEntry) else entry.address)


class TrayMenu(QMenu):
    """The menu; `show_plan` makes it anew."""

    def __init__(self, actions: Verbs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._actions = actions
        self._parts: list[QMenu] = []
        self.plan = self._next = MenuPlan()
        self.aboutToHide.connect(lambda: QTimer.singleShot(0, self, self._turn))  # after what was clicked is done
        self._fill()

    def show_plan(self, plan: MenuPlan) -> None:
        """Hold what `plan` says, once nobody has the menu open."""
        self._next = plan
        if not self.isVisible():
            self._turn()

    def _turn(self) -> None:
        if self._next != self.plan:
            self.plan = self._next
            self._fill()

    def _fill(self) -> None:
        self.clear()
        for part in self._parts:
            part.clear()  # else Python holds some of its entries for as long as this menu lives
            part.deleteLater()
        self._parts = []
        self.addAction(_("Open &Buri"), self._actions.show_window)
        power = self.addAction(_("Switch o&ff") if self.plan.power else _("Switch o&n"))
        power.setEnabled(self.plan.usable)
        power.triggered.connect(lambda: self._actions.set_power(not self.plan.power))
        self.addSeparator()
        self._add_networks()
        self._add_peers()
        self.addSeparator()
        self.addAction(_("&Quit"), self._actions.quit)

    def _add_networks(self) -> None:
        for entry in self.plan.networks:
            self._add_network(entry)
        if self.plan.more_networks:
            text = ngettext("{count} more network…", "{count} more networks…", self.plan.more_networks)
            self.addAction(text, self._actions.show_window)
        for text, act in ((_("&Join network…"), self._join), (_("&Create network…"), self._actions.create_network)):
            self.addAction(text, act).setEnabled(self.plan.usable)
        self.addSeparator()

    def _add_network(self, entry: NetworkEntry) -> None:
        part = self._part(entry.name if entry.online else _("{network} (offline)").format(network=entry.name))
        switch = part.addAction(_("Go &offline") if entry.online else _("Go &online"))
        switch.setEnabled(self.plan.power)
        switch.triggered.connect(lambda: self._switch_network(entry))
        part.addAction(_("&Chat…"), lambda: self._actions.open_chat(Conversation(network=entry.id)))
        part.addAction(_("&Invite…"), lambda: self._invite(entry))

    def _add_peers(self) -> None:
        for entry in self.plan.peers:
            self._add_peer(entry)
        if self.plan.more_peers:
            text = ngettext("{count} more friend…", "{count} more friends…", self.plan.more_peers)
            self.addAction(text, self._actions.show_window)

    def _add_peer(self, entry: PeerEntry) -> None:
        part = self._part(entry.name)
        part.addAction(_("&Chat…"), lambda: self._actions.open_chat(Conversation(entry.address)))
        part.addAction(_("&Ping…"), lambda: self._ping(entry))

    def _part(self, name: str) -> QMenu:
        part = QMenu(name, self)
        self._parts.append(part)
        self.addMenu(part)
        return part

    def _join(self) -> None:
        self._actions.join_network()

    # An entry may be clicked when what it stands for has just gone: then there is nothing to do.

    def _switch_network(self, entry: NetworkEntry) -> None:
        network = self._network(entry)
        if network is not None:
            self._actions.set_network_online(network, not entry.online)

    def _invite(self, entry: NetworkEntry) -> None:
        network = self._network(entry)
        if network is not None:
            self._actions.invite(network)

    def _ping(self, entry: PeerEntry) -> None:
        peer = self._actions.bridge.state.peer(entry.address)
        if peer is not None:
            self._actions.open_ping(peer)

    def _network(self, entry: NetworkEntry) -> NetworkView | None:
        return self._actions.bridge.state.network(entry.id)
