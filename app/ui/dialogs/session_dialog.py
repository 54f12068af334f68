"""The dialog whose work is the session's, not the engine's: it may have no engine, or stop and start it.

Base of the dialogs about identity, server and start troubles.
"""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from PySide6.QtWidgets import QWidget

from app.ui.engine_bridge import Done, EngineBridge
from app.ui.look.dialog import Dialog
from app.ui.session import Session

Result = TypeVar("Result")


class SessionDialog(Dialog):
    """A dialog over the session."""

    def __init__(
        self,
        parent: QWidget | None,
        session: Session,
        title: str,
        explanation: str,
        accept_text: str = "",
        *,
        destructive: bool = False,
    ) -> None:
        super().__init__(parent, title, explanation, accept_text, destructive=destructive)
        self.session = session

    @property
    def bridge(self) -> EngineBridge:
        """Where its work runs."""
        return self.session.bridge

    def work(self, action: Callable[[], Coroutine[Any, Any, Result]], done: Done[Result] | None = None) -> None:
        """Carry out `action`; then `done`, by default the end of the dialog. A problem is told here."""
        self.set_busy(True)
        self._call = self.bridge.run(self, action, done or (lambda _result: self.accept()), self.show_problem)


class Confirmation(SessionDialog):
    """One plain question before something that can't be taken back, or that ends something."""

    def __init__(
        self,
        parent: QWidget | None,
        session: Session,
        question: str,
        explanation: str,
        accept_text: str,
        action: Callable[[], Coroutine[Any, Any, object]],
    ) -> None:
        super().__init__(parent, session, question, explanation, accept_text)
        self._action = action
        self.setAccessibleDescription(explanation)

    def submit(self) -> None:
        """Do it."""
        self.work(self._action)
