"""What windows are made of: texts, signs, fields, copy buttons, and the box that tells a problem.

Text of strangers is shown as it is, never as HTML. Used by all windows.
"""

import html
import re
from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import (
    QAccessible,
    QAccessibleEvent,
    QColor,
    QFont,
    QFontDatabase,
    QGuiApplication,
    QPainter,
    QPaintEvent,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QSpinBox,
    QStyle,
    QStyleOptionButton,
    QVBoxLayout,
    QWidget,
)

from app.engine.errors import engine_error, problem_of
from app.engine.state import Problem
from app.protocol.wire import MAX_PASSWORD
from app.ui.look.icons import icon, pixmap
from app.ui.look.theme import SPACE, Colours, colours
from app.ui.words.plain_text import short_name
from app.ui.words.translations import _, translated

Shade = Callable[[Colours], str]
"""Which of the colours in use."""

ZERO_WIDTH_SPACE: Final = "\u200b"
_LONG_WORD: Final = re.compile(r"\S{14}(?=\S{3})")
COPIED_FOR: Final = 2_000
"""Milliseconds for which a copy button says that it copied."""


def text_label(text: str = "", *, muted: bool = False, heading: bool = False, selectable: bool = False) -> QLabel:
    """Text that wraps and is shown as it is, whoever wrote it: never HTML."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setProperty("muted", muted)
    label.setProperty("heading", heading)
    if selectable:
        label.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
    return label


def under_choice(button: QAbstractButton, meaning: str) -> QLabel:
    """The line that says what a radio button or check box means, under its text; a screen reader says it as well."""
    button.setAccessibleDescription(meaning)
    label = text_label(meaning, muted=True)
    label.setContentsMargins(text_indent(button), 0, 0, 0)
    return label


def text_indent(button: QAbstractButton) -> int:
    """Where the text of a radio button or check box begins."""
    element = QStyle.SubElement
    option = QStyleOptionButton()
    button.ensurePolished()
    button.initStyleOption(option)  # type: ignore[attr-defined]
    contents = element.SE_RadioButtonContents if isinstance(button, QRadioButton) else element.SE_CheckBoxContents
    return button.style().subElementRect(contents, option, button).left()


def fixed_font(points: float) -> QFont:
    """Characters of one width, for what is compared letter by letter."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    if points > 0:
        font.setPointSizeF(points)
    return font


def problem_named(code: str, **details: object) -> Problem:
    """The engine's words for `code`, for something that a window notices itself. Raises KeyError as they do."""
    return problem_of(engine_error(code, **details))


def link_waits() -> Problem:
    """What a window says that can't take an invite link now, as the person is at something else in it."""
    return Problem(
        "link-waits",
        _("An invite link was opened meanwhile."),
        "",
        _("Finish this first, or close it. Then open the link again."),
    )


def wrapping_name(name: str) -> str:
    """A name that somebody else chose, for titles and sentences: safe, not too long, and with places to wrap."""
    return _LONG_WORD.sub("\\g<0>" + ZERO_WIDTH_SPACE, short_name(name))


def _muted(shades: Colours) -> str:
    return shades.muted


def _attention(shades: Colours) -> str:
    return shades.attention


class Sign(QLabel):
    """One of our drawings beside a text; it follows the colours in use."""

    def __init__(self, name: str = "", shade: Shade = _muted, size: int = 16) -> None:
        super().__init__()
        self._name, self._shade, self._size = name, shade, size
        self._draw()

    def draw(self, name: str, shade: Shade = _muted) -> None:
        """Show another one."""
        self._name, self._shade = name, shade
        self._draw()

    def changeEvent(self, event: QEvent) -> None:
        """Drawn anew when the colours change."""
        if event.type() is QEvent.Type.PaletteChange:
            self._draw()
        super().changeEvent(event)

    def _draw(self) -> None:
        if self._name:
            self.setPixmap(pixmap(self._name, self._size, self._shade(colours())))


