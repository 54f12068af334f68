"""The list of messages: where the reader stays, what can be clicked, selected and copied, and what can't break it."""

from typing import cast

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible, QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.engine.state import ChatStatus
from app.ui.chat.model import ChatModel, People
from app.ui.chat.view import ChatView
from tests.ui.talk import HOSTILE, WITH_BEN, many, own, received

LEFT, NO_KEYS = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def view(qtbot: QtBot) -> ChatView:
    model = ChatModel(WITH_BEN)
    model.set_people(People("Ben", {"10.73.0.3": "Ben"}))
    made = ChatView(model)
    qtbot.addWidget(made)
    made.resize(420, 500)
    with qtbot.waitActive(made):
        made.show()
    return made


def model_of(view: ChatView) -> ChatModel:
    model = view.model()
    assert isinstance(model, ChatModel)
    return model


def show(view: ChatView, *messages: object) -> None:
    view.keep_place(lambda: model_of(view).show(messages))  # type: ignore[arg-type]


def top_message(view: ChatView) -> tuple[int, int]:
    """The first message in sight, and where it begins."""
    index = view.indexAt(QPoint(200, 1))
    return model_of(view).rows[index.row()].message.id, view.visualRect(index).top()


def place_of(view: ChatView, number: int, text: str) -> QPoint:
    """The middle of some words of a message."""
    at = model_of(view).place(number)
    assert at is not None
    row = model_of(view).rows[at]
    layout = view.layout_of(row)
    assert layout.words is not None
    start = row.text.index(text)
    line = layout.words.lineForTextPosition(start)
    left, right = (cast(tuple[float, int], line.cursorToX(each))[0] for each in (start, start + len(text)))
    inside = layout.origin + line.position() + QPoint(round((left + right) / 2 - line.x()), round(line.height() / 2))
    return inside.toPoint() + view.visualRect(model_of(view).index(at, 0)).topLeft()


def test_it_begins_at_the_end_and_follows_what_comes(view: ChatView) -> None:
    show(view, *many(50))
    assert view.is_at_end
    view.keep_place(lambda: model_of(view).take(many(5, first=51), follow=True))
    assert view.is_at_end
    assert view.visualRect(model_of(view).index(54, 0)).bottom() <= view.viewport().height()


def test_who_scrolled_up_stays_where_messages_come_and_go(view: ChatView) -> None:
    show(view, *many(50, first=101))
    view.verticalScrollBar().setValue(700)
    before = top_message(view)
    view.keep_place(lambda: model_of(view).take(many(30, first=151), follow=False))
    assert top_message(view) == before
    view.keep_place(lambda: model_of(view).show_older(many(100)))
    assert top_message(view) == before
    assert not view.is_at_end


def test_a_narrower_window_shows_the_end_still(view: ChatView, qtbot: QtBot) -> None:
    show(view, *(received(number, "many words " * 20) for number in range(30)))
    view.resize(300, 500)
    qtbot.waitUntil(lambda: view.viewport().width() < 300)
    assert view.is_at_end


def test_near_the_beginning_older_messages_are_wanted(view: ChatView, qtbot: QtBot) -> None:
    show(view, *many(60))
    with qtbot.waitSignal(view.older_wanted):
        view.verticalScrollBar().setValue(0)


def test_a_button_leads_back_to_the_end(view: ChatView) -> None:
    show(view, *many(60))
    view.verticalScrollBar().setValue(0)
    view.keep_place(lambda: model_of(view).take(many(3, first=61), follow=False))
    view.tell_new(3)
    assert view.to_end.isVisible()
    assert view.to_end.text() == "3 new"
    QTest.mouseClick(view.to_end, LEFT)
    assert view.is_at_end
    assert not view.to_end.isVisible()


def test_the_end_is_asked_for_where_it_is_not_here(view: ChatView, qtbot: QtBot) -> None:
    show(view, *many(60))
    model_of(view).has_newest = False
    with qtbot.waitSignal(view.newest_wanted):
        view.go_to_end()


def test_a_click_on_a_link_asks_for_exactly_it(view: ChatView, qtbot: QtBot) -> None:
    show(view, received(1, "see https://example.com/a?b=c. Or 🙂 http://10.77.0.2:8080/ then"))
    for link in ("https://example.com/a?b=c", "http://10.77.0.2:8080/"):
        with qtbot.waitSignal(view.link_wanted) as wanted:
            QTest.mouseClick(view.viewport(), LEFT, NO_KEYS, place_of(view, 1, link))
        assert wanted.args == [link]


def test_a_click_beside_a_link_opens_nothing(view: ChatView, qtbot: QtBot) -> None:
    show(view, received(1, "see https://example.com/ now"))
    with qtbot.assertNotEmitted(view.link_wanted):
        QTest.mouseClick(view.viewport(), LEFT, NO_KEYS, place_of(view, 1, "see"))
        QTest.mouseClick(view.viewport(), LEFT, NO_KEYS, QPoint(400, 480))


def test_a_drag_over_a_link_selects_and_opens_nothing(view: ChatView, qtbot: QtBot) -> None:
    show(view, received(1, "see https://example.com/ now"))
    with qtbot.assertNotEmitted(view.link_wanted):
        drag(view, place_of(view, 1, "e https"), place_of(view, 1, "com/"))
    assert "example" in view.selected_text()


