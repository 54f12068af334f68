"""What several windows are made of: the dialog with one main button, the box that tells a problem, fields and labels.

Dialogs are opened with `open()` or `show()`, never with `exec()`: nothing waits in Qt's loop. They delete themselves
when they are closed; what they asked the engine for goes on, and nobody is told then. Used by all dialogs.
"""

import re
from collections.abc import Callable, Coroutine, Iterator
from itertools import pairwise
from typing import Any, Final, TypeVar

from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QAccessible, QAccessibleEvent, QFont, QFontDatabase, QGuiApplication, QShowEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayoutItem,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QScrollArea,
    QSpinBox,
    QStyle,
    QStyleOptionButton,
    QVBoxLayout,
    QWidget,
)

from app.engine.errors import engine_error, problem_of
from app.engine.state import Problem
from app.protocol.messages import shown_name
from app.protocol.wire import MAX_PASSWORD
from app.ui.engine_bridge import Call, Done, EngineBridge
from app.ui.icons import icon, pixmap
from app.ui.theme import SPACE, Colours, colours
from app.ui.translations import _, translated

Result = TypeVar("Result")
Shade = Callable[[Colours], str]
"""Which of the colours in use."""

DIALOG_WIDTH: Final = 440
MAX_SHORT_NAME: Final = 40
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


def short_name(name: str) -> str:
    """A name that somebody else chose, for titles and sentences: safe, not too long, and with places to wrap."""
    name = shown_name(name)
    if len(name) > MAX_SHORT_NAME:
        name = name[: MAX_SHORT_NAME - 1] + "…"
    return _LONG_WORD.sub("\\g<0>" + ZERO_WIDTH_SPACE, name)


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