class ElidedLabel(QLabel):
    """One line of plain text that ends in … where there is no room; its tip is the whole text."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)

    def say(self, text: str) -> None:
        """Show this."""
        self.setText(text)
        self.setAccessibleName(text)
        self.setToolTip(_as_tip(text) if self._shown() != text else "")

    def minimumSizeHint(self) -> QSize:
        """It gives way to whatever needs room."""
        return QSize(3 * SPACE, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """As much as there is room for."""
        painter = QPainter(self)
        painter.setPen(colours().muted if self.property("muted") else colours().text)
        painter.drawText(self.contentsRect(), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self._shown())
        painter.end()

    def _shown(self) -> str:
        return self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.contentsRect().width())


def _as_tip(text: str) -> str:
    """Qt guesses whether a tip is HTML: this one is, and says the text as it is."""
    return f"<span>{html.escape(text)}</span>"


class Rule(QWidget):
    """A thin line between two parts of a window."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(1)

    def paintEvent(self, event: QPaintEvent) -> None:
        """In the colour of borders."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(colours().border))
        painter.end()


class ProblemBox(QFrame):
    """What went wrong: title, what happened, what to do. Hidden while nothing is wrong."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("problem")
        self._sign = Sign("attention", _attention, 18)
        self._title, self._message, self._remedy = (text_label(selectable=True) for _part in range(3))
        bold = self._title.font()
        bold.setWeight(QFont.Weight.DemiBold)
        self._title.setFont(bold)
        words = QVBoxLayout()
        words.setSpacing(SPACE // 2)
        for part in (self._title, self._message, self._remedy):
            words.addWidget(part)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(SPACE + 4, SPACE + 2, SPACE + 4, SPACE + 2)
        layout.setSpacing(SPACE + 2)
        layout.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        layout.addLayout(words, 1)
        self.hide()

    def tell(self, problem: Problem) -> None:
        """Show it; a screen reader says it at once."""
        problem = translated(problem)
        texts = (problem.title, problem.message, problem.remedy)
        for label, text in zip((self._title, self._message, self._remedy), texts, strict=True):
            label.setText(text)
            label.setVisible(bool(text))
        self.setAccessibleName(problem.title)
        self.setAccessibleDescription(f"{problem.message} {problem.remedy}".strip())
        self.show()
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))


class Note(QFrame):
    """A sentence with a sign before it, such as a warning that belongs to what is shown above it."""

    def __init__(self, text: str = "", sign: str = "info", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sign, self._text = Sign(), text_label()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACE)
        layout.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self._text, 1)
        self.tell(text, sign)

    @property
    def text(self) -> str:
        """What it says."""
        return self._text.text()

    def tell(self, text: str, sign: str = "info") -> None:
        """Say this; nothing hides the note."""
        self._sign.draw(sign, _attention if sign == "attention" else _muted)
        self._text.setText(text)
        self.setVisible(bool(text))


class PasswordField(QLineEdit):
    """A password that is typed, with an eye to look at it. Never filled in from anywhere."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setEchoMode(QLineEdit.EchoMode.Password)
        self.setMaxLength(MAX_PASSWORD)
        self.setInputMethodHints(
            Qt.InputMethodHint.ImhSensitiveData
            | Qt.InputMethodHint.ImhNoPredictiveText
            | Qt.InputMethodHint.ImhNoAutoUppercase
        )
        self._eye = self.addAction(icon("eye", colours().muted), QLineEdit.ActionPosition.TrailingPosition)
        self._eye.triggered.connect(self._turn)
        self._draw_eye()

    @property
    def is_shown(self) -> bool:
        """Whether the characters can be read."""
        return self.echoMode() is QLineEdit.EchoMode.Normal

    def changeEvent(self, event: QEvent) -> None:
        """The eye follows the colours."""
        if event.type() is QEvent.Type.PaletteChange:
            self._draw_eye()
        super().changeEvent(event)

    def _turn(self) -> None:
        self.setEchoMode(QLineEdit.EchoMode.Password if self.is_shown else QLineEdit.EchoMode.Normal)
        self._draw_eye()

    def _draw_eye(self) -> None:
        self._eye.setIcon(icon("eye-off" if self.is_shown else "eye", colours().muted))
        self._eye.setToolTip(_("Hide the password") if self.is_shown else _("Show the password"))


class NumberField(QSpinBox):
    """A number, set in from the edge like other fields: a style sheet's padding does not reach it."""

    def __init__(self, smallest: int, largest: int) -> None:
        super().__init__()
        self.setRange(smallest, largest)
        self.lineEdit().setTextMargins(SPACE - 1, 0, 0, 0)


