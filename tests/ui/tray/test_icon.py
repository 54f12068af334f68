"""The tray icon's states, and drawings that differ in more than colour."""

from dataclasses import replace
from itertools import combinations

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QApplication

from app.engine.state import EngineState, PeerStatus, ServerStatus
from app.ui.tray.icon import SIZES, TrayState, drawing, tooltip, tray_state
from tests.ui.samples import (
    FAMILY,
    SERVER,
    connecting,
    helper_missing,
    lively,
    network,
    no_networks,
    peer,
    problem,
    server_lost,
    switched_off,
    waiting,
)

CALM = EngineState(power=True, server=SERVER, networks=(network(FAMILY, "Family"),), peers=(peer(3, "Ben"),))


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (EngineState(), TrayState.OFF),
        (switched_off(), TrayState.OFF),
        (connecting(), TrayState.CONNECTING),
        (no_networks(), TrayState.ONLINE),
        (CALM, TrayState.ONLINE),
        (replace(helper_missing(), peers=()), TrayState.ATTENTION),
        (lively(), TrayState.UNREAD),
        (replace(CALM, networks=(replace(CALM.networks[0], unread=1),)), TrayState.UNREAD),
        (replace(CALM, server=replace(SERVER, status=ServerStatus.REFUSED)), TrayState.ATTENTION),
        (replace(CALM, peers=(peer(3, "Ben", PeerStatus.KEY_CHANGED),)), TrayState.ATTENTION),
        (replace(CALM, problems=(problem("network-evicted", name="Club"),)), TrayState.ATTENTION),
        (replace(CALM, networks=(network(FAMILY, "Family", members=(waiting(1, "Clara"),)),)), TrayState.ATTENTION),
    ],
)
def test_the_state_is_what_matters_most(state: EngineState, shown: TrayState) -> None:
    assert tray_state(state, troubled=False) is shown


def test_a_lost_server_is_tried_again_without_anybody() -> None:
    state = replace(server_lost(), peers=(), networks=())
    assert tray_state(state, troubled=False) is TrayState.CONNECTING


def test_an_engine_that_cannot_start_needs_attention() -> None:
    assert tray_state(EngineState(), troubled=True) is TrayState.ATTENTION


def test_what_others_ask_of_other_owners_is_not_our_business() -> None:
    theirs = network(FAMILY, "Family", "10.73.0.3", members=(waiting(1, "Clara"),))
    assert tray_state(replace(CALM, networks=(theirs,)), troubled=False) is TrayState.ONLINE


def test_the_tooltip_counts_friends_and_messages() -> None:
    lines = tooltip(lively()).splitlines()
    assert lines[0].endswith("Connected to Rosa's server")
    assert lines[1:] == ["4 friends online", "7 unread messages"]
    assert tooltip(switched_off()) == "Buri · Switched off"


def test_a_hostile_server_name_is_no_markup() -> None:
    state = replace(CALM, server=replace(SERVER, name="<img src='file:///etc/passwd'>"))
    assert "<" not in tooltip(state)


def on_panel(state: TrayState, size: int, panel: str) -> QImage:
    """The drawing without colours, as it stands on a panel."""
    image = QImage(size, size, QImage.Format.Format_ARGB32)
    image.fill(QColor(panel))
    painter = QPainter(image)
    drawing(state).paint(painter, 0, 0, size, size)
    painter.end()
    return image.convertToFormat(QImage.Format.Format_Grayscale8)


def differing(one: QImage, other: QImage) -> float:
    """The share of pixels that are clearly not the same."""
    pairs = [
        abs(one.pixelColor(x, y).lightness() - other.pixelColor(x, y).lightness())
        for x in range(one.width())
        for y in range(one.height())
    ]
    return sum(each > 64 for each in pairs) / len(pairs)


@pytest.mark.parametrize("panel", ["#f4f4f4", "#808080", "#181a1f"])
@pytest.mark.parametrize("size", [16, 24, 64])
def test_states_are_told_apart_without_colours(qapp: QApplication, size: int, panel: str) -> None:
    empty = QImage(size, size, QImage.Format.Format_Grayscale8)
    empty.fill(QColor(panel).lightness())
    for one, other in combinations(TrayState, 2):
        assert differing(on_panel(one, size, panel), on_panel(other, size, panel)) > 0.05, (one, other)
    for each in TrayState:
        assert differing(on_panel(each, size, panel), empty) > 0.15, each


def test_each_state_is_drawn_for_every_size(qapp: QApplication) -> None:
    for state in TrayState:
        assert {QSize(size, size).toTuple() for size in SIZES} <= {
            size.toTuple() for size in drawing(state).availableSizes()
        }
