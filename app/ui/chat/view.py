"""The list of messages: scrolling, selecting, copying, and what can be clicked in it. Used by window.py.

It stays where the reader is: at the end it follows what comes, elsewhere nothing moves, whatever is added or taken away
above or below. Only links that text.py found can be clicked; the window decides what a click does.
"""

from collections.abc import Callable
from typing import Final, cast

from PySide6.QtCore import QEvent, QModelIndex, QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QFocusEvent,
    QGuiApplication,
    QHelpEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTextLayout,
    QTextLine,
)
from PySide6.QtWidgets import QAbstractItemView, QFrame, QListView, QMenu, QPushButton, QToolTip, QWidget

from app.ui.chat.delegate import ChatDelegate, Layout, Selection
from app.ui.chat.model import ChatModel, Row
from app.ui.chat.text import Link, part_of_units, units
from app.ui.look.icons import icon
from app.ui.look.theme import SPACE, colours
from app.ui.words.translations import _, ngettext

NEAR_END: Final = 4
"""Pixels from the end that still count as the end."""
NEAR_START: Final = 240
"""Pixels from the beginning at which older messages are wanted."""
STYLE: Final = """
    ChatView { border: none; border-radius: 0; padding: 0; }
    QScrollBar::handle:vertical:disabled { background: transparent; }
"""
"""It fills its window's width; the place of the scroll bar is kept, so that its coming breaks no lines anew."""
_WORDS: Final = QTextLayout.CursorMode.SkipWords


