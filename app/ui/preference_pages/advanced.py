"""The preferences' page about the log, folders and diagnostics."""

from PySide6.QtWidgets import QComboBox, QFormLayout, QPushButton

from app.platform import paths
from app.ui.look.widgets import CopyField
from app.ui.preference_pages.page import PreferencePage
from app.ui.preferences import LogLevel
from app.ui.verbs import Verbs
from app.ui.words.translations import _


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
