"""Every window as a picture, light, dark, and in German: the list of them, and how one is taken.

    .venv/bin/pytest tests/ui/test_pictures.py          writes build/pictures/index.html, or to the folder BURI_PICTURES
    .venv/bin/python -m tests.ui.guide                  afterwards: those of README and user guide

Whoever makes a window adds it to PICTURES. Windows show the people of samples.py, or real engines where only they bring
a window to life.
"""

import functools
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from PySide6.QtCore import QCoreApplication, QEvent, QLocale
from PySide6.QtGui import QFont, QFontDatabase
from PySide6.QtWidgets import QApplication, QWidget

from app.engine.engine import Engine
from app.engine.helper_client import connect_helper
from app.engine.proxy_choice import ProxyMode
from app.engine.settings import Profile, ServerAddress
from app.engine.state import EngineState
from app.protocol.keys import IdentityKey
from app.ui.look.theme import Theme
from app.ui.preferences import ColourScheme
from app.ui.roster.main_window import MainWindow
from app.ui.words.language import Language
from tests.engine.world import Person, World, meet
from tests.ui import app_poses, chat_poses, menu_poses, netcheck_samples, samples
from tests.ui import dialog_poses as dialogs
from tests.ui.picture_page import write_page
from tests.ui.world import Desk, until

FONT = "Inter"


@dataclass(frozen=True)
class Look:
    """How a window is shown."""

    scheme: ColourScheme
    language: str = "en"

    @property
    def name(self) -> str:
        """Part of a picture's file name."""
        return self.scheme.value if self.language == "en" else f"{self.scheme.value}-{self.language}"


ENGLISH = (Look(ColourScheme.LIGHT), Look(ColourScheme.DARK))
LOOKS = (*ENGLISH, Look(ColourScheme.LIGHT, "de"))


class Studio:
    """Where a window is set up for its picture: a desk, and people with real engines where they are needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.desk = Desk(folder)
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._exits.push_async_callback(self.desk.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()

    def keep(self, window: QWidget) -> None:
        """Let it live until the picture is taken, and no longer."""
        self._exits.callback(window.deleteLater)

    def show(self, state: EngineState) -> None:
        """Let every window of the desk show this, as if an engine said so: there is one, but it was never started."""
        if not self.desk.bridge.has_engine:
            profile = Profile(self.folder, self.folder)
            profile.change(server=ServerAddress(samples.SERVER.host, samples.SERVER.fingerprint))
            self.desk.bridge.attach(Engine(_key(), profile, connect_helper))
        self.desk.bridge.state = state
        self.desk.bridge.state_changed.emit(state)

    async def friends(self) -> tuple[Person, Person]:
        """Anna and Ben, who have met in a network on a real server. The desk is Anna's."""
        world = await AsyncExitStack.enter_async_context(self._exits, World(self.folder / "world"))
        anna, ben, _ = await meet(world)
        self.desk.bridge.attach(anna.engine)
        self._exits.callback(self.desk.bridge.detach)
        return anna, ben


@functools.cache
def _key() -> IdentityKey:
    return IdentityKey.generate()


Pose = Callable[[Studio], Coroutine[Any, Any, QWidget]]


@dataclass(frozen=True)
class Picture:
    """One window in one state."""

    name: str
    """Of the file, for good: the user guide names it."""
    title: str
    pose: Pose
    """Sets the window up; it is shown by whoever takes the picture."""
    size: tuple[int, int] | None = None
    """Of the window, if not its own."""


def main_window(state: EngineState, search: str = "") -> Pose:
    """The main window in this state."""

    async def pose(studio: Studio) -> QWidget:
        studio.show(state)
        window = MainWindow(studio.desk.actions)
        window.search.setText(search)
        return window

    return pose


def trouble(code: str, **details: object) -> Pose:
    """The main window without an engine, and why there is none."""

    async def pose(studio: Studio) -> QWidget:
        studio.desk.session.trouble = samples.problem(code, **details)
        return MainWindow(studio.desk.actions)

    return pose


