"""What opening a `buri://` link leads to: a dialog in which the person decides. Nothing is joined without a click.

A link is somebody else's text: it is parsed here before anything is shown, and can never move this computer to another
server by itself. Used by app/ui/actions.py for links from the command line, the desktop and the clipboard.
"""

from enum import Enum, auto

from app.engine.state import Problem
from app.protocol.invite import Invite
from app.protocol.keys import format_fingerprint
from app.ui.dialogs.server_choice import invite_of
from app.ui.session import Session
from app.ui.verbs import Verbs


class Destination(Enum):
    """Where a link leads."""

    WELCOME = auto()
    """No server is set yet."""
    JOIN = auto()
    """A network on the server in use."""
    KNOWN_SERVER = auto()
    """The server in use, and no network."""
    OTHER_SERVER = auto()
    """Another server, or the same one under another name while it can't be reached."""


def destination_of(invite: Invite, session: Session) -> Destination:
    """Where a link leads on this computer now."""
    settings = session.settings
    if settings is None or settings.server is None:
        return Destination.WELCOME
    if settings.server.fingerprint != format_fingerprint(invite.fingerprint):
        return Destination.OTHER_SERVER
    known = {(settings.server.host, settings.server.port), (settings.server.host_for_others, settings.server.port)}
    moved = (invite.host, invite.port) not in known
    if moved and session.bridge.state.server.retry_at is not None:
        return Destination.OTHER_SERVER
    return Destination.KNOWN_SERVER if invite.network is None else Destination.JOIN


def open_link(actions: Verbs, text: str) -> None:
    """Show what it leads to."""
    answer = invite_of(text)
    if isinstance(answer, Problem):
        actions.show_problem(answer)
        return
    match destination_of(answer, actions.session):
        case Destination.WELCOME:
            actions.welcome(text)
        case Destination.JOIN:
            actions.join_network(text)
        case Destination.KNOWN_SERVER:
            actions.tell_known_server()
        case Destination.OTHER_SERVER:
            actions.change_server(text)
