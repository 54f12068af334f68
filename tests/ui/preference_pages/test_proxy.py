"""The proxy among the preferences: chosen, tried and used by a real engine, through a small proxy on loopback."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from app.engine.proxy_choice import ProxyMode
from app.engine.state import ServerStatus
from app.ui.preference_pages.connection import ConnectionPage
from app.ui.preference_pages.dialog import PreferencesDialog
from app.ui.preference_pages.proxy import ProxySection
from tests.engine.world import World
from tests.transport.doors import HOST, door
from tests.ui.hands import appears
from tests.ui.home import Home, free_port, invite_to, tell_at_home
from tests.ui.world import until

USER, PASSWORD = "anna", "correct horse"
CREDENTIALS = b"Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode())


async def lead_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A proxy that asks everybody for Anna's password, and leads who has it anywhere."""
    head = await reader.readuntil(b"\r\n\r\n")
    if CREDENTIALS not in head:
        challenge = b'Proxy-Authenticate: Basic realm="office"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n" + challenge)
        end(writer)
        return
    host, _colon, port = head.split()[1].decode().rpartition(":")
    try:
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
    except OSError:
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        end(writer)
        return
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
    far_writer.close()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All that comes, until the end."""
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    end(writer)


def end(writer: asyncio.StreamWriter) -> None:
    """Say no more; the other side may have gone."""
    with suppress(OSError):
        writer.write_eof()


@asynccontextmanager
async def page_of(home: Home, world: World | None = None) -> AsyncIterator[ConnectionPage]:
    """The page about the connection; with a world, logged in there."""
    if world is not None:
        await home.session.use_server(invite_to(world), "anna")
        await until(lambda: home.bridge.state.server.status is ServerStatus.ONLINE)
    home.actions.preferences_dialog("connection")
    dialog = await appears(PreferencesDialog)
    try:
        page = dialog.findChild(ConnectionPage)
        assert page is not None
        yield page
    finally:
        dialog.close()


def choose(section: ProxySection, mode: ProxyMode) -> None:
    """As with the mouse."""
    section.mode.setCurrentIndex(section.mode.findData(mode))
    section.mode.activated.emit(section.mode.currentIndex())


def saved(home: Home) -> ProxyMode:
    """What is on disk."""
    assert home.session.settings is not None
    return home.session.settings.proxy.mode


def test_no_proxy_holds_at_once_and_one_by_hand_when_it_is_complete(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        async with page_of(home, world) as page:
            section = page.proxy
            assert section._mode is ProxyMode.SYSTEM
            choose(section, ProxyMode.NONE)
            await until(lambda: section.result.text == "This holds from now on.")
            assert saved(home) is ProxyMode.NONE
            await until(lambda: home.bridge.state.server.status is ServerStatus.ONLINE)
            await until(lambda: page.route.text() == "TCP")
            choose(section, ProxyMode.BY_HAND)
            assert section.host.isVisible()
            assert not section.script.isVisible()
            assert not section.use_button.isEnabled()
            section.host.setText("proxy.example")
            assert section.use_button.isEnabled()
            assert saved(home) is ProxyMode.NONE
            choose(section, ProxyMode.PAC)
            assert section.script.isVisible()
            assert not section.host.isVisible()

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_a_proxy_is_tried_with_its_password_and_then_used(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        async with page_of(home, world) as page, door(lead_on) as proxy:
            section = page.proxy
            choose(section, ProxyMode.BY_HAND)
            section.host.setText(HOST)
            section.port.setValue(proxy.port)
            section.try_button.click()
            await until(section.problem.isVisible)
            assert section.problem.accessibleName() == "The proxy wants a user name and a password."
            assert section.user.hasFocus()
            section.user.setText(USER)
            section.password.setText(PASSWORD)
            section.try_button.click()
            await until(lambda: section.result.text.startswith("It works."))
            assert section.result.text.endswith(f" through the proxy {HOST}:{proxy.port}")
            section.use_button.click()
            await until(lambda: saved(home) is ProxyMode.BY_HAND)
            await until(lambda: section.result.text == "This holds from now on.")
            assert section.password.text() == ""
            assert section.password.placeholderText().startswith("kept")
            section.try_button.click()
            await until(lambda: section.result.text.startswith("It works."))

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_a_proxy_that_is_not_there_is_told_plainly(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        async with page_of(home, world) as page:
            section = page.proxy
            choose(section, ProxyMode.BY_HAND)
            section.host.setText(HOST)
            section.port.setValue(free_port())
            section.try_button.click()
            await until(section.problem.isVisible)
            assert section.problem.accessibleName() == "The proxy can't be reached."
            assert "preferences" in section.problem.accessibleDescription()
            assert section.try_button.isEnabled()
            assert saved(home) is ProxyMode.SYSTEM

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_the_router_is_asked_for_a_port_unless_the_person_says_no(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        async with page_of(home, world) as page:
            assert page.mapping.isChecked()
            page.mapping.click()
            await until(lambda: home.session.settings is not None and not home.session.settings.port_mapping)
            await until(lambda: not page.open_port.isVisible())
            page.mapping.click()
            await until(lambda: home.session.settings is not None and home.session.settings.port_mapping)

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_without_an_engine_there_is_nothing_to_choose(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(_world: World, home: Home) -> None:
        async with page_of(home) as page:
            assert not page.proxy.mode.isEnabled()
            assert not page.proxy.try_button.isEnabled()

    tell_at_home(qapp, tmp_path, monkeypatch, story)
