"""The preferences' page of custom commands: programs that a person starts for a peer from its menu.

What is typed is checked at once and kept as soon as it can be used; what can't is told beside it and not kept. A page
of app/ui/preference_pages/dialog.py.
"""

from typing import Final

import msgspec
from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.ui.command_line import CommandRefused, template_words
from app.ui.look.icons import icon
from app.ui.look.theme import SPACE
from app.ui.look.widgets import Note, centre_labels, fixed_font, text_label
from app.ui.preferences import MAX_COMMANDS, CustomCommand, Preferences
from app.ui.words.translations import _, translated

LINE: Final = Qt.ItemDataRole.UserRole
LAST_USABLE: Final = LINE + 1
MAX_NAME: Final = 64
MAX_LINE: Final = 1_024


def examples() -> tuple[CustomCommand, ...]:
    """What others found useful."""
    return (
        CustomCommand(_("Remote desktop"), "xfreerdp /v:%A"),
        CustomCommand(_("Secure shell"), "x-terminal-emulator -e ssh %A"),
        CustomCommand(_("Web page"), "xdg-open http://%A/"),
        CustomCommand(_("Screen (VNC)"), "vncviewer %A"),
    )


class CustomCommandsPage(QWidget):
    """A list, and the fields of the command that is chosen in it."""

    def __init__(self, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preferences = preferences
        self.list = QListWidget()
        self.list.setAccessibleName(_("Custom commands"))
        self.name, self.line = QLineEdit(maxLength=MAX_NAME), QLineEdit(maxLength=MAX_LINE)
        self.name.setPlaceholderText(_("As it stands in the menu"))
        self.line.setFont(fixed_font(self.line.font().pointSizeF()))
        self.problem = Note()
        self._arrange()
        for command in preferences.choices.commands:
            self._append(command).setData(LAST_USABLE, command)
        self.list.currentRowChanged.connect(self._show_current)
        self.name.textEdited.connect(self._edited)
        self.line.textEdited.connect(self._edited)
        self.list.setCurrentRow(0 if self.list.count() else -1)
        self._show_current()

    @property
    def commands(self) -> tuple[CustomCommand, ...]:
        """What is in the list now, unfinished ones included."""
        return tuple(self._command(row) for row in range(self.list.count()))

    def _arrange(self) -> None:
        self.add_button = QPushButton(icon("plus"), _("&Add"))
        menu = QMenu(self.add_button)
        for command in examples():
            menu.addAction(command.name, lambda command=command: self.add(command))  # type: ignore[misc]
        menu.addSeparator()
        menu.addAction(_("An empty one"), lambda: self.add(CustomCommand(_("New command"), "")))
        self.add_button.setMenu(menu)
        self.remove_button = _tool("trash", _("Remove"), self.remove)
        self.up_button = _tool("arrow-up", _("Move up"), lambda: self.move_by(-1))
        self.down_button = _tool("arrow-down", _("Move down"), lambda: self.move_by(1))
        tools = QHBoxLayout()
        tools.setSpacing(SPACE)
        tools.addWidget(self.add_button)
        tools.addStretch(1)
        for button in (self.up_button, self.down_button, self.remove_button):
            tools.addWidget(button)
        fields = QFormLayout()
        fields.setHorizontalSpacing(2 * SPACE)
        fields.setVerticalSpacing(SPACE + 2)
        fields.addRow(_("&Name"), self.name)
        fields.addRow(_("&Command"), self.line)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACE + 4)
        layout.addWidget(
            text_label(
                _(
                    "Programs that you can start for a peer from its menu. %A stands for its address, %N for its name. "
                    "No shell is involved: words are handed over as they are."
                ),
                muted=True,
            )
        )
        layout.addWidget(self.list, 1)
        layout.addLayout(tools)
        layout.addLayout(fields)
        layout.addWidget(self.problem)

    def showEvent(self, event: QShowEvent) -> None:
        """Only now the fields have their height."""
        super().showEvent(event)
        centre_labels(self)

    def add(self, command: CustomCommand) -> None:
        """At the end, ready to be changed."""
        self._append(command)
        self.list.setCurrentRow(self.list.count() - 1)
        self._keep()
        self.name.setFocus()
        self.name.selectAll()

    def remove(self) -> None:
        """The chosen one."""
        self.list.takeItem(self.list.currentRow())
        self._show_current()
        self._keep()

    def move_by(self, step: int) -> None:
        """The chosen one, up or down."""
        row = self.list.currentRow()
        if not 0 <= row + step < self.list.count():
            return
        item = self.list.takeItem(row)
        self.list.insertItem(row + step, item)
        self.list.setCurrentRow(row + step)
        self._keep()

    def _append(self, command: CustomCommand) -> QListWidgetItem:
        item = QListWidgetItem(command.name)
        item.setData(LINE, command.line)
        self.list.addItem(item)
        return item

    def _command(self, row: int) -> CustomCommand:
        item = self.list.item(row)
        return CustomCommand(item.text(), item.data(LINE))

    def _edited(self) -> None:
        item = self.list.currentItem()
        if item is not None:
            item.setText(self.name.text())
            item.setData(LINE, self.line.text())
            self._keep()

    def _show_current(self) -> None:
        row = self.list.currentRow()
        chosen = row >= 0
        command = self._command(row) if chosen else CustomCommand("", "")
        for field, text in ((self.name, command.name), (self.line, command.line)):
            field.setEnabled(chosen)
            field.setText(text)
            field.setCursorPosition(0)
        self.remove_button.setEnabled(chosen)
        self.up_button.setEnabled(row > 0)
        self.down_button.setEnabled(0 <= row < self.list.count() - 1)
        self.add_button.setEnabled(self.list.count() < MAX_COMMANDS)
        self._tell()

    def _tell(self) -> None:
        """What is wrong with the chosen one, if anything."""
        row = self.list.currentRow()
        wrong = "" if row < 0 else fault_of(self._command(row))
        self.problem.tell(wrong, "attention")

    def _keep(self) -> None:
        """All as they are; one that can't be used is kept as it last could be, if ever."""
        self._tell()
        for row, command in enumerate(self.commands):
            if not fault_of(command):
                self.list.item(row).setData(LAST_USABLE, command)
        kept = [self.list.item(row).data(LAST_USABLE) for row in range(self.list.count())]
        usable = tuple(each for each in kept if each is not None)
        if usable == self._preferences.choices.commands:
            return
        problem = self._preferences.change(commands=usable)
        if problem is not None:
            self.problem.tell(translated(problem).message, "attention")


def fault_of(command: CustomCommand) -> str:
    """Why a command can't be kept; empty if it can."""
    if not command.name.strip():
        return _("Give it a name.")
    try:
        template_words(command.line)
        msgspec.convert(msgspec.to_builtins(command), CustomCommand)
    except CommandRefused as error:
        return error.message
    except msgspec.ValidationError:
        return _("Name or command is too long.")
    return ""


def _tool(drawing: str, name: str, action: object) -> QPushButton:
    button = QPushButton(icon(drawing), "")
    button.setToolTip(name)
    button.setAccessibleName(name)
    button.setAutoDefault(False)
    button.clicked.connect(action)
    return button
