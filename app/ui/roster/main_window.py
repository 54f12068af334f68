"""The main window: who I am, a power switch, what is wrong, and the roster.

Shows the newest snapshot and nothing else; whatever a person does goes to actions.py. Made by application.py.
"""

from itertools import pairwise
from typing import Final

from PySide6.QtCore import QByteArray, QEvent, QSize, Qt
from PySide6.QtGui import (
    QAction,
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QIcon,
    QKeySequence,
)
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMainWindow,
    QMenu,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.engine.state import EngineState, Problem, ServerStatus
from app.ui.look.icons import icon
from app.ui.look.theme import SPACE, colours
from app.ui.look.widgets import Rule
from app.ui.roster.main_menu import MainMenu, copied_link, invite_link
from app.ui.roster.own_header import OwnHeader
from app.ui.roster.panel import Page, Panel
from app.ui.roster.problem_banner import ProblemBanner
from app.ui.roster.search_field import SearchField
from app.ui.roster.view import RosterView
from app.ui.verbs import Verbs
from app.ui.words.translations import _

SMALLEST: Final = QSize(300, 400)


class MainWindow(QMainWindow):
    """The roster's window."""

    def __init__(self, actions: Verbs) -> None:
        super().__init__()
        self._actions = actions
        self.setWindowTitle("Buri")
        self.setMinimumSize(SMALLEST)
        self.setAcceptDrops(True)
        self.menu = MainMenu(actions, self)
        self.header = OwnHeader(actions, self.menu)
        self.banner = ProblemBanner(actions)
        self.search = SearchField()
        self.hide_button, self.add_button = QToolButton(), QToolButton()
        self.roster = RosterView(actions)
        self.panel = Panel()
        self._stack = QStackedWidget()
        self._lay_out()
        self._order()
        self._connect()
        self._draw_signs()
        self._restore_geometry()
        self.show_state(actions.bridge.state)

    # --- its parts

    def _lay_out(self) -> None:
        self._search_row = QWidget()
        row = QHBoxLayout(self._search_row)
        row.setContentsMargins(SPACE + 4, 0, SPACE + 4, SPACE + 2)
        row.setSpacing(SPACE // 2)
        row.addWidget(self.search, 1)
        row.addWidget(self.hide_button)
        row.addWidget(self.add_button)
        margin = QVBoxLayout()
        margin.setContentsMargins(SPACE + 4, 0, SPACE + 4, SPACE + 2)
        margin.addWidget(self.banner)
        self._banner_row = QWidget()
        self._banner_row.setLayout(margin)
        self._line = Rule()
        self._stack.addWidget(self.roster)
        self._stack.addWidget(self.panel)
        column = QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for widget in (self.header, self._banner_row, self._search_row, self._line):
            column.addWidget(widget)
        column.addWidget(self._stack, 1)
        central = QWidget()
        central.setLayout(column)
        self.setCentralWidget(central)
        self._set_up_buttons()

    def _set_up_buttons(self) -> None:
        for button in (self.hide_button, self.add_button):
            button.setAutoRaise(True)
            button.setIconSize(QSize(18, 18))
        self.hide_button.setDefaultAction(self.menu.hide_offline)
        self.hide_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self.hide_button.setAccessibleName(_("Hide who is offline"))
        adding = QMenu(self)
        adding.addActions([self.menu.create_action, self.menu.join_action, self.menu.link_action])
        self.add_button.setMenu(adding)
        self.add_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.add_button.setToolTip(_("Create or join a network"))
        self.add_button.setAccessibleName(_("Create or join a network"))

    def _order(self) -> None:
        """Tab goes from the top to the bottom, as one reads."""
        header, banner = self.header, self.banner
        top = (header.name, header.copy_button, header.power, header.menu_button, banner.back, banner.forward)
        for before, after in pairwise((*top, self.search, self.hide_button, self.add_button, self.roster)):
            QWidget.setTabOrder(before, after)

    def _connect(self) -> None:
        bridge, session = self._actions.bridge, self._actions.session
        bridge.state_changed.connect(self.show_state)
        bridge.engine_changed.connect(self._refresh)
        session.trouble_changed.connect(self._refresh)
        self.search.textChanged.connect(self._search)
        self.search.left.connect(self._go_to_roster)
        for keys, act in (
            ("Ctrl+F", self.search.take_keyboard),
            ("F10", self.header.menu_button.showMenu),
            ("Ctrl+V", self._paste),
            ("Ctrl+W", self.close),
        ):
            action = QAction(self)
            action.setShortcut(QKeySequence(keys))
            action.triggered.connect(lambda _checked=False, act=act: act())
            self.addAction(action)

    # --- what it shows

    def show_state(self, state: EngineState) -> None:
        """Show this snapshot."""
        usable = self._actions.bridge.has_engine
        self.header.show_state(state, usable)
        self.banner.tell(self._problems(state), state.peers)
        self._banner_row.setVisible(not self.banner.isHidden())
        self.roster.update_roster(state)
        self.menu.show_state(state, usable, self.roster.waiting)
        page = self._page(state, usable)
        for widget in (self._search_row, self._line):
            widget.setVisible(page is None)
        if page is not None:
            self.panel.tell(page)
        self._turn_to(self.roster if page is None else self.panel)

    def _turn_to(self, middle: QWidget) -> None:
        """The keyboard goes along, unless it is in another part of the window."""
        before = self.focusWidget()
        self._stack.setCurrentWidget(middle)
        if before is None or not before.isVisibleTo(self) or self._stack.isAncestorOf(before):
            middle.setFocus()

    def _refresh(self) -> None:
        self.show_state(self._actions.bridge.state)

    def _problems(self, state: EngineState) -> list[Problem]:
        trouble = self._actions.session.trouble
        own = [] if trouble is None or self._actions.session.is_first_start else [trouble]
        return [*own, *state.problems]

    def _page(self, state: EngineState, usable: bool) -> Page | None:
        """What stands where the roster would be; None if there is one."""
        if state.networks:
            return None
        if self._actions.session.is_first_start:
            return self._first_start()
        if self._actions.session.trouble is not None:
            return Page("mark", _("Buri is not running"), _("What is wrong, and what to do, stands above."))
        if not usable:
            return Page("mark", _("Starting…"), "")
        if not state.power:
            switch_on = (_("Switch on"), lambda: self._actions.set_power(True))
            text = _("Nobody sees you, and no tunnel is up.")
            return Page("power", _("Buri is switched off"), text, (switch_on,))
        if state.server.status is not ServerStatus.ONLINE:
            return Page("server", _("Not connected yet"), _("Your networks appear once the server answers."))
        return self._no_networks()

    def _first_start(self) -> Page:
        text = _("A private network for you and your friends, on a server of your own choice.")
        return Page("mark", _("Welcome to Buri"), text, ((_("Get started"), self._actions.welcome),))

    def _no_networks(self) -> Page:
        return Page(
            "people",
            _("No networks yet"),
            _("Create one for your family or friends, or join theirs."),
            (
                (_("Create a network"), self._actions.create_network),
                (_("Join a network"), self._actions.join_network),
            ),
            _("Or drop an invite link here."),
        )

    # --- searching

    def _search(self, text: str) -> None:
        link = invite_link(text)
        if link:
            self.search.clear()
            self._actions.open_link(link)
            return
        self.roster.search(text)

    def _go_to_roster(self) -> None:
        if not self.roster.currentIndex().isValid():
            self.roster.choose_first()
        self.roster.setFocus(Qt.FocusReason.OtherFocusReason)

    # --- invite links

    def _paste(self) -> None:
        link = copied_link()
        if link:
            self._actions.open_link(link)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Qt tells: something is dragged over the window."""
        if invite_link(event.mimeData().text()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Qt tells: it was dropped."""
        link = invite_link(event.mimeData().text())
        if link:
            event.acceptProposedAction()
            self._actions.open_link(link)

    # --- coming and going

    def _restore_geometry(self) -> None:
        kept = QByteArray.fromBase64(self._actions.preferences.choices.geometry.encode())
        if kept.isEmpty() or not self.restoreGeometry(kept):
            self.resize(360, 620)

    def keep_geometry(self) -> None:
        """Remember size and place for the next start."""
        geometry = self.saveGeometry().toBase64().toStdString()
        if geometry != self._actions.preferences.choices.geometry:
            self._actions.prefer(geometry=geometry)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Qt tells: the person is done, unless application.py has let the tray icon take over before."""
        self.keep_geometry()
        event.accept()
        self._actions.quit()

    def _draw_signs(self) -> None:
        self.menu.hide_offline.setIcon(self._hide_icon())
        self.add_button.setIcon(icon("plus"))
        self.search.draw_sign()

    def _hide_icon(self) -> QIcon:
        signs = QIcon(icon("eye"))
        signs.addPixmap(icon("eye-off", colours().accent).pixmap(64, 64), QIcon.Mode.Normal, QIcon.State.On)
        return signs

    def changeEvent(self, event: QEvent) -> None:
        """Qt tells: other colours."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "search"):
            self._draw_signs()
        super().changeEvent(event)
