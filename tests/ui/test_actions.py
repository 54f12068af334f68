"""What windows share: one for each thing, and none that outlives the account it was about."""

from pathlib import Path

import pytest
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QApplication

from app.engine.state import Conversation
from app.ui.chat.window import ChatWindow
from app.ui.dialogs.identity import EditNickname
from app.ui.dialogs.problem import ProblemWindow
from app.ui.look.widgets import problem_named
from app.ui.session import KeyKeeping
from tests.engine.world import World
from tests.ui import samples
from tests.ui.hands import appears
from tests.ui.home import Home, invite_to, tell_at_home

BEN = Conversation("10.77.0.9")
TOM = Conversation("10.77.0.10")


def test_what_was_meant_for_one_account_ends_with_it(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        await home.session.use_server(invite_to(world), "anna")
        home.actions.drafts[TOM] = "for Tom"
        home.actions.open_chat(BEN)
        home.actions.edit_nickname()
        chat, nickname = await appears(ChatWindow), await appears(EditNickname)
        chat.field.setPlainText("for Ben")
        await home.session.restart()
        assert chat.isVisible()
        await home.session.new_identity(KeyKeeping(in_keyring=False))
        assert not chat.isVisible()
        assert nickname.isVisible()
        assert home.actions.drafts == {}
        nickname.close()

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_what_nothing_opens_can_be_copied(qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda _target: False)  # as on a desktop without a file manager

    async def story(_world: World, home: Home) -> None:
        home.actions.open_folder(tmp_path)
        window = await appears(ProblemWindow)
        assert window.message.text().endswith(str(tmp_path))
        mends = home.actions.mends(problem_named("nothing-opens", target=str(tmp_path)))
        mends[0].act()
        assert QGuiApplication.clipboard().text() == str(tmp_path)
        window.next()
        home.actions.browse_shares(samples.PEERS[0])
        window = await appears(ProblemWindow)
        assert f"smb://{samples.PEERS[0].address}/" in window.message.text()
        window.next()

    tell_at_home(qapp, tmp_path, monkeypatch, story)
