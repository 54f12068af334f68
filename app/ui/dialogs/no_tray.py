"""Said once, when the window is closed on a desktop that has no tray: there, closing ends the app."""

from collections.abc import Callable

from PySide6.QtWidgets import QDialogButtonBox, QPushButton, QWidget

from app.ui.look.dialog import Dialog
from app.ui.words.translations import _


class NoTray(Dialog):
    """Minimise, or quit; from the next time on closing quits at once."""

    def __init__(self, window: QWidget | None, choose: Callable[..., object], quit_app: Callable[[], object]) -> None:
        """`choose` keeps a choice of the preferences."""
        text = _(
            "Elsewhere Buri goes on as an icon when its window is closed. Here it ends, and friends can't reach this "
            "computer any more. To keep it running, minimise the window."
        )
        super().__init__(window, _("This desktop has no tray"), text, _("&Minimise"))
        self._window, self._choose, self._quit = window, choose, quit_app
        self.quit_button = QPushButton(_("&Quit"))
        self.quit_button.setAutoDefault(False)
        self.quit_button.clicked.connect(self._quit_now)
        self.buttons.addButton(self.quit_button, QDialogButtonBox.ButtonRole.ActionRole)

    def submit(self) -> None:
        """Keep running without a window in the way."""
        self._choose(told_no_tray=True)
        self.accept()
        if self._window is not None:
            self._window.showMinimized()

    def _quit_now(self) -> None:
        self._choose(told_no_tray=True)
        self.accept()
        self._quit()
