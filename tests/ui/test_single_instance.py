"""One app for each home: the second start hands over and ends; whatever else comes over the socket is turned away."""

import contextlib
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtWidgets import QApplication

from app.base.folder_lock import FolderLock
from app.protocol.invite import MAX_LINK
from app.ui.single_instance import MAX_CALLERS, MAX_LINE, PATIENCE, SingleInstance, format_call, parse_call
from tests.ui.world import run_in_qt, until

START = """
import sys
from pathlib import Path
from PySide6.QtCore import QCoreApplication
from app.ui.single_instance import FirstDoesNotAnswer, SingleInstance
application = QCoreApplication([])
instance = SingleInstance(Path(sys.argv[1]), int(sys.argv[3]))
try:
    first = instance.claim(sys.argv[2])
except FirstDoesNotAnswer as error:
    sys.exit(f"hangs: {error}")
print("first" if first else "handed over", flush=True)
if first:
    application.exec()
"""
LINK = "buri://host/?fp=" + "x" * 43


def start(folder: Path, link: str = "", patience: int = PATIENCE) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    words = [sys.executable, "-c", START, str(folder), link, str(patience)]
    return subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True)


def says(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def first(qapp: QApplication, tmp_path: Path) -> SingleInstance:
    instance = SingleInstance(tmp_path)
    assert instance.claim()
    return instance


def test_a_second_start_hands_its_link_over_and_ends(qapp: QApplication, tmp_path: Path, first: SingleInstance) -> None:
    heard: list[str] = []
    first.called.connect(heard.append)

    async def story() -> None:
        for link in (LINK, "", "\u202e not a link \ud83d"):
            with start(tmp_path, link.encode("utf-8", "replace").decode()) as second:
                await until(lambda: second.poll() is not None)
                assert (says(second), second.returncode) == ("handed over", 0)
        assert heard[:2] == [LINK, ""]
        assert len(heard) == 3

    run_in_qt(qapp, story())
    first.release()
    again = SingleInstance(tmp_path)
    assert again.claim()
    again.release()


def test_garbage_and_silence_disturb_nobody(qapp: QApplication, tmp_path: Path, first: SingleInstance) -> None:
    heard: list[str] = []
    first.called.connect(heard.append)

    async def story() -> None:
        with contextlib.ExitStack() as callers:
            for words in [b"\x00\xff\n", b"[]\n", b'{"link": 1}\n', b"x" * (2 * MAX_LINE), *[b""] * (2 * MAX_CALLERS)]:
                caller = callers.enter_context(socket.socket(socket.AF_UNIX))
                caller.setblocking(False)
                caller.connect(str(tmp_path / "window.sock"))
                with contextlib.suppress(BlockingIOError):
                    caller.send(words)
            with start(tmp_path, LINK) as second:
                await until(lambda: second.poll() is not None)
                assert second.returncode == 0
        assert heard == [LINK]

    run_in_qt(qapp, story())
    first.release()


def test_the_socket_is_for_its_user_alone(qapp: QApplication, tmp_path: Path, first: SingleInstance) -> None:
    assert (tmp_path / "window.sock").stat().st_mode & 0o077 == 0
    first.release()


def test_a_killed_app_is_replaced(tmp_path: Path) -> None:
    with start(tmp_path) as killed:
        assert says(killed) == "first"
        killed.send_signal(signal.SIGKILL)
    assert (tmp_path / "window.sock").exists()
    with start(tmp_path) as second:
        assert says(second) == "first"
        second.kill()


def test_of_starts_at_the_same_moment_one_is_the_first(tmp_path: Path) -> None:
    with contextlib.ExitStack() as starts:
        processes = [starts.enter_context(start(tmp_path, LINK)) for _ in range(4)]
        assert sorted(says(each) for each in processes) == ["first", "handed over", "handed over", "handed over"]
        for each in processes:
            each.kill()


def test_a_first_app_that_hangs_is_said_plainly(tmp_path: Path) -> None:
    with FolderLock(tmp_path, "window"), start(tmp_path, LINK, patience=100) as second:
        _, words = second.communicate()
        assert second.returncode == 1
        assert "hangs: Another window, process" in words


@given(st.binary(max_size=200) | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_call_or_a_named_error(line: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert len(parse_call(line).link) <= MAX_LINE


@given(st.text(alphabet=st.characters(), max_size=3 * MAX_LINK))
def test_any_link_that_could_be_one_is_handed_over_whole(link: str) -> None:
    message = format_call(link)
    assert len(message) <= MAX_LINE
    assert b"\n" not in message
    assert parse_call(message).link == link[: MAX_LINK + 1].encode("utf-8", "replace").decode()
