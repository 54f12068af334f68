"""The roster's model: small changes, nothing lost, whatever snapshots come."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QApplication

from app.engine.state import EngineState, MemberStatus, MemberView, NetworkStatus, NetworkView, PeerStatus
from app.ui.roster.model import RosterModel
from tests.ui import samples

Shown = list[tuple[object, list[object]]]


class Witness:
    """Counts what a model tells its views."""

    def __init__(self, model: RosterModel) -> None:
        self.told: list[str] = []
        model.dataChanged.connect(lambda *_: self.told.append("changed"))
        model.rowsInserted.connect(lambda *_: self.told.append("inserted"))
        model.rowsRemoved.connect(lambda *_: self.told.append("removed"))
        model.rowsMoved.connect(lambda *_: self.told.append("moved"))
        model.modelReset.connect(lambda: self.told.append("reset"))


def watched(model: RosterModel) -> RosterModel:
    """With Qt's own checker, which complains in a warning: warnings fail tests."""
    QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Warning, model)
    return model


def shown(model: RosterModel) -> Shown:
    """All rows, as a view finds them."""
    groups = [model.index(place, 0) for place in range(model.rowCount())]
    return [
        (model.row(group), [model.row(model.index(place, 0, group)) for place in range(model.rowCount(group))])
        for group in groups
    ]


def find(model: RosterModel, network: str, name: str = "") -> QModelIndex:
    for place in range(model.rowCount()):
        group = model.index(place, 0)
        if group.data() != network:
            continue
        if not name:
            return group
        for number in range(model.rowCount(group)):
            if model.index(number, 0, group).data() == name:
                return model.index(number, 0, group)
    pytest.fail(f"no {name} in {network}")


def with_peer(state: EngineState, name: str, **changes: object) -> EngineState:
    peers = tuple(replace(each, **changes) if each.nickname == name else each for each in state.peers)  # type: ignore[arg-type]
    return replace(state, peers=peers)


@pytest.fixture
def model(qapp: QApplication) -> RosterModel:
    model = watched(RosterModel())
    model.update(samples.lively())
    return model


def test_a_new_latency_changes_one_row_in_each_network_of_the_peer(model: RosterModel) -> None:
    witness = Witness(model)
    model.update(with_peer(samples.lively(), "Ben", latency=0.055))
    assert witness.told == ["changed", "changed"]
    assert find(model, "Family", "Ben").data(Qt.ItemDataRole.AccessibleTextRole) == (
        "Ben, direct, 55 milliseconds, verified, 2 unread messages"
    )


def test_counters_that_nobody_sees_change_nothing(model: RosterModel) -> None:
    witness = Witness(model)
    model.update(with_peer(samples.lively(), "Ben", received_bytes=10**9, last_received=samples.NOON, latency=0.01231))
    assert witness.told == []


def test_a_peer_who_goes_offline_moves_once(model: RosterModel) -> None:
    witness = Witness(model)
    state = with_peer(samples.lively(), "Grandma Rosa", status=PeerStatus.OFFLINE, proven=(), latency=None)
    model.update(state)
    assert witness.told == ["moved", "changed", "changed"]  # the row, and the count in the headline


def test_a_chosen_contact_stays_chosen_wherever_it_goes(model: RosterModel) -> None:
    selection = QItemSelectionModel(model)
    selection.select(find(model, "Family", "Grandma Rosa"), QItemSelectionModel.SelectionFlag.ClearAndSelect)
    model.update(with_peer(samples.lively(), "Grandma Rosa", status=PeerStatus.OFFLINE, proven=(), latency=None))
    assert [index.data() for index in selection.selectedIndexes()] == ["Grandma Rosa"]


def test_views_keep_their_place_in_a_network_that_moves(model: RosterModel) -> None:
    place = QPersistentModelIndex(find(model, "Family", "Ben"))
    state = samples.lively()
    model.update(
        replace(state, networks=(replace(state.networks[0], status=NetworkStatus.OFFLINE), *state.networks[1:]))
    )
    assert model.index(2, 0).data() == "Family"
    assert place.data() == "Ben"
    assert place.parent().data() == "Family"


