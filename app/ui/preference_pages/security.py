"""The preferences' page about keys: the identity and its place, how tunnels are encrypted, what is kept of chats."""

from typing import Final

from PySide6.QtWidgets import QComboBox, QPushButton, QWidget

from app.engine.state import Problem
from app.protocol.suites import DEFAULT_SUITE, SUITES
from app.ui.engine_bridge import EngineBridge
from app.ui.look.dialog import Dialog
from app.ui.look.widgets import CopyField, Note, NumberField, text_label, under_choice
from app.ui.preference_pages.page import PreferencePage, switch
from app.ui.verbs import Verbs
from app.ui.words.translations import _

REKEY_RANGE: Final = (30, 3_600)
"""Seconds; the engine takes less, which only costs strength of the processor."""
USUAL_REKEY: Final = 180
"""The engine's own, shown before there are settings."""


class SecurityPage(PreferencePage):
    """Identity, encryption, chat history."""

    def __init__(self, verbs: Verbs) -> None:
        super().__init__(verbs, _("Security"))
        self._identity()
        self._encryption()
        self._history()
        self.end()
        verbs.session.trouble_changed.connect(self._show)
        self._show()

    def _identity(self) -> None:
        self.add_section(_("Identity"))
        self.fingerprint = CopyField("", _("Fingerprint of this computer"))
        self.place = text_label(selectable=True)
        form = self.add_form()
        form.addRow(_("Fingerprint"), self.fingerprint)
        form.addRow(_("Private key"), self.place)
        self.backup, self.restore = QPushButton(_("&Back up…")), QPushButton(_("&Restore…"))
        self.backup.clicked.connect(self.verbs.backup_identity)
        self.restore.clicked.connect(self.verbs.restore_identity)
        self.add_row(self.backup, self.restore)

    def _encryption(self) -> None:
        self.add_section(_("Encryption"))
        self.suite = QComboBox()
        for number in sorted(SUITES, reverse=True):
            self.suite.addItem(_suite_text(number), number)
        self.rekey = NumberField(*REKEY_RANGE)
        self.rekey.setValue(USUAL_REKEY)
        self.rekey.setSuffix(_(" seconds"))
        self.rekey.setKeyboardTracking(False)
        self.rekey.setMaximumWidth(160)
        form = self.add_form()
        self.suite_name = text_label(muted=True)
        form.addRow(_("&Suite"), self.suite)
        form.addRow("", self.suite_name)
        form.addRow(_("&New keys every"), self.rekey)
        self.add(Note(_("A change here starts the engine anew; tunnels are back after a few seconds.")))
        self.suite.currentIndexChanged.connect(self._name_suite)
        self._name_suite()
        self.suite.activated.connect(lambda _index: self._set(suite=self.suite.currentData()))
        self.rekey.valueChanged.connect(lambda seconds: self._set(rekey_interval=seconds))

    def _name_suite(self) -> None:
        self.suite_name.setText(SUITES[self.suite.currentData()].name)

    def _history(self) -> None:
        self.add_section(_("Chats"))
        self.keep = switch(_("&Keep messages on this computer"), on=True)
        self.clear = QPushButton(_("&Delete all messages…"))
        note = _("They are encrypted with your identity's key. Switched off, those that are kept are deleted.")
        self.add(self.keep, under_choice(self.keep, note))
        self.add_row(self.clear)
        self.keep.toggled.connect(self._keep_history)
        self.clear.clicked.connect(lambda: ClearAllChats(self.window(), self.verbs.bridge).open())

    def _show(self) -> None:
        session = self.verbs.session
        place = session.key_place
        self.fingerprint.set_text(place.fingerprint)
        self.place.setText(_place_text(place.fingerprint, place.place, place.in_keyring, place.encrypted))
        self.backup.setEnabled(bool(place.fingerprint))
        settings = session.settings
        has_engine = self.verbs.bridge.has_engine
        self.keep.setEnabled(has_engine)
        self.clear.setEnabled(has_engine)
        self.keep.blockSignals(True)
        self.keep.setChecked(self.verbs.bridge.look(lambda engine: engine.chat_history_kept, True))
        self.keep.blockSignals(False)
        for field in (self.suite, self.rekey):
            field.setEnabled(settings is not None and not session.starting)
        if settings is not None:
            self.rekey.blockSignals(True)
            self.rekey.setValue(settings.rekey_interval)
            self.rekey.blockSignals(False)
            self.suite.setCurrentIndex(self.suite.findData(settings.suite))

    def _set(self, **changes: object) -> None:
        self.problem.hide()
        session = self.verbs.session
        self.verbs.bridge.run(self, lambda: session.change(**changes), None, self._refused)

    def _refused(self, problem: Problem) -> None:
        self._show()
        self.tell(problem)

    def _keep_history(self, keep: bool) -> None:
        self.problem.hide()
        self.verbs.bridge.call(self, lambda engine: engine.keep_chat_history(keep), None, self._refused)


class ClearAllChats(Dialog):
    """Asks before everything that was said is forgotten."""

    def __init__(self, parent: QWidget | None, bridge: EngineBridge) -> None:
        super().__init__(
            parent,
            _("Delete all messages?"),
            _("All messages on this computer are deleted for good. Others keep what they have."),
            _("&Delete"),
            destructive=True,
        )
        self._bridge = bridge

    def submit(self) -> None:
        """Forget them."""
        self.carry_out(self._bridge, lambda engine: engine.clear_chat(None))


def _suite_text(number: int) -> str:
    text = _("Suite {number} (recommended)") if number == DEFAULT_SUITE else _("Suite {number}")
    return text.format(number=number)


def _place_text(fingerprint: str, place: str, in_keyring: bool, encrypted: bool) -> str:
    if not fingerprint:
        return _("made at the first login")
    if in_keyring:
        return _("in the system's keyring")
    if encrypted:
        return _("in {place}, encrypted with a passphrase").format(place=place)
    return _("in {place}, NOT encrypted").format(place=place)
