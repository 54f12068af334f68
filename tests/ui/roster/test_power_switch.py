"""The switch that logs in and out."""

from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.engine.state import EngineState
from app.ui.roster.power_switch import Power, PowerSwitch
from tests.ui import samples


def switch(qtbot: QtBot, state: EngineState, usable: bool = True) -> PowerSwitch:
    made = PowerSwitch()
    qtbot.addWidget(made)
    made.show_state(state, usable)
    made.show()
    return made


def test_it_stands_where_the_engine_stands(qtbot: QtBot) -> None:
    assert switch(qtbot, samples.lively()).power is Power.ON
    assert switch(qtbot, samples.connecting()).power is Power.CONNECTING
    assert switch(qtbot, samples.server_lost()).power is Power.CONNECTING
    assert switch(qtbot, samples.switched_off()).power is Power.OFF


def test_a_click_is_a_wish_and_moves_nothing(qtbot: QtBot) -> None:
    made = switch(qtbot, samples.switched_off())
    with qtbot.waitSignal(made.wanted) as wish:
        QTest.mouseClick(made, Qt.MouseButton.LeftButton)
    assert wish.args == [True]
    assert made.power is Power.OFF


def test_the_space_bar_switches_off_what_is_on_or_on_its_way(qtbot: QtBot) -> None:
    for state in (samples.lively(), samples.connecting()):
        made = switch(qtbot, state)
        with qtbot.waitSignal(made.wanted) as wish:
            QTest.keyClick(made, Qt.Key.Key_Space)
        assert wish.args == [False]


def test_its_three_places_look_and_sound_different(qtbot: QtBot) -> None:
    states = (samples.lively(), samples.connecting(), samples.switched_off())
    made = [switch(qtbot, replace(state)) for state in states]
    assert len({each.accessibleDescription() for each in made}) == 3
    assert len({bytes(each.grab().toImage().constBits()) for each in made}) == 3


def test_without_an_engine_it_can_not_be_moved(qtbot: QtBot) -> None:
    assert not switch(qtbot, EngineState(), usable=False).isEnabled()
