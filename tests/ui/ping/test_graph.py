"""The graph of round-trip times: what it draws from samples, and what it says about one of them."""

from collections.abc import Sequence

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.engine.state import PathKind
from app.ui.ping.graph import PingGraph, milliseconds
from app.ui.ping.statistics import MAX_SAMPLES, Sample
from app.ui.words.times import clock

DIRECT, RELAY = (PathKind.DIRECT, "203.0.113.4:41641"), (PathKind.RELAY, "")
NOON = 1_792_411_200.0


@pytest.fixture
def graph(qtbot: QtBot) -> PingGraph:
    made = PingGraph()
    qtbot.addWidget(made)
    made.resize(600, 260)
    with qtbot.waitActive(made):
        made.show()
    return made


def samples(*times: float | None, path: tuple[PathKind, str] = DIRECT) -> list[Sample]:
    return [Sample(NOON + at, seconds, *path) for at, seconds in enumerate(times)]


def drawn(graph: PingGraph, shown: Sequence[Sample]) -> QImage:
    graph.show_samples(tuple(shown), shown[-1].time if shown else NOON)
    return graph.grab().toImage()


def test_without_samples_there_are_axes(graph: PingGraph) -> None:
    assert not drawn(graph, []).isNull()
    assert graph.drawing.steps[0][1] == "0.0 ms"


def test_the_axis_fits_what_is_shown_in_round_steps(graph: PingGraph) -> None:
    drawn(graph, samples(0.012, 0.047))
    assert [words for _, words in graph.drawing.steps] == ["0 ms", "20 ms", "40 ms", "60 ms"]
    drawn(graph, samples(0.0006, 0.0008))
    assert graph.drawing.steps[-1][1] == "1.0 ms"


def test_lost_pings_are_marked_and_break_the_line(graph: PingGraph) -> None:
    drawn(graph, samples(0.01, 0.01, None, None, 0.01, 0.01))
    assert len(graph.drawing.lost) == 2
    assert [each.line.count() for each in graph.drawing.stretches] == [2, 2]


def test_a_pause_breaks_the_line(graph: PingGraph) -> None:
    first, second = samples(0.01, 0.01)
    drawn(graph, [first, Sample(second.time, 0.01, *DIRECT, after_pause=True)])
    assert [each.line.count() for each in graph.drawing.stretches] == [1, 1]


def test_a_change_of_the_path_is_marked_and_named(graph: PingGraph) -> None:
    drawn(graph, [*samples(0.01, 0.01), Sample(NOON + 2, 0.05, *RELAY), Sample(NOON + 3, 0.01, *DIRECT)])
    assert graph.drawing.began == "direct 203.0.113.4:41641"
    assert [words for _, words in graph.drawing.changes] == ["relayed", "direct 203.0.113.4:41641"]
    assert [each.path for each in graph.drawing.stretches] == [PathKind.DIRECT, PathKind.RELAY, PathKind.DIRECT]


def test_what_is_too_old_for_the_span_is_left_out(graph: PingGraph) -> None:
    many = samples(*[0.01] * 300)
    graph.set_span(60.0)
    drawn(graph, many)
    assert 60 <= sum(each.line.count() for each in graph.drawing.stretches) <= 63
    graph.set_span(None)
    drawn(graph, many)
    assert sum(each.line.count() for each in graph.drawing.stretches) == 300


def test_it_is_worked_out_once_for_each_sample_and_not_for_each_frame(graph: PingGraph) -> None:
    drawn(graph, samples(*[0.01] * MAX_SAMPLES))
    before = graph.drawing
    QTest.mouseMove(graph, QPoint(300, 100))
    QTest.keyClick(graph, Qt.Key.Key_Left)
    assert not graph.grab().isNull()
    assert graph.drawing is before


def test_the_ping_under_the_pointer_is_read_out(graph: PingGraph, qtbot: QtBot) -> None:
    plain = drawn(graph, samples(*[0.0123] * 61))
    for x in (100, graph.width() // 2):  # a pointer that is there already would not move
        QTest.mouseMove(graph, QPoint(x, 100))
    qtbot.waitUntil(lambda: graph.read_out.endswith("12.3 ms   direct 203.0.113.4:41641"))
    assert graph.grab().toImage() != plain


def test_arrow_keys_go_from_ping_to_ping_for_eyes_and_ears(graph: PingGraph) -> None:
    drawn(graph, samples(0.01, None, 0.03))
    QTest.keyClick(graph, Qt.Key.Key_Left)
    assert graph.read_out.startswith(f"{clock(NOON + 2, seconds=True)}   30.0 ms")
    QTest.keyClick(graph, Qt.Key.Key_Left)
    assert "no answer" in graph.read_out
    assert graph.accessibleDescription() == graph.read_out
    QTest.keyClick(graph, Qt.Key.Key_Right)
    QTest.keyClick(graph, Qt.Key.Key_Right)
    assert graph.read_out.startswith(clock(NOON + 2, seconds=True))


def test_the_ping_that_is_read_out_stays_the_same_while_others_come(graph: PingGraph) -> None:
    drawn(graph, samples(*[0.01] * 5))
    QTest.keyClick(graph, Qt.Key.Key_Left)
    said = graph.read_out
    drawn(graph, samples(*[0.01] * 9)[2:])
    assert graph.read_out == said


def test_a_note_stands_over_the_graph(graph: PingGraph) -> None:
    plain = drawn(graph, samples(0.01, 0.02))
    graph.set_note("Paused")
    assert graph.grab().toImage() != plain


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 3.0, 1e6])
def test_any_time_can_be_drawn(graph: PingGraph, seconds: float) -> None:
    assert not drawn(graph, samples(seconds, seconds)).isNull()


def test_times_are_written_with_three_figures() -> None:
    written = [milliseconds(each) for each in (0.00061, 0.0123, 0.123, 1.5, None)]
    assert written == ["0.61 ms", "12.3 ms", "123 ms", "1500 ms", "\N{EN DASH}"]
