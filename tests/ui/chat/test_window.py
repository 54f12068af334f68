"""Conversations as people have them, over real engines; floods, long histories and hostile words are fed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from app.engine.chat import MAX_QUEUED
from app.engine.state import ChatMessage, ChatStatus, Conversation, EngineState, NetworkStatus, PeerStatus
from app.ui.chat.dialogs import ClearDialog, WholeMessage
from app.ui.chat.model import MAX_ROWS
from app.ui.chat.window import PAGE, ChatWindow
from app.ui.look.theme import Theme
from app.ui.preferences import ColourScheme
from tests.engine.world import Person, World, meet
from tests.ui import samples
from tests.ui.talk import HOSTILE, WITH_BEN, WITH_FAMILY, from_family, many, own, received, to_family
from tests.ui.world import Desk, tell, until

LEFT = Qt.MouseButton.LeftButton


def with_whom(person: Person) -> Conversation:
    return Conversation(person.state.server.address)


async def opened(desk: Desk, conversation: Conversation) -> ChatWindow:
    await until(lambda: bool(desk.bridge.state.peers))
    window = ChatWindow(desk.actions, conversation)
    window.show()
    await until(window.isActiveWindow)
    return window


def say(window: ChatWindow, text: str) -> None:
    QTest.keyClicks(window.field, text)
    QTest.keyClick(window.field, Qt.Key.Key_Return)


def said(window: ChatWindow) -> list[tuple[str, str]]:
    """What was said, each with what became of it."""
    return [(row.text, window.model.status(row.message)) for row in window.model.rows]


def typed(window: ChatWindow) -> str:
    return window.field.toPlainText()


def first_unread(window: ChatWindow) -> int | None:
    return next((row.message.id for row in window.model.rows if row.is_first_unread), None)


def hint_of(window: ChatWindow) -> str:
    return window.hint


async def shut(window: ChatWindow) -> None:
    """Close it and wait until it is gone."""
    gone: list[bool] = []
    window.destroyed.connect(lambda: gone.append(True))
    window.close()
    await until(lambda: bool(gone))


# --- with real engines


def test_two_people_talk(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        window = await opened(desk, with_whom(ben))
        say(window, "Hello Ben")
        await until(lambda: said(window) == [("Hello Ben", "Delivered")])
        assert typed(window) == ""
        assert window.header.line.startswith("Direct")
        await ben.engine.send_chat(anna.address, "Hello Anna")
        await until(lambda: said(window)[1:] == [("Hello Anna", "")])
        await until(lambda: anna.peer(ben).unread == 0)
        await shut(window)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_what_came_before_is_marked_as_new_and_read_once_it_is_seen(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        for text in ("Are you there?", "Hello?"):
            await ben.engine.send_chat(anna.address, text)
        desk = Desk(tmp_path, anna)
        await until(lambda: [each.unread for each in desk.bridge.state.peers] == [2])
        window = await opened(desk, with_whom(ben))
        await until(lambda: len(window.model.rows) == 2)
        assert [row.is_first_unread for row in window.model.rows] == [True, False]
        await until(lambda: anna.peer(ben).unread == 0)
        await shut(window)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_a_second_wish_for_a_conversation_raises_its_window(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        desk = Desk(tmp_path)
        for _wish in range(2):
            desk.actions.open_chat(WITH_BEN)
        (window,) = [each for each in QApplication.topLevelWidgets() if isinstance(each, ChatWindow)]
        await shut(window)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_what_is_written_to_somebody_absent_goes_out_later(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        await ben.engine.logout()
        await anna.until(lambda: anna.sees(ben, PeerStatus.OFFLINE))
        desk = Desk(tmp_path, anna)
        window = await opened(desk, with_whom(ben))
        assert window.header.line == "Offline. Messages wait and go out later."
        say(window, "See you at eight")
        await until(lambda: said(window) == [("See you at eight", "Goes out when ben is online")])
        await ben.engine.login()
        await until(lambda: said(window) == [("See you at eight", "Delivered")])
        assert [each.text for each in await ben.engine.chat_messages(with_whom(anna))] == ["See you at eight"]
        await shut(window)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_three_talk_in_a_network(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet(world)
        carl = await world.person("carl")
        await carl.engine.join_network("family", "secret words")
        await anna.until_connected(carl)
        await carl.engine.logout()
        await anna.until(lambda: anna.sees(carl, PeerStatus.OFFLINE))
        desk = Desk(tmp_path, anna)
        window = await opened(desk, Conversation(network=network))
        assert window.header.line == "1 of 2 others online"
        say(window, "Dinner?")
        await until(lambda: said(window) == [("Dinner?", "1 of 2 have it")])
        await carl.engine.login()
        await until(lambda: said(window) == [("Dinner?", "Delivered to all")])
        await ben.engine.send_network_chat(network, "Yes!")
        await until(lambda: [row.author for row in window.model.rows] == ["", "ben"])
        await shut(window)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_what_failed_is_tried_again(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet(world)
        await ben.engine.logout()
        await anna.until(lambda: anna.sees(ben, PeerStatus.OFFLINE))
        desk = Desk(tmp_path, anna)
        window = await opened(desk, Conversation(network=network))
        say(window, "Who is there?")
        await until(lambda: said(window) == [("Who is there?", "Goes out when others are online")])
        for _number in range(MAX_QUEUED):  # what is for Ben alone pushes it out
            await anna.engine.send_chat(ben.address, "x")
        await until(lambda: said(window) == [("Who is there?", "Not delivered")])
        await ben.engine.login()
        await anna.until_connected(ben)
        window.view.retry_wanted.emit(window.model.rows[0].message.id)
        await until(lambda: said(window) == [("Who is there?", "Delivered")])
        await shut(window)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_text_that_can_not_be_sent_comes_back(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        await anna.engine.set_blocked(ben.address)
        desk = Desk(tmp_path, anna)
        window = await opened(desk, with_whom(ben))
        say(window, "Hello?")
        assert typed(window) == ""
        QTest.keyClicks(window.field, "and more")
        await until(window.problem.isVisible)
        assert typed(window) == "Hello?\nand more"
        assert said(window) == []
        await shut(window)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_what_was_said_is_there_again_page_by_page(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        await ben.engine.logout()
        await anna.until(lambda: anna.sees(ben, PeerStatus.OFFLINE))
        for number in range(PAGE + 20):
            await anna.engine.send_chat(ben.address, f"message {number}")
        desk = Desk(tmp_path, anna)
        window = await opened(desk, with_whom(ben))
        await until(lambda: len(window.model.rows) == PAGE)
        assert window.model.rows[-1].text == f"message {PAGE + 19}"
        assert window.view.is_at_end
        window.view.verticalScrollBar().setValue(0)
        await until(lambda: len(window.model.rows) == PAGE + 20)
        assert window.model.rows[0].text == "message 0"
        await shut(window)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_what_was_said_can_be_cleared(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        window = await opened(desk, with_whom(ben))
        say(window, "Forget this")
        await until(lambda: said(window) == [("Forget this", "Delivered")])
        window.ask_to_clear()
        dialog = window.findChild(ClearDialog)
        assert dialog is not None
        QTest.mouseClick(dialog.accept_button, LEFT)
        await until(lambda: said(window) == [])
        assert await anna.engine.chat_messages(with_whom(ben)) == ()
        await shut(window)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_without_history_it_says_so_and_an_engine_may_come_and_go(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        window = await opened(desk, with_whom(ben))
        say(window, "Remember this")
        await until(lambda: said(window) == [("Remember this", "Delivered")])
        assert hint_of(window) == ""
        await anna.engine.keep_chat_history(False)
        desk.bridge.detach()
        assert window.header.line == "Buri is switched off"
        desk.bridge.attach(anna.engine)
        await until(lambda: window.header.line.startswith("Direct"))
        assert hint_of(window) == "Not kept: what is said here is gone when Buri ends."
        await shut(window)
        await desk.close()

    tell(qapp, tmp_path, story)


# --- fed


@pytest.fixture
def desk(qapp: QApplication, tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.bridge.state = without_unread(samples.lively())
    return made


@pytest.fixture
def window(desk: Desk, qtbot: QtBot) -> Iterator[ChatWindow]:
    made = show_window(desk, qtbot, WITH_BEN)
    yield made
    made.close()


def without_unread(state: EngineState) -> EngineState:
    return replace(
        state,
        peers=tuple(replace(each, unread=0) for each in state.peers),
        networks=tuple(replace(each, unread=0) for each in state.networks),
    )


def show_window(desk: Desk, qtbot: QtBot, conversation: Conversation) -> ChatWindow:
    """A window over a bridge without an engine: what it shows is put into the bridge's signals."""
    made = ChatWindow(desk.actions, conversation)
    with qtbot.waitActive(made):
        made.show()
    return made


