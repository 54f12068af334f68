"""The whole app in another language: our texts, Qt's own, and figures."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QApplication, QDialogButtonBox

from app.engine.errors import engine_error, problem_of
from app.engine.state import PeerStatus
from app.ui.dialogs.networks import CreateNetwork
from app.ui.engine_bridge import EngineBridge
from app.ui.words.language import Language, decimal, language_of_system
from app.ui.words.translations import LANGUAGES, ngettext, translated
from tests.ui import samples
from tests.ui.showing import Showing


@pytest.fixture
def language(qapp: QApplication) -> Iterator[Language]:
    """English again afterwards, and the computer's figures."""
    language = Language(qapp)
    yield language
    language.choose("en")
    QLocale.setDefault(QLocale.system())


def test_a_window_in_german(language: Language) -> None:
    language.choose("de")
    dialog = CreateNetwork(None, EngineBridge())
    assert dialog.windowTitle() == "Netzwerk erstellen"
    assert dialog.accept_button.text().replace("&", "") == "Erstellen"
    assert dialog.cancel_button.text() == "Abbrechen"


def test_the_main_window_in_german(language: Language, qapp: QApplication, tmp_path: Path) -> None:
    language.choose("de")
    window = Showing(tmp_path, samples.no_networks()).window
    assert window.panel.title.text() == "Noch keine Netzwerke"
    assert window.panel.buttons[0].text() == "Netzwerk erstellen"
    window.deleteLater()


def test_qt_speaks_german_as_well(language: Language) -> None:
    language.choose("de")
    box = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
    assert box.buttons()[0].text().replace("&", "") == "Abbrechen"
    assert QKeySequence("Ctrl+Shift+N").toString(QKeySequence.SequenceFormat.NativeText) == "Strg+Umschalt+N"
    language.choose("en")
    box = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
    assert box.buttons()[0].text().replace("&", "") == "Cancel"


def test_plurals_and_figures_in_german(language: Language) -> None:
    language.choose("de")
    assert [ngettext("{count} new message", "{count} new messages", count) for count in (1, 2)] == [
        "1 neue Nachricht",
        "2 neue Nachrichten",
    ]
    assert decimal(1_234.56, 1) == "1234,6"


def test_a_problem_is_german_to_its_last_word(language: Language) -> None:
    language.choose("de")
    problem = translated(problem_of(engine_error("no-tunnel", name="offline", status=PeerStatus.KEY_CHANGED)))
    assert problem.message == "offline: zeigt einen anderen Schlüssel."
    problem = translated(problem_of(engine_error("server-unreachable", server="x:1", reason="Connection refused")))
    assert problem.message == "x:1: Verbindung abgelehnt."


def test_the_systems_language_is_one_that_there_is() -> None:
    assert language_of_system() in LANGUAGES


def test_what_is_no_language_is_the_systems(language: Language) -> None:
    language.choose("../../etc/passwd")
    assert ngettext("{count} new message", "{count} new messages", 1) in ("1 new message", "1 neue Nachricht")
