"""One app for each home: a second start hands its link to the first one, which raises its window.

The first holds a lock that the system frees however it ends, and listens on a local socket of this user alone in the
runtime folder. A second sends one line of JSON and waits for `ok`. What comes over the socket is limited and checked
before anybody sees it; a link in it is only text until app/ui/dialogs/links.py has parsed it. Used by application.py.
"""

import logging
import os
import sys
import time
from errno import ENAMETOOLONG
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from app.base.folder_lock import FolderInUse, FolderLock
from app.protocol.invite import MAX_LINK

logger = logging.getLogger(__name__)

MAX_LINE: Final = 16_384
"""Bytes of a message; the longest link fits, however JSON writes it."""
MAX_PATH: Final = 107 if sys.platform == "linux" else 103
"""Bytes that the system takes as a socket's path; the engine's, beside it, has a name as long."""
MAX_CALLERS: Final = 8
PATIENCE: Final = 5_000
"""Milliseconds in which a caller must have said all, and the first instance must have answered."""
_ANSWER: Final = b"ok\n"
_RETRY: Final = 0.05


class Call(Struct, frozen=True):
    """What a second start hands over. Fields of a later version are ignored."""

    link: Annotated[str, Meta(max_length=MAX_LINK)] = ""


def parse_call(line: bytes) -> Call:
    """One message. Raises ValueError for anything that is not exactly one."""
    if len(line) > MAX_LINE:
        raise ValueError("too long")
    try:
        return msgspec.json.decode(line, type=Call)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def format_call(link: str) -> bytes:
    """The message with `link`, cut where it can be no link any more, and without what is no text."""
    return msgspec.json.encode(Call(link[: MAX_LINK + 1].encode("utf-8", "replace").decode()))


class FirstDoesNotAnswer(Exception):
    """Another app has this home and does not react; the text says which."""


class SingleInstance(QObject):
    """This process as the one app of a runtime folder, from `claim` to `release`."""

    called = Signal(str)
    """Somebody started the app again, with this link or an empty one."""

    def __init__(self, folder: Path, patience: int = PATIENCE) -> None:
        """`patience`: milliseconds for which a first instance may let this one wait."""
        super().__init__()
        self._folder, self._patience = folder, patience
        self._lock: FolderLock | None = None
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.setMaxPendingConnections(MAX_CALLERS)
        self._server.newConnection.connect(self._accept)
        self._callers: list[_Caller] = []

    def claim(self, link: str = "") -> bool:
        """Be the one app, or hand `link` to the one that is; then False. Before any window: this waits.

        Raises FirstDoesNotAnswer, or OSError if the folder can't be used.
        """
        if len(os.fsencode(self._name)) > MAX_PATH:
            raise OSError(ENAMETOOLONG, "too long for a socket", self._name)
        deadline = time.monotonic() + self._patience / 1_000
        while True:
            try:
                self._lock = FolderLock(self._folder, "window")
                break
            except FolderInUse as error:
                # It may have locked and not listen yet, or have ended since: so both are tried again.
                if _hand_over(self._name, link, self._patience):
                    return False
                if time.monotonic() > deadline:
                    raise FirstDoesNotAnswer(str(error)) from None
                time.sleep(_RETRY)
        self._listen()
        return True

    @property
    def _name(self) -> str:
        return str(self._folder / "window.sock")

    def _listen(self) -> None:
        QLocalServer.removeServer(self._name)  # one that a killed app left; the lock says that it is nobody's
        if not self._server.listen(self._name):
            self.release()
            raise OSError(f"{self._name}: {self._server.errorString()}")

    def release(self) -> None:
        """Let another app have the home; idempotent."""
        self._server.close()
        for caller in list(self._callers):
            caller.end()
        if self._lock is not None:
            self._lock.__exit__(None, None, None)
            self._lock = None

    def _accept(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            if len(self._callers) >= MAX_CALLERS:
                self._callers[0].end()  # it has said nothing for longest
            caller = _Caller(socket, self)
            self._callers.append(caller)
            caller.ended.connect(lambda caller=caller: self._callers.remove(caller))
            caller.said.connect(self.called)
            caller.read()


class _Caller(QObject):
    """One connection: a line in, an answer out, the end."""

    said = Signal(str)
    ended = Signal()

    def __init__(self, socket: QLocalSocket, parent: QObject) -> None:
        super().__init__(parent)
        self._socket, self._over = socket, False
        socket.setParent(self)
        socket.setReadBufferSize(MAX_LINE + 1)
        socket.readyRead.connect(self.read)
        socket.disconnected.connect(self.end)
        QTimer.singleShot(PATIENCE, self, self.end)

    def read(self) -> None:
        """Look whether the whole line is there."""
        if self._over or not (self._socket.canReadLine() or self._socket.bytesAvailable() > MAX_LINE):
            return
        try:
            call = parse_call(bytes(self._socket.readLine(MAX_LINE + 2).data()))
        except ValueError as error:
            logger.warning("a second start said something else than a link: %s", error)
            self.end()
            return
        self._socket.write(_ANSWER)
        self._socket.flush()
        self.end()
        self.said.emit(call.link)

    def end(self) -> None:
        """Close the connection; idempotent."""
        if not self._over:
            self._over = True
            self._socket.disconnectFromServer()
            self.ended.emit()
            self.deleteLater()


def _hand_over(name: str, link: str, patience: int) -> bool:
    """Whether the first instance has taken it."""
    socket = QLocalSocket()
    socket.connectToServer(name)
    if not socket.waitForConnected(patience):
        return False
    socket.write(format_call(link) + b"\n")
    socket.flush()
    while socket.waitForReadyRead(patience):
        if socket.canReadLine():
            return bytes(socket.readLine().data()) == _ANSWER
    return False
