"""The preferences, as a person sets them: every change holds at once."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from app.engine.state import ServerStatus
from app.ui.autostart import autostart_file
from app.ui.hosted_server import HostStatus
from app.ui.preference_pages.advanced import AdvancedPage
from app.ui.preference_pages.connection import ConnectionPage
from app.ui.preference_pages.dialog import PreferencesDialog
from app.ui.preference_pages.general import GeneralPage
from app.ui.preference_pages.notifications import NotificationsPage
from app.ui.preference_pages.security import ClearAllChats, SecurityPage
from app.ui.preferences import ColourScheme, LogLevel, Preferences
from app.ui.welcome.window import Welcome
from tests.engine.world import World
from tests.ui.hands import appears, gone, press
from tests.ui.home import Home, free_port, invite_to, on_loopback, tell_at_home
from tests.ui.world import until


def test_general_choices_are_written_as_they_are_made(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))

    async def story(_world: World, home: Home) -> None:
        home.actions.preferences_dialog()
        dialog = await appears(PreferencesDialog)
        page = dialog.findChild(GeneralPage)
        assert page is not None
        page.colours.setCurrentIndex(page.colours.findData(ColourScheme.DARK))
        page.colours.activated.emit(page.colours.currentIndex())
        page.language.setCurrentIndex(page.language.findData("de"))
        page.language.activated.emit(page.language.currentIndex())
        page.hidden.click()
        page.to_tray.click()
        page.at_login.click()
        await until(autostart_file().is_file)
        assert "gui --hidden" in autostart_file().read_text()
        page.at_login.click()
        await until(lambda: not autostart_file().exists())
        choices = Preferences(home.preferences.path.parent).choices
        assert (choices.colours, choices.language) == (ColourScheme.DARK, "de")
        assert (choices.start_hidden, choices.close_to_tray) == (True, False)
        dialog.close()

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def shows(dialog: PreferencesDialog, page: type[QWidget]) -> bool:
    present = dialog.pages.currentWidget()
    return present is not None and present.findChild(page) is not None


def connection_page(dialog: PreferencesDialog) -> ConnectionPage:
    page = dialog.findChild(ConnectionPage)
    assert page is not None
    return page


def test_pages_are_reached_with_the_keyboard_and_by_name(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(_world: World, home: Home) -> None:
        home.actions.preferences_dialog("security")
        dialog = await appears(PreferencesDialog)
        dialog.list.setFocus()
        assert shows(dialog, SecurityPage)
        press(Qt.Key.Key_Down)
        assert shows(dialog, NotificationsPage)
        dialog.show_page("nowhere")
        assert shows(dialog, NotificationsPage)
        for button in dialog.findChildren(QPushButton):
            assert button.text() or button.accessibleName() or button.toolTip()
        dialog.close()

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_notifications_and_log_level_are_switched_one_by_one(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(_world: World, home: Home) -> None:
        home.actions.preferences_dialog("notifications")
        dialog = await appears(PreferencesDialog)
        dialog.show_page("advanced")
        page, advanced = dialog.findChild(NotificationsPage), dialog.findChild(AdvancedPage)
        assert page is not None
        assert advanced is not None
        page.switches["chat"].click()
        page.switches["offline"].click()
        advanced.level.setCurrentIndex(advanced.level.findData(LogLevel.INFO))
        advanced.level.activated.emit(advanced.level.currentIndex())
        choices = Preferences(home.preferences.path.parent).choices
        assert (choices.notices.chat, choices.notices.offline, choices.notices.online) == (False, False, True)
        assert choices.log_level is LogLevel.INFO
        dialog.close()

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_encryption_and_chats_are_the_engines(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        await home.session.use_server(invite_to(world), "anna")
        await until(lambda: home.bridge.state.server.status is ServerStatus.ONLINE)
        home.actions.preferences_dialog("security")
        dialog = await appears(PreferencesDialog)
        page = dialog.findChild(SecurityPage)
        assert page is not None
        assert page.fingerprint.line.text() == home.session.key_place.fingerprint
        assert "NOT encrypted" in page.place.text()
        page.suite.setCurrentIndex(page.suite.findData(1))
        page.suite.activated.emit(page.suite.currentIndex())
        await until(lambda: home.session.settings is not None and home.session.settings.suite == 1)
        await until(lambda: home.bridge.state.server.status is ServerStatus.ONLINE)
        page.rekey.setValue(90)
        await until(lambda: home.session.settings is not None and home.session.settings.rekey_interval == 90)
        await until(lambda: home.bridge.state.server.status is ServerStatus.ONLINE)
        page.keep.click()
        await until(lambda: home.bridge.look(lambda engine: engine.chat_history_kept, True) is False)
        page.clear.click()
        question = await appears(ClearAllChats)
        question.accept_button.click()
        await gone(question)
        dialog.close()

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_the_hosted_server_is_switched_on_and_off(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(_world: World, home: Home) -> None:
        hosted = home.actions.hosted
        home.actions.preferences_dialog("connection")
        dialog = await appears(PreferencesDialog)
        page = connection_page(dialog)
        await until(page.make_button.isVisible)
        page.make_button.click()
        welcome = await appears(Welcome)
        assert welcome.pages.currentWidget() is welcome.host_page
        welcome.close()
        await gone(welcome)
        dialog.close()
        await gone(dialog)
        await hosted.create("anna", free_port())
        on_loopback(hosted.folder)
        home.actions.preferences_dialog("connection")
        dialog = await appears(PreferencesDialog)
        page = connection_page(dialog)
        await until(page.hosting.isEnabled)
        assert not page.make_button.isVisible()
        page.hosting.click()
        await until(lambda: hosted.status is HostStatus.RUNNING)
        assert Preferences(home.preferences.path.parent).choices.host_server
        page.hosting.click()
        await until(lambda: hosted.status is HostStatus.OFF)
        assert not Preferences(home.preferences.path.parent).choices.host_server
        press(Qt.Key.Key_Escape)
        await gone(dialog)

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_how_others_reach_the_hosted_server_can_change(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        await home.session.use_server(invite_to(world), "anna", public_host="192.0.2.7")
        await until(lambda: home.bridge.state.server.status is ServerStatus.ONLINE)
        home.actions.preferences_dialog("connection")
        dialog = await appears(PreferencesDialog)
        page = connection_page(dialog)
        assert page.public_host.currentText() == "192.0.2.7"
        page.public_host.setEditText("no host!")
        page.use_button.click()
        await until(page.problem.isVisible)
        page.public_host.setEditText("anna.example")
        await until(page.use_button.isEnabled)
        page.use_button.click()
        await until(lambda: home.session.settings is not None and "anna.example" in str(home.session.settings))
        await until(lambda: home.bridge.state.server.status is ServerStatus.ONLINE)
        dialog.close()

    tell_at_home(qapp, tmp_path, monkeypatch, story)
