"""What a conversation shows in windows of its own: the question before it is cleared, and a long message whole."""

from collections.abc import Callable
from typing import Final

from PySide6.QtWidgets import QDialogButtonBox, QPlainTextEdit, QWidget

from app.engine.state import Conversation
from app.protocol.conversation import shown_text
from app.ui.chat.text import without_towers
from app.ui.engine_bridge import EngineBridge
from app.ui.look.dialog import Dialog
from app.ui.look.widgets import CopyButton
from app.ui.words.translations import _

MAX_LINE: Final = 800


class ClearDialog(Dialog):
    """Asks before what was said is forgotten."""

    def __init__(
        self, parent: QWidget, bridge: EngineBridge, conversation: Conversation, name: str, done: Callable[[], object]
    ) -> None:
        super().__init__(
            parent,
            _("Clear the conversation with {name}?").format(name=name),
            _("What was said is deleted on this computer, for good. Others keep what they have."),
            _("C&lear"),
            destructive=True,
        )
        self._bridge, self._conversation, self._done = bridge, conversation, done

    def submit(self) -> None:
        """Forget it."""
        self.carry_out(self._bridge, lambda engine: engine.clear_chat(self._conversation), self._cleared)

    def _cleared(self, _result: None) -> None:
        self._done()
        self.accept()


class WholeMessage(Dialog):
    """A long message. The editor lays out only the lines in sight, so none may be long."""

    def __init__(self, parent: QWidget, text: str) -> None:
        super().__init__(parent, _("The whole message"), "")
        self.text = QPlainTextEdit(_in_short_lines(without_towers(shown_text(text))))
        self.text.setReadOnly(True)
        self.text.setAccessibleName(_("The whole message"))
        self.text.setMinimumHeight(360)
        self.setMinimumWidth(560)
        self.add(self.text)
        self.buttons.addButton(CopyButton(lambda: shown_text(text)), QDialogButtonBox.ButtonRole.ActionRole)


def _in_short_lines(text: str) -> str:
    """With breaks in lines beyond MAX_LINE, after a word where there is one."""
    lines: list[str] = []
    for whole in text.split("\n"):
        line = whole
        while len(line) > MAX_LINE:
            end = line.rfind(" ", MAX_LINE // 2, MAX_LINE) + 1 or MAX_LINE
            lines.append(line[:end])
            line = line[end:]
        lines.append(line)
    return "\n".join(lines)
