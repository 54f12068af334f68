"""Everything a person can do from more than one place: menus, tray, notifications and shortcuts all come here.

Each method opens or raises a window, or asks the engine. Windows are imported when they are first wanted: the roster
must be there quickly. One window for each chat, ping and peer: a second wish raises the first.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QWidget

from app.engine.state import Conversation, MemberView, NetworkView, PeerView, Problem
from app.platform import paths
from app.protocol.wire import NetworkId, parse_address
from app.ui.engine_bridge import EngineBridge
from app.ui.helper_start import HelperStarter
from app.ui.hosted_server import HostedServer
from app.ui.look.widgets import problem_named
from app.ui.preferences import CustomCommand, Preferences
from app.ui.session import Session
from app.ui.words.translations import _

if TYPE_CHECKING:
    from app.ui.mends import Mend

HOSTED_FOLDER: Final = "hosted-server"
OF_PEOPLE: Final = frozenset(("chat", "ping", "peer", "verify", "accept key", "alias", "evict"))
OF_NETWORKS: Final = frozenset(("invite", "password", "access", "leave", "delete", "approvals"))
"""Kinds of windows about what only the account in use has."""
TAKING_LINKS: Final = frozenset(("join", "server", "link"))
"""Kinds of dialogs that an invite link leads to, or is typed into."""


class Actions(QObject):
    """What can be done. `main_window` is the parent of dialogs, set by application.py once it exists."""

    quit_wanted = Signal()
    window_wanted = Signal()
    """The main window should be shown and raised."""

    def __init__(
        self,
        bridge: EngineBridge,
        session: Session,
        preferences: Preferences,
        hosted: HostedServer | None = None,
    ) -> None:
        """`hosted` is the server on this computer; by default that of this home."""
        super().__init__()
        self.bridge, self.session, self.preferences = bridge, session, preferences
        self.hosted = hosted or HostedServer(paths.state_folder() / HOSTED_FOLDER)
        self._helper_starter = HelperStarter()
        self.main_window: QWidget | None = None
        self._windows: dict[object, QWidget] = {}
        self.drafts: dict[Conversation, str] = {}
        """What was typed in conversations whose windows are closed."""
        self._account = ("", "")
        bridge.engine_changed.connect(self._see_account)

    # --- this computer

    def show_window(self) -> None:
        """The main window, above all others."""
        self.window_wanted.emit()

    def quit(self) -> None:
        """End the app."""
        self.quit_wanted.emit()

    def set_power(self, on: bool) -> None:
        """Log in, or out."""
        self.bridge.call(self, lambda engine: engine.login() if on else engine.logout(), failed=self._tell_unless_shown)

    def _tell_unless_shown(self, problem: Problem) -> None:
        """What stands in the engine's state is told by the main window, for as long as it holds."""
        state = self.bridge.look(lambda engine: engine.state, self.bridge.state)
        if problem.code not in {each.code for each in state.problems}:
            self.bridge.problem_met.emit(problem)

    # --- networks

    def set_network_online(self, network: NetworkView, online: bool) -> None:
        """Go online or offline in one network."""
        number = NetworkId(network.id)
        self.bridge.call(self, lambda engine: engine.go_online(number) if online else engine.go_offline(number))

    def create_network(self) -> None:
        """A new network, then the invite to it."""
        from app.ui.dialogs.networks import CreateNetwork

        def make() -> CreateNetwork:
            dialog = CreateNetwork(self.main_window, self.bridge)
            dialog.created.connect(self.invite)
            return dialog

        self._raise("create network", make)

    def join_network(self, name: str = "") -> None:
        """By name or invite link; `name` may be either."""
        from app.ui.dialogs.networks import JoinNetwork

        def make() -> JoinNetwork:
            dialog = JoinNetwork(self.main_window, self.bridge, name)
            dialog.other_server.connect(self.open_link)
            return dialog

        self._raise(("join", name), make)

    def invite(self, network: NetworkView | None) -> None:
        """The link to a network, or to the server."""
        from app.ui.dialogs.invite import InviteDialog

        key = ("invite", None if network is None else network.id)
        self._raise(key, lambda: InviteDialog(self.main_window, self.bridge, network))

    def set_password(self, network: NetworkView) -> None:
        """Owner: another password, or none."""
        from app.ui.dialogs.networks import SetPassword

        self._raise(("password", network.id), lambda: SetPassword(self.main_window, self.bridge, network))

    def set_access(self, network: NetworkView) -> None:
        """Owner: who may come in."""
        from app.ui.dialogs.networks import SetAccess

        self._raise(("access", network.id), lambda: SetAccess(self.main_window, self.bridge, network))

    def leave(self, network: NetworkView) -> None:
        """Leave, after a question."""
        from app.ui.dialogs.networks import LeaveNetwork

        self._raise(("leave", network.id), lambda: LeaveNetwork(self.main_window, self.bridge, network))

    def delete(self, network: NetworkView) -> None:
        """Owner: delete for all, after a question."""
        from app.ui.dialogs.networks import DeleteNetwork

        self._raise(("delete", network.id), lambda: DeleteNetwork(self.main_window, self.bridge, network))

    def approvals(self, network: NetworkView | None = None) -> None:
        """Who waits to be let into a network, or into any of the own ones."""
        from app.ui.dialogs.approvals import Approvals

        key = ("approvals", None if network is None else network.id)
        self._raise(key, lambda: Approvals(self.main_window, self.bridge, network))

    def approve(self, network: NetworkView, member: MemberView) -> None:
        """Owner: let a waiting computer in."""
        number, address = NetworkId(network.id), parse_address(member.address)
        self.bridge.call(self, lambda engine: engine.approve(number, address))

    def reject(self, network: NetworkView, member: MemberView) -> None:
        """Owner: turn a waiting computer away."""
        number, address = NetworkId(network.id), parse_address(member.address)
        self.bridge.call(self, lambda engine: engine.reject(number, address))

    def evict(self, network: NetworkView, member: MemberView) -> None:
        """Owner: put a member out, after a question."""
        from app.ui.dialogs.peers import EvictMember

        key = ("evict", network.id, member.address)
        self._raise(key, lambda: EvictMember(self.main_window, self.bridge, network, member))

    # --- peers

    def copy(self, text: str) -> None:
        """To the clipboard."""
        QGuiApplication.clipboard().setText(text)

    def browse_shares(self, peer: PeerView) -> None:
        """The peer's shared folders in the file manager."""
        self.open_outside(QUrl(f"smb://{peer.address}/"))

    def show_peer(self, peer: PeerView) -> None:
        """Everything about a peer."""
        from app.ui.dialogs.peer_details import PeerDetailsWindow

        def make() -> PeerDetailsWindow:
            window = PeerDetailsWindow(self.main_window, self.bridge, peer)
            window.chat_wanted.connect(lambda peer: self.open_chat(Conversation(peer.address)))
            window.ping_wanted.connect(self.open_ping)
            window.verify_wanted.connect(self.verify)
            window.alias_wanted.connect(self.set_alias)
            window.check_wanted.connect(self.check_network)
            return window

        self._raise(("peer", peer.address), make)

    def verify(self, peer: PeerView) -> None:
        """Compare the safety number."""
        from app.ui.dialogs.peers import VerifyPeer

        self._raise(("verify", peer.address), lambda: VerifyPeer(self.main_window, self.bridge, peer))

    def accept_key(self, peer: PeerView) -> None:
        """Trust a changed key, after a warning."""
        from app.ui.dialogs.peers import AcceptKey

        key = ("accept key", peer.address, peer.new_fingerprint)
        self._raise(key, lambda: AcceptKey(self.main_window, self.bridge, peer))

    def set_alias(self, peer: PeerView) -> None:
        """What this computer calls a peer."""
        from app.ui.dialogs.peers import SetAlias

        self._raise(("alias", peer.address), lambda: SetAlias(self.main_window, self.bridge, peer))

    def set_blocked(self, peer: PeerView, blocked: bool) -> None:
        """Block a peer, or let it in again."""
        address = parse_address(peer.address)
        self.bridge.call(self, lambda engine: engine.set_blocked(address, blocked))

    def run_command(self, command: CustomCommand, peer: PeerView) -> None:
        """Start a person's own program for a peer; why it does not start is told like any problem."""
        from app.ui.command_line import command_words, start

        async def run() -> None:
            await asyncio.to_thread(start, command_words(command, peer))

        self.bridge.call(self, lambda _engine: run())

    def open_chat(self, conversation: Conversation) -> None:
        """The conversation with a peer or a network."""
        from app.ui.chat.window import ChatWindow

        self._raise(("chat", conversation), lambda: ChatWindow(self, conversation))

    def is_reading(self, conversation: Conversation) -> bool:
        """Whether the person has this conversation before them."""
        window = self._windows.get(("chat", conversation))
        return window is not None and window.isActiveWindow()

    def open_ping(self, peer: PeerView) -> None:
        """Pings to a peer, live."""
        from app.ui.ping.window import PingWindow

        self._raise(("ping", peer.address), lambda: PingWindow(self, peer.address))

    # --- the app itself

    def welcome(self, link: str = "") -> None:
        """The first start: a way to a server."""
        from app.ui.welcome.window import Welcome

        window = self._raise("welcome", lambda: Welcome(self.main_window, self, link))
        if link and isinstance(window, Welcome):
            window.use_link(link)

    def host_server(self) -> None:
        """Make a server on this computer, and use it."""
        from app.ui.welcome.window import Welcome

        window = self._raise("welcome", lambda: Welcome(self.main_window, self))
        if isinstance(window, Welcome):
            window.use_host()

    def open_link(self, text: str = "") -> None:
        """Show what an invite link leads to; without one it is asked for.

        Other programs may open as many as they like: while a window is about one, no second one comes.
        """
        from app.ui.dialogs.links import open_link
        from app.ui.dialogs.servers import OpenLink

        if not text:
            self._raise("link", lambda: OpenLink(self.main_window, self.open_link))
        elif not self._is_about_link(text):
            open_link(self, text)

    def _is_about_link(self, link: str) -> bool:
        """Whether a window that takes a link is in use; it is raised, and says so unless it is about this very one."""
        from app.ui.look.dialog import Dialog
        from app.ui.look.widgets import link_waits
        from app.ui.welcome.window import Welcome

        for key, window in self._windows.items():
            if not window.isVisible():
                continue
            if isinstance(window, Welcome) and window.is_working:
                self.welcome(link)
                return True
            kind, about = key if isinstance(key, tuple) and len(key) == 2 else (key, "")
            if isinstance(window, Dialog) and kind in TAKING_LINKS:
                _bring_forward(window)
                if about != link:
                    window.mention(link_waits())
                return True
        return False

    def tell_known_server(self) -> None:
        """An invite to the server that is in use already."""
        from app.ui.look.dialog import Dialog

        text = _("This computer uses that server already. To meet friends there, join a network or create one.")
        self._raise("known server", lambda: Dialog(self.main_window, _("Nothing needs to be done"), text))

    def change_server(self, link: str = "") -> None:
        """Use another server."""
        from app.ui.dialogs.servers import ChangeServer

        self._raise(("server", link), lambda: ChangeServer(self.main_window, self.session, link, self.join_network))

    def tell_no_tray(self) -> None:
        """This desktop has no tray: closing the window would end the app."""
        from app.ui.dialogs.no_tray import NoTray

        self._raise("no tray", lambda: NoTray(self.main_window, self.prefer, self.quit_wanted.emit))

    def preferences_dialog(self, page: str = "") -> None:
        """The preferences, at a page."""
        from app.ui.preference_pages.dialog import PreferencesDialog

        window = self._raise("preferences", lambda: PreferencesDialog(self.main_window, self))
        if page and isinstance(window, PreferencesDialog):
            window.show_page(page)

    def about(self) -> None:
        """Version and licences."""
        from app.ui.dialogs.about import About

        self._raise("about", lambda: About(self.main_window))

    def report(self) -> None:
        """The diagnostics report."""
        from app.ui.dialogs.report import ReportWindow

        self._raise("report", lambda: ReportWindow(self))

    def check_network(self) -> None:
        """What routers, firewalls and proxies between here and the others let through."""
        from app.ui.dialogs.network_check import NetworkCheck

        self._raise("network check", lambda: NetworkCheck(self))

    def show_problem(self, problem: Problem) -> None:
        """Tell something that failed; several are told one after the other."""
        from app.ui.dialogs.problem import ProblemWindow

        window = self._windows.get("problem")
        if not isinstance(window, ProblemWindow):
            window = self._windows["problem"] = ProblemWindow(self.main_window, self)
            window.finished.connect(lambda: self._windows.pop("problem", None))
        window.tell(problem)

    def mends(self, problem: Problem) -> tuple["Mend", ...]:
        """The buttons that belong to a problem."""
        from app.ui.mends import mends_of

        return mends_of(self, problem)

    def dismiss(self, problem: Problem) -> None:
        """It was read."""
        self.bridge.look(lambda engine: engine.dismiss(problem), None)

    def open_folder(self, folder: Path) -> None:
        """In the file manager."""
        self.open_outside(QUrl.fromLocalFile(str(folder)))

    def open_outside(self, target: QUrl) -> None:
        """With whatever the system opens such things; where there is nothing, the person can copy what it is."""
        if not QDesktopServices.openUrl(target):
            self.show_problem(problem_named("nothing-opens", target=target.toLocalFile() or target.toString()))

    # --- identity, and ways out of a trouble

    def edit_nickname(self) -> None:
        """How others see this computer."""
        from app.ui.dialogs.identity import EditNickname

        self._raise("nickname", lambda: EditNickname(self.main_window, self.session))

    def backup_identity(self) -> None:
        """Write the private key to an encrypted file."""
        from app.ui.dialogs.identity import BackUpIdentity

        self._raise("backup", lambda: BackUpIdentity(self.main_window, self.session))

    def restore_identity(self) -> None:
        """Take the private key of a backup."""
        from app.ui.dialogs.identity import RestoreIdentity

        self._raise("restore", lambda: RestoreIdentity(self.main_window, self.session))

    def new_identity(self) -> None:
        """Become somebody new."""
        from app.ui.dialogs.identity import NewIdentity

        self._raise("new identity", lambda: NewIdentity(self.main_window, self.session))

    def choose_key_storage(self) -> None:
        """Where the first private key goes."""
        from app.ui.dialogs.identity import ChooseKeyPlace

        self._raise("key place", lambda: ChooseKeyPlace(self.main_window, self.session))

    def unlock_identity(self) -> None:
        """Type the passphrase of the private key's file."""
        from app.ui.dialogs.identity import UnlockIdentity

        self._raise("unlock", lambda: UnlockIdentity(self.main_window, self.session))

    def restart_engine(self) -> None:
        """Try again."""
        self.bridge.run(self, self.session.restart)

    def start_helper(self) -> None:
        """Let the system start the privileged helper."""
        self.bridge.run(self, self._helper_starter.start)

    def put_aside(self, trouble: Problem) -> None:
        """Start with a fresh file in place of a broken one, after a question."""
        from app.ui.dialogs.session_dialog import Confirmation

        text = _(
            "{place} is renamed and kept, and Buri starts with a fresh one. If it held your networks, you join them "
            "again; the private key is not touched."
        ).format(place=dict(trouble.details).get("place", ""))
        title, button = _("Start with a fresh file?"), _("&Start fresh")
        self._raise(
            "put aside",
            lambda: Confirmation(
                self.main_window, self.session, title, text, button, lambda: self.session.put_aside(trouble)
            ),
        )

    def take_over(self) -> None:
        """Stop the engine that runs elsewhere, after a question."""
        from app.ui.dialogs.session_dialog import Confirmation

        text = _("Another Buri runs for this folder, perhaps in a terminal. It is ended, and this window takes over.")
        title, button = _("Stop the other one?"), _("&Stop it")
        self._raise(
            "take over",
            lambda: Confirmation(self.main_window, self.session, title, text, button, self.session.take_over),
        )

    def prefer(self, **choices: Any) -> None:
        """Change choices; if they can't be written they hold until the end, and that is said."""
        problem = self.preferences.change(**choices)
        if problem is not None:
            self.show_problem(problem)

    def fresh_preferences(self) -> None:
        """Give up a window.json that can't be read; it is kept under another name."""
        problem = self.preferences.start_fresh()
        if problem is not None:
            self.show_problem(problem)

    async def close(self) -> None:
        """At the end of the app: what runs beside the engine."""
        await self._helper_starter.close()
        await self.hosted.close()

    # --- windows

    def _see_account(self) -> None:
        """With another server or key the same address is somebody else: what was meant for one must not reach it."""
        settings = self.session.settings
        if settings is None or settings.server is None or settings.key is None or not self.bridge.has_engine:
            return
        before, self._account = self._account, (settings.server.fingerprint, settings.key.fingerprint)
        if before == self._account:
            return
        for key, window in list(self._windows.items()):
            if isinstance(key, tuple) and key[0] in OF_PEOPLE | OF_NETWORKS:
                window.close()
        self.drafts.clear()

    def _raise(self, key: object, make: Callable[[], QWidget]) -> QWidget:
        """The window under `key`, made if there is none."""
        window = self._windows.get(key)
        if window is None or not window.isVisible():  # one that was closed is deleted a moment later
            window = self._windows[key] = make()
            window.destroyed.connect(lambda: self._forget(key, window))
        _bring_forward(window)
        return window

    def _forget(self, key: object, window: QWidget) -> None:
        """Unless another one has taken its place."""
        if self._windows.get(key) is window:
            del self._windows[key]


def _bring_forward(window: QWidget) -> None:
    window.show()
    window.raise_()
    window.activateWindow()
