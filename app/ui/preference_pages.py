"""Pages of the preferences: general, notifications, advanced, and what all pages have. What is set holds at once.

What lies in window.json is written by Preferences; what the engine must know goes to the session, which starts the
engine anew, and the page says so.
"""

import asyncio
from functools import partial

from msgspec import structs
from PySide6.QtWidgets import QCheckBox, QComboBox, QFormLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.engine.errors import engine_error
from app.engine.state import Problem
from app.platform import paths
from app.ui.autostart import set_start_at_login, starts_at_login
from app.ui.preferences import ColourScheme, LogLevel, PreferencesError
from app.ui.server_choice import form_in
from app.ui.theme import SPACE
from app.ui.translations import LANGUAGES, _
from app.ui.verbs import Verbs
from app.ui.widgets import CopyField, Note, ProblemBox, problem_named, text_label


class PreferencePage(QWidget):
    """A heading, rows of choices, and a place for what went wrong."""

    def __init__(self, verbs: Verbs, title: str) -> None:
        super().__init__()
        self.verbs = verbs
        self.problem = ProblemBox()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(SPACE, 0, 2 * SPACE, SPACE)
        self._layout.setSpacing(SPACE + 4)
        self._layout.addWidget(text_label(title, heading=True))
        self._layout.addWidget(self.problem)

    def add(self, *parts: QWidget) -> None:
        """Widgets one under the other."""
        for part in parts:
            self._layout.addWidget(part)

    def add_form(self) -> QFormLayout:
        """Rows with a label each."""
        box = QWidget()
        self._layout.addWidget(box)
        return form_in(box)

    def add_section(self, title: str) -> None:
        """A smaller heading."""
        label = text_label(title)
        font = label.font()
        font.setBold(True)
        label.setFont(font)
        self._layout.addSpacing(SPACE)
        self._layout.addWidget(label)

    def add_row(self, *buttons: QPushButton) -> None:
        """Buttons beside each other, at the left."""
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        for button in buttons:
            button.setAutoDefault(False)
            row.addWidget(button)
        row.addStretch(1)
        self._layout.addLayout(row)

    def end(self) -> None:
        """Nothing comes below."""
        self._layout.addStretch(1)

    def choose(self, **changes: object) -> None:
        """Remember a choice; tell it if that is impossible."""
        self.problem.hide()
        try:
            self.verbs.preferences.change(**changes)
        except PreferencesError as error:
            place = self.verbs.preferences.path
            self.problem.tell(problem_named("file-not-written", place=place, reason=error))

    def tell(self, problem: Problem) -> None:
        """Show what went wrong."""
        self.problem.tell(problem)


def switch(text: str, on: bool) -> QCheckBox:
    """A choice between yes and no."""
    box = QCheckBox(text)
    box.setChecked(on)
    return box