def test_a_network_that_is_gone_takes_its_members_along(model: RosterModel) -> None:
    model.update(replace(samples.lively(), networks=samples.lively().networks[1:]))
    assert model.index(0, 0).data() == "Friday Minecraft"


def test_searching_and_back_leaves_everything_as_it_was(model: RosterModel) -> None:
    before = shown(model)
    model.search("ros")
    assert [[row.name for row in rows] for _, rows in shown(model)] == [["Grandma Rosa"]]  # type: ignore[attr-defined]
    model.search("")
    assert shown(model) == before


def test_screen_readers_hear_whole_words(model: RosterModel) -> None:
    spoken = Qt.ItemDataRole.AccessibleTextRole
    assert find(model, "Family", "Aunt Clara").data(spoken) == "Aunt Clara, wants to join"
    assert find(model, "Friday Minecraft", "Jonas").data(spoken) == "Jonas, connecting"
    assert find(model, "Family").data(spoken) == (
        "Family, network, 3 of 4 online, 1 wants to join, your own, with a password"
    )
    assert model.headerData(0, Qt.Orientation.Horizontal) == "Networks and members"


def test_a_hostile_name_is_text_in_a_tooltip(model: RosterModel) -> None:
    state = with_peer(samples.lively(), "Ben", alias="<img src='file:///etc/passwd'>&amp;")
    model.update(state)
    tip = find(model, "Family", "<img src='file:///etc/passwd'>&amp;").data(Qt.ItemDataRole.ToolTipRole)
    assert "<img" not in tip
    assert "&lt;img src=" in tip


def test_five_hundred_peers_and_fifty_changes_touch_only_fifty_rows(qapp: QApplication) -> None:
    model = RosterModel()
    state = samples.crowd()
    model.update(state)
    witness = Witness(model)
    peers = tuple(replace(each, latency=0.5) if number < 50 else each for number, each in enumerate(state.peers))
    model.update(replace(state, peers=peers))
    assert witness.told == ["changed"] * 50


# --- any two snapshots

NETWORK_IDS, PEER_NUMBERS = st.integers(1, 4), st.integers(1, 8)


@st.composite
def states(draw: st.DrawFn) -> EngineState:
    names = st.sampled_from(["Anna", "Ben", "ben", "Zoë", "pc 9", "pc 10", "\u202eevil", "<b>"])
    peers = tuple(
        samples.peer(
            number,
            draw(names),
            draw(st.sampled_from(PeerStatus)),
            tuple(sorted(draw(st.sets(NETWORK_IDS)))),
            draw(st.sampled_from([None, 0.001, 0.2])),
            unread=draw(st.integers(0, 2)),
        )
        for number in sorted(draw(st.sets(PEER_NUMBERS)))
    )
    networks = tuple(draw(network_with(number)) for number in draw(st.lists(NETWORK_IDS, unique=True)))
    return EngineState(power=True, networks=networks, peers=peers)


@st.composite
def network_with(draw: st.DrawFn, number: int) -> NetworkView:
    members = tuple(
        MemberView(f"10.73.0.{each}", draw(st.sampled_from(["Ben", "Mia"])), draw(st.sampled_from(MemberStatus)))
        for each in draw(st.lists(PEER_NUMBERS, unique=True))
    )
    name = draw(st.sampled_from(["Family", "family", "Zoo"]))
    return replace(samples.network(number, name), members=members, status=draw(st.sampled_from(NetworkStatus)))


@settings(max_examples=60)
@given(st.lists(st.tuples(states(), st.sampled_from(["", "b", "fam"]), st.booleans()), min_size=2, max_size=4))
def test_any_sequence_of_snapshots_ends_as_the_last_one_alone(steps: list[tuple[EngineState, str, bool]]) -> None:
    model = watched(RosterModel())
    for state, search, hide in steps:
        model.search(search)
        model.hide_offline(hide)
        model.update(state)
    fresh = RosterModel()
    fresh.search(steps[-1][1])
    fresh.hide_offline(steps[-1][2])
    fresh.update(steps[-1][0])
    assert shown(model) == shown(fresh)
