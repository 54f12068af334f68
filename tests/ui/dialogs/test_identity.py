"""Dialogs about the private key, over a real session: backup, restore, a new one, passphrases, the own name."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit

from app.engine.settings import KeyStorage
from app.engine.state import ServerStatus
from app.protocol.keys import IdentityKey
from app.ui.dialogs.identity import BackUpIdentity, EditNickname, NewIdentity, RestoreIdentity, UnlockIdentity, weakness
from app.ui.look.widgets import PasswordField, ProblemBox
from app.ui.session import Launch
from tests.engine.world import World
from tests.ui.hands import appears, gone, press
from tests.ui.home import Home, invite_to, opened, tell_at_home
from tests.ui.world import until

PASSPHRASE = "four words without sense"


async def settled(world: World, home: Home) -> None:
    await home.session.use_server(invite_to(world), "anna")
    await online(home)


async def online(home: Home) -> None:
    await until(lambda: home.bridge.state.server.status is ServerStatus.ONLINE)


def test_a_backup_is_written_where_the_person_says(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        await settled(world, home)
        home.actions.backup_identity()
        dialog = await appears(BackUpIdentity)
        dialog.passphrase.setText("short")
        press(Qt.Key.Key_Return)
        assert dialog.findChild(ProblemBox).isVisible()  # type: ignore[union-attr]
        for field in (dialog.passphrase, dialog.again):
            field.setText(PASSPHRASE)
        press(Qt.Key.Key_Return)
        chooser = await appears(QFileDialog)
        line = chooser.findChild(QLineEdit)
        assert line is not None
        line.setText(str(tmp_path / "mine.pem"))
        press(Qt.Key.Key_Return)
        await until(lambda: not dialog.accept_button.isVisible())
        assert "mine.pem" in dialog.explanation.text()
        key = IdentityKey.from_pem((tmp_path / "mine.pem").read_bytes(), PASSPHRASE)
        assert key.public.fingerprint_text == home.session.key_place.fingerprint
        assert (tmp_path / "mine.pem").stat().st_mode & 0o077 == 0
        dialog.reject()

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_a_backup_that_can_not_be_written_is_told_and_nothing_is_lost(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        await settled(world, home)
        home.actions.backup_identity()
        dialog = await appears(BackUpIdentity)
        dialog.passphrase.setText(PASSPHRASE)
        dialog.write(str(tmp_path / "no folder" / "mine.pem"))
        box = dialog.findChild(ProblemBox)
        assert box is not None
        await until(box.isVisible)
        assert dialog.passphrase.text() == PASSPHRASE
        dialog.reject()

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_a_new_identity_and_then_the_old_one_from_its_backup(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        await settled(world, home)
        first = home.session.key_place.fingerprint
        await home.session.write_backup(tmp_path / "mine.pem", PASSPHRASE)
        home.actions.new_identity()
        new = await appears(NewIdentity)
        new.place.unprotected.setChecked(True)
        new.accept_button.click()
        await gone(new)
        await online(home)
        assert home.session.key_place.fingerprint != first
        home.actions.restore_identity()
        restore = await appears(RestoreIdentity)
        restore.place.unprotected.setChecked(True)
        restore.file.setText(str(tmp_path / "mine.pem"))
        restore.passphrase.setText("wrong")
        restore.accept_button.click()
        box = restore.findChild(ProblemBox)
        assert box is not None
        await until(box.isVisible)
        restore.passphrase.setText(PASSPHRASE)
        restore.accept_button.click()
        await gone(restore)
        await online(home)
        assert home.session.key_place.fingerprint == first

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_the_passphrase_is_asked_for_until_it_is_right(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        await settled(world, home)
        await home.close()
        async with opened(home.folder) as again:
            again.actions.unlock_identity()
            dialog = await appears(UnlockIdentity)
            assert dialog.passphrase.text() == ""
            for guess in ("", "a guess"):
                dialog.passphrase.setText(guess)
                press(Qt.Key.Key_Return)
                box = dialog.findChild(ProblemBox)
                assert box is not None
                await until(box.isVisible)
            dialog.passphrase.setText(PASSPHRASE)
            press(Qt.Key.Key_Return)
            await gone(dialog)
            await online(again)

    tell_at_home(qapp, tmp_path, monkeypatch, story, Launch(storage=KeyStorage.ENCRYPTED_FILE, passphrase=PASSPHRASE))


def test_closing_a_dialog_during_its_work_is_safe(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        await settled(world, home)
        first = home.session.key_place.fingerprint
        home.actions.new_identity()
        new = await appears(NewIdentity)
        new.place.unprotected.setChecked(True)
        new.accept_button.click()
        new.close()
        await gone(new)
        await until(lambda: home.session.key_place.fingerprint not in ("", first))
        await online(home)

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_the_own_name_is_changed_for_everybody(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        await settled(world, home)
        home.actions.edit_nickname()
        dialog = await appears(EditNickname)
        assert dialog.nickname.text() == "anna"
        dialog.nickname.setText("Anna K.")
        press(Qt.Key.Key_Return)
        await gone(dialog)
        await until(lambda: home.bridge.state.server.nickname == "Anna K.")

    tell_at_home(qapp, tmp_path, monkeypatch, story)


@pytest.mark.parametrize(
    ("passphrase", "again", "fine"),
    [
        ("", "", False),
        ("short", "short", False),
        ("aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", False),
        (PASSPHRASE, "another", False),
        (PASSPHRASE, PASSPHRASE, True),
    ],
)
def test_weak_passphrases_are_refused(passphrase: str, again: str, fine: bool) -> None:
    assert (weakness(passphrase, again) is None) is fine


def test_no_passphrase_can_be_read_on_the_screen(qapp: QApplication, tmp_path: Path) -> None:
    from tests.ui.world import Desk

    desk = Desk(tmp_path)
    for kind in (BackUpIdentity, RestoreIdentity, NewIdentity, UnlockIdentity):
        dialog = kind(None, desk.session)
        for field in dialog.findChildren(PasswordField):
            assert field.text() == ""
            assert field.echoMode() is QLineEdit.EchoMode.Password
            assert field.accessibleName()
        dialog.deleteLater()
