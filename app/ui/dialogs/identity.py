"""Dialogs about this computer's private key: back it up, restore it, make another, unlock it, choose where it lies.

All work is the session's, in threads. A passphrase is never shown, prefilled or kept longer than its dialog; the one of
the key's own file stays in the session's memory. Opened by app/ui/actions.py.
"""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from app.engine.state import Problem
from app.protocol.wire import MAX_NAME
from app.ui.dialogs.session_dialog import SessionDialog
from app.ui.look.theme import SPACE
from app.ui.look.widgets import Note, PasswordField, problem_named, text_indent, text_label, under_choice
from app.ui.session import KeyKeeping, Session
from app.ui.words.translations import _

MIN_PASSPHRASE: Final = 10
"""Characters. Whoever has the file may try passphrases for as long as they like."""
MIN_DIFFERENT: Final = 5
MAX_PASSPHRASE: Final = 1_024
MAX_PATH: Final = 4_096
BACKUP_NAME: Final = "buri-identity-backup.pem"


def weakness(passphrase: str, again: str) -> Problem | None:
    """What is wrong with a new passphrase that was typed twice."""
    if len(passphrase) < MIN_PASSPHRASE or len(set(passphrase)) < MIN_DIFFERENT:
        reason = _("It is too short or too simple; four words that have nothing to do with each other are good")
        return problem_named("passphrase-not-valid", reason=reason)
    if passphrase != again:
        return problem_named("passphrase-not-valid", reason=_("The two are not the same"))
    return None


def passphrase_field(name: str) -> PasswordField:
    """A field for a passphrase; longer than a network's password may be."""
    field = PasswordField()
    field.setMaxLength(MAX_PASSPHRASE)
    field.setAccessibleName(name)
    return field


class BackUpIdentity(SessionDialog):
    """Writes the private key, encrypted with a passphrase, to a file that the person chooses."""

    def __init__(self, parent: QWidget | None, session: Session) -> None:
        super().__init__(
            parent,
            session,
            _("Back up identity"),
            _(
                "Your identity is the private key by which servers and friends know this computer. With a backup you "
                "keep your address and your networks when the disk fails."
            ),
            _("&Choose a file…"),
        )
        self.passphrase = passphrase_field(_("Passphrase of the backup"))
        self.again = passphrase_field(_("Passphrase once more"))
        self.form.addRow(_("&Passphrase"), self.passphrase)
        self.form.addRow(_("&Once more"), self.again)
        self.note = Note(_("Keep the file and its passphrase apart. Nobody can open the backup without it."))
        self.add(self.note)

    def submit(self) -> None:
        """Ask where it goes."""
        problem = weakness(self.passphrase.text(), self.again.text())
        if problem is not None:
            self.show_problem(problem)
            return
        chooser = QFileDialog(self, _("Save the backup"), str(Path.home() / BACKUP_NAME))
        chooser.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        chooser.setDefaultSuffix("pem")
        chooser.fileSelected.connect(self.write)
        chooser.finished.connect(chooser.deleteLater)
        chooser.open()

    def write(self, file: str) -> None:
        """Write it there."""
        passphrase = self.passphrase.text()
        self.work(lambda: self.session.write_backup(Path(file), passphrase), lambda _none: self._written(file))

    def _written(self, file: str) -> None:
        """Say so, as the file is easily forgotten otherwise."""
        self.set_busy(False)
        for field in (self.passphrase, self.again):
            field.clear()
        self.conclude(_("The backup is written"), _("It is in {file}.").format(file=file))


