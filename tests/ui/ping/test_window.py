"""Pings to a peer as a person sees them, over real engines."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.engine.state import EngineState, PathKind, PeerStatus, RoundTrip
from app.ui.look.theme import Theme
from app.ui.ping.window import PingWindow
from app.ui.preferences import ColourScheme
from tests.engine.world import Person, World, meet
from tests.ui import samples
from tests.ui.talk import BEN
from tests.ui.world import Desk, tell, until

LEFT = Qt.MouseButton.LeftButton


async def opened(desk: Desk, peer: Person) -> PingWindow:
    await until(lambda: bool(desk.bridge.state.peers))
    window = PingWindow(desk.actions, peer.state.server.address)
    window.interval.setCurrentIndex(0)
    window.show()
    return window


def answers(window: PingWindow) -> int:
    return window.record.figures().received


async def shut(window: PingWindow) -> None:
    gone: list[bool] = []
    window.destroyed.connect(lambda: gone.append(True))
    window.close()
    await until(lambda: bool(gone))


def test_pings_are_shown_as_they_come(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        window = await opened(desk, ben)
        await until(lambda: answers(window) >= 3)
        assert window.last.text().endswith(" ms")
        assert window.loss.value.text() == "0 %"
        assert window.header.line.startswith("Direct")
        assert window.record.samples[0].path is PathKind.DIRECT
        await shut(window)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_they_can_be_paused_and_go_on(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        window = await opened(desk, ben)
        await until(lambda: answers(window) >= 1)
        QTest.mouseClick(window.start_button, LEFT)
        assert not is_running(window)
        assert window.graph.note == "Paused"
        before = answers(window)
        QTest.mouseClick(window.start_button, LEFT)
        assert is_running(window)
        await until(lambda: answers(window) > before)
        assert any(each.after_pause for each in window.record.samples)
        await shut(window)
        await desk.close()

    tell(qapp, tmp_path, story)


def is_running(window: PingWindow) -> bool:
    return window.is_running


def test_without_a_tunnel_it_waits_and_goes_on_by_itself(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        window = await opened(desk, ben)
        await until(lambda: answers(window) >= 1)
        await ben.engine.logout()
        await until(lambda: not window.is_running)
        assert window.graph.note == "No tunnel to ben now. Pings go on by themselves when there is one."
        before = answers(window)
        await ben.engine.login()
        await until(lambda: answers(window) > before)
        assert window.graph.note == ""
        await shut(window)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_it_survives_the_engine(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        window = await opened(desk, ben)
        await until(lambda: answers(window) >= 1)
        desk.bridge.detach()
        assert not is_running(window)
        await world.restart(anna)
        before = answers(window)
        desk.bridge.attach(anna.engine)
        await until(lambda: answers(window) > before)
        await shut(window)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_closing_ends_the_pings(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        window = await opened(desk, ben)
        await until(lambda: answers(window) >= 1)
        await shut(window)
        await until(lambda: not any(each.get_name() == "stream" for each in asyncio.all_tasks()))
        await desk.close()

    tell(qapp, tmp_path, story)


# --- fed


@pytest.fixture
def window(qapp: QApplication, tmp_path: Path, qtbot: QtBot) -> Iterator[PingWindow]:
    desk = Desk(tmp_path)
    desk.bridge.state = samples.lively()
    made = PingWindow(desk.actions, BEN)
    made.show()
    yield made
    made.close()


def test_the_text_is_a_plain_table(window: PingWindow) -> None:
    for number, seconds in enumerate((0.0123, None, 0.0456)):
        path = (PathKind.DIRECT, "203.0.113.4:41641") if seconds else (None, "")
        window.record.add(RoundTrip(number, 56, seconds, *path), samples.NOON + number)
    head, figures, pings = window.as_text().rstrip("\n").split("\n\n")
    assert head == f"Ping to Ben ({BEN})"
    assert figures.splitlines()[1].split() == ["lost", "1", "(33", "%)"]
    first, second, third = pings.splitlines()
    assert first.endswith("  12.3 ms  direct 203.0.113.4:41641")
    assert second.endswith("no answer")
    assert first.index("12.3 ms") + len("12.3 ms") == len(second) == third.index("45.6 ms") + len("45.6 ms")


def test_it_can_be_copied_and_cleared(window: PingWindow) -> None:
    assert not window.copy_button.isEnabled()
    window.answered(RoundTrip(1, 56, 0.02, PathKind.RELAY))
    QTest.mouseClick(window.copy_button, LEFT)
    assert "20.0 ms  relayed" in QGuiApplication.clipboard().text()
    window.clear()
    assert not window.record.samples
    assert window.average.value.text() == "\N{EN DASH}"


def test_a_lost_ping_is_said_at_once(window: PingWindow) -> None:
    window.answered(RoundTrip(1, 56, None))
    assert window.last.text() == "no answer"
    assert window.loss.value.text() == "100 %"


def test_a_peer_that_is_gone_is_still_named(window: PingWindow) -> None:
    window.show_state(samples.no_networks())
    assert window.header.line == "You share no network now."
    window.show_state(EngineState())
    assert window.header.line == "Buri is switched off"
    assert window.windowTitle() == "Ping to Ben"


def test_it_says_why_nothing_is_sent(window: PingWindow) -> None:
    state = samples.lively()
    peers = tuple(replace(each, status=PeerStatus.BLOCKED) if each.address == BEN else each for each in state.peers)
    window.show_state(replace(state, peers=peers))
    assert window.header.line == "Blocked by you: no tunnel, no chat."
    assert window.graph.note.startswith("No tunnel to Ben")


@pytest.fixture
def theme(qapp: QApplication) -> Iterator[Theme]:
    made = Theme(qapp)
    yield made
    made.choose(ColourScheme.SYSTEM)
    made.deleteLater()
    qapp.setStyleSheet("")


def test_colours_follow_the_scheme_at_once(theme: Theme, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.bridge.state = samples.lively()

    def shown() -> PingWindow:
        window = PingWindow(desk.actions, BEN)
        for number in range(9):
            window.record.add(RoundTrip(number, 56, 0.01, PathKind.DIRECT), samples.NOON + number)
        window._show_record()
        window.show()
        return window

    theme.choose(ColourScheme.LIGHT)
    followed = shown()
    light = followed.grab().toImage()
    theme.choose(ColourScheme.DARK)
    QApplication.processEvents()
    fresh = shown()
    assert followed.grab().toImage() == fresh.grab().toImage() != light
    followed.close()
    fresh.close()
