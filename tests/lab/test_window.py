"""The app as people use it: Anna has a desktop, Ben a command line; between them routers, a server and a real tunnel.

Everything is done with pointer and keys on what the screen shows. Pictures of each step go to the page of pictures.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.desktop import Desktop
from tests.lab.machines import CHECKOUT, Computer, MediationServer
from tests.lab.nat import Nat
from tests.lab.processes import wait_until
from tests.lab.topology import Lab
from tests.ui.picture_page import LAB_PAGE, folder, write_page

pytestmark = pytest.mark.lab

NETWORK = "family"
PASSWORD = "correct horse"
READ_SECRET = """
import keyring, sys
print(type(keyring.get_keyring()).__module__, len(keyring.get_password(sys.argv[1], "private key") or ""))
"""


@pytest.fixture
def album() -> Iterator[Path]:
    """Where pictures of the screen go, with a page; they belong to whom the checkout belongs to, not to root."""
    album = folder() / "lab"
    album.mkdir(parents=True, exist_ok=True)
    yield album
    page = folder() / LAB_PAGE
    write_page(page, "The desktop in the lab", [(each.stem, [f"lab/{each.name}"]) for each in sorted(album.iterdir())])
    owner = CHECKOUT.stat()
    for path in (folder(), page, album, *album.iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid)


def two_people(lab: Lab) -> tuple[MediationServer, Computer, Computer]:
    """Ben is online and owns a network; Anna has a helper, and has never started Buri."""
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("home", Nat.PORT_PRESERVING))
    ben = lab.computer("ben", behind=lab.router("office", Nat.PORT_PRESERVING))
    ben.go_online(server)
    ben.buri("create", NETWORK, PASSWORD)
    anna.start_helper()
    return server, anna, ben


def test_from_the_first_start_to_quitting(lab: Lab, album: Path) -> None:
    _, anna, ben = two_people(lab)
    with Desktop(anna, album) as desk:
        window = desk.open_window()
        begin_with_a_link(desk, ben.buri("invite", NETWORK)["invite"])
        join(desk)
        talk(desk, ben)
        look_at_pings(desk)
        write_to_somebody_who_is_away(desk, ben)
        switch_off_and_on(desk, ben)
        desk.key("ctrl+q")
        window.wait()
        the_key_is_in_the_key_store(desk)


def begin_with_a_link(desk: Desktop, link: str) -> None:
    """The first start: the welcome, an invite link, a name."""
    desk.wait_for("label", "Welcome to Buri")
    desk.photograph("01 the first start")
    desk.click("push button", "Get started")
    desk.click("push button", "I have an invite link")
    desk.fill("text", "Invite link", link)
    desk.fill("text", "Your name", "Anna")
    desk.photograph("02 an invite link")
    desk.click("push button", "Connect")


def join(desk: Desktop) -> None:
    """The link names a network; its password is typed, wrongly at first."""
    desk.fill("text", "Password", "correct hose")
    desk.key("Return")
    desk.wait_for("label", "Wrong password*")
    desk.photograph("03 a wrong password")
    desk.fill("text", "Password", PASSWORD)
    desk.key("Return")
    desk.wait_for("tree item", "ben, direct*")
    desk.wait_until_gone("dialog", "Join a network")
    desk.photograph("04 the roster")


def talk(desk: Desktop, ben: Computer) -> None:
    """A message there, an answer back."""
    desk.click("tree item", "ben, direct*", times=2)
    desk.wait_for("text", "Message")
    desk.type("Hello Ben, can you read this?")
    desk.key("Return")
    wait_until(lambda: "Hello Ben, can you read this?" in texts(ben), "ben to have the message")
    ben.buri("chat", "Anna", "Every <b>word</b> of it!")
    desk.wait_for("list item", "ben, *Every <b>word</b> of it!")
    desk.wait_for("list item", "You, *Delivered")
    desk.photograph("05 a chat")
    desk.key("Escape")


def look_at_pings(desk: Desktop) -> None:
    """From the context menu, by its letter."""
    desk.click("tree item", "ben, direct*", button=3)
    desk.photograph("06 the menu of a peer")
    desk.key("p")
    desk.wait_for("label", "lost: 0 %")
    desk.photograph("07 pings")
    desk.key("Escape")


def write_to_somebody_who_is_away(desk: Desktop, ben: Computer) -> None:
    """What is written meanwhile waits, and goes out by itself."""
    ben.buri("go-offline", NETWORK)
    desk.click("tree item", "ben, offline*", times=2)
    desk.wait_for("text", "Message")
    desk.type("Are you still there?")
    desk.key("Return")
    desk.wait_for("list item", "You, *Goes out when ben is online")
    desk.photograph("08 a message waits")
    ben.buri("go-online", NETWORK)
    desk.wait_for("list item", "You, *Are you still there?, Delivered", timeout=40)
    desk.key("Escape")
    assert texts(ben)[-1] == "Are you still there?"


def switch_off_and_on(desk: Desktop, ben: Computer) -> None:
    """Off, Anna is gone for Ben; on, she is back."""
    desk.click("push button", "Power")
    desk.wait_for("label", "Switched off")
    wait_until(lambda: ben.buri("peer", "Anna")["status"] == "offline", "ben to see that Anna is gone")
    desk.photograph("09 switched off")
    desk.click("push button", "Power")
    desk.wait_for("tree item", "ben, direct*", timeout=40)


def the_key_is_in_the_key_store(desk: Desktop) -> None:
    """In gnome-keyring, by the name that the settings tell, and nowhere else."""
    key = json.loads((desk.computer.buri_home / "config" / "settings.json").read_text())["key"]
    told = desk.run(desk.computer.interpreter, "-c", READ_SECRET, key["service"]).split()
    assert told[0] == "keyring.backends.SecretService"
    assert int(told[1]) > 500
    assert not list(desk.computer.buri_home.rglob("*.pem"))


def texts(computer: Computer) -> list[str]:
    """What Anna has written to this computer."""
    return [line["text"] for line in computer.buri_lines("chat", "Anna") if line["status"] == "received"]


def test_a_window_without_helper_says_so_until_there_is_one(lab: Lab, album: Path) -> None:
    server = lab.server()
    anna = lab.computer("anna")
    anna.configure(
        server={"host": server.addresses.ipv4, "port": server.port, "fingerprint": server.fingerprint}, nickname="Anna"
    )
    with Desktop(anna, album) as desk:
        desk.open_window()
        desk.wait_for("label", "Buri's helper does not run.*")
        desk.wait_for("push button", "Start the helper")
        desk.photograph("10 the helper is missing")
        anna.start_helper()
        desk.wait_until_gone("push button", "Start the helper")
        desk.wait_for("push button", "Create a network")


def test_a_window_without_key_store_offers_a_file(lab: Lab, album: Path) -> None:
    server = lab.server()
    anna = lab.computer("anna")
    anna.start_helper()
    anna.configure(
        server={"host": server.addresses.ipv4, "port": server.port, "fingerprint": server.fingerprint}, nickname="Anna"
    )
    with Desktop(anna, album, key_store=False) as desk:
        desk.open_window()
        desk.click("push button", "Keep the key in a file…")
        desk.photograph("11 no key store")
        desk.fill("text", "Passphrase of the private key's file", "a long enough passphrase")
        desk.fill("text", "Passphrase once more", "a long enough passphrase")
        desk.click("push button", "Continue")
        desk.wait_for("push button", "Create a network")
        assert "ENCRYPTED" in next(anna.buri_home.rglob("*.pem")).read_text()