class GeneralPage(PreferencePage):
    """Language, colours, start."""

    def __init__(self, verbs: Verbs) -> None:
        super().__init__(verbs, _("General"))
        choices = verbs.preferences.choices
        self.language = QComboBox()
        for code, name in [("", _("As in the system")), *LANGUAGES.items()]:
            self.language.addItem(name, code)
        self.language.setCurrentIndex(max(0, self.language.findData(choices.language)))
        self.colours = QComboBox()
        names = {
            ColourScheme.SYSTEM: _("As in the system"),
            ColourScheme.LIGHT: _("Light"),
            ColourScheme.DARK: _("Dark"),
        }
        for scheme, name in names.items():
            self.colours.addItem(name, scheme)
        self.colours.setCurrentIndex(self.colours.findData(choices.colours))
        form = self.add_form()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow(_("&Language"), self.language)
        form.addRow(_("&Colours"), self.colours)
        self.restart_note = Note()
        form.addRow("", self.restart_note)
        self.add_section(_("Start and end"))
        self.at_login = switch(_("Start when I lo&g in"), starts_at_login())
        self.hidden = switch(_("Start with the tray icon alone, &without the window"), choices.start_hidden)
        self.to_tray = switch(_("Closing the window keeps Buri in the &tray"), choices.close_to_tray)
        self.add(self.at_login, self.hidden, self.to_tray)
        self.end()
        self.language.activated.connect(self._choose_language)
        self.colours.activated.connect(lambda _index: self.choose(colours=self.colours.currentData()))
        self.at_login.toggled.connect(self._choose_login)
        self.hidden.toggled.connect(lambda on: self.choose(start_hidden=on))
        self.to_tray.toggled.connect(lambda on: self.choose(close_to_tray=on))

    def _choose_language(self) -> None:
        self.choose(language=self.language.currentData())
        self.restart_note.tell(_("Buri speaks it from its next start on."))

    def _choose_login(self, on: bool) -> None:
        self.problem.hide()
        self.verbs.bridge.run(self, lambda: _set_start_at_login(on), None, self._not_written)

    def _not_written(self, problem: Problem) -> None:
        self.tell(problem)
        self.at_login.blockSignals(True)
        self.at_login.setChecked(not self.at_login.isChecked())
        self.at_login.blockSignals(False)


async def _set_start_at_login(on: bool) -> None:
    try:
        await asyncio.to_thread(set_start_at_login, on)
    except OSError as error:
        place = error.filename or "autostart"
        raise engine_error("file-not-written", place=place, reason=error.strerror or error) from error


class NotificationsPage(PreferencePage):
    """Which notifications are shown."""

    def __init__(self, verbs: Verbs) -> None:
        super().__init__(verbs, _("Notifications"))
        notices = verbs.preferences.choices.notices
        self.add(text_label(_("Tell me when"), muted=True))
        self.switches: dict[str, QCheckBox] = {}
        for name, text in (
            ("online", _("a friend comes &online")),
            ("offline", _("a friend goes o&ffline")),
            ("chat", _("somebody sends a &message")),
            ("join_requests", _("somebody &wants to join a network of mine")),
            ("key_changes", _("a friend shows another &key than before")),
            ("lost_server", _("the &server is lost or back")),
        ):
            box = self.switches[name] = switch(text, getattr(notices, name))
            box.toggled.connect(partial(self._choose, name))
            self.add(box)
        self.end()

    def _choose(self, name: str, on: bool) -> None:
        self.choose(notices=structs.replace(self.verbs.preferences.choices.notices, **{name: on}))


class AdvancedPage(PreferencePage):
    """Log, folders, diagnostics."""

    def __init__(self, verbs: Verbs) -> None:
        super().__init__(verbs, _("Advanced"))
        self.level = QComboBox()
        names = {
            LogLevel.ERROR: _("Errors only"),
            LogLevel.WARNING: _("Warnings and errors"),
            LogLevel.INFO: _("What happens"),
            LogLevel.DEBUG: _("Everything, for finding mistakes"),
        }
        for level, name in names.items():
            self.level.addItem(name, level)
        self.level.setCurrentIndex(self.level.findData(verbs.preferences.choices.log_level))
        self.level.activated.connect(lambda _index: self.choose(log_level=self.level.currentData()))
        form = self.add_form()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow(_("&Log"), self.level)
        self.add_section(_("Folders"))
        folders = self.add_form()
        for title, folder in (
            (_("Settings"), paths.config_folder()),
            (_("Networks, chats, keys"), paths.state_folder()),
        ):
            folders.addRow(title, CopyField(str(folder), title))
        open_button = QPushButton(_("&Open settings folder"))
        open_button.clicked.connect(lambda: verbs.open_folder(paths.config_folder()))
        self.add_row(open_button)
        self.add_section(_("When something does not work"))
        self.report_button = QPushButton(_("&Diagnostics report…"))
        self.report_button.clicked.connect(verbs.report)
        self.add_row(self.report_button)
        self.end()
