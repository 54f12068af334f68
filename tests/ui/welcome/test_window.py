"""The first start, as a person goes through it: with a link, with a server's name, as a host."""

import asyncio
import re
from contextlib import suppress
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton

from app.engine.state import ServerStatus
from app.protocol.invite import Invite, format_invite, parse_invite
from app.ui.dialogs.networks import CreateNetwork, JoinNetwork
from app.ui.dialogs.servers import ChangeServer
from app.ui.hosted_server import HostStatus
from app.ui.session import Launch
from app.ui.welcome.window import Welcome
from tests.engine.world import World
from tests.ui.hands import appears, gone, press
from tests.ui.home import Home, free_port, invite_to, on_loopback, tell_at_home
from tests.ui.world import until


async def welcomed(home: Home) -> Welcome:
    home.actions.welcome()
    return await appears(Welcome)


def click(button: QPushButton) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_a_pasted_link_is_shown_and_leads_to_its_network(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        welcome = await welcomed(home)
        press(Qt.Key.Key_Return)
        assert welcome.pages.currentWidget() is welcome.link_page
        click(welcome.back)
        press(Qt.Key.Key_Space)
        assert welcome.pages.currentWidget() is welcome.link_page
        welcome.link_page.field.line.setText(format_invite(invite_to(world, "Game night")))
        assert welcome.link_page.field.server.text() == f"127.0.0.1:{world.port}"
        assert welcome.link_page.field.fingerprint.text() == world.fingerprint
        assert welcome.link_page.field.network.text() == "Game night"
        welcome.link_page.nickname.setText("anna")
        click(welcome.accept_button)
        join = await appears(JoinNetwork)
        assert home.bridge.state.server.nickname == "anna"
        assert not home.bridge.state.networks
        join.close()

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_a_typed_server_is_checked_and_what_was_typed_stays(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        welcome = await welcomed(home)
        click(welcome.cards[1])
        page = welcome.server_page
        page.field.server.setText(f"127.0.0.1:{world.port}")
        page.field.fingerprint.setText("SHA256:short")
        click(welcome.accept_button)
        assert welcome.problem.isVisible()
        assert home.trouble == "server-not-configured"
        click(welcome.back)
        click(welcome.cards[1])
        assert not welcome.problem.isVisible()
        assert page.field.fingerprint.text() == "SHA256:short"
        page.field.fingerprint.setText(world.fingerprint)
        page.nickname.setText("bad\u202ename")
        click(welcome.accept_button)
        assert welcome.problem.isVisible()
        page.nickname.setText("anna")
        click(welcome.accept_button)
        await gone(welcome)
        assert home.bridge.state.server.status is ServerStatus.ONLINE

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_a_server_that_is_not_the_right_one_is_said_and_another_can_be_tried(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        welcome = await welcomed(home)
        click(welcome.cards[1])
        welcome.server_page.field.server.setText(f"127.0.0.1:{world.port}")
        welcome.server_page.field.fingerprint.setText("A" * 43)
        click(welcome.accept_button)
        await until(welcome.problem.isVisible)
        assert home.bridge.state.server.problem is not None
        assert home.bridge.state.server.problem.code == "server-wrong-key"
        welcome.server_page.field.fingerprint.setText(world.fingerprint)
        click(welcome.accept_button)
        await gone(welcome)
        assert home.bridge.state.server.status is ServerStatus.ONLINE

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_without_a_keyring_it_offers_a_file(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")

    async def story(world: World, home: Home) -> None:
        from app.ui.dialogs.identity import ChooseKeyPlace

        welcome = await welcomed(home)
        welcome.use_link(format_invite(invite_to(world)))
        click(welcome.accept_button)
        await until(welcome.problem.isVisible)
        assert home.trouble == "keyring-unusable"
        offer = next(each for each in welcome.findChildren(QPushButton) if "file" in each.text())
        click(offer)
        choice = await appears(ChooseKeyPlace)
        choice.place.unprotected.setChecked(True)
        click(choice.accept_button)
        await gone(welcome)
        assert home.bridge.state.server.status is ServerStatus.ONLINE

    tell_at_home(qapp, tmp_path, monkeypatch, story, Launch())


def test_hosting_makes_a_server_uses_it_and_gives_the_link(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()

    async def story(_world: World, home: Home) -> None:
        hosted = home.actions.hosted
        await hosted.create("anna", port)
        on_loopback(hosted.folder)
        welcome = await welcomed(home)
        click(welcome.cards[2])
        page = welcome.host_page
        page.port.setValue(port)
        assert str(port + 1) in page.note.text
        page.host.setEditText("not a host!")
        click(welcome.accept_button)
        assert welcome.problem.isVisible()
        page.host.setEditText("anna.example")
        page.nickname.setText("anna")
        click(welcome.accept_button)
        await until(lambda: bool(welcome.hosted_page.link.line.text()))
        invite = parse_invite(welcome.hosted_page.link.line.text())
        assert (invite.host, invite.port, invite.network) == ("anna.example", port, None)
        assert hosted.status is HostStatus.RUNNING
        assert home.preferences.choices.host_server
        server = home.bridge.state.server
        assert (server.status, server.host, server.nickname) == (ServerStatus.ONLINE, "127.0.0.1", "anna")
        click(welcome.accept_button)
        (await appears(CreateNetwork)).close()

    tell_at_home(qapp, tmp_path, monkeypatch, story)


ELSEWHERE = format_invite(Invite("elsewhere.example", 12_975, bytes(32), "Elsewhere"))


def test_a_link_from_outside_does_not_replace_one_that_was_typed(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        welcome = await welcomed(home)
        click(welcome.cards[0])
        line = welcome.link_page.field.line
        for typed in (format_invite(invite_to(world)), "buri://half"):
            line.setText(typed)
            home.actions.open_link(ELSEWHERE)
            assert line.text() == typed
            assert welcome.problem.isVisible()
        click(welcome.back)
        home.actions.open_link(ELSEWHERE)
        assert welcome.pages.currentWidget() is welcome.choices
        line.clear()
        home.actions.open_link(ELSEWHERE)
        assert welcome.pages.currentWidget() is welcome.link_page
        assert line.text() == ELSEWHERE
        assert not welcome.problem.isVisible()
        welcome.close()

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_nothing_from_outside_begins_a_second_change_while_one_is_under_way(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        welcome = await welcomed(home)
        click(welcome.cards[1])
        welcome.server_page.field.server.setText(f"127.0.0.1:{world.port}")
        welcome.server_page.field.fingerprint.setText(world.fingerprint)
        click(welcome.accept_button)
        assert not welcome.back.isEnabled()
        home.actions.open_link(ELSEWHERE)
        home.actions.host_server()
        assert welcome.problem.isVisible()
        assert welcome.pages.currentWidget() is welcome.server_page
        assert not welcome.accept_button.isEnabled()
        await gone(welcome)
        assert home.bridge.state.server.status is ServerStatus.ONLINE
        assert home.bridge.state.server.host == "127.0.0.1"

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_while_a_server_keeps_silent_a_link_waits_and_the_person_may_go_back(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    came, left = asyncio.Event(), asyncio.Event()

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        try:
            with suppress(ConnectionError):
                await reader.read()
        finally:
            writer.close()
            left.set()

    async def story(_world: World, home: Home) -> None:
        async with await asyncio.start_server(keep_silent, "127.0.0.1", 0) as silent:
            welcome = await welcomed(home)
            click(welcome.cards[1])
            welcome.server_page.field.server.setText(f"127.0.0.1:{silent.sockets[0].getsockname()[1]}")
            welcome.server_page.field.fingerprint.setText("A" * 43)
            click(welcome.accept_button)
            await until(lambda: welcome.back.isEnabled() and came.is_set())
            home.actions.open_link(ELSEWHERE)
            assert welcome.problem.isVisible()
            assert not welcome.accept_button.isEnabled()
            assert not [each for each in QApplication.topLevelWidgets() if isinstance(each, ChangeServer)]
            click(welcome.back)
            assert welcome.pages.currentWidget() is welcome.choices
            welcome.close()
            await home.session.stop()
            await left.wait()

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_the_link_field_takes_anything_without_a_word(qapp: QApplication) -> None:
    from app.ui.dialogs.server_choice import LinkField

    field = LinkField()
    for text in ("", "buri://", "<b>bold</b>", "x" * 5_000, "buri://host/?fp=SHA256:" + "A" * 43 + "&network=%3Cb%3E"):
        field.line.setText(text)
    assert field.network.text() == "<b>"
    assert field.network.textFormat() is Qt.TextFormat.PlainText
    assert re.fullmatch(r"host:\d+", field.server.text())