class CopyButton(QPushButton):
    """Copies what `text` gives, and says for a moment that it did."""

    def __init__(self, text: Callable[[], str], label: str = "", *, main: bool = False) -> None:
        """`main`: it is what its dialog is for."""
        super().__init__()
        self._source, self._label = text, label or _("&Copy")
        self._back = QTimer(self, singleShot=True, interval=COPIED_FOR)
        self._back.timeout.connect(self._rest)
        self.setAutoDefault(main)
        self.setDefault(main)
        self.clicked.connect(self.copy)
        self._rest()
        self.setMinimumWidth(max(self.sizeHint().width(), self._width_of(_("Copied"))))

    def copy(self) -> None:
        """To the clipboard."""
        QGuiApplication.clipboard().setText(self._source())
        self._draw(_("Copied"), "check")
        self._back.start()

    def changeEvent(self, event: QEvent) -> None:
        """The sign follows the colours."""
        if event.type() is QEvent.Type.PaletteChange:
            self._rest()
        super().changeEvent(event)

    def _rest(self) -> None:
        self._draw(self._label, "copy")

    def _draw(self, text: str, sign: str) -> None:
        self.setText(text)
        self.setIcon(icon(sign, colours().on_accent if self.isDefault() else colours().text))

    def _width_of(self, text: str) -> int:
        metrics = self.fontMetrics()
        return self.sizeHint().width() + metrics.horizontalAdvance(text) - metrics.horizontalAdvance(self.text())


class CopyField(QWidget):
    """A line of text to select and copy."""

    def __init__(self, text: str = "", name: str = "", *, main: bool = False) -> None:
        """`name` is what a screen reader calls it; `main`: to copy it is what its dialog is for."""
        super().__init__()
        self.line = QLineEdit()
        self.line.setReadOnly(True)
        self.line.setAccessibleName(name)
        self.button = CopyButton(self.line.text, main=main)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACE)
        layout.addWidget(self.line, 1)
        layout.addWidget(self.button)
        self.setFocusProxy(self.line)
        self.set_text(text)

    def set_text(self, text: str) -> None:
        """Show this, from its beginning."""
        self.line.setText(text)
        self.line.setCursorPosition(0)
        self.button.setEnabled(bool(text))


def form_in(parent: QWidget) -> QFormLayout:
    """A form without margins, whose labels stand beside the middle of their fields."""
    form = QFormLayout(parent)
    form.setContentsMargins(0, 0, 0, 0)
    form.setHorizontalSpacing(2 * SPACE)
    form.setVerticalSpacing(SPACE)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def align_labels(window: QWidget) -> None:
    """All forms of a window have their fields in one column."""
    labels = [
        item.widget()
        for form in window.findChildren(QFormLayout)
        for row in range(form.rowCount())
        if (item := form.itemAt(row, QFormLayout.ItemRole.LabelRole)) is not None
    ]
    wide = max((label.sizeHint().width() for label in labels if label is not None), default=0)
    for label in labels:
        if label is not None:
            label.setMinimumWidth(wide)


def centre_labels(window: QWidget) -> None:
    """In all forms of a window that is shown: beside the text of fields, which are higher than Qt reckons with."""
    rows = ((form, row) for form in window.findChildren(QFormLayout) for row in range(form.rowCount()))
    for form, row in rows:
        items = [form.itemAt(row, role) for role in (QFormLayout.ItemRole.LabelRole, QFormLayout.ItemRole.FieldRole)]
        label, field = (None if item is None else item.widget() for item in items)
        inner = None if field is None else field.focusProxy() or field
        if field is not None and label is not None and isinstance(inner, QLineEdit | QAbstractSpinBox | QComboBox):
            label.setMinimumHeight(field.sizeHint().height())