def hear(desk: Desk, *messages: ChatMessage) -> None:
    for each in messages:
        desk.bridge.chat_changed.emit(each)


def tell_state(desk: Desk, state: EngineState) -> None:
    desk.bridge.state = state
    desk.bridge.state_changed.emit(state)


def ben_is(desk: Desk, status: PeerStatus) -> None:
    state = desk.bridge.state
    peers = tuple(replace(each, status=status) if each.nickname == "Ben" else each for each in state.peers)
    tell_state(desk, replace(state, peers=peers))


def test_a_flood_is_shown_in_few_steps(desk: Desk, window: ChatWindow, qtbot: QtBot) -> None:
    steps: list[int] = []
    window.model.rowsInserted.connect(lambda _parent, first, last: steps.append(last - first + 1))
    hear(desk, *many(5_000))
    assert steps == []  # nothing is done for each message
    qtbot.waitUntil(lambda: bool(window.model.rows))
    assert len(steps) == 1
    assert len(window.model.rows) == MAX_ROWS
    assert window.model.rows[-1].text == "message 5000"
    QTest.keyClicks(window.field, "still here")
    assert typed(window) == "still here"


def test_other_conversations_are_not_mixed_in(desk: Desk, window: ChatWindow, qtbot: QtBot) -> None:
    hear(desk, received(1, peer="10.73.0.4"), from_family(2), to_family(3), received(4, "for us"))
    qtbot.waitUntil(lambda: bool(window.model.rows))
    assert [row.text for row in window.model.rows] == ["for us"]


