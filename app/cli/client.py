"""The command line's end of the engine's socket: requests out, typed values in.

Plain blocking sockets, because loading an event loop would take longer than most verbs. Values come as JSON of
engine/state.py. Used by all verbs that need a running engine.
"""

import re
import socket
import struct
from collections.abc import Iterator
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from app.cli.outcome import CommandError, ExitCode
from app.engine.state import EngineState
from app.ipc import control
from app.platform import paths

_LENGTH = struct.Struct("!I")
_WRONG_LENGTH = re.compile(r"Expected `\w+` of length ([<>])= (\d+) - at `\$\.(\w+)`")
ANSWER_DEADLINE = 40.0
"""Seconds without a byte after which an engine that owes an answer counts as stuck; the engine itself ends earlier."""

Value = TypeVar("Value")


class EngineClient:
    """A connection to the running engine; a context manager.

    Everything raises CommandError: NOT_RUNNING without an engine, NO_ANSWER from one that is stuck, and what the
    engine answers as Failed with the exit code of its kind.
    """

    def __init__(self) -> None:
        self._socket = _connect()
        self._unread = bytearray()
        self._number = 0
        self._partial: dict[int, bytearray] = {}
        try:
            opened = self._call(control.Open(version=control.CONTROL_VERSION))
            if not isinstance(opened, control.Opened):
                raise _nonsense()
        except CommandError:
            self._socket.close()
            raise
        self.engine_version = opened.engine_version
        self.process = opened.process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def state(self) -> EngineState:
        """The engine's present state."""
        return self.value(control.ReadState(), EngineState)

    def do(self, request: control.ControlRequest) -> None:
        """Have a request carried out that has no value."""
        if not isinstance(self._call(request), control.Done):
            raise _nonsense()

    def value(self, request: control.ControlRequest, kind: type[Value]) -> Value:
        """The one value that answers a request."""
        number = self.send(request)
        while True:
            data = self._take(self.receive(), number)
            if data is not None:
                return _decoded(data, kind)

    def stream(self, request: control.ControlRequest, kind: type[Value], *, endless: bool = True) -> Iterator[Value]:
        """The values of a stream until it ends; `endless` ones may be silent for as long as they like."""
        number = self.send(request)
        self._socket.settimeout(None if endless else ANSWER_DEADLINE)
        while not isinstance(answer := self.receive(), control.Finished):
            data = self._take(answer, number)
            if data is not None:
                yield _decoded(data, kind)

    def send(self, request: control.ControlRequest) -> int:
        """Send a request; gives its number, for those who read several streams by themselves.

        Raises CommandError (usage) if it holds what the schema does not allow: a name too long, a count too high.
        """
        self._number += 1
        data = _encoded(msgspec.structs.replace(request, request=self._number))
        try:
            self._socket.sendall(_LENGTH.pack(len(data)) + data)
        except OSError as error:
            raise _gone() from error
        return self._number

    def receive(self) -> control.ControlAnswer:
        """The next answer to any request. Raises the CommandError of a Failed one."""
        while (answer := self._buffered_answer()) is None:
            self.read_socket()
        return checked(answer)

    def ready_answers(self) -> Iterator[control.ControlAnswer]:
        """The answers that are here already, Failed ones too, without waiting."""
        while (answer := self._buffered_answer()) is not None:
            yield answer

    def fileno(self) -> int:
        """The socket, for a selector."""
        return self._socket.fileno()

    def read_socket(self) -> None:
        """Take in what the engine has sent, waiting for the first byte of it."""
        try:
            data = self._socket.recv(262_144)
        except TimeoutError:
            raise CommandError(
                ExitCode.NO_ANSWER,
                "engine-stuck",
                "The engine does not answer.",
                "It runs, but gave no answer in time.",
                "Stop it (Ctrl-C where `buri up` runs) and start it again.",
            ) from None
        except OSError as error:
            raise _gone() from error
        if not data:
            raise _gone()
        self._unread += data

    def decode(self, answer: control.ControlAnswer, number: int, kind: type[Value]) -> Value | None:
        """The value that `answer` completes, None while parts of it are missing."""
        data = self._take(answer, number)
        return None if data is None else _decoded(data, kind)

    def _call(self, request: control.ControlRequest) -> control.ControlAnswer:
        self._socket.settimeout(ANSWER_DEADLINE)
        number = self.send(request)
        answer = self.receive()
        if answer.request != number:
            raise _nonsense()
        return answer

    def _buffered_answer(self) -> control.ControlAnswer | None:
        if len(self._unread) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._unread)
        if length > control.MAX_CONTROL_FRAME:
            raise _nonsense()
        end = _LENGTH.size + length
        if len(self._unread) < end:
            return None
        data = bytes(self._unread[_LENGTH.size : end])
        del self._unread[:end]
        try:
            answer = control.ANSWERS.decode(data)
        except msgspec.DecodeError as error:
            raise _nonsense() from error
        assert isinstance(answer, control.ControlAnswer)
        return answer

    def _take(self, answer: control.ControlAnswer, number: int) -> bytes | None:
        """The bytes of a value once its last part is there."""
        if not isinstance(answer, control.Part) or answer.request != number:
            raise _nonsense()
        whole = self._partial.setdefault(number, bytearray())
        whole += answer.data
        if len(whole) > control.MAX_VALUE:
            raise _nonsense()
        return bytes(self._partial.pop(number)) if answer.last else None