class ChatView(QListView):
    """Shows a ChatModel."""

    link_wanted = Signal(str)
    retry_wanted = Signal(int)
    whole_wanted = Signal(str)
    """A long message's text, to be shown in a window of its own."""
    older_wanted = Signal()
    newest_wanted = Signal()
    """The reader wants the end, and the model does not hold it."""
    end_reached = Signal()

    def __init__(self, model: ChatModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._painter = ChatDelegate(self, model)
        self._pressed: Link | None = None
        self._follows = True
        self._new = 0
        self.empty_text = ""
        """What is said while there is no message."""
        self.setModel(model)
        self.setItemDelegate(self._painter)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setStyleSheet(STYLE)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMouseTracking(True)
        self.setAccessibleName(_("Messages"))
        self.verticalScrollBar().setSingleStep(3 * SPACE)
        self.verticalScrollBar().valueChanged.connect(self._scrolled)
        self.verticalScrollBar().rangeChanged.connect(
            lambda _least, most: self.verticalScrollBar().setEnabled(most > 0)
        )
        self.to_end = QPushButton(self)
        self.to_end.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.to_end.clicked.connect(self.go_to_end)
        self.to_end.hide()

    def layout_of(self, row: Row) -> Layout:
        """Where everything of a row is."""
        return self._painter.layout_of(row)

    # --- where the reader is

    @property
    def is_at_end(self) -> bool:
        """Whether the newest message is in sight."""
        bar = self.verticalScrollBar()
        return self._model.has_newest and bar.value() >= bar.maximum() - NEAR_END

    def keep_place(self, change: Callable[[], object]) -> None:
        """Let `change` do something to the rows; the reader stays at the end, or at the same message."""
        follows = self.is_at_end
        top = self.indexAt(QPoint(self.viewport().width() // 2, 1))
        number = self._model.rows[top.row()].message.id if top.isValid() else None
        offset = self.visualRect(top).top() if top.isValid() else 0
        change()
        self.doItemsLayout()
        bar = self.verticalScrollBar()
        if follows:
            bar.setValue(bar.maximum())
        elif number is not None and (at := self._model.place(number)) is not None:
            bar.setValue(bar.value() + self.visualRect(self._model.index(at, 0)).top() - offset)
        self._scrolled()

    def go_to_end(self) -> None:
        """Show the newest message."""
        if not self._model.has_newest:
            self.newest_wanted.emit()
            return
        bar = self.verticalScrollBar()
        bar.setValue(bar.maximum())
        self._scrolled()

    def tell_new(self, count: int) -> None:
        """So many messages came that the reader does not see."""
        self._new = 0 if self.is_at_end else self._new + count
        self._show_way_to_end()

    def _scrolled(self) -> None:
        if self.verticalScrollBar().value() < NEAR_START:
            self.older_wanted.emit()
        self._follows = self.is_at_end
        if self._follows:
            self._new = 0
            self.end_reached.emit()
        self._show_way_to_end()

    def _show_way_to_end(self) -> None:
        self.to_end.setVisible(not self._follows and self._model.rowCount() > 0)
        if self.to_end.isVisible():
            self.to_end.setText(ngettext("{count} new", "{count} new", self._new) if self._new else _("Newest"))
            self.to_end.setIcon(icon("arrow-down"))
            self._place_way_to_end()

    def _place_way_to_end(self) -> None:
        size = self.to_end.sizeHint()
        area = self.viewport().geometry()
        self.to_end.setGeometry(
            area.center().x() - size.width() // 2, area.bottom() - size.height() - SPACE, size.width(), size.height()
        )

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lines break elsewhere; the end stays the end."""
        follows = self._follows
        super().resizeEvent(event)
        if follows:
            self.doItemsLayout()
            self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())
        self._place_way_to_end()

    def changeEvent(self, event: QEvent) -> None:
        """Fonts and colours are those in use."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.PaletteChange) and hasattr(self, "to_end"):
            self._painter.forget()
            self.scheduleDelayedItemsLayout()
            self._show_way_to_end()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The messages, or what is said without any."""
        super().paintEvent(event)
        if self.empty_text and not self._model.rowCount():
            painter = QPainter(self.viewport())
            painter.setPen(colours().muted)
            area = self.viewport().rect().adjusted(5 * SPACE, SPACE, -5 * SPACE, -SPACE)
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self.empty_text)
            painter.end()

    # --- what can be clicked and selected

    def _at(self, point: QPoint) -> tuple[Row, Layout, QPointF] | None:
        """The row under a point, and where in the row that is."""
        index = self.indexAt(point)
        if not index.isValid():
            return None
        row = self._model.rows[index.row()]
        return row, self._painter.layout_of(row), QPointF(point - self.visualRect(index).topLeft())

    def _link_at(self, point: QPoint) -> Link | None:
        found = self._at(point)
        if found is None:
            return None
        row, layout, place = found
        return next((link for link in row.links if _covers(layout, row, link, place)), None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a selection; a click on something that can be clicked is carried out when the button is released."""
        self._painter.shows_focus = False
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        point = event.position().toPoint()
        self.clearSelection()
        self._pressed = self._link_at(point)
        self._painter.selection = None
        found = self._at(point)
        if found is not None:
            row, layout, place = found
            position = _position(layout, place)
            if layout.bubble.contains(place):
                self._painter.selection = Selection(row.message.id, position, position)
            self.selectionModel().setCurrentIndex(self.indexAt(point), self.selectionModel().SelectionFlag.NoUpdate)
        self.viewport().update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Stretch the selection, or show what a click would do."""
        point = event.position().toPoint()
        selection = self._painter.selection
        if event.buttons() & Qt.MouseButton.LeftButton and selection is not None:
            at = self._model.place(selection.message)
            if at is not None:
                row = self._model.rows[at]
                place = QPointF(point - self.visualRect(self._model.index(at, 0)).topLeft())
                position = _position(self._painter.layout_of(row), place)
                self._painter.selection = Selection(selection.message, selection.anchor, position)
                self.viewport().update()
            return
        self.viewport().setCursor(self._cursor_at(point))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Carry out a click."""
        if event.button() is not Qt.MouseButton.LeftButton or self.selected_text():
            return
        point = event.position().toPoint()
        pressed, self._pressed = self._pressed, None
        found = self._at(point)
        if found is None:
            return
        row, layout, place = found
        if pressed is not None and self._link_at(point) == pressed:
            self.link_wanted.emit(pressed.target)
        elif layout.whole.contains(place):
            self.whole_wanted.emit(row.message.text)
        elif layout.retry.contains(place):
            self.retry_wanted.emit(row.message.id)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Select a word."""
        found = self._at(event.position().toPoint())
        if found is None or event.button() is not Qt.MouseButton.LeftButton:
            return
        row, layout, place = found
        if layout.words is not None and layout.bubble.contains(place):
            position = _position(layout, place)
            start = layout.words.previousCursorPosition(position, _WORDS) if position else 0
            end = layout.words.nextCursorPosition(start, _WORDS)
            word = part_of_units(row.text, start, end)
            self._painter.selection = Selection(row.message.id, start, start + units(word.rstrip()))
            self.viewport().update()

    def _cursor_at(self, point: QPoint) -> Qt.CursorShape:
        found = self._at(point)
        if found is None:
            return Qt.CursorShape.ArrowCursor
        _row, layout, place = found
        if self._link_at(point) or layout.whole.contains(place) or layout.retry.contains(place):
            return Qt.CursorShape.PointingHandCursor
        return Qt.CursorShape.IBeamCursor if layout.bubble.contains(place) else Qt.CursorShape.ArrowCursor

    def viewportEvent(self, event: QEvent) -> bool:
        """A link's tip is the link itself, from left to right."""
        if isinstance(event, QHelpEvent) and event.type() is QEvent.Type.ToolTip:
            link = self._link_at(event.pos())
            QToolTip.showText(event.globalPos(), _tip(link.target) if link else "", self)
            return True
        return super().viewportEvent(event)

    # --- keys and copying

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy; Enter does what the current message offers."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
            return
        row = self._current()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and row is not None:
            self._do_offered(row)
            return
        self._painter.shows_focus = True
        self._painter.selection = None
        super().keyPressEvent(event)
        self.viewport().update()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """By the keyboard: mark where it is, the newest message at first."""
        if event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason):
            self._painter.shows_focus = True
            if not self.currentIndex().isValid() and self._model.rowCount():
                newest = self._model.index(self._model.rowCount() - 1, 0)
                self.selectionModel().setCurrentIndex(newest, self.selectionModel().SelectionFlag.NoUpdate)
        super().focusInEvent(event)

    def _do_offered(self, row: Row) -> None:
        if row.has_failed:
            self.retry_wanted.emit(row.message.id)
        elif row.is_shortened:
            self.whole_wanted.emit(row.message.text)
        elif row.links:
            self.link_wanted.emit(row.links[0].target)

    def _current(self) -> Row | None:
        index = self.currentIndex()
        return self._model.rows[index.row()] if index.isValid() else None

    def selected_text(self) -> str:
        """The selected part of a message."""
        selection = self._painter.selection
        at = self._model.place(selection.message) if selection is not None else None
        if selection is None or at is None:
            return ""
        return part_of_units(self._model.rows[at].text, selection.start, selection.end)

    def copy(self) -> None:
        """The selected text, else the selected messages, else the current one."""
        text = self.selected_text()
        chosen = sorted(index.row() for index in self.selectedIndexes())
        current = self._current()
        if not text and len(chosen) > 1:
            text = self._model.transcript(self._model.rows[at] for at in chosen)
        elif not text and current is not None:
            text = current.message.text
        if text:
            QGuiApplication.clipboard().setText(text)

    def copy_all(self) -> None:
        """All messages that are here."""
        QGuiApplication.clipboard().setText(self._model.transcript(self._model.rows))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """What can be done with the message under the pointer, or with the current one."""
        from_keyboard = event.reason() is QContextMenuEvent.Reason.Keyboard
        index = self.currentIndex() if from_keyboard else self.indexAt(event.pos())
        place = self.viewport().mapToGlobal(self.visualRect(index).center()) if from_keyboard else event.globalPos()
        menu = self.menu(index, None if from_keyboard else self._link_at(event.pos()))
        menu.popup(place)

    def menu(self, index: QModelIndex, link: Link | None = None) -> QMenu:
        """The menu for a message; it deletes itself."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        row = self._model.rows[index.row()] if index.isValid() else None
        if row is not None:
            self.selectionModel().setCurrentIndex(index, self.selectionModel().SelectionFlag.NoUpdate)
            menu.addAction(icon("copy"), _("&Copy"), self.copy)
            self._offer_links(menu, (link,) if link else row.links[:3])
            if row.is_shortened:
                menu.addAction(_("Show &all of it"), lambda: self.whole_wanted.emit(row.message.text))
            if row.has_failed:
                menu.addAction(icon("retry"), _("&Try again"), lambda: self.retry_wanted.emit(row.message.id))
            menu.addSeparator()
        menu.addAction(_("Copy the &whole conversation"), self.copy_all).setEnabled(bool(self._model.rows))
        return menu

    def _offer_links(self, menu: QMenu, links: tuple[Link, ...]) -> None:
        for link in links:
            shown = link.target if len(link.target) <= 60 else link.target[:57] + "…"
            target = link.target
            menu.addAction(
                icon("external"),
                _("Open {link}").format(link=shown).replace("&", "&&"),
                lambda target=target: self.link_wanted.emit(target),
            )
            menu.addAction(
                icon("link"), _("Copy &link"), lambda target=target: QGuiApplication.clipboard().setText(target)
            )


def _position(layout: Layout, place: QPointF) -> int:
    """The position in the text that is nearest to a place in the row."""
    words = layout.words
    if words is None or not words.lineCount():
        return 0
    inside = place - layout.origin
    line = words.lineAt(words.lineCount() - 1)
    for at in range(words.lineCount()):
        if inside.y() < words.lineAt(at).y() + words.lineAt(at).height():
            line = words.lineAt(at)
            break
    return line.xToCursor(inside.x())


def _covers(layout: Layout, row: Row, link: Link, place: QPointF) -> bool:
    """Whether a place in the row is on a link's letters."""
    words = layout.words
    if words is None:
        return False
    start = units(row.text[: link.start])
    end = start + len(link.target)
    inside = place - layout.origin
    for at in range(words.lineCount()):
        line = words.lineAt(at)
        first, last = max(start, line.textStart()), min(end, line.textStart() + line.textLength())
        if first < last:
            left, right = sorted((_x(line, first), _x(line, last)))
            if QRectF(left, line.y(), right - left, line.height()).contains(inside):
                return True
    return False


def _x(line: QTextLine, position: int) -> float:
    place, _nearest = cast(tuple[float, int], line.cursorToX(position))
    return place


def _tip(target: str) -> str:
    """A link in lines that fit a screen."""
    return "\n".join(target[at : at + 80] for at in range(0, len(target), 80))
