"""About Buri: version, licence, what it is made of."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from PySide6.QtCore import Qt, qVersion
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app import __version__
from app.ui.look.dialog import Dialog
from app.ui.look.icons import icon
from app.ui.look.theme import SPACE
from app.ui.look.widgets import text_label
from app.ui.words.translations import _

LICENCE: Final = "Apache License 2.0"
PARTS: Final = (
    ("PySide6-Essentials", "Qt for Python", "LGPL 3.0"),
    ("cryptography", "cryptography (OpenSSL)", "Apache 2.0 / BSD 3-Clause"),
    ("msgspec", "msgspec", "BSD 3-Clause"),
    ("qasync", "qasync", "BSD 2-Clause"),
    ("keyring", "keyring", "MIT"),
    ("pyroute2", "pyroute2", "Apache 2.0 / GPL 2.0"),
    ("segno", "segno", "BSD 3-Clause"),
)
"""Package, name, licence."""


def _version(package: str) -> str:
    """Empty where the package is not installed on this system, or a frozen program left its description out."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


class About(Dialog):
    """What this program is."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent, _("About Buri"), "")
        self.heading.hide()
        self.add(self._title())
        self.add(
            text_label(
                _("Named private networks on your own server: every LAN program works as if you all sat in one room.")
            )
        )
        self.add(self._parts())

    def _title(self) -> QWidget:
        box, mark = QWidget(), QLabel()
        mark.setPixmap(icon("buri").pixmap(64, 64))
        words = QVBoxLayout()
        words.setSpacing(SPACE // 2)
        words.addStretch(1)
        words.addWidget(text_label("Buri", heading=True))
        words.addWidget(text_label(_("Version {version}").format(version=__version__), selectable=True))
        words.addWidget(text_label(_("Free software, {licence}").format(licence=LICENCE), muted=True))
        words.addStretch(1)
        layout = QHBoxLayout(box)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2 * SPACE)
        layout.addWidget(mark)
        layout.addLayout(words, 1)
        return box

    def _parts(self) -> QWidget:
        box = QWidget()
        grid = QGridLayout(box)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(2 * SPACE)
        grid.setVerticalSpacing(SPACE // 2)
        grid.addWidget(text_label(_("It is made with"), muted=True), 0, 0, 1, 3)
        rows = [("Python", platform.python_version(), "PSF License"), ("Qt", qVersion(), "LGPL 3.0")]
        rows += [(name, _version(package), licence) for package, name, licence in PARTS]
        for number, (name, its_version, licence) in enumerate(rows, 1):
            for column, text in enumerate((name, its_version, licence)):
                label = text_label(text, muted=column > 0)
                label.setWordWrap(False)
                grid.addWidget(label, number, column, Qt.AlignmentFlag.AlignLeft)
        grid.setColumnStretch(2, 1)
        return box