_MAIN_WINDOW = (
    Picture("front", "The roster, as the README shows it", main_window(samples.lively()), (360, 640)),
    Picture("roster", "The roster", main_window(samples.lively()), (360, 860)),
    Picture("roster-narrow", "The roster, narrow", main_window(samples.lively()), (320, 500)),
    Picture("roster-wide", "The roster, wide", main_window(samples.lively()), (600, 700)),
    Picture("roster-search", "Searching", main_window(samples.lively(), "ros")),
    Picture("roster-search-nobody", "Searching in vain", main_window(samples.lively(), "xyz")),
    Picture("roster-empty", "No networks yet", main_window(samples.no_networks())),
    Picture("roster-off", "Switched off", main_window(samples.switched_off())),
    Picture("roster-connecting", "Connecting", main_window(samples.connecting())),
    Picture("roster-helper-missing", "The helper is missing", main_window(samples.helper_missing())),
    Picture("roster-server-lost", "The server is lost", main_window(samples.server_lost()), (360, 860)),
    Picture("roster-problems", "Several problems", main_window(samples.many_problems())),
    Picture("roster-crowd", "500 peers in 20 networks", main_window(samples.crowd())),
    Picture("roster-first-start", "The first start", trouble("server-not-configured")),
    Picture("roster-no-keyring", "No keyring", trouble("keyring-unusable", backend="SecretService", reason="Locked")),
)
_MENUS = (
    Picture("menu", "The main menu", menu_poses.main_menu),
    Picture("menu-own-network", "Menu of an own network", menu_poses.roster_menu(0)),
    Picture("menu-network", "Menu of somebody else's network", menu_poses.roster_menu(1)),
    Picture("menu-peer", "Menu of a peer in an own network", menu_poses.roster_menu(0, 1)),
    Picture("menu-waiting", "Menu of somebody who waits", menu_poses.roster_menu(0, 0)),
    Picture("menu-key-changed", "Menu of a peer whose key changed", menu_poses.roster_menu(1, 4)),
    Picture("tray-menu", "The tray's menu", menu_poses.tray_menu),
    Picture("tray-icons", "The tray's icons", menu_poses.tray_icons),
)
_NETWORKS = (
    Picture("network-create", "Create a network", dialogs.create_network),
    Picture("network-create-refused", "The name is taken", dialogs.create_network_refused),
    Picture("network-join", "Join a network", dialogs.join_network),
    Picture("network-join-by-link", "Join by invite link", dialogs.join_by_link),
    Picture("network-join-wrong-password", "A wrong password", dialogs.join_wrong_password),
    Picture("network-join-pending", "The owner must approve", dialogs.join_pending),
    Picture("network-invite", "Invite, with a password", dialogs.invite_with_password),
    Picture("network-invite-secret", "Invite by link only", dialogs.invite_with_secret),
    Picture("network-password", "Set the password", dialogs.set_password),
    Picture("network-access", "Set access", dialogs.set_access),
    Picture("network-approvals", "Who waits", dialogs.approvals),
    Picture("network-approvals-empty", "Nobody waits", dialogs.approvals_empty),
    Picture("network-leave", "Leave a network", dialogs.leave_network),
    Picture("network-delete", "Delete a network", dialogs.delete_network),
    Picture("network-evict", "Put a member out", dialogs.evict_member),
)
_PEERS = (
    Picture("peer-details", "Everything about a peer", dialogs.peer_details),
    Picture("peer-details-relayed", "A peer that is relayed over TCP", dialogs.peer_details_relayed),
    Picture("peer-verify", "Verify a peer", dialogs.verify_peer),
    Picture("peer-verified", "A verified peer", dialogs.verify_verified),
    Picture("peer-verify-differs", "The numbers differ", dialogs.verify_differs),
    Picture("peer-accept-key", "Accept a new key", dialogs.accept_key),
    Picture("peer-alias", "Call a peer something", dialogs.set_alias),
    Picture("chat", "Chat with a friend", chat_poses.chat, (480, 640)),
    Picture("chat-network", "Chat with a network", chat_poses.network_chat, (480, 640)),
    Picture("chat-hostile", "Chat with somebody who tries everything", chat_poses.hostile_chat, (480, 1_500)),
    Picture("chat-empty", "Nothing was said yet", chat_poses.empty_chat, (480, 420)),
    Picture("ping", "Ping", chat_poses.ping),
    Picture("ping-no-tunnel", "Ping, and the friend went offline", chat_poses.ping_without_tunnel),
    Picture("ping-none", "Ping without a tunnel", chat_poses.ping_before_any),
)
_THE_APP = (
    Picture("welcome", "Welcome", app_poses.welcome),
    Picture("welcome-link", "Welcome: an invite link", app_poses.welcome_link),
    Picture("welcome-server", "Welcome: something that is no server", app_poses.welcome_server),
    Picture("welcome-host", "Welcome: host a server here", app_poses.welcome_host),
    Picture("welcome-hosted", "Welcome: the server runs", app_poses.welcome_hosted),
    Picture("nickname", "Nickname", app_poses.nickname),
    *(Picture(name, f"Identity: {name[9:]}", app_poses.identity(name)) for name in app_poses.IDENTITY_DIALOGS),
    *(
        Picture(f"preferences-{page}", f"Preferences: {page}", app_poses.preferences(page))
        for page in app_poses.PREFERENCE_PAGES
    ),
    Picture("preferences-proxy", "A proxy by hand", app_poses.proxy(ProxyMode.BY_HAND), (760, 800)),
    Picture("preferences-proxy-script", "A proxy by a script", app_poses.proxy(ProxyMode.PAC)),
    Picture("commands", "Custom commands", dialogs.custom_commands),
    Picture("change-server", "Another server", app_poses.change_server),
    Picture("open-link", "Open an invite link", app_poses.open_link),
    Picture("problem", "Something failed", app_poses.problem),
    Picture("network-check", "The network check at home", app_poses.network_check(netcheck_samples.home())),
    Picture("network-check-hard", "Behind a hard router", app_poses.network_check(netcheck_samples.mobile())),
    Picture("network-check-relayed", "Only a proxy leads out", app_poses.network_check(netcheck_samples.office())),
    Picture("network-check-nothing", "Nothing gets out", app_poses.network_check(netcheck_samples.unplugged())),
    Picture("network-check-looking", "The network check looks", app_poses.network_check(None)),
    Picture("report", "The diagnostics report", app_poses.report),
    Picture("about", "About", app_poses.about),
)
PICTURES = (*_MAIN_WINDOW, *_MENUS, *_NETWORKS, *_PEERS, *_THE_APP)


