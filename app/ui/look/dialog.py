"""The dialog that all others are made of: a heading, fields, a place for problems, and one main button.

Dialogs are opened with `open()` or `show()`, never with `exec()`: nothing waits in Qt's loop. They delete themselves
when they are closed; what they asked the engine for goes on, and nobody is told then. Used by all dialogs.
"""

from collections.abc import Callable, Coroutine, Iterator
from itertools import pairwise
from typing import Any, Final, TypeVar

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLayout,
    QLayoutItem,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.engine.state import Problem
from app.ui.engine_bridge import Call, Done, EngineBridge
from app.ui.look.theme import SPACE
from app.ui.look.widgets import ProblemBox, centre_labels, text_label
from app.ui.words.translations import _

Result = TypeVar("Result")

DIALOG_WIDTH: Final = 440


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
        centre_labels(self)
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

    def set_busy(self, busy: bool) -> None:
        """While something is under way the main button waits; cancelling stays possible."""
        self.accept_button.setEnabled(not busy)
        self._working.setText(_("One moment…") if busy else "")

    def show_problem(self, problem: Problem) -> None:
        """Tell what went wrong; the person may mend the fields and try again."""
        self.set_busy(False)
        self.mention(problem)
        field = self.field_of(problem)
        if field is not None:
            field.setFocus()
            if isinstance(field, QLineEdit):
                field.selectAll()

    def mention(self, problem: Problem) -> None:
        """Tell what came from elsewhere; what was typed and what is under way stay as they are."""
        self._problem.tell(problem)
        self.fit()

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
        for layout in reversed(self.findChildren(QLayout)):  # what changed within a box, its box does not know yet
            layout.activate()
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
