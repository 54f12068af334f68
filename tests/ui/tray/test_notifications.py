"""From a snapshot to a notification, and from a click to what it tells of."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication

from app.engine.state import ChatMessage, ChatStatus, Conversation, EngineState, NetworkView, PeerView
from app.ui import preferences
from app.ui.actions import Actions
from app.ui.tray.notices import Kind
from app.ui.tray.notifications import Notifications, is_wanted
from app.ui.tray.tray import Tray
from tests.ui.samples import FAMILY, PEERS, lively
from tests.ui.world import Desk

BEN = "10.73.0.3"


class SpokenActions(Actions):
    """Remembers what was opened."""

    opened: object = None
    reads: Conversation | None = None

    def open_chat(self, conversation: Conversation) -> None:
        self.opened = conversation

    def approvals(self, network: NetworkView | None = None) -> None:
        self.opened = "approvals"

    def is_reading(self, conversation: Conversation) -> bool:
        return conversation == self.reads


class Messages(Tray):
    """A tray whose messages can be read here; it never shows an icon."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.actions, desk.preferences, is_there=lambda: False)
        self.shown: list[tuple[str, str]] = []

    def show_message(self, title: str, text: str) -> None:
        self.shown.append((title, text))


class Scene:
    """Notifications over snapshots that are fed, at times that are told."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder)
        self.actions = SpokenActions(self.desk.bridge, self.desk.session, self.desk.preferences)
        self.tray = Messages(self.desk)
        self.now = 0.0
        self.notifications = Notifications(self.actions, self.desk.preferences, self.tray, lambda: self.now)

    def show(self, state: EngineState) -> None:
        self.desk.bridge.state = state
        self.desk.bridge.state_changed.emit(state)

    def hear(self, number: int, text: str = "hello") -> None:
        self.desk.bridge.chat_changed.emit(ChatMessage(number, BEN, text, 0.0, ChatStatus.RECEIVED))


@pytest.fixture
def scene(qapp: QApplication, tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.tray.stop()


def calm(peers: tuple[PeerView, ...] = PEERS[:1]) -> EngineState:
    return replace(lively(), peers=peers)


def test_a_message_is_told_and_a_click_opens_the_chat(scene: Scene) -> None:
    scene.show(calm())
    scene.hear(1, "are you there?")
    assert scene.tray.shown == [("Ben", "are you there?")]
    scene.tray.message_clicked.emit()
    assert scene.actions.opened == Conversation(BEN)


def test_what_is_being_read_is_not_told(scene: Scene) -> None:
    scene.show(calm())
    scene.actions.reads = Conversation(BEN)
    scene.hear(1)
    assert scene.tray.shown == []


def test_what_is_switched_off_is_not_told(scene: Scene) -> None:
    scene.desk.preferences.change(notices=preferences.WantedNotices(chat=False))
    scene.show(calm())
    scene.hear(1)
    assert scene.tray.shown == []


def test_a_request_is_told_and_a_click_opens_the_approvals(scene: Scene) -> None:
    family = next(each for each in lively().networks if each.id == FAMILY)
    before = replace(family, members=tuple(each for each in family.members if each.status != "pending"))
    scene.show(replace(calm(), networks=(before,)))
    scene.now = 60.0
    scene.show(replace(calm(), networks=(before,)))
    scene.show(replace(calm(), networks=(family,)))
    assert scene.tray.shown == [("Aunt Clara wants to join", "Family")]
    scene.tray.message_clicked.emit()
    assert scene.actions.opened == "approvals"


def test_every_kind_has_a_switch() -> None:
    off: dict[str, Any] = dict.fromkeys(preferences.WantedNotices.__struct_fields__, False)
    assert not any(is_wanted(kind, preferences.WantedNotices(**off)) for kind in Kind)
    assert all(is_wanted(kind, preferences.WantedNotices()) for kind in Kind)
    for switch in preferences.WantedNotices.__struct_fields__:
        assert any(is_wanted(kind, preferences.WantedNotices(**{**off, switch: True})) for kind in Kind)