def _connect() -> socket.socket:
    path = paths.engine_socket()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(ANSWER_DEADLINE)
    try:
        connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        raise CommandError(
            ExitCode.NOT_RUNNING,
            "engine-not-running",
            "Buri does not run.",
            f"Nothing listens on {path}.",
            "Start it with `buri up`, or name its folder with --home.",
        ) from None
    except OSError as error:
        connection.close()
        raise CommandError(
            ExitCode.NOT_RUNNING,
            "engine-unreachable",
            "The engine can't be reached.",
            f"{path}: {error.strerror or error}.",
            "Is it another user's? Run this as the user that runs the engine.",
        ) from None
    return connection


def _encoded(request: control.ControlRequest) -> bytes:
    """A request for the wire, if it is one: what a person typed is checked here, where the error can say it plainly."""
    try:
        data = control.REQUESTS.encode(request)
        msgspec.msgpack.decode(data, type=type(request))
    except UnicodeEncodeError:
        reason = "It is not valid UTF-8."
    except msgspec.ValidationError as error:
        reason = _too_long_or_short(str(error))
    else:
        return data
    raise CommandError(ExitCode.USAGE, "argument-not-valid", "This can't be used.", reason, "Choose something else.")


def _too_long_or_short(complaint: str) -> str:
    """msgspec's words about a length in a person's; what else it complains about as it is."""
    found = _WRONG_LENGTH.fullmatch(complaint)
    if found is None:
        return f"{complaint}."
    sign, limit, field = found.groups()
    return f"{field}: {'at most' if sign == '<' else 'at least'} {limit} character{'' if limit == '1' else 's'}."


def _decoded(data: bytes, kind: type[Value]) -> Value:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise _nonsense() from error


def checked(answer: control.ControlAnswer) -> control.ControlAnswer:
    """The answer, unless it is Failed: then its CommandError is raised."""
    if isinstance(answer, control.Failed):
        from app.engine.errors import exit_code_of  # only now: it loads the whole protocol

        raise CommandError(
            ExitCode(exit_code_of(answer.code)), answer.code, answer.title, answer.message, answer.remedy
        )
    return answer


def _gone() -> CommandError:
    return CommandError(
        ExitCode.NOT_RUNNING,
        "engine-gone",
        "The engine has ended the connection.",
        "It was stopped, or it has crashed.",
        "See what `buri up` printed, and start it again.",
    )


def _nonsense() -> CommandError:
    return CommandError(
        ExitCode.FAILED,
        "engine-unintelligible",
        "The engine answers what this command does not understand.",
        "Command and engine are probably of different versions.",
        "Stop the engine and start it again with this version.",
    )
