"""The one bridge between the windows and the engine: snapshots become signals, clicks become engine coroutines.

No other window module touches the engine: they read `state`, connect to the signals, and hand in what the engine shall
do. An engine may come and go (no server yet, another identity); without one everything here still answers.
"""

import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Signal

from app.base.tasks import Tasks
from app.engine.engine import Engine
from app.engine.errors import EngineError, engine_error, problem_of
from app.engine.state import ChatMessage, EngineState, Problem

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Done = Callable[[Result], object]
Failed = Callable[[Problem], object]


class Call:
    """Something the engine was asked for. It goes on when its owner is gone; only nobody is told then."""

    def __init__(self, owner: QObject) -> None:
        self.wanted = True
        self._cancel: Callable[[], object] = lambda: None
        self._connection = owner.destroyed.connect(self._owner_gone)
        self._ends_with_owner = False

    def end_with_owner(self) -> None:
        """It shall not go on when its owner is gone."""
        self._ends_with_owner = True

    def ended(self) -> None:
        """It is over: an owner that lives long holds nothing of it."""
        QObject.disconnect(self._connection)

    def _owner_gone(self) -> None:
        if self._ends_with_owner:
            self.cancel()
        else:
            self.forget()

    def forget(self) -> None:
        """Tell nobody how it ends."""
        self.wanted = False

    def cancel(self) -> None:
        """End it now, and tell nobody."""
        self.wanted = False
        self._cancel()

    def on_cancel(self, cancel: Callable[[], object]) -> None:
        """What ends it."""
        self._cancel = cancel


class EngineBridge(QObject):
    """Snapshots out, commands in. Lives in the main thread, like every window."""

    state_changed = Signal(EngineState)
    """The engine's newest snapshot, at most ten times a second."""
    chat_changed = Signal(ChatMessage)
    """A new chat message, or one whose status changed."""
    problem_met = Signal(Problem)
    """Something that was asked for failed, and whoever asked shows nothing."""
    engine_changed = Signal()
    """An engine came or went; see `has_engine`."""

    def __init__(self) -> None:
        super().__init__()
        self.state = EngineState()
        self._engine: Engine | None = None
        self._unsubscribe: list[Callable[[], None]] = []
        self._tasks = Tasks(self._crashed)

    @property
    def has_engine(self) -> bool:
        """Whether an engine runs."""
        return self._engine is not None

    def attach(self, engine: Engine) -> None:
        """Show this engine from now on."""
        self.detach()
        self._engine = engine
        self._unsubscribe = [engine.subscribe(self._changed), engine.subscribe_chat(self.chat_changed.emit)]
        self.engine_changed.emit()

    def detach(self) -> None:
        """Show none; whoever stops the engine calls this before."""
        if self._engine is None:
            return
        for end in self._unsubscribe:
            end()
        self._engine, self._unsubscribe = None, []
        self._changed(EngineState())
        self.engine_changed.emit()

    async def close(self) -> None:
        """End everything that is under way."""
        self.detach()
        await self._tasks.close()

    def call(
        self,
        owner: QObject,
        action: Callable[[Engine], Coroutine[Any, Any, Result]],
        done: Done[Result] | None = None,
        failed: Failed | None = None,
    ) -> Call:
        """Let the engine do `action` and hand the result to `done`, or the problem to `failed`.

        Nobody is told once `owner`, a window, is gone. Without `failed` a problem goes to `problem_met`.
        """
        return self.run(owner, lambda: action(self._running()), done, failed)

    def run(
        self,
        owner: QObject,
        action: Callable[[], Coroutine[Any, Any, Result]],
        done: Done[Result] | None = None,
        failed: Failed | None = None,
    ) -> Call:
        """Like `call`, for what raises EngineError and needs no engine: the session, a hosted server, files."""
        call = Call(owner)
        task = self._tasks.start("call", self._carry_out(call, action, done, failed))
        call.on_cancel(task.cancel)
        return call

    async def _carry_out(
        self,
        call: Call,
        action: Callable[[], Coroutine[Any, Any, Result]],
        done: Done[Result] | None,
        failed: Failed | None,
    ) -> None:
        try:
            result = await action()
        except EngineError as error:
            self._fail(call, error, failed)
            return
        except Exception as error:  # a mistake of ours; whoever asked must not wait for ever
            logger.exception("a call failed")
            self._fail(call, engine_error("program-error", reason=type(error).__name__), failed)
            return
        finally:
            call.ended()
        if call.wanted and done is not None:
            done(result)

    def stream(
        self,
        owner: QObject,
        action: Callable[[Engine], AsyncIterator[Result]],
        each: Done[Result],
        failed: Failed | None = None,
    ) -> Call:
        """Hand everything that `action` yields to `each`, until it ends, `owner` is gone or the call is cancelled."""
        call = Call(owner)
        task = self._tasks.start("stream", self._follow(call, action, each, failed))
        call.on_cancel(task.cancel)
        call.end_with_owner()
        return call

    async def _follow(
        self,
        call: Call,
        action: Callable[[Engine], AsyncIterator[Result]],
        each: Done[Result],
        failed: Failed | None,
    ) -> None:
        try:
            async for item in action(self._running()):
                if not call.wanted:
                    return
                each(item)
        except EngineError as error:
            self._fail(call, error, failed)
        finally:
            call.ended()

    def look(self, action: Callable[[Engine], Result], otherwise: Result) -> Result:
        """What the engine answers at once, `otherwise` without an engine."""
        return otherwise if self._engine is None else action(self._engine)

    def _running(self) -> Engine:
        if self._engine is None:
            raise engine_error("server-not-configured")
        return self._engine

    def _fail(self, call: Call, error: EngineError, failed: Failed | None) -> None:
        problem = problem_of(error)
        if failed is None:
            self.problem_met.emit(problem)
        elif call.wanted:
            failed(problem)

    def _changed(self, state: EngineState) -> None:
        self.state = state
        self.state_changed.emit(state)

    def _crashed(self, name: str, failure: BaseException) -> None:
        """A mistake of ours: it was logged; the person learns that it did not work."""
        self.problem_met.emit(problem_of(engine_error("program-error", reason=type(failure).__name__)))
