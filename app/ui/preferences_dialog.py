"""The preferences: a list of pages at the left, the chosen one at the right. Every change holds at once.

Opened by app/ui/actions.py, with the page that a person came for.
"""

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

from app.ui.connection_page import ConnectionPage
from app.ui.custom_commands import CustomCommandsPage
from app.ui.icons import icon
from app.ui.preference_pages import AdvancedPage, GeneralPage, NotificationsPage, PreferencePage
from app.ui.security_page import SecurityPage
from app.ui.theme import SPACE
from app.ui.translations import _
from app.ui.verbs import Verbs


class PreferencesDialog(QDialog):
    """All that can be chosen."""

    def __init__(self, parent: QWidget | None, actions: Verbs, page: str = "") -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(_("Preferences"))
        self.list = QListWidget()
        self.list.setAccessibleName(_("Pages"))
        self.list.setIconSize(QSize(20, 20))
        self.list.setFixedWidth(172)
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.pages = QStackedWidget()
        self._names: list[str] = []
        for name, drawing, title, content in (
            ("general", "settings", _("General"), GeneralPage(actions)),
            ("connection", "server", _("Connection"), ConnectionPage(actions)),
            ("security", "shield", _("Security"), SecurityPage(actions)),
            ("notifications", "bell", _("Notifications"), NotificationsPage(actions)),
            ("commands", "command", _("Commands"), CommandsPage(actions)),
            ("advanced", "report", _("Advanced"), AdvancedPage(actions)),
        ):
            item = QListWidgetItem(icon(drawing), title)
            item.setSizeHint(QSize(0, 4 * SPACE + 4))
            self.list.addItem(item)
            self.pages.addWidget(_scrolled(content))
            self._names.append(name)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2 * SPACE, 2 * SPACE, SPACE, 2 * SPACE)
        layout.setSpacing(2 * SPACE)
        layout.addWidget(self.list)
        layout.addWidget(self.pages, 1)
        self.list.currentRowChanged.connect(self.pages.setCurrentIndex)
        self.show_page(page or "general")
        self.resize(760, 560)

    def show_page(self, name: str) -> None:
        """Turn to a page by its name."""
        if name in self._names:
            self.list.setCurrentRow(self._names.index(name))


class CommandsPage(PreferencePage):
    """A person's own programs for peers."""

    def __init__(self, verbs: Verbs) -> None:
        super().__init__(verbs, _("Commands"))
        self.add(CustomCommandsPage(verbs.preferences))


def _scrolled(content: QWidget) -> QScrollArea:
    """Small screens and large fonts must not cut anything off."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(content)
    return area
