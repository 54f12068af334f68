"""Dialogs about a peer, over two real engines: verify, accept a key, alias, block, put out."""

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel

from app.engine.state import PeerStatus
from app.ui.dialogs.approvals import Approvals
from app.ui.dialogs.peer_details import PeerDetailsWindow
from app.ui.dialogs.peers import AcceptKey, EvictMember, SetAlias, VerifyPeer
from app.ui.look.dialog import Dialog
from app.ui.preference_pages.commands import CustomCommandsPage
from tests.engine.world import World, meet
from tests.ui import samples
from tests.ui.dialogs.test_networks import network_of, told
from tests.ui.hands import appears, gone, is_busy, nameless, press, type_text
from tests.ui.world import Desk, tell, until

ALT = Qt.KeyboardModifier.AltModifier


def number_in(dialog: VerifyPeer) -> list[str]:
    return [each.text() for each in dialog.number.findChildren(QLabel)]


def test_both_see_the_same_number_and_the_mark_comes_and_goes(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        hers, his = Desk(tmp_path, anna), Desk(tmp_path, ben)
        his.actions.verify(ben.peer(anna))
        his_dialog = await appears(VerifyPeer)
        await until(lambda: not is_busy(his_dialog))
        his_number = number_in(his_dialog)
        his_dialog.close()
        await gone(his_dialog)
        hers.actions.verify(anna.peer(ben))
        dialog = await appears(VerifyPeer)
        await until(lambda: not is_busy(dialog))
        assert number_in(dialog) == his_number
        assert len(his_number) == 12
        assert " ".join(his_number) in dialog.number.accessibleName()
        press(Qt.Key.Key_M, ALT)
        await gone(dialog)
        await anna.until(lambda: anna.peer(ben).verified)
        hers.actions.verify(anna.peer(ben))
        dialog = await appears(VerifyPeer)
        await until(lambda: not is_busy(dialog))
        assert "verified" in dialog.note.text
        assert dialog.accept_button.isHidden()
        press(Qt.Key.Key_R, ALT)
        await gone(dialog)
        await anna.until(lambda: not anna.peer(ben).verified)
        await hers.close()
        await his.close()

    tell(qapp, tmp_path, story)


def test_numbers_that_differ_lead_to_a_warning_and_a_block(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        await anna.engine.mark_verified(ben.address)
        await anna.until(lambda: anna.peer(ben).verified)
        desk.actions.verify(anna.peer(ben))
        dialog = await appears(VerifyPeer)
        await until(lambda: not is_busy(dialog))
        press(Qt.Key.Key_D, ALT)
        await until(dialog.block_button.isVisible)
        assert "sit between" in dialog.explanation.text()
        await anna.until(lambda: not anna.peer(ben).verified)
        press(Qt.Key.Key_B, ALT)
        await gone(dialog)
        await anna.until(lambda: anna.sees(ben, PeerStatus.BLOCKED))
        desk.actions.set_blocked(anna.peer(ben), False)
        await anna.until_connected(ben)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_without_a_known_key_there_is_nothing_to_agree_to(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        desk = Desk(tmp_path, anna)
        desk.actions.verify(samples.PEERS[0])
        dialog = await appears(VerifyPeer)
        await until(lambda: bool(told(dialog)))
        assert not dialog.accept_button.isEnabled()
        assert dialog.differ_button.isHidden()
        dialog.close()
        await desk.close()

    tell(qapp, tmp_path, story)


def test_a_changed_key_is_accepted_only_after_a_tick(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        changed = replace(anna.peer(ben), new_fingerprint=samples.fingerprint("another"), verified=True)
        desk.actions.accept_key(changed)
        dialog = await appears(AcceptKey)
        shown = [each.text() for each in dialog.findChildren(QLabel)]
        assert changed.fingerprint in shown
        assert changed.new_fingerprint in shown
        assert not dialog.accept_button.isEnabled()
        press(Qt.Key.Key_A, ALT)  # without the tick it does nothing
        press(Qt.Key.Key_C, ALT)
        await until(dialog.accept_button.isEnabled)
        assert not told(dialog)
        press(Qt.Key.Key_A, ALT)
        await until(lambda: bool(told(dialog)))  # the server shows no such key: the engine refuses
        dialog.close()
        await desk.close()

    tell(qapp, tmp_path, story)


def test_several_keys_at_once_can_not_be_accepted(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        desk = Desk(tmp_path)
        dialog = AcceptKey(None, desk.bridge, replace(samples.PEERS[0], new_fingerprint=""))
        assert not dialog.sure.isEnabled()
        assert not dialog.accept_button.isEnabled()
        dialog.deleteLater()
        await desk.close()

    tell(qapp, tmp_path, story)


def test_a_screen_reader_can_name_everything(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        desk = Desk(tmp_path)
        peer, state = samples.PEERS[0], samples.lively()
        desk.bridge.state = state
        network = next(each for each in state.networks if each.is_owner)
        dialogs: list[Dialog] = [kind(None, desk.bridge, peer) for kind in (VerifyPeer, AcceptKey, SetAlias)]
        dialogs += [PeerDetailsWindow(None, desk.bridge, peer), Approvals(None, desk.bridge)]
        dialogs.append(EvictMember(None, desk.bridge, network, network.members[1]))
        for dialog in dialogs:
            dialog.show()
            assert not nameless(dialog)
            dialog.close()
        page = CustomCommandsPage(desk.preferences)
        page.show()
        assert not nameless(page)
        page.deleteLater()
        await desk.close()

    tell(qapp, tmp_path, story)


def test_an_alias_is_set_and_taken_back(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        desk.actions.set_alias(anna.peer(ben))
        dialog = await appears(SetAlias)
        type_text("Benny")
        press(Qt.Key.Key_Return)
        await gone(dialog)
        await anna.until(lambda: anna.peer(ben).alias == "Benny")
        desk.actions.set_alias(anna.peer(ben))
        dialog = await appears(SetAlias)
        press(Qt.Key.Key_Delete)  # what was there is selected
        press(Qt.Key.Key_Return)
        await gone(dialog)
        await anna.until(lambda: anna.peer(ben).alias == "")
        await desk.close()

    tell(qapp, tmp_path, story)


def test_a_member_is_put_out_and_may_be_for_good(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        family = network_of(desk, "family")
        member = next(each for each in family.members if not each.is_self)
        desk.actions.evict(family, member)
        dialog = await appears(EvictMember)
        assert "come back" in dialog.meaning.text()
        press(Qt.Key.Key_F, ALT)
        await until(dialog.ban.isChecked)
        assert "can't" in dialog.meaning.text()
        press(Qt.Key.Key_P, ALT)
        await gone(dialog)
        await ben.until(lambda: not ben.state.networks)
        await until(lambda: len(network_of(desk, "family").members) == 1)
        await desk.close()

    tell(qapp, tmp_path, story)
