"""What a person's hands do with a window: find it, type, press keys."""

from typing import TypeVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import isValid

from app.ui.look.dialog import Dialog
from tests.ui.world import until

Kind = TypeVar("Kind", bound=QWidget)


def shown(kind: type[Kind]) -> list[Kind]:
    """The windows of a kind that can be seen."""
    return [each for each in QApplication.topLevelWidgets() if isinstance(each, kind) and each.isVisible()]


async def appears(kind: type[Kind]) -> Kind:
    """The one window of a kind, once it is there and has the keyboard."""
    await until(lambda: len(shown(kind)) == 1, kind.__name__)
    window = shown(kind)[0]
    window.activateWindow()
    await until(window.isActiveWindow)
    return window


async def gone(window: QWidget) -> None:
    """Wait until it is closed."""
    await until(lambda: not isValid(window) or not window.isVisible())


def is_busy(dialog: Dialog) -> bool:
    """Whether it says that something is under way."""
    return bool(dialog._working.text())


def nameless(window: QWidget) -> list[QWidget]:
    """What the keyboard reaches and a screen reader can't name."""
    shown = [each for each in window.findChildren(QWidget) if each.isVisible()]
    reached = [each for each in shown if each.focusPolicy() & Qt.FocusPolicy.TabFocus]
    own = [each for each in reached if not each.objectName().startswith("qt_")]
    named = (QAccessible.queryAccessibleInterface(each).text(QAccessible.Text.Name) for each in own)
    return [each for each, name in zip(own, named, strict=True) if not name]


def focused() -> QWidget:
    """Where the keyboard is."""
    widget = QApplication.focusWidget()
    assert widget is not None
    return widget


def type_text(text: str) -> None:
    """Where the keyboard is."""
    QTest.keyClicks(focused(), text)


def press(key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    """One key."""
    QTest.keyClick(focused(), key, modifier)
