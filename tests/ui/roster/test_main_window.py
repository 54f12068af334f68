"""The main window: over a real engine, and fed with snapshots."""

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from app.engine.state import EngineState, PeerStatus
from app.ui.look.theme import Theme
from app.ui.preferences import ColourScheme
from app.ui.roster.main_window import MainWindow
from app.ui.roster.power_switch import Power, PowerSwitch
from tests.engine.world import World, meet
from tests.ui import samples
from tests.ui.hands import appears
from tests.ui.showing import Showing
from tests.ui.world import Desk, tell, until

LINK = "buri://buri.example.org/?fp=SHA256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU&network=Family"


@pytest.fixture
def lively(qtbot: QtBot, tmp_path: Path) -> MainWindow:
    desk = Showing(tmp_path, samples.lively())
    qtbot.addWidget(desk.window)
    desk.window.show()
    desk.window.activateWindow()
    qtbot.waitUntil(desk.window.isActiveWindow)
    return desk.window


def names(window: MainWindow) -> dict[str, list[str]]:
    """What the roster shows: networks, and names in them."""
    model = window.roster.model()
    groups = [model.index(row, 0) for row in range(model.rowCount())]
    return {
        group.data(): [model.index(row, 0, group).data() for row in range(model.rowCount(group))] for group in groups
    }


# --- with a real engine