def test_a_message_that_changes_while_it_waits_is_shown_once(desk: Desk, window: ChatWindow, qtbot: QtBot) -> None:
    hear(desk, own(1, status=ChatStatus.SENT), own(1, status=ChatStatus.DELIVERED))
    qtbot.waitUntil(lambda: bool(window.model.rows))
    assert said(window) == [("Hello", "Delivered")]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_messages_can_be_seen_whole_and_copied(desk: Desk, window: ChatWindow, qtbot: QtBot, text: str) -> None:
    hear(desk, received(1, text))
    qtbot.waitUntil(lambda: bool(window.model.rows))
    window.view.whole_wanted.emit(text)
    whole = window.findChild(WholeMessage)
    assert whole is not None
    assert whole.isVisible()
    assert not whole.grab().isNull()
    window.view.copy_all()
    assert "\0" not in QGuiApplication.clipboard().text()
    whole.close()


def test_hostile_names_are_shown_as_plain_text(desk: Desk, qtbot: QtBot) -> None:
    name = "<b>Ben</b>\n\u202e{name}%s"
    state = desk.bridge.state
    peers = tuple(replace(each, nickname=name) if each.nickname == "Ben" else each for each in state.peers)
    tell_state(desk, replace(state, peers=peers))
    window = show_window(desk, qtbot, WITH_BEN)
    assert window.windowTitle() == "<b>Ben</b>\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}{name}%s"
    assert not window.grab().isNull()
    window.close()


def test_the_header_says_how_it_stands(desk: Desk, window: ChatWindow) -> None:
    assert window.header.line == "Direct · 12 ms"
    ben_is(desk, PeerStatus.OFFLINE)
    assert window.header.line == "Offline. Messages wait and go out later."
    ben_is(desk, PeerStatus.BLOCKED)
    assert window.header.line == "Blocked by you: no tunnel, no chat."
    tell_state(desk, samples.no_networks())
    assert window.header.line == "You share no network now."
    tell_state(desk, samples.connecting())
    assert window.header.line == "Not connected to the server."
    tell_state(desk, EngineState())
    assert window.header.line == "Buri is switched off"
    assert window.windowTitle() == "Ben"


def test_in_a_network_the_header_counts_the_others(desk: Desk, qtbot: QtBot) -> None:
    window = show_window(desk, qtbot, WITH_FAMILY)
    assert window.header.line == "3 of 4 others online"
    state = desk.bridge.state
    networks = tuple(replace(each, status=NetworkStatus.OFFLINE) for each in state.networks)
    tell_state(desk, replace(state, networks=networks))
    assert window.header.line == "You are offline in this network."
    tell_state(desk, samples.no_networks())
    assert window.header.line == "You are not in this network."
    window.close()


