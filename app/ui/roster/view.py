"""The roster as a person sees it: networks to fold, contacts to chat with, menus, and keys for everything.

Folded networks are remembered in the preferences. The ring of peers that connect turns slowly, and only while one can
be seen. Used by main_window.py.
"""

from collections.abc import Iterator
from typing import Final, cast

from PySide6.QtCore import (
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    Qt,
    QTimer,
)
from PySide6.QtGui import (
    QContextMenuEvent,
    QFocusEvent,
    QHelpEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
)
from PySide6.QtWidgets import QAbstractItemView, QFrame, QStyle, QStyleOptionViewItem, QToolTip, QTreeView, QWidget

from app.engine.state import Conversation, EngineState, PeerStatus
from app.ui.look.theme import SPACE, colours
from app.ui.roster.delegate import RosterDelegate, Spot, spots
from app.ui.roster.menus import Entries, entry_for, member_entries, menu_of, network_entries
from app.ui.roster.model import RosterModel, Row
from app.ui.roster.rows import MemberRow, NetworkRow
from app.ui.verbs import Verbs
from app.ui.words.translations import _

Index = QModelIndex | QPersistentModelIndex

TURN_INTERVAL: Final = 150
"""Milliseconds between two pictures of the turning ring."""
MAX_FOLDED: Final = 4_096
_BY_KEY: Final = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
_MENU_KEYS: Final = (QKeySequence(Qt.Key.Key_Menu), QKeySequence("Shift+F10"))


