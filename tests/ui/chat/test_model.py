"""Messages as rows: groups, days, statuses, and what there is room for."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.modeltest import ModelTester

from app.engine.state import ChatMessage, ChatStatus
from app.ui.chat.model import GROUP_SECONDS, MAX_ROWS, ChatModel, People, Reach
from tests.ui.talk import WITH_BEN, WITH_FAMILY, from_family, many, own, received, to_family

DAY = 86_400.0


@pytest.fixture
def model(qapp: QApplication) -> ChatModel:
    made = ChatModel(WITH_BEN)
    made.set_people(People("Ben", {"10.73.0.3": "Ben"}))
    return made


def numbers(model: ChatModel) -> list[int]:
    return [row.message.id for row in model.rows]


def statuses(model: ChatModel) -> list[str]:
    return [row.status for row in model.rows]


def test_it_is_a_model_that_qt_understands(model: ChatModel, qtmodeltester: ModelTester) -> None:
    model.show(many(5))
    qtmodeltester.check(model)  # type: ignore[no-untyped-call]


def test_messages_of_one_person_have_one_heading(model: ChatModel) -> None:
    model.show([received(1), received(2), own(3), own(4), received(5)])
    assert [bool(row.time) for row in model.rows] == [True, False, True, False, True]


def test_after_a_while_there_is_a_new_heading(model: ChatModel) -> None:
    model.show([received(1, at=-2 * GROUP_SECONDS), received(2, at=0)])
    assert all(row.time for row in model.rows)


def test_each_day_is_told_once(model: ChatModel) -> None:
    model.show([received(1, at=-40 * DAY), received(2, at=-DAY), received(3, at=-DAY + 1), received(4, at=0)])
    days = [row.day for row in model.rows]
    assert days[1] == "Yesterday"
    assert days[-1] == "Today"
    assert days[0]
    assert not days[2] or days[2] == "Today"  # when the day ended within that second


def test_in_a_network_it_is_said_who_speaks(qapp: QApplication) -> None:
    model = ChatModel(WITH_FAMILY)
    model.set_people(People("Family", {"10.73.0.3": "Ben", "10.73.0.4": "Rosa"}))
    stranger = "10.73.9.9"
    model.show(
        [from_family(1), from_family(2), from_family(3, peer="10.73.0.4"), to_family(4), from_family(5, peer=stranger)]
    )
    assert [row.author for row in model.rows] == ["Ben", "", "Rosa", "", stranger]


@pytest.mark.parametrize(
    ("status", "reach", "words"),
    [
        (ChatStatus.QUEUED, Reach.WHEN_ONLINE, "Goes out when Ben is online"),
        (ChatStatus.QUEUED, Reach.WHEN_CONNECTED, "Goes out when Ben is connected"),
        (ChatStatus.SENT, Reach.NOW, "Sending…"),
        (ChatStatus.DELIVERED, Reach.NOW, "Delivered"),
        (ChatStatus.FAILED, Reach.NOW, "Not delivered"),
    ],
)
def test_it_is_said_what_became_of_a_message(model: ChatModel, status: ChatStatus, reach: Reach, words: str) -> None:
    model.set_people(People("Ben", {}, reach))
    model.show([received(1), own(2, status=status)])
    assert statuses(model) == ["", words]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (to_family(1, delivered=3), "3 of 5 have it"),
        (to_family(1, status=ChatStatus.QUEUED, delivered=2), "2 of 5 have it"),
        (to_family(1, status=ChatStatus.QUEUED), "Goes out when others are online"),
        (to_family(1), "Sending…"),
        (to_family(1, status=ChatStatus.DELIVERED, delivered=5), "Delivered to all"),
        (to_family(1, status=ChatStatus.DELIVERED, recipients=1, delivered=1), "Delivered"),
        (to_family(1, status=ChatStatus.FAILED), "Not delivered"),
        (to_family(1, status=ChatStatus.FAILED, delivered=1), "1 of 5 have it"),
    ],
)
def test_it_is_said_who_of_a_network_has_a_message(qapp: QApplication, message: ChatMessage, words: str) -> None:
    model = ChatModel(WITH_FAMILY)
    model.show([message])
    assert statuses(model) == [words]


def test_the_same_status_is_said_once_below_the_last(model: ChatModel) -> None:
    model.show([own(1), own(2), own(3, status=ChatStatus.SENT), own(4, status=ChatStatus.SENT)])
    assert statuses(model) == ["", "Delivered", "", "Sending…"]


def test_each_failure_is_said_as_each_can_be_tried_again(model: ChatModel) -> None:
    model.show([own(1, status=ChatStatus.FAILED), own(2, status=ChatStatus.FAILED)])
    assert statuses(model) == ["Not delivered", "Not delivered"]


def test_a_changed_message_stays_in_its_place(model: ChatModel) -> None:
    message = own(1, status=ChatStatus.SENT)
    model.show([message, own(2, status=ChatStatus.SENT)])
    assert model.take([replace(message, status=ChatStatus.DELIVERED)], follow=True) == []
    assert statuses(model) == ["Delivered", "Sending…"]


def test_what_others_are_called_may_change(model: ChatModel) -> None:
    model.show([own(1, status=ChatStatus.QUEUED)])
    model.set_people(People("Benny", {}, Reach.WHEN_ONLINE))
    assert statuses(model) == ["Goes out when Benny is online"]


def test_new_messages_come_at_the_end_in_order_and_once(model: ChatModel) -> None:
    model.show(many(2))
    new = model.take([*many(2, first=4), received(3)], follow=True)
    assert [each.id for each in new] == [3, 4, 5]
    assert model.take(many(2, first=4), follow=True) == []
    assert numbers(model) == [1, 2, 3, 4, 5]


def test_who_reads_at_the_end_sees_the_newest(model: ChatModel) -> None:
    model.show(many(MAX_ROWS))
    model.take(many(10, first=MAX_ROWS + 1), follow=True)
    assert numbers(model) == list(range(11, MAX_ROWS + 11))
    assert model.has_newest
    assert model.rows[0].day


def test_more_than_there_is_room_for_may_come_at_once(model: ChatModel) -> None:
    model.show(many(5))
    model.take(many(3 * MAX_ROWS, first=6), follow=True)
    assert len(model.rows) == MAX_ROWS
    assert numbers(model)[-1] == 3 * MAX_ROWS + 5


def test_who_scrolled_up_keeps_what_is_read(model: ChatModel) -> None:
    model.show(many(MAX_ROWS - 1))
    new = model.take(many(10, first=MAX_ROWS), follow=False)
    assert len(new) == 10
    assert numbers(model) == list(range(1, MAX_ROWS + 1))
    assert not model.has_newest
    assert model.take(many(1, first=MAX_ROWS + 20), follow=False)
    assert numbers(model)[-1] == MAX_ROWS


def test_older_messages_come_before_the_first(model: ChatModel) -> None:
    model.show(many(5, first=101))
    model.show_older(many(100))
    assert numbers(model) == list(range(1, 106))
    assert [row.message.id for row in model.rows if row.day][:1] == [1]
    assert model.has_newest


def test_much_older_messages_push_the_newest_out(model: ChatModel) -> None:
    model.show(many(MAX_ROWS, first=101))
    model.show_older(many(100))
    assert numbers(model) == list(range(1, MAX_ROWS + 1))
    assert not model.has_newest


def test_the_line_before_what_is_new(model: ChatModel) -> None:
    model.show([received(1), received(2), own(3), received(4)])
    model.set_unread(2)
    assert [row.message.id for row in model.rows if row.is_first_unread] == [2]
    assert model.rows[1].time  # it begins a group of its own
    model.set_first_unread(None)
    assert not any(row.is_first_unread for row in model.rows)


def test_a_screen_reader_hears_the_whole_message(model: ChatModel) -> None:
    model.show([received(1, "How are you?"), own(2, "Well")])
    heard = [model.data(model.index(at, 0), Qt.ItemDataRole.AccessibleTextRole) for at in (0, 1)]
    assert heard[0].startswith("Ben, ")
    assert heard[0].endswith(": How are you?")
    assert heard[1].startswith("You, ")
    assert heard[1].endswith(": Well, Delivered")


def test_a_transcript_is_plain_text(model: ChatModel) -> None:
    model.show([received(1, "Hi\x1b[31m"), own(2, "Hello")])
    first, second = model.transcript(model.rows).split("\n")
    assert first.endswith("] Ben: Hi[31m")
    assert second.endswith("] You: Hello")


@pytest.mark.parametrize("moment", [-1e300, -1.0, 0.0, 1e300, float("inf")])
def test_a_message_of_an_impossible_time_is_shown(model: ChatModel, moment: float) -> None:
    model.show([replace(received(1), time=moment), received(2)])
    assert model.rows[0].time
