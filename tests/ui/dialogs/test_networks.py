"""Dialogs about networks, over real engines and a real server, with the keyboard alone."""

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QWidget

from app.engine.state import NetworkStatus, NetworkView, Problem, Protection
from app.ui.dialogs.invite import InviteDialog
from app.ui.dialogs.networks import (
    CreateNetwork,
    DeleteNetwork,
    JoinNetwork,
    LeaveNetwork,
    SetAccess,
    SetPassword,
    password_hint,
)
from app.ui.look.dialog import Dialog
from app.ui.look.widgets import PasswordField
from tests.engine.world import Person, World, meet
from tests.ui import samples
from tests.ui.hands import appears, focused, gone, is_busy, nameless, press, shown, type_text
from tests.ui.world import Desk, tell, until


def network_of(desk: Desk, name: str) -> NetworkView:
    return next(each for each in desk.bridge.state.networks if each.name == name)


async def desk_with_network(world: World, folder: Path, **protection: object) -> tuple[Desk, Person, NetworkView]:
    """Anna at her desk, owner of `family`."""
    anna = await world.person("anna")
    desk = Desk(folder, anna)
    await anna.engine.create_network("family", **protection)  # type: ignore[arg-type]
    await until(lambda: bool(desk.bridge.state.networks))
    return desk, anna, network_of(desk, "family")


def told(dialog: Dialog) -> str:
    """What a problem in the dialog says; empty if there is none."""
    box = dialog._problem
    return "" if box.isHidden() else "\n".join(label.text() for label in box.findChildren(QLabel))


