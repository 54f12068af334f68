"""The proxy among the preferences: automatic, none, by hand, or by a script. Part of the page about the connection.

What is typed holds with a button, as half an address is none; the rest holds at once. The password is kept sealed by
the engine and never shown again.
"""

from typing import Final

from PySide6.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from app.engine.proxy_choice import MAX_PAC, MAX_USER, ProxyChoice, ProxyMode
from app.engine.state import Problem
from app.ui.look.theme import SPACE
from app.ui.look.widgets import Note, NumberField, PasswordField, ProblemBox, form_in
from app.ui.verbs import Verbs
from app.ui.words.translations import _, said

MAX_HOST: Final = 253
USUAL_PORT: Final = 3_128
TYPED: Final = frozenset((ProxyMode.BY_HAND, ProxyMode.PAC))
"""Modes that mean nothing until something is typed."""
ABOUT_CREDENTIALS: Final = frozenset(("proxy-wants-credentials", "proxy-refused-credentials"))


class ProxySection(QWidget):
    """Choose a proxy, try it, use it."""

    def __init__(self, verbs: Verbs) -> None:
        super().__init__()
        self._verbs, self._bridge = verbs, verbs.bridge
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(SPACE + 4)
        self._add_fields()
        self._add_buttons()
        self.result, self.problem = Note(), ProblemBox()
        self._layout.addWidget(self.result)
        self._layout.addWidget(self.problem)
        self._busy = False
        verbs.session.trouble_changed.connect(self._show)
        self._show()

    def _add_fields(self) -> None:
        self.mode = QComboBox()
        names = {
            ProxyMode.SYSTEM: _("As the system says"),
            ProxyMode.NONE: _("None"),
            ProxyMode.BY_HAND: _("By hand"),
            ProxyMode.PAC: _("By a configuration script (PAC)"),
        }
        for mode, name in names.items():
            self.mode.addItem(name, mode)
        self.host, self.port = QLineEdit(maxLength=MAX_HOST), NumberField(1, 65_535)
        self.user, self.password = QLineEdit(maxLength=MAX_USER), PasswordField()
        self.script = QLineEdit(maxLength=MAX_PAC)
        self.host.setPlaceholderText("proxy.example")
        self.user.setPlaceholderText(_("only if the proxy asks"))
        self.script.setPlaceholderText("http://example/proxy.pac")
        self.port.setAccessibleName(_("Port of the proxy"))
        box = QWidget()
        self._form = form_in(box)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self._form.addRow(_("Pro&xy"), self.mode)
        self._place = _side_by_side(self.host, self.port)
        self._form.addRow(_("A&ddress"), self._place)
        self._form.addRow(_("Scr&ipt"), self.script)
        self._form.addRow(_("Us&er"), self.user)
        self._form.addRow(_("Pass&word"), self.password)
        self._layout.addWidget(box)
        self._fields = box
        self.mode.activated.connect(lambda _index: self._choose())
        for field in (self.host, self.user, self.script):
            field.textChanged.connect(self._show_buttons)

    def _add_buttons(self) -> None:
        self.use_button, self.try_button = QPushButton(_("&Use it")), QPushButton(_("&Test"))
        self.use_button.clicked.connect(self._use)
        self.try_button.clicked.connect(self._try)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        for button in (self.use_button, self.try_button):
            button.setAutoDefault(False)
            row.addWidget(button)
        row.addStretch(1)
        self._layout.addLayout(row)

    # --- what is shown

    @property
    def _saved(self) -> ProxyChoice:
        settings = self._verbs.session.settings
        return ProxyChoice() if settings is None else settings.proxy

    @property
    def _mode(self) -> ProxyMode:
        return ProxyMode(self.mode.currentData())  # Qt keeps it as plain text

    @property
    def _typed(self) -> ProxyChoice:
        user, script = self.user.text().strip(), self.script.text().strip()
        if self._mode is ProxyMode.BY_HAND or not user:
            return ProxyChoice(self._mode, self.host.text().strip(), self.port.value(), user, script)
        return ProxyChoice(self._mode, user=user, pac=script)  # the name is for whichever proxy is found

    def _show(self) -> None:
        """What is in use."""
        saved = self._saved
        self.mode.setCurrentIndex(self.mode.findData(saved.mode))
        self.host.setText(saved.host)
        self.port.setValue(saved.port or USUAL_PORT)
        self.user.setText(saved.user)
        self.script.setText(saved.pac)
        kept = self._bridge.look(lambda engine: engine.has_proxy_password, False)
        self.password.clear()
        self.password.setPlaceholderText(_("kept; type another one to replace it") if kept else "")
        self._show_fields()

    def _show_fields(self) -> None:
        mode = self._mode
        self._form.setRowVisible(self._place, mode is ProxyMode.BY_HAND)
        for field in (self.user, self.password):
            self._form.setRowVisible(field, mode is not ProxyMode.NONE)
        self._form.setRowVisible(self.script, mode is ProxyMode.PAC)
        self._show_buttons()

    def _show_buttons(self) -> None:
        mode = self._mode
        complete = {ProxyMode.BY_HAND: bool(self.host.text().strip()), ProxyMode.PAC: bool(self.script.text().strip())}
        ready = self._bridge.has_engine and not self._busy
        self._fields.setEnabled(self._bridge.has_engine)
        self.mode.setEnabled(ready)
        self.use_button.setVisible(mode is not ProxyMode.NONE)
        for button in (self.use_button, self.try_button):
            button.setEnabled(ready and complete.get(mode, True))

    # --- what is done

    def _choose(self) -> None:
        self.result.tell("")
        self.problem.hide()
        self._show_fields()
        if self._mode not in TYPED:
            self._use()

    def _use(self) -> None:
        choice, password = self._typed, self.password.text() or None
        self._begin()
        self._bridge.call(self, lambda engine: engine.set_proxy(choice, password), self._used, self._failed)

    def _used(self, _nothing: object) -> None:
        self._show()
        self._end(_("This holds from now on."))

    def _try(self) -> None:
        choice, password = self._typed, self.password.text() or None
        self._begin()
        self.result.tell(_("One moment…"))
        self._bridge.call(self, lambda engine: engine.try_proxy(choice, password), self._tried, self._failed)

    def _tried(self, route: str) -> None:
        self._end(_("It works. The server is reached by: {route}").format(route=said(route)), "check")

    def _failed(self, problem: Problem) -> None:
        self._end("")
        self.problem.tell(problem)
        if problem.code in ABOUT_CREDENTIALS:
            (self.password if self.user.text() else self.user).setFocus()

    def _begin(self) -> None:
        self._busy = True
        self.result.tell("")
        self.problem.hide()
        self._show_buttons()

    def _end(self, result: str, sign: str = "info") -> None:
        self._busy = False
        self.result.tell(result, sign)
        self._show_buttons()


def _side_by_side(host: QLineEdit, port: NumberField) -> QWidget:
    """Two fields in one line."""
    port.setMinimumWidth(12 * SPACE)
    box = QWidget()
    row = QHBoxLayout(box)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(SPACE)
    row.addWidget(host, 1)
    row.addWidget(port)
    box.setFocusProxy(host)
    return box
