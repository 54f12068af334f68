"""The invite: its link works, its code says the same, and it tells how secret it is."""

from pathlib import Path

import segno
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage
from PySide6.QtWidgets import QApplication

from app.protocol.invite import MAX_LINK
from app.ui.dialogs.invite import QUIET_ZONE, InviteDialog, QrCode, qr_image
from tests.engine.world import World
from tests.ui.hands import appears, press
from tests.ui.world import Desk, tell, until

WHITE, BLACK = QColor("white"), QColor("black")


def dark_modules(image: QImage, module: int = 1) -> list[list[bool]]:
    """What a reader sees in the middle of each module."""
    side, middle = image.width() // module, module // 2
    return [
        [image.pixelColor(column * module + middle, row * module + middle) == BLACK for column in range(side)]
        for row in range(side)
    ]


def with_quiet_zone(text: str) -> list[list[bool]]:
    matrix = segno.make(text, micro=False, error="m").matrix
    side = len(matrix) + 2 * QUIET_ZONE
    rows = [[False] * side for _ in range(side)]
    for row, modules in enumerate(matrix, QUIET_ZONE):
        rows[row][QUIET_ZONE : side - QUIET_ZONE] = [bool(each) for each in modules]
    return rows


def test_the_code_is_the_standards_with_a_quiet_zone() -> None:
    link = "buri://home.example:12975/?fp=SHA256:abc&network=family"
    assert dark_modules(qr_image(link)) == with_quiet_zone(link)


def test_the_code_is_crisp_black_on_white_at_any_scale(qapp: QApplication) -> None:
    code = QrCode()
    code.show_text("buri://home.example:12975/?fp=SHA256:abc&network=family")
    module = code.width() // qr_image("buri://home.example:12975/?fp=SHA256:abc&network=family").width()
    for scale in (1, 2):
        picture = QImage(code.size() * scale, QImage.Format.Format_RGB32)
        picture.setDevicePixelRatio(scale)
        picture.fill(QColor("#16191f"))
        code.render(picture)
        picture.setDevicePixelRatio(1)
        margin = module * QUIET_ZONE * scale
        inside = picture.copy(margin, margin, picture.width() - 2 * margin, picture.height() - 2 * margin)
        seen = {inside.pixelColor(x, y).name() for x in range(inside.width()) for y in range(inside.height())}
        assert seen == {"#000000", "#ffffff"}
        assert picture.pixelColor(picture.width() // 2, margin // 2) == WHITE
    code.deleteLater()


def test_the_longest_link_has_a_code() -> None:
    assert not qr_image("buri://" + "x" * (MAX_LINK - 7)).isNull()


def test_the_link_is_copied_and_leads_in(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben = await world.person("anna"), await world.person("ben")
        club = await anna.engine.create_network("club", invite_only=True)
        hers, his = Desk(tmp_path, anna), Desk(tmp_path, ben)
        await until(lambda: any(each.id == club for each in hers.bridge.state.networks))
        hers.actions.invite(hers.bridge.state.networks[0])
        dialog = await appears(InviteDialog)
        await until(lambda: bool(dialog.link.line.text()))
        assert "as secret as a password" in dialog.note.text
        press(Qt.Key.Key_Return)
        copied = QGuiApplication.clipboard().text()
        assert copied == dialog.link.line.text()
        press(Qt.Key.Key_Escape)
        his.actions.join_network(copied)
        from app.ui.dialogs.networks import JoinNetwork

        await appears(JoinNetwork)
        press(Qt.Key.Key_Return)
        await ben.until_connected(anna)
        await hers.close()
        await his.close()

    tell(qapp, tmp_path, story)


def test_it_says_how_secret_the_link_is(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        desk = Desk(tmp_path, anna)
        await anna.engine.create_network("family", "secret words")
        await anna.engine.create_network("street")
        await until(lambda: len(desk.bridge.state.networks) == 2)
        by_name = {each.name: each for each in desk.bridge.state.networks}
        for network, word in ((by_name["family"], "separately"), (by_name["street"], "open"), (None, "no secret")):
            desk.actions.invite(network)
            dialog = await appears(InviteDialog)
            await until(lambda dialog=dialog: bool(dialog.link.line.text()))  # type: ignore[misc]
            assert word in dialog.note.text
            assert "secret=" not in dialog.link.line.text()
            dialog.close()
        await desk.close()

    tell(qapp, tmp_path, story)