class RosterView(QTreeView):
    """Networks and their members."""

    def __init__(self, actions: Verbs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._actions = actions
        self._roster = RosterModel(self)
        self._delegate = RosterDelegate()
        self._hot = QPersistentModelIndex()
        """The row under the pointer."""
        self._pressed: tuple[QPersistentModelIndex, Spot] | None = None
        self._searching = False
        self._folding = False
        """Networks are folded by the program, not by the person."""
        self._turning = QTimer(self)
        self._turning.setInterval(TURN_INTERVAL)
        self._turning.timeout.connect(self._turn)
        self._set_up()
        self.setModel(self._roster)
        self._roster.rowsInserted.connect(self._unfold_new)
        self._roster.hide_offline(actions.preferences.choices.hide_offline)
        actions.preferences.changed.connect(self._prefer)
        self.activated.connect(self.open)
        self.expanded.connect(lambda index: self._remember_fold(index, False))
        self.collapsed.connect(lambda index: self._remember_fold(index, True))

    def _set_up(self) -> None:
        self.setObjectName("roster")
        self.setAccessibleName(_("Networks and members"))
        self.setItemDelegate(self._delegate)
        self._delegate.use_font(self.font())
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setStyleSheet("QTreeView { border: none; border-radius: 0; }")
        self.setHeaderHidden(True)
        self.setIndentation(0)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setExpandsOnDoubleClick(False)
        self.setMouseTracking(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTabKeyNavigation(False)

    # --- what it shows

    @property
    def is_empty(self) -> bool:
        """Whether nothing is shown: there are no networks, or a search finds nothing."""
        return self._roster.is_empty

    @property
    def waiting(self) -> int:
        """How many ask to be let in."""
        return self._roster.waiting

    def update_roster(self, state: EngineState) -> None:
        """Show this snapshot."""
        self._roster.update(state)

    def search(self, text: str) -> None:
        """Show only what is found, all of it unfolded."""
        self._searching = bool(text.strip())
        self._roster.search(text)
        self._fold_all()
        if self._searching and not self.selectionModel().hasSelection():
            self.choose_first()

    def choose_first(self) -> None:
        """Put the keyboard on the first contact, or the first network."""
        network = self._roster.index(0, 0)
        first = self._roster.index(0, 0, network)
        self.setCurrentIndex(first if first.isValid() else network)

    def _prefer(self) -> None:
        self._roster.hide_offline(self._actions.preferences.choices.hide_offline)

    def _row(self, index: Index) -> Row | None:
        return self._roster.row(index)

    # --- folding

    def _unfold_new(self, parent: QModelIndex, first: int, last: int) -> None:
        """A network that comes in is open, unless the person folded it before."""
        if parent.isValid():
            if self._roster.rowCount(parent) == last - first + 1:
                self._fold(parent)  # an empty network can't be open to Qt
            return
        for place in range(first, last + 1):
            self._fold(self._roster.index(place, 0))

    def _fold_all(self) -> None:
        for place in range(self._roster.rowCount()):
            self._fold(self._roster.index(place, 0))

    def _fold(self, index: QModelIndex) -> None:
        row = self._row(index)
        folded = isinstance(row, NetworkRow) and row.id in self._actions.preferences.choices.collapsed
        self._folding = True
        self.setExpanded(index, self._searching or not folded)
        self._folding = False

    def _remember_fold(self, index: QModelIndex, folded: bool) -> None:
        row = self._row(index)
        if self._folding or self._searching or not isinstance(row, NetworkRow):
            return
        others = [each for each in self._actions.preferences.choices.collapsed if each != row.id]
        collapsed = (*others, row.id) if folded else tuple(others)
        self._actions.prefer(collapsed=collapsed[-MAX_FOLDED:])

    # --- what can be done

    def open(self, index: QModelIndex) -> None:
        """What Enter and a double click do: chat, fold, or ask what to do with somebody who waits."""
        row = self._row(index)
        if isinstance(row, NetworkRow):
            self.setExpanded(index, not self.isExpanded(index))
        elif row is not None and row.waiting:
            self.open_menu(index)
        elif row is not None and row.status is not PeerStatus.BLOCKED:
            self._actions.open_chat(Conversation(row.address))

    def entries(self, index: QModelIndex) -> Entries:
        """What can be done with a row."""
        row = self._row(index)
        if isinstance(row, NetworkRow):
            return network_entries(self._actions, row)
        network = self._roster.network_of(row) if row is not None else None
        return iter(()) if row is None or network is None else member_entries(self._actions, row, network)

    def open_menu(self, index: QModelIndex, place: QPoint | None = None) -> None:
        """The context menu of a row, below it if it was asked for by a key."""
        if not index.isValid():
            return
        self.setCurrentIndex(index)
        self.scrollTo(index)
        area = self.visualRect(index)
        where = place or QPoint(area.left() + 4 * SPACE, area.bottom() - SPACE // 2)
        menu_of(self.entries(index), self).popup(self.viewport().mapToGlobal(where))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Qt tells: the right button, or the key for menus."""
        if event.reason() is QContextMenuEvent.Reason.Keyboard:
            self.open_menu(self.currentIndex())
        else:
            self.open_menu(self.indexAt(event.pos()), event.pos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt tells: each entry of the row's menu works by its keys."""
        keys = QKeySequence(event.keyCombination())
        if keys in _MENU_KEYS:
            self.open_menu(self.currentIndex())
            return
        plain_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.modifiers()
        entry = None if plain_enter else entry_for(self.entries(self.currentIndex()), keys)
        if entry is not None:
            entry.act()
        else:
            super().keyPressEvent(event)

    # --- the mouse

    def _spot_at(self, place: QPoint) -> tuple[QPersistentModelIndex, Spot] | None:
        """The button that a row has at a place."""
        index = self.indexAt(place)
        row = self._row(index)
        if row is None:
            return None
        areas = spots(row, self._row_area(index))
        spot = next((each for each, area in areas.items() if area.contains(place)), None)
        return None if spot is None else (QPersistentModelIndex(index), spot)

    def _row_area(self, index: QModelIndex) -> QRect:
        area = self.visualRect(index)
        return QRect(0, area.top(), self.viewport().width(), area.height())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Qt tells: a button in a row is pressed, or the row."""
        left = event.button() is Qt.MouseButton.LeftButton
        self._pressed = self._spot_at(event.position().toPoint()) if left else None
        super().mousePressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Qt tells: what was pressed counts if it is released over it."""
        pressed, self._pressed = self._pressed, None
        super().mouseReleaseEvent(event)
        if pressed is not None and pressed == self._spot_at(event.position().toPoint()):
            self._press(_present(pressed[0]), pressed[1])

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Qt tells: twice on a button is twice the button, and nothing more."""
        if self._spot_at(event.position().toPoint()) is None:
            super().mouseDoubleClickEvent(event)
        else:
            self.mousePressEvent(event)

    def _press(self, index: QModelIndex, spot: Spot) -> None:
        row = self._row(index)
        if isinstance(row, NetworkRow):
            self.open(index)
        elif row is not None and (network := self._roster.network_of(row)) is not None:
            decide = self._actions.approve if spot is Spot.APPROVE else self._actions.reject
            decide(network.view, row.member)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Qt tells: the row and the button under the pointer are shown so."""
        place = event.position().toPoint()
        found = self._spot_at(place)
        self._heat(QPersistentModelIndex(self.indexAt(place)), found[1] if found is not None else None)
        super().mouseMoveEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Qt tells: whoever comes by Tab sees where the keyboard is."""
        super().focusInEvent(event)
        if event.reason() in _BY_KEY and not self.selectionModel().hasSelection():
            self.choose_first()

    def leaveEvent(self, event: QEvent) -> None:
        """Qt tells: the pointer is elsewhere."""
        self._heat(QPersistentModelIndex(), None)
        super().leaveEvent(event)

    def _heat(self, index: QPersistentModelIndex, spot: Spot | None) -> None:
        if index == self._hot and spot is self._delegate.hot_spot:
            return
        for each in (self._hot, index):
            if each.isValid():
                self.viewport().update(self._row_area(_present(each)))
        self._hot, self._delegate.hot_spot = index, spot

    def viewportEvent(self, event: QEvent) -> bool:
        """Qt tells: the two buttons of somebody who waits have tooltips of their own."""
        if isinstance(event, QHelpEvent) and event.type() is QEvent.Type.ToolTip:
            found = self._spot_at(event.pos())
            if found is not None and found[1] is not Spot.FOLD:
                text = _("Approve") if found[1] is Spot.APPROVE else _("Reject")
                QToolTip.showText(event.globalPos(), text, self)
                return True
        return super().viewportEvent(event)

    # --- painting

    def drawRow(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Qt asks: the delegate paints the whole width of a row, also what Qt would put behind it."""
        mine = QStyleOptionViewItem(option)
        mine.state = self._state_of(cast(QModelIndex, index))
        self._delegate.paint(painter, mine, index)
        row = self._row(index)
        if isinstance(row, MemberRow) and row.is_connecting and not self._turning.isActive():
            self._turning.start()

    def _state_of(self, index: QModelIndex) -> QStyle.StateFlag:
        state = QStyle.StateFlag.State_Enabled
        if self.selectionModel().isSelected(index):
            state |= QStyle.StateFlag.State_Selected
        if self.hasFocus() and index == self.currentIndex():
            state |= QStyle.StateFlag.State_HasFocus
        if self._hot == index:
            state |= QStyle.StateFlag.State_MouseOver
        if self.isExpanded(index):
            state |= QStyle.StateFlag.State_Open
        return state

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt asks: the rows, or a word where there are none."""
        super().paintEvent(event)
        if self._searching and self.is_empty:
            painter = QPainter(self.viewport())
            painter.setPen(colours().muted)
            area = self.viewport().rect().adjusted(2 * SPACE, 6 * SPACE, -2 * SPACE, 0)
            flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
            painter.drawText(area, int(flags), _("Nobody and no network is called that."))

    def _turn(self) -> None:
        """The next picture of the ring, in those rows alone that show it."""
        areas = [self._row_area(index) for index in self._seen() if self._connects(index)]
        if not areas or not self.isVisible() or self.window().isMinimized():
            self._turning.stop()
            return
        self._delegate.phase += 1
        for area in areas:
            self.viewport().update(area)

    def _connects(self, index: QModelIndex) -> bool:
        row = self._row(index)
        return isinstance(row, MemberRow) and row.is_connecting

    def _seen(self) -> Iterator[QModelIndex]:
        """The rows that can be seen."""
        index, bottom = self.indexAt(QPoint(0, 0)), self.viewport().height()
        while index.isValid() and self.visualRect(index).top() < bottom:
            yield index
            index = self.indexBelow(index)

    def changeEvent(self, event: QEvent) -> None:
        """Qt tells: another font."""
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._delegate.use_font(self.font())
            self.scheduleDelayedItemsLayout()
        super().changeEvent(event)


def _present(kept: QPersistentModelIndex) -> QModelIndex:
    """Where a kept row is now."""
    return kept.model().index(kept.row(), 0, kept.parent())
