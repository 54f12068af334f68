"""The window about one peer: what it says, that it lives, and that selected text stays."""

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel

from app.engine.state import CandidateView, PathKind, PeerDetails
from app.ui.dialogs.peer_details import PeerDetailsWindow, amount, as_text, facts_of, why_not_direct
from app.ui.dialogs.peers import SetAlias
from tests.engine.test_relays import meet_relayed
from tests.engine.world import World, meet
from tests.ui import samples
from tests.ui.hands import appears, gone
from tests.ui.world import Desk, tell, until

NETWORKS = {each.id: each.name for each in samples.lively().networks}


def value(window: PeerDetailsWindow, name: str) -> str:
    return window._values[name].text()


def test_it_shows_the_live_tunnel_of_two_engines(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        desk.actions.show_peer(anna.peer(ben))
        window = await appears(PeerDetailsWindow)
        assert value(window, "Networks") == "family"
        assert value(window, "Fingerprint") == anna.peer(ben).fingerprint
        assert "direct" in value(window, "Path")
        assert "AES" in value(window, "Encryption")
        await until(lambda: window.candidates.topLevelItemCount() > 0)
        await anna.engine.set_alias(ben.address, "Benny")
        await until(lambda: window.heading.text() == "Benny")
        QTest.mouseClick(window.alias_button, Qt.MouseButton.LeftButton)
        (await appears(SetAlias)).close()
        window.close()
        await gone(window)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_a_peer_that_is_gone_keeps_its_last_lines(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet(world)
        desk = Desk(tmp_path, anna)
        desk.actions.show_peer(anna.peer(ben))
        window = await appears(PeerDetailsWindow)
        assert window.gone.isHidden()
        address = value(window, "Addresses")
        await ben.engine.leave_network(network)
        await until(lambda: not window.gone.isHidden())
        assert value(window, "Addresses") == address
        desk.bridge.detach()
        assert not window.gone.isHidden()
        window.close()
        await desk.close()

    tell(qapp, tmp_path, story)


def test_selected_text_survives_a_look(qapp: QApplication, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.bridge.state = samples.lively()
    window = PeerDetailsWindow(None, desk.bridge, samples.PEERS[0])
    label = window._values["Fingerprint"]
    label.setSelection(0, 7)
    window.refresh()
    assert label.selectedText() == "SHA256:"
    window.deleteLater()


def test_everything_can_be_copied_as_text(qapp: QApplication, tmp_path: Path) -> None:
    peer = samples.PEERS[0]
    ways = (
        CandidateView("192.0.2.1:41641", "host", "in use", 0.002),
        CandidateView("relay.example:1", "relay", "failed"),
    )
    text = as_text(PeerDetails(peer, "some suite", 3, ways), NETWORKS)
    for part in (peer.address, peer.address6, peer.fingerprint, "some suite", "renewed 3 times", "192.0.2.1:41641"):
        assert part in text
    desk = Desk(tmp_path)
    desk.bridge.state = samples.lively()
    window = PeerDetailsWindow(None, desk.bridge, peer)
    QTest.mouseClick(window.copy_button, Qt.MouseButton.LeftButton)
    assert peer.fingerprint in QGuiApplication.clipboard().text()
    window.deleteLater()


def test_two_who_meet_over_the_relay_see_its_name_and_not_a_number(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _network = await meet_relayed(world)
        desk = Desk(tmp_path, anna)
        desk.actions.show_peer(anna.peer(ben))
        window = await appears(PeerDetailsWindow)
        place = anna.peer(ben).relay
        assert place.startswith("127.0.0.1:")
        await until(lambda: value(window, "Path") == f"relayed, through {place}")
        assert window.why.text().startswith("Why?")
        await until(lambda: in_use(window) == (place, "relay"))
        (trip,) = [each async for each in anna.engine.ping(ben.address, 1)]
        assert (trip.path, trip.endpoint) == (PathKind.RELAY, place)
        window.close()
        await gone(window)
        await desk.close()

    tell(qapp, tmp_path, story)


def in_use(window: PeerDetailsWindow) -> tuple[str, str]:
    """The endpoint and kind of the first way."""
    item = window.candidates.topLevelItem(0)
    return (item.text(0), item.text(1)) if item is not None else ("", "")


def test_who_is_relayed_is_told_why_and_where_to_look(qapp: QApplication, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    peer = samples.over_stream(samples.PEERS[0])
    desk.bridge.state = replace(samples.lively(), peers=(peer,))
    window = PeerDetailsWindow(None, desk.bridge, peer)
    wanted: list[bool] = []
    window.check_wanted.connect(lambda: wanted.append(True))
    assert value(window, "Path").startswith("relayed over TCP, through buri.example.org:12975\n")
    assert "no UDP" in window.why.text()
    window.check_button.click()
    assert wanted == [True]
    direct = samples.PEERS[0]
    desk.bridge.state = samples.lively()
    window.refresh()
    assert window.why.text() == ""
    assert value(window, "Path") == f"direct, over {direct.endpoint}"
    window.deleteLater()


def test_two_hard_routers_are_told_as_the_reason() -> None:
    relayed = replace(samples.PEERS[1], path=PathKind.RELAY)
    details = PeerDetails(relayed, "", 0)
    assert "taken together" in why_not_direct(details)
    assert "another port" in why_not_direct(replace(details, both_hard=True))


def test_lines_that_need_more_room_than_before_get_it(qapp: QApplication, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    direct, relayed = samples.PEERS[0], samples.over_stream(samples.PEERS[0])
    desk.bridge.state = replace(samples.lively(), peers=(direct,))
    window = PeerDetailsWindow(None, desk.bridge, direct)
    window.show()
    for peer in (direct, relayed):
        desk.bridge.state = replace(samples.lively(), peers=(peer,))
        window.refresh()
        QApplication.processEvents()
        for name, label in window._values.items():
            assert label.isHidden() or label.height() >= label.heightForWidth(label.width()), name
    desk.bridge.state = replace(samples.lively(), peers=(replace(relayed, route="TCP"),))
    window.refresh()
    assert value(window, "Path") == "relayed over TCP, through buri.example.org:12975"
    window.close()


def test_hostile_words_stay_words(qapp: QApplication, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    peer = replace(samples.PEERS[0], nickname="<h1>big</h1>\u202eexe", alias="")
    desk.bridge.state = replace(samples.lively(), peers=(peer,))
    window = PeerDetailsWindow(None, desk.bridge, peer)
    labels = window.findChildren(QLabel)
    assert not any("\u202e" in each.text() for each in labels)
    assert all(each.textFormat() is Qt.TextFormat.PlainText for each in labels if each.text())
    window.deleteLater()


def test_every_line_is_there_without_a_tunnel() -> None:
    offline = next(each for each in samples.PEERS if each.status == "offline")
    live = samples.PEERS[0]
    names = [fact.name for fact in facts_of(PeerDetails(offline, "", 0), NETWORKS)]
    assert names == [fact.name for fact in facts_of(PeerDetails(live, "suite", 1), NETWORKS)]


def test_amounts_are_as_people_say_them() -> None:
    assert [amount(count) for count in (0, 999, 1_000, 48_200_113, 1_733_004_518, 10**15)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "48.2 MB",
        "1.7 GB",
        "1000.0 TB",
    ]
