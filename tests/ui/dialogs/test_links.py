"""Where a `buri://` link leads: to a dialog, never to a join by itself."""

from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QWidget

from app.engine.state import ServerStatus
from app.protocol.invite import Invite, format_invite
from app.ui.dialogs.networks import JoinNetwork
from app.ui.dialogs.problem import ProblemWindow
from app.ui.dialogs.servers import ChangeServer, OpenLink
from app.ui.look.dialog import Dialog
from app.ui.look.widgets import ProblemBox
from app.ui.welcome.window import Welcome
from tests.engine.world import World
from tests.ui.hands import appears, gone
from tests.ui.home import Home, invite_to, tell_at_home
from tests.ui.world import until

OTHER = format_invite(Invite("other.example", 12_975, bytes(32), "Elsewhere"))


async def online(home: Home) -> None:
    await until(lambda: home.bridge.state.server.status is ServerStatus.ONLINE)


def test_before_there_is_a_server_it_fills_the_welcome_in(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(_world: World, home: Home) -> None:
        home.actions.open_link(OTHER)
        welcome = await appears(Welcome)
        assert welcome.pages.currentWidget() is welcome.link_page
        assert welcome.link_page.field.line.text() == OTHER
        assert home.trouble == "server-not-configured"
        welcome.close()

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_a_link_to_the_server_in_use_asks_before_it_joins(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        ben = await world.person("ben")
        await ben.engine.create_network("Game night", "words")
        await home.session.use_server(invite_to(world), "anna")
        await online(home)
        home.actions.open_link(format_invite(invite_to(world, "Game night")))
        join = await appears(JoinNetwork)
        assert not home.bridge.state.networks
        join.close()
        await gone(join)
        home.actions.open_link(format_invite(invite_to(world)))
        (await appears(Dialog)).close()

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_a_link_to_another_server_is_explained_and_changes_it_only_by_a_click(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        await home.session.use_server(invite_to(world), "anna")
        await online(home)
        home.actions.open_link(OTHER)
        change = await appears(ChangeServer)
        assert change.link.server.text() == "other.example:12975"
        settings = home.session.settings
        assert settings is not None
        assert settings.server is not None
        assert settings.server.host == "127.0.0.1"
        change.accept_button.click()
        join = await appears(JoinNetwork)
        settings = home.session.settings
        assert settings is not None
        assert settings.server is not None
        assert settings.server.host == "other.example"
        join.close()
        home.actions.change_server()
        back = await appears(ChangeServer)
        back.fields.server.setText(f"127.0.0.1:{world.port}")
        back.fields.fingerprint.setText(world.fingerprint)
        back.accept_button.click()
        await gone(back)
        await online(home)
        assert home.bridge.state.server.nickname == "anna"

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def visible(kind: type[QWidget]) -> list[QWidget]:
    return [each for each in QApplication.topLevelWidgets() if isinstance(each, kind) and each.isVisible()]


def told(dialog: Dialog) -> bool:
    return any(box.isVisible() for box in dialog.findChildren(ProblemBox))


def test_many_links_open_one_dialog_which_says_that_others_came(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        await home.session.use_server(invite_to(world), "anna")
        await online(home)
        home.actions.open_link(OTHER)
        change = await appears(ChangeServer)
        home.actions.open_link(OTHER)
        assert not told(change)
        for number in range(20):
            home.actions.open_link(format_invite(Invite(f"host{number}.example", 12_975, bytes(32))))
            home.actions.open_link(format_invite(invite_to(world, f"Network {number}")))
        assert visible(Dialog) == [change]
        assert change.link.line.text() == OTHER
        assert told(change)
        change.close()
        await gone(change)
        home.actions.open_link(format_invite(invite_to(world, "Game night")))
        (await appears(JoinNetwork)).close()

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_what_is_no_link_is_said_plainly(qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(_world: World, home: Home) -> None:
        for text in ("http://example.org", "buri://", "x" * 5_000, "buri://<b>/?fp=1"):
            home.actions.open_link(text)
            window = await appears(ProblemWindow)
            assert "invite link" in window.title.text()
            window.next()
            await gone(window)
        home.actions.open_link()
        asked = await appears(OpenLink)
        asked.link.line.setText(OTHER)
        asked.accept_button.click()
        (await appears(Welcome)).close()

    tell_at_home(qapp, tmp_path, monkeypatch, story)
