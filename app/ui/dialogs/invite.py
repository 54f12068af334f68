"""The invite to a network or to the server: a link to copy, the same as a QR code, and how secret it is.

Opened by app/ui/actions.py. The engine makes the link.
"""

from typing import Final

import segno
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent, qRgb
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.engine.state import NetworkView, Protection
from app.protocol.wire import NetworkId
from app.ui.engine_bridge import EngineBridge
from app.ui.look.dialog import Dialog
from app.ui.look.theme import RADIUS
from app.ui.look.widgets import CopyField, Note, wrapping_name
from app.ui.words.translations import _

QUIET_ZONE: Final = 4
"""Light modules around the code, as ISO/IEC 18004 wants."""
CODE_SIZE: Final = 232
"""Pixels, at least; a code has as many whole pixels for each module as fit."""


class QrCode(QWidget):
    """A QR code: dark on white in every colour scheme, each module a whole number of pixels, so that it is crisp."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image = QImage()

    def show_text(self, text: str) -> None:
        """Show the code of `text`."""
        self._image = qr_image(text)
        self.setFixedSize(self.sizeHint())
        self.update()

    @property
    def _module(self) -> int:
        return max(3, CODE_SIZE // max(1, self._image.width()))

    def sizeHint(self) -> QSize:
        """Whole modules."""
        return self._image.size() * self._module

    def paintEvent(self, event: QPaintEvent) -> None:
        """The image, its pixels made into squares."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(Qt.GlobalColor.white)
        painter.drawRoundedRect(self.rect(), RADIUS, RADIUS)
        painter.drawImage(self._inside(QRectF(self.rect())), self._image, self._inside(QRectF(self._image.rect())))
        painter.end()

    def _inside(self, whole: QRectF) -> QRectF:
        """Without the quiet zone, which has round corners."""
        if self._image.isNull():
            return whole
        margin = whole.width() * QUIET_ZONE / self._image.width()
        return whole.adjusted(margin, margin, -margin, -margin)


def qr_image(text: str) -> QImage:
    """The code with one pixel for each module, the quiet zone included."""
    matrix = segno.make(text, micro=False, error="m").matrix
    side = len(matrix) + 2 * QUIET_ZONE
    image = QImage(side, side, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.white)
    for row, modules in enumerate(matrix, QUIET_ZONE):
        for column, dark in enumerate(modules, QUIET_ZONE):
            if dark:
                image.setPixel(column, row, qRgb(0, 0, 0))
    return image


class InviteDialog(Dialog):
    """The link, its QR code, and what else the invited person needs."""

    def __init__(self, parent: QWidget | None, bridge: EngineBridge, network: NetworkView | None) -> None:
        """Without a network the link leads to the server alone."""
        super().__init__(parent, _title(network), _explanation(network))
        self.link = CopyField(name=_("Invite link"), main=True)
        self.code = QrCode()
        self.code.setAccessibleName(_("QR code of the invite link"))
        self.note = Note(*_secrecy(network))
        self.add(self.link)
        centred = QWidget()
        row = QHBoxLayout(centred)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.code, 0, Qt.AlignmentFlag.AlignCenter)
        self.add(centred)
        self.add(self.note)
        number = None if network is None else NetworkId(network.id)
        self.carry_out(bridge, lambda engine: engine.invite(number), self._show)

    def _show(self, link: str) -> None:
        self.set_busy(False)
        self.link.set_text(link)
        self.code.show_text(link)
        self.link.button.setFocus()
        self.fit()


def _title(network: NetworkView | None) -> str:
    if network is None:
        return _("Invite to the server")
    return _("Invite to {name}").format(name=wrapping_name(network.name))


def _explanation(network: NetworkView | None) -> str:
    if network is None:
        return _("Send this link to somebody who has Buri, or let a telephone read the code. It leads to your server.")
    return _("Send this link to somebody who has Buri, or let a telephone read the code.")


def _secrecy(network: NetworkView | None) -> tuple[str, str]:
    """What to know before sending it, and the sign before that."""
    if network is None:
        return _("It holds no password and no secret. Networks are joined by name afterwards."), "info"
    if network.has_password:
        return _("The password is not in the link. Tell it separately, best by phone or in person."), "key"
    if network.protection is Protection.OPEN:
        return _("This network is open: whoever knows its name on your server can join."), "lock-open"
    return (
        _("This link is as secret as a password: whoever has it can join. Send it only to the person it is for."),
        "attention",
    )
