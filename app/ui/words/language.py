"""The language of the whole app: our texts, Qt's own words on buttons and in menus, and how times and numbers look.

Chosen by application.py before the first window is made; windows keep the language that they were made in. Whoever
shows numbers writes them with `decimal`, times with times.py.
"""

from typing import Final

from PySide6.QtCore import QLibraryInfo, QLocale, QTranslator
from PySide6.QtWidgets import QApplication

from app.ui.words.translations import LANGUAGES, choose_language

ENGLISH: Final = "en"


def language_of_system() -> str:
    """The first of the languages which the person wants that the catalogues speak."""
    wanted = (each.partition("-")[0] for each in QLocale.system().uiLanguages())
    return next((each for each in wanted if each in LANGUAGES), ENGLISH)


class Language:
    """What the app speaks."""

    def __init__(self, application: QApplication) -> None:
        self._application = application
        self._words_of_qt = QTranslator(application)

    def choose(self, language: str) -> None:
        """Speak `language`, one of LANGUAGES; empty: the system's. The system's region stays where it fits."""
        code = language if language in LANGUAGES else language_of_system()
        choose_language(code)
        self._application.removeTranslator(self._words_of_qt)
        folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
        if code != ENGLISH and self._words_of_qt.load(f"qtbase_{code}", folder):
            self._application.installTranslator(self._words_of_qt)
        QLocale.setDefault(_locale(code, as_system=not language))


def decimal(value: float, digits: int) -> str:
    """A number with so many digits after the point, which is a comma in some languages."""
    locale = QLocale()
    locale.setNumberOptions(QLocale.NumberOption.OmitGroupSeparator)
    return locale.toString(value, "f", digits)


def _locale(code: str, *, as_system: bool) -> QLocale:
    system, chosen = QLocale.system(), QLocale(code)
    return system if as_system or system.language() is chosen.language() else chosen