def test_the_window_shows_who_is_there_and_the_switch_ends_it(qapp: QApplication, tmp_path: Path, qtbot: QtBot) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        window = MainWindow(desk.actions)
        window.show()
        await until(lambda: "direct" in spoken(window, "family", "ben"))
        assert window.header.name.name == "anna"
        assert window.header.server.text() == "Connected to Home"
        assert window.header.power.power is Power.ON
        QTest.mouseClick(window.header.power, Qt.MouseButton.LeftButton)
        await until(lambda: window.panel.isVisible() and window.panel.title.text() == "Buri is switched off")
        await ben.until(lambda: ben.sees(anna, PeerStatus.OFFLINE))
        QTest.keyClick(window, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
        await until(lambda: "direct" in spoken(window, "family", "ben"))
        assert window.header.power.power is Power.ON
        await desk.close()
        close(window)

    tell(qapp, tmp_path, story)


def test_the_owner_lets_somebody_in_with_one_click(qapp: QApplication, tmp_path: Path, qtbot: QtBot) -> None:
    async def story(world: World) -> None:
        anna, ben = await world.person("anna"), await world.person("ben")
        desk = Desk(tmp_path, anna)
        window = MainWindow(desk.actions)
        window.show()
        await until(lambda: window.panel.title.text() == "No networks yet")
        network = await anna.engine.create_network("family", "secret words")
        await anna.engine.set_access(network, approval=True)
        await ben.engine.join_network("family", "secret words")
        await until(lambda: spoken(window, "family", "ben") == "ben, wants to join")
        view = window.roster
        row = view.visualRect(view.model().index(0, 0, view.model().index(0, 0)))
        QTest.mouseClick(
            view.viewport(), Qt.MouseButton.LeftButton, pos=row.center() + QPoint(row.width() // 2 - 60, 0)
        )
        await until(lambda: "direct" in spoken(window, "family", "ben"))
        await desk.close()
        close(window)

    tell(qapp, tmp_path, story)


def test_the_server_goes_away_and_comes_back(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, _, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        window = MainWindow(desk.actions)
        window.show()
        await until(lambda: "direct" in spoken(window, "family", "ben"))
        await world.stop_server()
        await until(window.banner.isVisible)
        assert window.header.power.power is Power.CONNECTING
        assert window.header.server.text().startswith("Server lost")
        assert "direct" in spoken(window, "family", "ben")
        await world.start_server()
        await until(lambda: window.header.power.power is Power.ON and not window.banner.isVisible())
        await desk.close()
        close(window)

    tell(qapp, tmp_path, story)


def spoken(window: MainWindow, network: str, name: str) -> str:
    """What a screen reader says about a contact; empty while it is not there."""
    model = window.roster.model()
    for row in range(model.rowCount()):
        group = model.index(row, 0)
        for number in range(model.rowCount(group)):
            index = model.index(number, 0, group)
            if (group.data(), index.data()) == (network, name):
                return str(index.data(Qt.ItemDataRole.AccessibleTextRole))
    return ""


def close(window: MainWindow) -> None:
    window.close()
    window.deleteLater()


# --- searching


def test_typing_finds_and_escape_brings_all_back(lively: MainWindow, qtbot: QtBot) -> None:
    everybody = names(lively)
    QTest.keyClick(lively, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert lively.search.hasFocus()
    QTest.keyClicks(lively.search, "ros")
    assert names(lively) == {"Family": ["Grandma Rosa"]}
    QTest.keyClick(lively.search, Qt.Key.Key_Down)
    assert lively.roster.hasFocus()
    assert lively.roster.currentIndex().data() == "Grandma Rosa"
    QTest.keyClick(lively, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(lively.search, Qt.Key.Key_Escape)
    assert names(lively) == everybody


def test_who_is_offline_is_hidden_by_a_key_and_that_is_remembered(lively: MainWindow, qtbot: QtBot) -> None:
    assert "Uncle Tom" in names(lively)["Family"]
    QTest.keyClick(lively, Qt.Key.Key_H, Qt.KeyboardModifier.ControlModifier)
    assert "Uncle Tom" not in names(lively)["Family"]
    assert lively._actions.preferences.choices.hide_offline
    QTest.mouseClick(lively.hide_button, Qt.MouseButton.LeftButton)
    assert "Uncle Tom" in names(lively)["Family"]


# --- what is wrong


def test_the_first_start_shows_one_way_on(qtbot: QtBot, tmp_path: Path) -> None:
    desk = Showing(tmp_path, EngineState(), samples.problem("server-not-configured"))
    qtbot.addWidget(desk.window)
    desk.window.show()
    assert desk.window.panel.title.text() == "Welcome to Buri"
    assert [button.text() for button in desk.window.panel.buttons] == ["Get started"]
    assert not desk.window.banner.isVisible()
    assert not desk.window.header.power.isVisible()


def test_a_trouble_is_told_with_its_way_out(qtbot: QtBot, tmp_path: Path) -> None:
    trouble = samples.problem("keyring-unusable", backend="SecretService", reason="Prompt dismissed")
    desk = Showing(tmp_path, EngineState(), trouble)
    qtbot.addWidget(desk.window)
    desk.window.show()
    assert "keyring" in desk.window.banner.title.text()
    assert desk.window.banner.buttons
    assert desk.window.panel.title.text() == "Buri is not running"


@pytest.mark.parametrize(
    ("state", "title"),
    [
        (samples.no_networks(), "No networks yet"),
        (samples.switched_off(), "Buri is switched off"),
        (samples.connecting(), "Not connected yet"),
    ],
)
def test_without_networks_it_says_why(qtbot: QtBot, tmp_path: Path, state: EngineState, title: str) -> None:
    desk = Showing(tmp_path, state)
    qtbot.addWidget(desk.window)
    assert desk.window.panel.title.text() == title


# --- invite links


def test_only_an_invite_link_may_be_dropped(lively: MainWindow) -> None:
    assert drag(lively, LINK).isAccepted()
    assert not drag(lively, "https://example.org/").isAccepted()
    assert not drag(lively, "buri://" + "x" * 10_000).isAccepted()


def test_a_dropped_link_is_shown_before_anything_happens(qapp: QApplication, tmp_path: Path, qtbot: QtBot) -> None:
    async def story(world: World) -> None:
        from app.ui.dialogs.networks import JoinNetwork

        anna, ben = await world.person("anna"), await world.person("ben")
        network = await ben.engine.create_network("family", "secret words")
        link = await ben.engine.invite(network)
        desk = Desk(tmp_path, anna)
        window = MainWindow(desk.actions)
        desk.actions.main_window = window
        desk.session.profile = anna.profile
        window.show()
        await until(lambda: window.panel.title.text() == "No networks yet")
        drop(window, link)
        dialog = await appears(JoinNetwork)
        assert not anna.state.networks
        dialog.reject()
        await desk.close()
        close(window)

    tell(qapp, tmp_path, story)


def mime(text: str) -> QMimeData:
    data = QMimeData()
    data.setText(text)
    return data


def drag(window: MainWindow, text: str) -> QDragEnterEvent:
    buttons, modifiers = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    data = mime(text)
    event = QDragEnterEvent(QPoint(50, 300), Qt.DropAction.CopyAction, data, buttons, modifiers)
    event.ignore()
    window.dragEnterEvent(event)
    return event


def drop(window: MainWindow, text: str) -> None:
    buttons, modifiers = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    data = mime(text)
    window.dropEvent(QDropEvent(QPointF(50, 300), Qt.DropAction.CopyAction, data, buttons, modifiers))


# --- coming and going


def test_size_and_place_are_remembered(qtbot: QtBot, tmp_path: Path) -> None:
    first = Showing(tmp_path, samples.lively()).window
    qtbot.addWidget(first)
    first.show()
    first.resize(444, 555)
    first.close()
    second = Showing(tmp_path, samples.lively())
    qtbot.addWidget(second.window)
    window = MainWindow(second.actions)
    qtbot.addWidget(window)
    assert (window.width(), window.height()) == (444, 555)


def test_closing_is_the_end_where_nothing_else_is_left(qtbot: QtBot, tmp_path: Path) -> None:
    desk = Showing(tmp_path, samples.lively())
    qtbot.addWidget(desk.window)
    with qtbot.waitSignal(desk.actions.quit_wanted):
        desk.window.close()


# --- for everybody


def test_every_button_has_a_name_for_screen_readers(lively: MainWindow) -> None:
    nameless = [
        button
        for button in lively.findChildren(QAbstractButton)
        if not (button.accessibleName() or button.text())
        and isinstance(button, QToolButton | QPushButton | PowerSwitch)
        and button.parent() is not lively.search
    ]
    assert not nameless


def test_tab_goes_from_search_to_the_roster_and_round_to_the_header(lively: MainWindow, qtbot: QtBot) -> None:
    lively.search.setFocus()
    for widget in (lively.hide_button, lively.add_button, lively.roster, lively.header.name):
        QTest.keyClick(lively.focusWidget(), Qt.Key.Key_Tab)
        assert lively.focusWidget() is widget


def test_nothing_is_cut_off_in_a_narrow_window(lively: MainWindow, qtbot: QtBot) -> None:
    lively.resize(300, 400)
    qtbot.waitUntil(lambda: lively.header.width() == 300)
    inside = lively.rect()
    for widget in (lively.header.power, lively.header.menu_button, lively.search, lively.add_button):
        place = widget.rect().translated(widget.mapTo(lively, QPoint(0, 0)))
        assert inside.contains(place), widget.accessibleName()


def test_the_window_follows_the_colours_while_it_is_open(qapp: QApplication, qtbot: QtBot, tmp_path: Path) -> None:
    theme = Theme(qapp)
    try:
        theme.choose(ColourScheme.LIGHT)
        desk = Showing(tmp_path, samples.lively())
        qtbot.addWidget(desk.window)
        desk.window.show()
        light = desk.window.grab().toImage()
        theme.choose(ColourScheme.DARK)
        qtbot.waitUntil(lambda: desk.window.grab().toImage() != light)
        dark = desk.window.grab().toImage()
        fresh = Showing(tmp_path, samples.lively())
        qtbot.addWidget(fresh.window)
        fresh.window.show()
        qtbot.waitUntil(lambda: fresh.window.grab().toImage() == dark)
    finally:
        theme.choose(ColourScheme.SYSTEM)