class KeyPlaceChoice(QWidget):
    """Where a private key shall be kept, said openly."""

    changed = Signal()

    def __init__(self, in_keyring: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.keyring = QRadioButton(_("In the system's &keyring"))
        self.encrypted = QRadioButton(_("In a file, &encrypted with a passphrase"))
        self.unprotected = QRadioButton(_("In a file that is &not encrypted"))
        self.passphrase = passphrase_field(_("Passphrase of the private key's file"))
        self.passphrase.setPlaceholderText(_("Passphrase"))
        self.again = passphrase_field(_("Passphrase once more"))
        self.again.setPlaceholderText(_("Once more"))
        self._fields = QWidget()
        fields = QVBoxLayout(self._fields)
        fields.setContentsMargins(text_indent(self.encrypted), SPACE // 2, 0, SPACE // 2)
        fields.addWidget(self.passphrase)
        fields.addWidget(self.again)
        self._lay_out()
        self.encrypted.toggled.connect(self._fields.setVisible)
        self.encrypted.toggled.connect(self.changed)
        self._fields.hide()
        (self.keyring if in_keyring else self.encrypted).setChecked(True)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACE // 2)
        group = QButtonGroup(self)
        meanings = (
            (self.keyring, _("The system keeps it, and opens it when you log in.")),
            (self.encrypted, _("Buri asks for the passphrase at every start.")),
            (
                self.unprotected,
                _("Whoever can read your files, or a backup of them, can pretend to be this computer."),
            ),
        )
        for button, meaning in meanings:
            group.addButton(button)
            layout.addWidget(button)
            layout.addWidget(under_choice(button, meaning))
            layout.addSpacing(SPACE // 2)
            if button is self.encrypted:
                layout.addWidget(self._fields)

    def weakness(self) -> Problem | None:
        """What is wrong with the passphrase, if one is needed."""
        return weakness(self.passphrase.text(), self.again.text()) if self.encrypted.isChecked() else None

    @property
    def keeping(self) -> KeyKeeping:
        """What was chosen."""
        return KeyKeeping(self.keyring.isChecked(), self.passphrase.text() if self.encrypted.isChecked() else None)


class _KeyPlaceDialog(SessionDialog):
    """Whoever brings or makes a key says where it shall lie; a weak passphrase is told and goes nowhere."""

    place: KeyPlaceChoice

    def add_place(self, in_keyring: bool) -> None:
        """The question."""
        self.place = KeyPlaceChoice(in_keyring)
        self.place.changed.connect(self.fit)
        self.add(self.place)

    def work_with_place(self, action: Callable[[KeyKeeping], Coroutine[Any, Any, object]]) -> None:
        """Carry out `action` with the answer."""
        problem = self.place.weakness()
        if problem is not None:
            self.show_problem(problem)
            return
        keeping = self.place.keeping
        self.work(lambda: action(keeping))


class RestoreIdentity(_KeyPlaceDialog):
    """Takes the private key of a backup, in place of the one that is here."""

    def __init__(self, parent: QWidget | None, session: Session) -> None:
        place = session.key_place
        super().__init__(
            parent,
            session,
            _("Restore identity"),
            _("Brings back the private key of a backup, and with it the address and the networks of that computer."),
            _("&Restore"),
            destructive=bool(place.fingerprint),
        )
        self.file = QLineEdit(maxLength=MAX_PATH)
        self.file.setPlaceholderText(_("The backup's file"))
        browse = QPushButton(_("&Browse…"))
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        line = QHBoxLayout()
        line.setSpacing(SPACE)
        line.addWidget(self.file, 1)
        line.addWidget(browse)
        self.passphrase = passphrase_field(_("Passphrase of the backup"))
        label = text_label(_("&File"))
        label.setTextFormat(Qt.TextFormat.AutoText)
        label.setBuddy(self.file)
        self.form.addRow(label, line)
        self.form.addRow(_("&Passphrase"), self.passphrase)
        self.add(text_label(_("Where the private key shall be kept here:")))
        self.add_place(place.in_keyring or not place.fingerprint)
        if place.fingerprint:
            warning = _(
                "This computer has an identity already ({fingerprint}). It is replaced; unless you have a backup of "
                "it, it is lost, if the backup holds another one."
            )
            self.add(Note(warning.format(fingerprint=place.fingerprint), "attention"))

    def _browse(self) -> None:
        chooser = QFileDialog(self, _("Choose the backup"), str(Path.home()))
        chooser.setFileMode(QFileDialog.FileMode.ExistingFile)
        chooser.setNameFilters([_("Backups (*.pem)"), _("All files (*)")])
        chooser.fileSelected.connect(self.file.setText)
        chooser.finished.connect(chooser.deleteLater)
        chooser.open()

    def submit(self) -> None:
        """Restore it; the engine starts anew."""
        if not self.file.text():
            reason = _("choose its file")
            self.show_problem(problem_named("identity-backup-unreadable", place=_("The backup"), reason=reason))
            return
        file, passphrase = Path(self.file.text()), self.passphrase.text()
        self.work_with_place(lambda keeping: self.session.restore(file, passphrase, keeping))


class NewIdentity(_KeyPlaceDialog):
    """Makes another private key, when the old one is lost for good."""

    def __init__(self, parent: QWidget | None, session: Session) -> None:
        place = session.key_place
        super().__init__(
            parent,
            session,
            _("Make a new identity"),
            _(
                "This computer becomes somebody new: it gets another address and must join its networks again. Friends "
                "see another key. If there is a backup of the old identity, restore that instead."
            ),
            _("&Make a new identity"),
            destructive=True,
        )
        self.add_place(place.in_keyring or not place.fingerprint)

    def submit(self) -> None:
        """Make it; the engine starts anew."""
        self.work_with_place(self.session.new_identity)


class ChooseKeyPlace(_KeyPlaceDialog):
    """Where the first private key goes on a computer whose keyring can't be used."""

    def __init__(self, parent: QWidget | None, session: Session) -> None:
        super().__init__(
            parent,
            session,
            _("Where to keep the private key"),
            _("The private key is what makes this computer yours. It can lie in a file if there is no keyring."),
            _("&Continue"),
        )
        self.add_place(in_keyring=False)
        self.place.passphrase.setFocus()

    def submit(self) -> None:
        """Keep it there, and start."""
        self.work_with_place(self.session.keep_key)


class UnlockIdentity(SessionDialog):
    """Asks for the passphrase of the private key's file."""

    def __init__(self, parent: QWidget | None, session: Session) -> None:
        super().__init__(
            parent,
            session,
            _("Unlock the private key"),
            _("The file with this computer's private key is encrypted. Its passphrase is not stored anywhere."),
            _("&Unlock"),
        )
        self.passphrase = passphrase_field(_("Passphrase of the private key"))
        self.form.addRow(_("&Passphrase"), self.passphrase)

    def submit(self) -> None:
        """Try it."""
        passphrase = self.passphrase.text()
        if not passphrase:
            self.show_problem(problem_named("passphrase-not-valid", reason=_("It is empty")))
            return
        self.work(lambda: self.session.unlock(passphrase))

    def field_of(self, problem: Problem) -> QWidget | None:
        """The passphrase is typed anew."""
        return self.passphrase


class EditNickname(SessionDialog):
    """How others see this computer."""

    def __init__(self, parent: QWidget | None, session: Session) -> None:
        super().__init__(
            parent,
            session,
            _("Change your nickname"),
            _("Everybody in your networks sees this computer under it."),
            _("&Change"),
        )
        settings = session.settings
        present = session.bridge.state.server.nickname or (settings.nickname if settings is not None else "")
        self.nickname = QLineEdit(present, maxLength=MAX_NAME)
        self.nickname.selectAll()
        self.form.addRow(_("&Nickname"), self.nickname)

    def submit(self) -> None:
        """Tell everybody."""
        nickname = self.nickname.text()
        self.carry_out(self.bridge, lambda engine: engine.set_nickname(nickname))