def test_nothing_is_sent_to_somebody_unknown(desk: Desk, window: ChatWindow) -> None:
    QTest.keyClicks(window.field, "Hello")
    tell_state(desk, EngineState())
    QTest.keyClick(window.field, Qt.Key.Key_Return)
    assert typed(window) == "Hello"


def test_what_was_typed_is_there_when_the_window_is_opened_again(desk: Desk, qtbot: QtBot) -> None:
    first = show_window(desk, qtbot, WITH_BEN)
    QTest.keyClicks(first.field, "Not yet fin")
    first.close()
    second = show_window(desk, qtbot, WITH_BEN)
    assert typed(second) == "Not yet fin"
    second.field.clear()
    second.close()
    assert desk.actions.drafts == {}


def test_who_is_away_finds_a_line_before_what_is_new(desk: Desk, window: ChatWindow, qtbot: QtBot) -> None:
    hear(desk, received(1), received(2))
    qtbot.waitUntil(lambda: len(window.model.rows) == 2)
    assert first_unread(window) is None
    other = QPushButton()
    qtbot.addWidget(other)
    with qtbot.waitActive(other):
        other.show()
        other.activateWindow()
    hear(desk, received(3), received(4))
    qtbot.waitUntil(lambda: len(window.model.rows) == 4)
    assert first_unread(window) == 3
    hear(desk, received(5))
    qtbot.waitUntil(lambda: len(window.model.rows) == 5)
    assert first_unread(window) == 3


def test_who_reads_further_up_is_told_how_many_came(desk: Desk, window: ChatWindow, qtbot: QtBot) -> None:
    hear(desk, *many(80))
    qtbot.waitUntil(lambda: len(window.model.rows) == 80)
    window.view.verticalScrollBar().setValue(900)
    hear(desk, *many(7, first=81))
    qtbot.waitUntil(lambda: len(window.model.rows) == 87)
    assert window.view.to_end.text() == "7 new"


@pytest.fixture
def theme(qapp: QApplication) -> Iterator[Theme]:
    made = Theme(qapp)
    yield made
    made.choose(ColourScheme.SYSTEM)
    made.deleteLater()
    qapp.setStyleSheet("")


def test_colours_follow_the_scheme_at_once(theme: Theme, desk: Desk, qtbot: QtBot) -> None:
    message = received(1, "see https://example.com/", at=-3_600)

    def shown() -> ChatWindow:
        window = show_window(desk, qtbot, WITH_BEN)
        hear(desk, message)
        qtbot.waitUntil(lambda: bool(window.model.rows))
        window.view.setFocus()
        return window

    theme.choose(ColourScheme.LIGHT)
    followed = shown()
    light = followed.grab().toImage()
    theme.choose(ColourScheme.DARK)
    QApplication.processEvents()
    dark = followed.grab().toImage()
    assert dark != light
    followed.close()
    fresh = shown()
    assert fresh.grab().toImage() == dark
    fresh.close()


class Browser(QObject):
    """What the desktop would open."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    @Slot(QUrl)
    def open(self, url: QUrl) -> None:
        """Instead of a program."""
        self.opened.append(url.toString())


@pytest.fixture
def browser() -> Iterator[Browser]:
    made = Browser()
    schemes = ("http", "https", "file", "buri", "javascript")
    for scheme in schemes:
        QDesktopServices.setUrlHandler(scheme, made, "open")  # type: ignore[arg-type]  # its types ask for bytes, it for text
    yield made
    for scheme in schemes:
        QDesktopServices.unsetUrlHandler(scheme)


def test_web_pages_open_in_the_browser_and_nothing_else_does(window: ChatWindow, browser: Browser) -> None:
    for target in ("https://example.com/a?b=c", "file:///etc/passwd", "javascript://x/", "http://", "https://a b/"):
        window.view.link_wanted.emit(target)
    assert browser.opened == ["https://example.com/a?b=c"]


def test_keys_alone_are_enough(desk: Desk, qtbot: QtBot) -> None:
    window = show_window(desk, qtbot, WITH_BEN)
    hear(desk, received(1, "one"), received(2, "two"))
    qtbot.waitUntil(lambda: len(window.model.rows) == 2)
    QTest.keyClick(window.field, Qt.Key.Key_Tab, Qt.KeyboardModifier.ShiftModifier)
    assert window.view.hasFocus()
    QTest.keyClick(window.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "two"
    with qtbot.waitSignal(window.destroyed):
        QTest.keyClick(window, Qt.Key.Key_Escape)
