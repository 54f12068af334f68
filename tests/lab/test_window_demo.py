"""The demo with a window, on a screen of its own: it opens, it ends with the app, and Ctrl-C leaves nothing behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.friend import GREETING, HELP
from tests.lab.machines import CHECKOUT, Computer
from tests.lab.namespace import NETNS_FOLDER
from tests.lab.processes import wait_until
from tests.lab.stories import go_online, join
from tests.lab.topology import Lab
from tests.ui.screen import Screen

pytestmark = pytest.mark.lab

WORDS = [sys.executable, "-m", "tests.lab.window_demo"]


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    """A screen for one test."""
    screen = Screen(tmp_path / "screen")
    yield screen
    screen.stop()


@contextmanager
def running_demo(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The demo, started by root on a screen."""
    whole = {**os.environ, **environment}
    for name in ("SUDO_UID", "WAYLAND_DISPLAY"):
        whole.pop(name, None)
    with subprocess.Popen(
        WORDS, cwd=CHECKOUT, env=whole, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        try:
            yield demo
        finally:
            demo.terminate()


def read_until(demo: subprocess.Popen[str], text: str) -> str:
    """What it says, up to a line with `text`."""
    assert demo.stdout is not None
    said = ""
    for line in demo.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"it never said {text!r}:\n{said}")


def xdotool(screen: Screen, *words: str) -> str:
    environment = {**os.environ, **screen.environment}
    return subprocess.run(["xdotool", *words], env=environment, check=True, capture_output=True, text=True).stdout


def test_the_window_opens_and_the_demo_ends_with_the_app(screen: Screen) -> None:
    with running_demo(screen.environment) as demo:
        read_until(demo, "The demo ends when you quit the app")
        window = xdotool(screen, "search", "--sync", "--onlyvisible", "--name", "^Buri").split()[0]
        xdotool(screen, "windowactivate", "--sync", window, "key", "ctrl+q")
        rest = read_until(demo, "taking everything down")
        assert demo.wait(timeout=60) == 0, rest
    assert not list(NETNS_FOLDER.glob(f"buri-lab-{demo.pid}-*"))


def test_ctrl_c_takes_everything_down(screen: Screen) -> None:
    with running_demo(screen.environment) as demo:
        read_until(demo, "The demo ends when you quit the app")
        demo.send_signal(signal.SIGINT)
        read_until(demo, "everything is taken down")
        assert demo.wait(timeout=60) == 130
    assert not list(NETNS_FOLDER.glob(f"buri-lab-{demo.pid}-*"))


def test_the_friend_greets_and_answers(lab: Lab) -> None:
    server = lab.server()
    anna, ben = lab.computer("anna"), lab.computer("ben")
    go_online(server, anna, ben)
    join("friends", ben, anna)
    ben.start("friend", ben.interpreter, "-m", "tests.lab.friend", "anna", "friends")
    wait_until(lambda: heard(anna, "ben") == [GREETING], "ben's greeting")
    anna.buri("chat", "ben", "help")
    anna.buri("chat", "--network", "friends", "hello everybody")
    wait_until(lambda: heard(anna, "ben") == [GREETING, HELP], "ben's help")
    wait_until(lambda: heard(anna, "--network", "friends") == ["You wrote: hello everybody"], "ben in the network")


def heard(computer: Computer, *conversation: str) -> list[str]:
    """What others said in a conversation."""
    return [line["text"] for line in computer.buri_lines("chat", *conversation) if line["status"] == "received"]


def test_where_the_screen_cannot_be_opened_the_demo_is_told_in_words() -> None:
    with running_demo({"DISPLAY": ":987", "XAUTHORITY": "/dev/null"}) as demo:
        said = read_until(demo, "building an internet")
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=60) == 130
    assert "No window can be opened here" in said