def test_a_network_is_made_with_a_password_and_the_invite_follows(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        desk = Desk(tmp_path, anna)
        desk.actions.create_network()
        dialog = await appears(CreateNetwork)
        type_text("Family")
        press(Qt.Key.Key_Tab)
        press(Qt.Key.Key_Tab)
        type_text("correct horse")
        press(Qt.Key.Key_Return)
        await gone(dialog)
        invite = await appears(InviteDialog)
        await until(lambda: "network=Family" in invite.link.line.text())
        assert "secret=" not in invite.link.line.text()
        assert network_of(desk, "Family").has_password
        invite.close()
        await desk.close()

    tell(qapp, tmp_path, story)


def test_each_protection_is_what_it_says(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        desk = Desk(tmp_path, anna)
        for name, key in (("club", Qt.Key.Key_L), ("street", Qt.Key.Key_O)):
            desk.actions.create_network()
            dialog = await appears(CreateNetwork)
            press(key, Qt.KeyboardModifier.AltModifier)
            await until(lambda dialog=dialog: not dialog.with_password.isChecked())  # type: ignore[misc]
            dialog.name.setFocus()
            type_text(name)
            press(Qt.Key.Key_Return)
            invite = await appears(InviteDialog)
            await until(lambda invite=invite: bool(invite.link.line.text()))  # type: ignore[misc]
            assert ("secret=" in invite.link.line.text()) == (name == "club")
            invite.close()
            await gone(invite)
        assert network_of(desk, "club").protection is Protection.PROVED
        assert network_of(desk, "street").protection is Protection.OPEN
        await desk.close()

    tell(qapp, tmp_path, story)


def test_a_refused_name_is_told_and_nothing_typed_is_lost(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        desk, _, _ = await desk_with_network(world, tmp_path)
        desk.actions.create_network()
        dialog = await appears(CreateNetwork)
        type_text("family")
        dialog.password.setText("secret words")
        press(Qt.Key.Key_Return)
        await until(lambda: "taken" in told(dialog))
        assert (dialog.name.text(), dialog.password.text()) == ("family", "secret words")
        assert focused() is dialog.name
        type_text("Family two")
        press(Qt.Key.Key_Return)
        await gone(dialog)
        (await appears(InviteDialog)).close()
        await desk.close()

    tell(qapp, tmp_path, story)


def test_an_empty_password_is_not_sent(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        desk = Desk(tmp_path, anna)
        desk.actions.create_network()
        dialog = await appears(CreateNetwork)
        type_text("family")
        press(Qt.Key.Key_Return)
        assert "empty" in told(dialog)
        assert focused() is dialog.password
        assert dialog.accept_button.isEnabled()
        press(Qt.Key.Key_Escape)
        await gone(dialog)
        assert anna.state.networks == ()
        await desk.close()

    tell(qapp, tmp_path, story)


def test_a_password_is_asked_for_when_it_is_needed(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben = await world.person("anna"), await world.person("ben")
        await anna.engine.create_network("family", "secret words")
        desk = Desk(tmp_path, ben)
        desk.actions.join_network()
        dialog = await appears(JoinNetwork)
        type_text("family")
        press(Qt.Key.Key_Return)
        await until(lambda: "has a password" in told(dialog))
        assert focused() is dialog.password
        type_text("wrong words")
        press(Qt.Key.Key_Return)
        await until(lambda: "Wrong password" in told(dialog))
        assert focused() is dialog.password
        type_text("secret words")
        press(Qt.Key.Key_Return)
        await gone(dialog)
        await ben.until_connected(anna)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_an_invite_link_in_the_name_field_joins_without_a_password(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben = await world.person("anna"), await world.person("ben")
        club = await anna.engine.create_network("club", invite_only=True)
        desk = Desk(tmp_path, ben)
        desk.actions.join_network(await anna.engine.invite(club))
        dialog = await appears(JoinNetwork)
        assert "club" in dialog.link.text
        assert dialog.name.hasFocus()
        assert not dialog.password.isVisible()
        press(Qt.Key.Key_Return)
        await gone(dialog)
        await ben.until_connected(anna)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_links_that_lead_nowhere_are_told(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        desk = Desk(tmp_path, anna)
        dialog = JoinNetwork(None, desk.bridge, "buri://home.example/?fp=SHA256:short")
        dialog.show()
        dialog = await appears(JoinNetwork)
        press(Qt.Key.Key_Return)
        assert "can't be used" in told(dialog)
        dialog.name.setText(await anna.engine.invite())
        press(Qt.Key.Key_Return)
        assert "to the server" in told(dialog)
        elsewhere: list[str] = []
        dialog.other_server.connect(elsewhere.append)
        other = (await anna.engine.invite()).replace(
            world.fingerprint[7:17].replace("+", "-").replace("/", "_"), "A" * 10
        )
        dialog.name.setText(other)
        press(Qt.Key.Key_Return)
        await gone(dialog)
        assert elsewhere == [other]
        await desk.close()

    tell(qapp, tmp_path, story)


def test_whoever_must_be_approved_is_told_so(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben = await world.person("anna"), await world.person("ben")
        network = await anna.engine.create_network("family")
        await anna.engine.set_access(network, approval=True)
        desk = Desk(tmp_path, ben)
        desk.actions.join_network()
        dialog = await appears(JoinNetwork)
        type_text("family")
        press(Qt.Key.Key_Return)
        await until(lambda: "family" in dialog.explanation.text())
        assert not dialog.name.isVisible()
        await until(lambda: bool(desk.bridge.state.networks))
        assert network_of(desk, "family").status is NetworkStatus.PENDING
        press(Qt.Key.Key_Return)
        await gone(dialog)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_the_owner_changes_and_removes_the_password(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        desk, anna, family = await desk_with_network(world, tmp_path, password="secret words")
        desk.actions.set_password(family)
        dialog = await appears(SetPassword)
        assert dialog.password.text() == ""
        type_text("other words")
        press(Qt.Key.Key_Return)
        await gone(dialog)
        ben = await world.person("ben")
        await ben.engine.join_network("family", "other words")
        desk.actions.set_password(family)
        dialog = await appears(SetPassword)
        press(Qt.Key.Key_R, Qt.KeyboardModifier.AltModifier)
        await gone(dialog)
        await anna.until(lambda: not anna.state.networks[0].has_password)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_access_sends_what_changed_and_nothing_else(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        desk, anna, family = await desk_with_network(world, tmp_path)
        desk.actions.set_access(family)
        dialog = await appears(SetAccess)
        await anna.engine.set_access(anna.state.networks[0].id, approval=True)  # type: ignore[arg-type]
        press(Qt.Key.Key_T, Qt.KeyboardModifier.AltModifier)
        await until(dialog.locked.isChecked)
        dialog.limit.setValue(12)
        press(Qt.Key.Key_Return)
        await gone(dialog)
        await anna.until(lambda: anna.state.networks[0].member_limit == 12)
        changed = anna.state.networks[0]
        assert (changed.locked, changed.approval) == (True, True)
        await desk.close()

    tell(qapp, tmp_path, story)


def test_leaving_and_deleting_ask_first_and_enter_cancels(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        hers, his = Desk(tmp_path, anna), Desk(tmp_path, ben)
        his.actions.leave(network_of(his, "family"))
        question: Dialog = await appears(LeaveNetwork)
        press(Qt.Key.Key_Return)
        await gone(question)
        assert ben.state.networks
        his.actions.leave(network_of(his, "family"))
        question = await appears(LeaveNetwork)
        press(Qt.Key.Key_L, Qt.KeyboardModifier.AltModifier)
        await gone(question)
        await ben.until(lambda: not ben.state.networks)
        hers.actions.delete(network_of(hers, "family"))
        question = await appears(DeleteNetwork)
        press(Qt.Key.Key_D, Qt.KeyboardModifier.AltModifier)
        await gone(question)
        await anna.until(lambda: not anna.state.networks)
        await hers.close()
        await his.close()

    tell(qapp, tmp_path, story)


def test_closing_while_the_server_is_asked_is_safe(qapp: QApplication, tmp_path: Path) -> None:
    """The server is silent; the dialog goes, and what it asked for ends without anybody to tell."""

    async def story(world: World) -> None:
        anna = await world.person("anna")
        desk = Desk(tmp_path, anna)
        problems: list[Problem] = []
        desk.bridge.problem_met.connect(problems.append)
        desk.actions.create_network()
        dialog = await appears(CreateNetwork)
        type_text("family")
        dialog.password.setText("secret words")
        press(Qt.Key.Key_Return)
        assert is_busy(dialog)
        assert not dialog.accept_button.isEnabled()
        press(Qt.Key.Key_Return)  # the button waits
        press(Qt.Key.Key_Escape)
        await gone(dialog)
        await anna.until(lambda: bool(anna.state.networks))  # it went on all the same
        await until(lambda: bool(desk.bridge.state.networks))
        assert not shown(InviteDialog)
        assert not problems
        await desk.close()

    tell(qapp, tmp_path, story)


def test_without_a_server_the_dialog_says_so(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        desk = Desk(tmp_path)
        desk.actions.join_network("family")
        dialog = await appears(JoinNetwork)
        assert dialog.password.hasFocus()
        press(Qt.Key.Key_Return)
        await until(lambda: "No server" in told(dialog))
        dialog.close()
        await desk.close()

    tell(qapp, tmp_path, story)


def test_tab_goes_from_top_to_bottom(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        desk = Desk(tmp_path)
        desk.actions.create_network()
        dialog = await appears(CreateNetwork)
        order: list[QWidget] = []
        while focused() not in order:
            order.append(focused())
            press(Qt.Key.Key_Tab)
        assert order[:3] == [dialog.name, dialog.with_password, dialog.password]
        assert order[-2:] == [dialog.accept_button, dialog.cancel_button]
        dialog.close()
        await desk.close()

    tell(qapp, tmp_path, story)


def test_names_of_strangers_are_plain_text(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        desk = Desk(tmp_path)
        hostile = replace(samples.network(7, "x"), name="<b>bold</b>\u202egnp.exe\nline")
        for kind in (SetPassword, SetAccess, LeaveNetwork, DeleteNetwork):
            dialog: Dialog = kind(None, desk.bridge, hostile)
            labels = [*dialog.findChildren(QLabel)]
            assert all(each.textFormat() is Qt.TextFormat.PlainText for each in labels if "bold" in each.text())
            assert not any("\u202e" in each.text() for each in labels)
            assert "\u202e" not in dialog.windowTitle()
            dialog.deleteLater()
        await desk.close()

    tell(qapp, tmp_path, story)


def test_a_screen_reader_can_name_everything(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        desk = Desk(tmp_path)
        network = samples.lively().networks[0]
        dialogs: list[Dialog] = [CreateNetwork(None, desk.bridge), JoinNetwork(None, desk.bridge)]
        dialogs += [kind(None, desk.bridge, network) for kind in (SetPassword, SetAccess, LeaveNetwork, DeleteNetwork)]
        dialogs.append(InviteDialog(None, desk.bridge, network))
        for dialog in dialogs:
            dialog.show()
            assert not nameless(dialog)
            dialog.close()
        await desk.close()

    tell(qapp, tmp_path, story)


def test_passwords_are_hidden_until_the_eye_is_clicked(qapp: QApplication) -> None:
    field = PasswordField()
    field.setText("secret words")
    assert field.displayText() != "secret words"
    field._eye.trigger()
    assert field.displayText() == "secret words"
    field._eye.trigger()
    assert field.displayText() != "secret words"
    field.deleteLater()


def test_the_hint_on_a_password_warns_and_refuses_nothing(qapp: QApplication, tmp_path: Path) -> None:
    assert "guess" in password_hint("12345")[0]
    assert "guess" in password_hint("aaaaaaaaaaaaaaaa")[0]
    assert password_hint("four words that hold") == ("Good.", "check")

    async def story(world: World) -> None:
        desk = Desk(tmp_path, await world.person("anna"))
        desk.actions.create_network()
        dialog = await appears(CreateNetwork)
        type_text("Family")
        dialog.password.setText("abc")
        assert dialog.strength.isVisible()
        assert "guess" in dialog.strength.text
        press(Qt.Key.Key_Return)
        await gone(dialog)
        (await appears(InviteDialog)).close()
        await desk.close()

    tell(qapp, tmp_path, story)