def drag(view: ChatView, start: QPoint, end: QPoint) -> None:
    QTest.mousePress(view.viewport(), LEFT, NO_KEYS, start)
    QTest.mouseMove(view.viewport(), end)
    QTest.mouseRelease(view.viewport(), LEFT, NO_KEYS, end)


def test_a_part_of_a_message_can_be_copied(view: ChatView) -> None:
    show(view, received(1, "The 🙂 address is 10.77.0.2 today"))
    drag(view, place_of(view, 1, "s 10") - QPoint(0, 0), place_of(view, 1, "2 today"))
    view.copy()
    assert QGuiApplication.clipboard().text() == view.selected_text()
    assert "10.77.0." in view.selected_text()


def test_a_double_click_selects_a_word(view: ChatView) -> None:
    show(view, received(1, "The 🙂 address is here"))
    QTest.mouseDClick(view.viewport(), LEFT, NO_KEYS, place_of(view, 1, "ddres"))
    assert view.selected_text() == "address"


def test_what_failed_can_be_tried_again_by_click_and_by_key(view: ChatView, qtbot: QtBot) -> None:
    show(view, own(7, status=ChatStatus.FAILED))
    index = model_of(view).index(0, 0)
    retry = view.layout_of(model_of(view).rows[0]).retry.center().toPoint() + view.visualRect(index).topLeft()
    with qtbot.waitSignal(view.retry_wanted) as wanted:
        QTest.mouseClick(view.viewport(), LEFT, NO_KEYS, retry)
    assert wanted.args == [7]
    view.setFocus(Qt.FocusReason.TabFocusReason)
    with qtbot.waitSignal(view.retry_wanted):
        QTest.keyClick(view, Qt.Key.Key_Return)


def test_a_long_message_is_shown_whole_on_demand(view: ChatView, qtbot: QtBot) -> None:
    text = "long " * 1_000
    show(view, received(1, text))
    index = model_of(view).index(0, 0)
    whole = view.layout_of(model_of(view).rows[0]).whole.center().toPoint() + view.visualRect(index).topLeft()
    with qtbot.waitSignal(view.whole_wanted) as wanted:
        QTest.mouseClick(view.viewport(), LEFT, NO_KEYS, whole)
    assert wanted.args == [text]


def test_messages_are_reached_and_copied_by_keys(view: ChatView) -> None:
    show(view, received(1, "first"), received(2, "second"))
    view.clearFocus()
    view.setFocus(Qt.FocusReason.TabFocusReason)
    assert view.currentIndex().row() == 1
    QTest.keyClick(view, Qt.Key.Key_Up)
    QTest.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "first"
    QTest.keyClick(view, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert [line.rpartition(": ")[2] for line in QGuiApplication.clipboard().text().splitlines()] == ["first", "second"]


def test_the_menu_offers_what_fits_the_message(view: ChatView, qtbot: QtBot) -> None:
    show(view, received(1, "see https://example.com/?a=1&b=2"), own(2, "x", ChatStatus.FAILED))

    def offers(row: int) -> list[str]:
        menu = view.menu(model_of(view).index(row, 0))
        qtbot.addWidget(menu)
        return [action.text() for action in menu.actions() if not action.isSeparator()]

    assert offers(0) == [
        "&Copy",
        "Open https://example.com/?a=1&&b=2",
        "Copy &link",
        "Copy the &whole conversation",
    ]
    assert "&Try again" in offers(1)


def test_a_screen_reader_finds_each_message(view: ChatView) -> None:
    show(view, received(1, "How are you?"), own(2, "Well"))
    interface = QAccessible.queryAccessibleInterface(view)
    assert interface.text(QAccessible.Text.Name) == "Messages"
    names = [interface.child(at).text(QAccessible.Text.Name) for at in range(interface.childCount())]
    assert any(name.startswith("Ben, ") and "How are you?" in name for name in names)
    assert any(name.endswith("Well, Delivered") for name in names)


def test_without_messages_it_says_so(view: ChatView) -> None:
    empty = view.grab().toImage()
    view.empty_text = "No messages yet"
    assert view.grab().toImage() != empty


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_peer_sends_breaks_out_of_its_bubble(view: ChatView, text: str) -> None:
    show(view, received(1, "before"), received(2, text), received(3, "after"))
    image = view.grab().toImage()
    assert not image.isNull()
    heights = [view.visualRect(model_of(view).index(row, 0)).height() for row in range(3)]
    assert heights[1] < 2_000
    margin = view.layout_of(model_of(view).rows[1]).bubble.right() + 2
    assert margin < view.viewport().width()
    assert _is_plain(image, round(margin))


def _is_plain(image: QImage, left: int) -> bool:
    """Whether everything right of the bubbles is background, up to the scroll bar."""
    ratio = image.devicePixelRatio()
    ground = image.pixel(round(left * ratio), image.height() - 2)
    right = image.width() - round(20 * ratio)
    return all(
        image.pixel(x, y) == ground
        for x in range(round((left + 150) * ratio), right, 5)
        for y in range(0, image.height(), 3)
    )


def test_a_selection_survives_its_message(view: ChatView) -> None:
    show(view, received(1, "gone soon"))
    QTest.mouseDClick(view.viewport(), LEFT, NO_KEYS, place_of(view, 1, "gone"))
    show(view, received(2, "another"))
    assert view.selected_text() == ""
    view.copy()
    QApplication.processEvents()
