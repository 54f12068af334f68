"""The preferences' page about language, colours, start and end."""

import asyncio

from PySide6.QtWidgets import QComboBox, QFormLayout

from app.engine.errors import engine_error
from app.engine.state import Problem
from app.ui.autostart import set_start_at_login, starts_at_login
from app.ui.look.widgets import Note
from app.ui.preference_pages.page import PreferencePage, switch
from app.ui.preferences import ColourScheme
from app.ui.verbs import Verbs
from app.ui.words.translations import LANGUAGES, _


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