class Dialog(QDialog):
    """A heading, one sentence of explanation, fields, a place for problems, and one main button.

    Subclasses add fields to `form`, or other widgets with `add`, and override `submit`, which is called, busy, for the
    main button; it ends in `accept`, in `carry_out`, or in `show_problem`, which leaves everything that was typed.
    Without `accept_text` there is only a button that closes. What can't be undone is `destructive`: Enter cancels it.
    """

    def __init__(
        self, parent: QWidget | None, title: str, explanation: str, accept_text: str = "", *, destructive: bool = False
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.setMinimumWidth(DIALOG_WIDTH)
        self._call: Call | None = None
        self._problem = ProblemBox()
        self.form = QFormLayout()
        self.form.setHorizontalSpacing(2 * SPACE)
        self.form.setVerticalSpacing(SPACE + 2)
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(3 * SPACE, 2 * SPACE + 4, 3 * SPACE, 2 * SPACE + 4)
        self.body.setSpacing(2 * SPACE)
        self._opening = QVBoxLayout()
        self._opening.setSpacing(SPACE // 2)
        self.heading = text_label(title, heading=True)
        self._opening.addWidget(self.heading)
        self.explanation = text_label(explanation, muted=True)
        self.explanation.setVisible(bool(explanation))
        self._opening.addWidget(self.explanation)
        self.body.addLayout(self._opening)
        self.body.addLayout(self.form)
        self._content_end = self.body.count()
        self.body.addWidget(self._problem)
        self.body.addStretch(1)
        self.body.addLayout(self._button_row(accept_text, destructive))
        self.finished.connect(self._forget_call)

    def _button_row(self, accept_text: str, destructive: bool) -> QHBoxLayout:
        self._working = text_label(muted=True)
        self._working.setWordWrap(False)
        self.buttons = QDialogButtonBox()
        self.accept_button = QPushButton(accept_text)
        if accept_text:
            self.accept_button.setDefault(not destructive)
            self.accept_button.setProperty("destructive", destructive)
            self.accept_button.clicked.connect(self._submit)
            self.buttons.addButton(self.accept_button, QDialogButtonBox.ButtonRole.ActionRole)
        else:
            self.accept_button.setParent(self)
            self.accept_button.hide()
        self.cancel_button = QPushButton(_("Cancel") if accept_text else _("Close"))
        self.cancel_button.setAutoDefault(destructive)
        self.cancel_button.setDefault(destructive)
        self.buttons.addButton(self.cancel_button, QDialogButtonBox.ButtonRole.RejectRole)
        self.buttons.rejected.connect(self.reject)
        self._row = row = QHBoxLayout()
        row.setSpacing(2 * SPACE)
        row.addWidget(self._working)
        row.addStretch(1)
        row.addWidget(self.buttons)
        return row

    def showEvent(self, event: QShowEvent) -> None:
        """Tab goes from top to bottom, as one reads; the keyboard begins at the first field."""
        super().showEvent(event)
        centre_labels(self.form)
        order = [each for each in _widgets_of(self.body) if each.focusPolicy() & Qt.FocusPolicy.TabFocus]
        for one, next_one in pairwise(order):
            self.setTabOrder(one, next_one)
        if self.focusWidget() is None and order:
            first = next((each for each in order if each.isVisible()), order[0])
            (self.cancel_button if self.cancel_button.isDefault() else first).setFocus()
        self.fit()

    def add(self, content: QWidget) -> None:
        """Put something under the fields."""
        self.body.insertWidget(self._content_end, content)
        self._content_end += 1

    def submit(self) -> None:
        """Carry out what the main button promises."""
        self.accept()

    def carry_out(
        self,
        bridge: EngineBridge,
        action: Callable[..., Coroutine[Any, Any, Result]],
        done: Done[Result] | None = None,
    ) -> None:
        """Let the engine do `action`; then `done`, by default the end of the dialog. A problem is told here.

        Closing the dialog meanwhile ends nothing that is under way, but `done` is not called any more.
        """
        self.set_busy(True)
        self._call = bridge.call(self, action, done or (lambda _result: self.accept()), self.show_problem)

    @property
    def is_busy(self) -> bool:
        """Whether something is under way."""
        return bool(self._working.text())

    def set_busy(self, busy: bool) -> None:
        """While something is under way the main button waits; cancelling stays possible."""
        self.accept_button.setEnabled(not busy)
        self._working.setText(_("One moment…") if busy else "")

    def show_problem(self, problem: Problem) -> None:
        """Tell what went wrong; the person may mend the fields and try again."""
        self.set_busy(False)
        self._problem.tell(problem)
        self.fit()
        field = self.field_of(problem)
        if field is not None:
            field.setFocus()
            if isinstance(field, QLineEdit):
                field.selectAll()

    def field_of(self, problem: Problem) -> QWidget | None:
        """The field that a problem is about; it gets the keyboard, with what was typed selected."""
        return None

    def conclude(self, title: str, text: str) -> None:
        """It is done, and this is to be known: in place of everything that was asked."""
        self.set_busy(False)
        self.setWindowTitle(title)
        self.heading.setText(title)
        self.explanation.setText(text)
        self.explanation.show()
        for place in range(1, self._content_end):
            for widget in _widgets_of(self.body.itemAt(place)):
                widget.hide()
        self._problem.hide()
        self.accept_button.hide()
        self.cancel_button.setText(_("Close"))
        self.cancel_button.setDefault(True)
        self.cancel_button.setFocus()
        self.body.activate()
        self.resize(self.width(), self.sizeHint().height())

    def add_beside_buttons(self, button: QPushButton) -> None:
        """A third thing to do, at the other end of the row of buttons."""
        self._row.insertWidget(0, button)

    def fit(self) -> None:
        """Grow until everything can be seen."""
        self.body.activate()
        width = max(self.width(), self.body.totalMinimumSize().width())
        height = self.body.totalHeightForWidth(width) if self.body.hasHeightForWidth() else self.sizeHint().height()
        if width > self.width() or height > self.height():
            self.resize(width, max(height, self.height()))

    def sizeHint(self) -> QSize:
        """As wide as dialogs are, and as high as wrapped text then needs."""
        hint = super().sizeHint()
        width = max(self.minimumWidth(), self.body.totalMinimumSize().width())
        height = self.body.totalHeightForWidth(width) if self.body.hasHeightForWidth() else hint.height()
        return QSize(width, height)

    def _submit(self) -> None:
        self._problem.hide()
        self.set_busy(True)
        self.submit()

    def _forget_call(self) -> None:
        if self._call is not None:
            self._call.forget()


def centre_labels(form: QFormLayout) -> None:
    """Beside the text of one-line fields, which are higher than Qt's own layout reckons with."""
    for row in range(form.rowCount()):
        items = [form.itemAt(row, role) for role in (QFormLayout.ItemRole.LabelRole, QFormLayout.ItemRole.FieldRole)]
        label, field = (None if item is None else item.widget() for item in items)
        if label is not None and isinstance(field, QLineEdit | QAbstractSpinBox | QComboBox):
            label.setMinimumHeight(field.sizeHint().height())


def _widgets_of(item: QLayoutItem | None) -> Iterator[QWidget]:
    """Every widget in a layout, in reading order, with those inside of them."""
    if item is None:
        return
    widget, layout = item.widget(), item.layout()
    if widget is not None:
        yield widget
        content = widget.widget() if isinstance(widget, QScrollArea) else widget
        layout = None if content is None else content.layout()
    if layout is not None:
        for place in range(layout.count()):
            yield from _widgets_of(layout.itemAt(place))
