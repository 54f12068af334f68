"""The preferences' page about notifications: which are shown."""

from functools import partial

from msgspec import structs
from PySide6.QtWidgets import QCheckBox

from app.ui.look.widgets import text_label
from app.ui.preference_pages.page import PreferencePage, switch
from app.ui.verbs import Verbs
from app.ui.words.translations import _


class NotificationsPage(PreferencePage):
    """Which notifications are shown."""

    def __init__(self, verbs: Verbs) -> None:
        super().__init__(verbs, _("Notifications"))
        notices = verbs.preferences.choices.notices
        self.add(text_label(_("Tell me when"), muted=True))
        self.switches: dict[str, QCheckBox] = {}
        for name, text in (
            ("online", _("a friend comes &online")),
            ("offline", _("a friend goes o&ffline")),
            ("chat", _("somebody sends a &message")),
            ("join_requests", _("somebody &wants to join a network of mine")),
            ("key_changes", _("a friend shows another &key than before")),
            ("lost_server", _("the &server is lost or back")),
        ):
            box = self.switches[name] = switch(text, getattr(notices, name))
            box.toggled.connect(partial(self._choose, name))
            self.add(box)
        self.end()

    def _choose(self, name: str, on: bool) -> None:
        self.choose(notices=structs.replace(self.verbs.preferences.choices.notices, **{name: on}))