def file_name(picture: Picture, look: Look) -> str:
    """Of one picture."""
    return f"{picture.name}-{look.name}.png"


@contextmanager
def dressed(application: QApplication, look: Look) -> Iterator[None]:
    """The application with one look, and in the pictures' font if this computer has it."""
    font = application.font()
    if FONT in QFontDatabase.families():
        application.setFont(QFont(FONT, 10))
    theme = Theme(application)
    theme.choose(look.scheme)
    language = Language(application)
    language.choose(look.language)
    if look in ENGLISH:
        QLocale.setDefault(QLocale.system())  # times as they are written here
    try:
        yield
    finally:
        language.choose("en")
        QLocale.setDefault(QLocale.system())
        theme.choose(ColourScheme.SYSTEM)
        theme.deleteLater()
        application.setFont(font)
        application.setStyleSheet("")


async def take(picture: Picture, studio: Studio, file: Path) -> None:
    """Set the window up, show it, and save what is seen of it. What comes later, the pose waits for."""
    window = await picture.pose(studio)
    if picture.size is not None:
        window.resize(*picture.size)
    window.show()
    await until(lambda: window.windowHandle() is not None and window.windowHandle().isExposed())
    saved = window.grab().save(str(file))
    window.close()
    if window.parent() is None:
        window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert saved, file


def write_index(folder: Path) -> None:
    """A page that shows all pictures of the list, one look beside the other."""
    sections = ((each.title, [file_name(each, look) for look in LOOKS]) for each in PICTURES)
    write_page(folder / "index.html", "Buri's windows", sections)
