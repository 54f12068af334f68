"""The demo with a window: Anna's app on the screen of whoever started it, and a friend on another computer who answers.

    python3 installer/run.py demo        (where there is a screen; else, or with --no-window, it tells the text demo)

Both computers are network namespaces behind routers of their own, as in the text demo; only Anna's window is on the
real screen. It is a program of the person at the screen, not of root, and keeps everything in the lab's folder. The lab
is gone when the window's program ends, or after Ctrl-C.
"""

import os
import pwd
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.lab import demo
from tests.lab.demo import NETWORK, PASSWORD, Narrator, ending_politely
from tests.lab.machines import NOBODY, Computer, MediationServer
from tests.lab.nat import Nat
from tests.lab.processes import LabError, Process
from tests.lab.topology import Lab

FOR_ALL = ("DISPLAY", "XDG_CURRENT_DESKTOP", "QT_SCALE_FACTOR", "LANG")
FOR_THE_PERSON = ("WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
"""Variables that show the way to a screen; the latter lead to folders that nobody else may enter."""
OPENS_A_WINDOW = "from PySide6.QtGui import QGuiApplication; QGuiApplication([])"
INVITATION = """
  Anna's window is on your screen. What you can try:
    · double-click Ben and write him something; write “help”, or “away”
    · ping him: the right mouse button shows what else there is
    · switch Anna off and on, or go offline in the network
    · make a network of your own and look at its invite link
  The demo ends when you quit the app (not only close its window), or with Ctrl-C here.
"""


class ScreenError(Exception):
    """There is no screen that a window can be opened on; the text says why."""


def person(environment: Mapping[str, str]) -> int:
    """Who sits at the screen: whoever asked for root's rights; nobody in particular if root itself is logged in."""
    asked = environment.get("SUDO_UID", "")
    return int(asked) if asked.isdigit() and int(asked) != 0 else NOBODY


def desktop(environment: Mapping[str, str], anna: Computer) -> dict[str, str]:
    """What a program on Anna's computer needs in order to show windows on the person's screen.

    The X server's cookie is copied: the file belongs to the person, and HOME is another one in the lab.
    """
    names = FOR_ALL if anna.user == NOBODY else FOR_ALL + FOR_THE_PERSON
    found = {name: environment[name] for name in names if environment.get(name)}
    cookie = Path(environment.get("XAUTHORITY") or home(environment) / ".Xauthority")
    if cookie.is_file():
        copy = anna.home / "Xauthority"
        shutil.copyfile(cookie, copy)
        copy.chmod(0o600)
        anna.give(copy)
        found["XAUTHORITY"] = str(copy)
    return found


def home(environment: Mapping[str, str]) -> Path:
    """Of whoever asked for root's rights."""
    asked = environment.get("SUDO_UID", "")
    try:
        return Path(pwd.getpwuid(int(asked) if asked.isdigit() else os.getuid()).pw_dir)
    except KeyError:
        return Path("/")


def require_screen(anna: Computer, screen: Mapping[str, str]) -> None:
    """Raises ScreenError if no window can be opened from Anna's computer."""
    probe = anna.start("screen-probe", anna.interpreter, "-c", OPENS_A_WINDOW, extra=screen)
    if probe.wait_for_end() != 0:
        raise ScreenError(probe.output().strip().partition("\n")[0] or "Qt could not open it")


def set_the_scene(lab: Lab, story: Narrator) -> tuple[Computer, dict[str, str]]:
    """The internet, a server, Ben who is there and talks, and Anna, who has joined his network. Raises ScreenError."""
    anna = lab.computer("anna", behind=lab.router("home", Nat.PORT_PRESERVING), user=person(os.environ))
    screen = desktop(os.environ, anna)
    require_screen(anna, screen)
    story.say("building an internet of network namespaces, two homes with routers, and a server")
    server = lab.server()
    ben = lab.computer("ben", behind=lab.router("office", Nat.PORT_PRESERVING))
    ben.go_online(server, "--nickname", "Ben")
    ben.buri("create", NETWORK, PASSWORD)
    story.say(f"Ben is online and made the network `{NETWORK}`")
    join_once(anna, server)
    ben.start("friend", ben.interpreter, "-m", "tests.lab.friend", "Anna", NETWORK)
    story.say("Anna has joined it; Ben's friendly program waits for her")
    return anna, screen


def join_once(anna: Computer, server: MediationServer) -> None:
    """Make Anna's account and let it join, without a window; its engine ends again."""
    anna.go_online(server, "--nickname", "Anna")
    anna.buri("join", NETWORK, PASSWORD)
    anna.engine.stop()


def open_window(anna: Computer, screen: Mapping[str, str]) -> Process:
    """The app as the person starts it; the key is in a file, as the person's own key store is none of the demo's."""
    words = anna.buri_words("gui", "--key-file", "--log-level", "info")
    return anna.start("window", *words, extra=screen)


def main() -> int:
    """Run until the person quits the app; the text demo where no window can be opened."""
    story = Narrator()
    with ending_politely():
        try:
            with Lab() as lab:
                try:
                    anna, screen = set_the_scene(lab, story)
                    window = open_window(anna, screen)
                    print(INVITATION, flush=True)
                    code = window.wait_for_end()
                    if code != 0:
                        raise LabError(f"the window's program ended with {code}")
                except LabError as error:
                    demo.tell_what_went_wrong(lab, story, error)
                    code = 1
                story.say("taking everything down")
        except ScreenError as error:
            print(f"No window can be opened here ({error}), so this is the demo in words.\n", flush=True)
            return demo.main()
        except KeyboardInterrupt:
            story.say("stopped; everything is taken down")
            return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
