"""The preferences: a list of pages at the left, the chosen one at the right. Every change holds at once.

Opened by app/ui/actions.py, with the page that a person came for.
"""

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QScrollArea,
    QStackedWidget,
    QWidget,
)

from app.ui.look.icons import icon
from app.ui.look.theme import SPACE
from app.ui.verbs import Verbs
from app.ui.words.translations import _


class PreferencesDialog(QDialog):
    """All that can be chosen."""

    def __init__(self, parent: QWidget | None, actions: Verbs, page: str = "") -> None:
        super().__init__(parent)
        self._verbs = actions
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(_("Preferences"))
        self.list = QListWidget()
        self.list.setAccessibleName(_("Pages"))
        self.list.setIconSize(QSize(20, 20))
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.pages = QStackedWidget()
        self._names = list(PAGES)
        for name, (drawing, _make) in PAGES.items():
            item = QListWidgetItem(icon(drawing), _title(name))
            item.setSizeHint(QSize(0, 4 * SPACE + 4))
            self.list.addItem(item)
            self.pages.addWidget(_area())
        self.list.setFixedWidth(self._list_width())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2 * SPACE, 2 * SPACE, SPACE, 2 * SPACE)
        layout.setSpacing(2 * SPACE)
        layout.addWidget(self.list)
        layout.addWidget(self.pages, 1)
        self.list.currentRowChanged.connect(self._turn)
        self.show_page(page or "general")
        self.resize(588 + self.list.width(), 560)

    def _list_width(self) -> int:
        self.list.ensurePolished()
        metrics = self.list.fontMetrics()
        longest = max(metrics.horizontalAdvance(_title(name)) for name in self._names)
        return max(172, longest + self.list.iconSize().width() + 6 * SPACE)

    def show_page(self, name: str) -> None:
        """Turn to a page by its name."""
        if name in self._names:
            self.list.setCurrentRow(self._names.index(name))

    def _turn(self, row: int) -> None:
        """Make a page when it is first looked at: all of them at once would hold the window up."""
        area = self.pages.widget(row)
        if isinstance(area, QScrollArea) and area.widget() is None:
            area.setWidget(PAGES[self._names[row]][1](self._verbs))
        self.pages.setCurrentIndex(row)


def _area() -> QScrollArea:
    """Small screens and large fonts must not cut anything off."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area


def _title(name: str) -> str:
    titles = {
        "general": _("General"),
        "connection": _("Connection"),
        "security": _("Security"),
        "notifications": _("Notifications"),
        "commands": _("Commands"),
        "advanced": _("Advanced"),
    }
    return titles[name]


def _general(verbs: Verbs) -> QWidget:
    from app.ui.preference_pages.general import GeneralPage

    return GeneralPage(verbs)


def _connection(verbs: Verbs) -> QWidget:
    from app.ui.preference_pages.connection import ConnectionPage

    return ConnectionPage(verbs)


def _security(verbs: Verbs) -> QWidget:
    from app.ui.preference_pages.security import SecurityPage

    return SecurityPage(verbs)


def _notifications(verbs: Verbs) -> QWidget:
    from app.ui.preference_pages.notifications import NotificationsPage

    return NotificationsPage(verbs)


def _commands(verbs: Verbs) -> QWidget:
    from app.ui.preference_pages.commands import CustomCommandsPage
    from app.ui.preference_pages.page import PreferencePage

    page = PreferencePage(verbs, _title("commands"))
    page.add(CustomCommandsPage(verbs.preferences))
    return page


def _advanced(verbs: Verbs) -> QWidget:
    from app.ui.preference_pages.advanced import AdvancedPage

    return AdvancedPage(verbs)


PAGES: Final[dict[str, tuple[str, Callable[[Verbs], QWidget]]]] = {
    "general": ("settings", _general),
    "connection": ("server", _connection),
    "security": ("shield", _security),
    "notifications": ("bell", _notifications),
    "commands": ("command", _commands),
    "advanced": ("report", _advanced),
}
"""Icon and maker of each page, by its name."""
