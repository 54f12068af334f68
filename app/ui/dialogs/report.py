"""The diagnostics report: what the engine knows about itself, without secrets, to copy or save for whoever helps."""

import asyncio
import platform
from pathlib import Path
from typing import Final

from PySide6.QtCore import Qt, qVersion
from PySide6.QtGui import QFontDatabase, QKeySequence, QShortcut
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from app import __version__
from app.base.atomic_file import write_atomically
from app.base.logs import recent_lines
from app.engine.errors import engine_error
from app.engine.state import Problem
from app.ui.look.theme import SPACE
from app.ui.look.widgets import CopyButton, ProblemBox, text_label
from app.ui.verbs import Verbs
from app.ui.words.translations import _

REPORT_NAME: Final = "buri-report.txt"


class ReportWindow(QWidget):
    """The report as plain text."""

    def __init__(self, actions: Verbs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._session = actions.session
        self.setWindowTitle(_("Diagnostics report"))
        self.text = QPlainTextEdit(readOnly=True)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setAccessibleName(_("Diagnostics report"))
        self.problem = ProblemBox()
        self.copy_button = CopyButton(self.text.toPlainText)
        self.save_button = QPushButton(_("&Save…"))
        self.refresh_button = QPushButton(_("&Refresh"))
        self.check_button = QPushButton(_("Chec&k the network…"))
        self._lay_out()
        self.save_button.clicked.connect(self._choose_file)
        self.refresh_button.clicked.connect(self.read)
        self.check_button.clicked.connect(actions.check_network)
        QShortcut(QKeySequence.StandardKey.Close, self, self.close)
        QShortcut(QKeySequence(Qt.Key.Key_Escape), self, self.close)
        self.read()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.refresh_button)
        row.addWidget(self.check_button)
        row.addStretch(1)
        row.addWidget(self.save_button)
        row.addWidget(self.copy_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        layout.setSpacing(SPACE + 4)
        layout.addWidget(text_label(_("Diagnostics report"), heading=True))
        layout.addWidget(
            text_label(
                _(
                    "For whoever helps you. It holds no passwords and no keys; read it before you send it, as it names "
                    "addresses of this computer."
                ),
                muted=True,
            )
        )
        layout.addWidget(self.text, 1)
        layout.addWidget(self.problem)
        layout.addLayout(row)
        self.resize(720, 560)

    def read(self) -> None:
        """Ask for it anew."""
        bridge = self._session.bridge
        if bridge.has_engine:
            self.text.setPlainText(_("One moment…"))
            bridge.call(self, lambda engine: engine.report(), self.text.setPlainText, self.problem.tell)
        else:
            self.text.setPlainText(_without_engine(self._session.trouble))

    def _choose_file(self) -> None:
        chooser = QFileDialog(self, _("Save the report"), str(Path.home() / REPORT_NAME))
        chooser.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        chooser.setDefaultSuffix("txt")
        chooser.fileSelected.connect(self.save)
        chooser.finished.connect(chooser.deleteLater)
        chooser.open()

    def save(self, file: str) -> None:
        """Write it there."""
        text = self.text.toPlainText()
        self.problem.hide()
        self._session.bridge.run(self, lambda: _write(Path(file), text), None, self.problem.tell)


async def _write(file: Path, text: str) -> None:
    try:
        await asyncio.to_thread(write_atomically, file, text.encode("utf-8", "replace"))
    except OSError as error:
        raise engine_error("file-not-written", place=file, reason=error.strerror or error) from error


def _without_engine(trouble: Problem | None) -> str:
    """What can be said when there is no engine to ask."""
    system = f"{platform.system()} {platform.release()} ({platform.machine()})"
    lines = [f"Buri {__version__}, Python {platform.python_version()}, Qt {qVersion()}, {system}", ""]
    lines.append("No engine runs.")
    if trouble is not None:
        lines.append(f"{trouble.code}: {trouble.title} {trouble.message} {trouble.remedy}")
    return "\n".join([*lines, "", "Log:", *recent_lines()]) + "\n"
