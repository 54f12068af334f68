"""The command line against an engine that says nonsense, nothing, or goodbye."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.cli.client import EngineClient
from app.cli.outcome import CommandError, ExitCode
from app.engine.state import EngineState
from app.ipc import control

OPENED = control.Opened(request=1, version=control.CONTROL_VERSION, engine_version="9.9", process=42)


def frame(answer: control.ControlAnswer) -> bytes:
    data = control.ANSWERS.encode(answer)
    return struct.pack("!I", len(data)) + data


@pytest.fixture
def engine_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Makes a socket at the engine's place that answers each request with the next of the given bytes, then closes."""
    monkeypatch.setenv("BURI_HOME", str(tmp_path))
    (tmp_path / "run").mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "run" / "engine.sock"))
    listener.listen()
    threads: list[threading.Thread] = []

    def serve(words: tuple[bytes, ...]) -> None:
        connection, _ = listener.accept()
        with connection:
            for word in words:
                connection.recv(65_536)
                connection.sendall(word)

    def says(*words: bytes) -> None:
        threads.append(threading.Thread(target=serve, args=(words,)))
        threads[-1].start()

    yield says
    for thread in threads:
        thread.join(10)
    listener.close()


@contextmanager
def refusal(exit_code: ExitCode, code: str) -> Iterator[None]:
    with pytest.raises(CommandError) as refused:
        yield
    assert (refused.value.exit_code, refused.value.code) == (exit_code, code)
    assert refused.value.remedy


def test_an_open_engine_says_who_it_is(engine_says: Callable[..., None]) -> None:
    engine_says(frame(OPENED))
    with EngineClient() as engine:
        assert (engine.engine_version, engine.process) == ("9.9", 42)


@pytest.mark.parametrize(
    "word",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x01\xc1",
        frame(control.Done(request=1)),
        frame(control.Opened(request=2, version=1, engine_version="", process=1)),
    ],
)
def test_nonsense_is_named(engine_says: Callable[..., None], word: bytes) -> None:
    engine_says(word)
    with refusal(ExitCode.FAILED, "engine-unintelligible"):
        EngineClient()


def test_another_version_is_told_as_the_engine_says_it(engine_says: Callable[..., None]) -> None:
    engine_says(frame(control.Failed("other-version", "Versions do not fit.", "", "Start it again.", request=1)))
    with refusal(ExitCode.FAILED, "other-version"):
        EngineClient()


def test_an_engine_that_ends_is_told(engine_says: Callable[..., None]) -> None:
    engine_says(frame(OPENED))
    with EngineClient() as engine, refusal(ExitCode.NOT_RUNNING, "engine-gone"):
        engine.state()


def test_a_value_that_is_not_what_it_should_be_is_named(engine_says: Callable[..., None]) -> None:
    engine_says(frame(OPENED), frame(control.Part(b'{"power": 7}', last=True, request=2)))
    with EngineClient() as engine, refusal(ExitCode.FAILED, "engine-unintelligible"):
        engine.state()


def test_a_value_arrives_in_parts(engine_says: Callable[..., None]) -> None:
    engine_says(
        frame(OPENED),
        frame(control.Part(b'{"pow', last=False, request=2)) + frame(control.Part(b'er": true}', last=True, request=2)),
    )
    with EngineClient() as engine:
        assert engine.state() == EngineState(power=True)


def test_codes_of_the_engine_become_exit_codes(engine_says: Callable[..., None]) -> None:
    engine_says(frame(OPENED), frame(control.Failed("refused-network-full", "Full.", "", "Wait.", request=2)))
    with EngineClient() as engine, refusal(ExitCode.REFUSED, "refused-network-full"):
        engine.do(control.LogIn())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x" * 65, "name: at most 64 characters."),
        ("", "name: at least 1 character."),
        ("a\udcffb", "It is not valid UTF-8."),
    ],
)
def test_what_the_engine_would_not_understand_is_said_plainly_and_not_sent(
    engine_says: Callable[..., None], name: str, reason: str
) -> None:
    engine_says(frame(OPENED))
    with EngineClient() as engine, pytest.raises(CommandError) as refused:
        engine.value(control.CreateNetwork(name=name), int)
    assert (refused.value.exit_code, refused.value.message) == (ExitCode.USAGE, reason)
