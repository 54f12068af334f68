"""The windows of the app itself, set up for their pictures: first run, identity, preferences, problems."""

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from app.engine.netcheck_state import Netcheck
from app.engine.proxy_choice import ProxyMode
from app.ui.dialogs.about import About
from app.ui.dialogs.identity import (
    BackUpIdentity,
    ChooseKeyPlace,
    EditNickname,
    NewIdentity,
    RestoreIdentity,
    UnlockIdentity,
)
from app.ui.dialogs.network_check import NetworkCheck
from app.ui.dialogs.problem import ProblemWindow
from app.ui.dialogs.report import ReportWindow
from app.ui.dialogs.servers import ChangeServer, OpenLink
from app.ui.dialogs.session_dialog import SessionDialog
from app.ui.preference_pages.dialog import PreferencesDialog
from app.ui.preference_pages.proxy import ProxySection
from app.ui.welcome.window import Welcome
from tests.ui import samples

if TYPE_CHECKING:
    from tests.ui.pictures import Pose, Studio

LINK = (
    "buri://buri.example.org:12975/?fp=SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8&network=Game%20night"
    "&secret=Zm9yIGEgcGljdHVyZSBvbmx5LCBub3QgYSBzZWNyZXQ"
)
SERVER_LINK = LINK.partition("&")[0]
IDENTITY_DIALOGS: dict[str, type[BackUpIdentity | RestoreIdentity | NewIdentity | ChooseKeyPlace | UnlockIdentity]] = {
    "identity-backup": BackUpIdentity,
    "identity-restore": RestoreIdentity,
    "identity-new": NewIdentity,
    "identity-key-place": ChooseKeyPlace,
    "identity-unlock": UnlockIdentity,
}
PREFERENCE_PAGES = ("general", "connection", "security", "notifications", "commands", "advanced")


async def welcome(studio: "Studio") -> QWidget:
    """Three ways to begin."""
    return Welcome(None, studio.desk.actions)


async def welcome_link(studio: "Studio") -> QWidget:
    """A link was pasted."""
    window = Welcome(None, studio.desk.actions)
    window.use_link(LINK)
    window.link_page.nickname.setText("Anna")
    return window


async def welcome_server(studio: "Studio") -> QWidget:
    """Something was typed that is no server."""
    window = Welcome(None, studio.desk.actions)
    window.go_to(window.server_page)
    window.server_page.nickname.setText("Anna")
    window.server_page.field.server.setText("nonsense:99999")
    window.submit()
    return window


async def welcome_host(studio: "Studio") -> QWidget:
    """A server on this computer: how others reach it."""
    window = Welcome(None, studio.desk.actions)
    window.host_page.show_addresses(["192.168.1.20", "2001:db8::20"])
    window.host_page.nickname.setText("Anna")
    window.go_to(window.host_page)
    return window


async def welcome_hosted(studio: "Studio") -> QWidget:
    """It runs, and has a link."""
    window = Welcome(None, studio.desk.actions)
    window.hosted_page.link.set_text(SERVER_LINK)
    window.go_to(window.hosted_page)
    return window


async def nickname(studio: "Studio") -> QWidget:
    """Another name."""
    return EditNickname(None, studio.desk.session)


async def about(studio: "Studio") -> QWidget:
    """Version and licences."""
    return About(None)


async def problem(studio: "Studio") -> QWidget:
    """Two things failed."""
    window = ProblemWindow(None, studio.desk.actions)
    window.tell(samples.problem("helper-missing", reason="No helper answers at /run/buri/helper.sock"))
    window.tell(samples.problem("server-busy"))
    return window


async def change_server(studio: "Studio") -> QWidget:
    """A link to another server."""
    return ChangeServer(None, studio.desk.session, LINK)


async def open_link(studio: "Studio") -> QWidget:
    """A link may be pasted."""
    return OpenLink(None, print)


async def report(studio: "Studio") -> QWidget:
    """What a person sends to somebody who helps."""
    return ReportWindow(studio.desk.actions)


def proxy(mode: ProxyMode) -> "Pose":
    """A proxy that a person names."""

    async def pose(studio: "Studio") -> QWidget:
        studio.show(samples.lively())
        dialog = PreferencesDialog(None, studio.desk.actions, "connection")
        section = dialog.findChild(ProxySection)
        assert section is not None
        section.mode.setCurrentIndex(section.mode.findData(mode))
        section.host.setText("proxy.example")
        section.user.setText("anna")
        section.script.setText("http://intranet.example/proxy.pac")
        section._show_fields()
        section._tried("WebSocket through the proxy proxy.example:3128")
        return dialog

    return pose


def network_check(found: Netcheck | None) -> "Pose":
    """The network check after it looked, or while it does."""

    async def pose(studio: "Studio") -> QWidget:
        window = NetworkCheck(studio.desk.actions)
        await studio.desk.bridge.close()  # what it asks for would tell of this computer's network
        if found is not None:
            window._looked(found)
        return window

    return pose


def identity(name: str) -> "Pose":
    """One of the dialogs about the private key."""

    async def pose(studio: "Studio") -> QWidget:
        dialog: SessionDialog = IDENTITY_DIALOGS[name](None, studio.desk.session)
        return dialog

    return pose


def preferences(page: str) -> "Pose":
    """The preferences at a page."""

    async def pose(studio: "Studio") -> QWidget:
        dialog = PreferencesDialog(None, studio.desk.actions)
        dialog.show_page(page)
        return dialog

    return pose
