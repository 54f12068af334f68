"""What a notice says. Names and messages come from strangers and go to the desktop: short, and never markup."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.engine.state import EngineState
from app.protocol.conversation import shown_text
from app.ui.tray.notices import Kind, Notice
from app.ui.words.plain_text import short_name, shortened, unmarked
from app.ui.words.statuses import peer_name
from app.ui.words.translations import _, ngettext

MOST_NAMES: Final = 3
LONGEST_TEXT: Final = 160


@dataclass(frozen=True, slots=True)
class Words:
    """A notification's two lines."""

    title: str
    text: str = ""


def words_of(notice: Notice, state: EngineState) -> Words:
    """In the chosen language, with the names as they are known now."""
    words = _words(notice, state)
    return Words(unmarked(words.title), unmarked(words.text))


def _words(notice: Notice, state: EngineState) -> Words:
    match notice.kind:
        case Kind.ONLINE:
            return _presence(notice, state, _("{name} is online"), _("{count} friends are online"))
        case Kind.OFFLINE:
            return _presence(notice, state, _("{name} is offline"), _("{count} friends are offline"))
        case Kind.JOIN_REQUEST:
            return _join_requests(notice, state)
        case Kind.KEY_CHANGED:
            return _keys(notice, state)
        case Kind.SERVER_LOST:
            return Words(_("The server is lost"), _("Friends stay connected where they are. Buri keeps trying."))
        case Kind.SERVER_BACK:
            return Words(_("The server is back"), _("Everything is as before."))
        case _:
            return _chat(notice, state)


def _name_of(address: str, state: EngineState) -> str:
    peer = state.peer(address)
    return short_name(address if peer is None else peer_name(peer))


def _names(names: Sequence[str]) -> str:
    listed = ", ".join(names[:MOST_NAMES])
    more = len(names) - MOST_NAMES
    return listed if more <= 0 else _("{names} and {count} more").format(names=listed, count=more)


def _presence(notice: Notice, state: EngineState, one: str, many: str) -> Words:
    names = [_name_of(address, state) for address in notice.peers]
    if len(names) == 1:
        return Words(one.format(name=names[0]))
    return Words(many.format(count=len(names)), _names(names))


def _join_requests(notice: Notice, state: EngineState) -> Words:
    if len(notice.requests) > 1:
        title = ngettext("{count} friend wants to join", "{count} friends want to join", len(notice.requests))
        return Words(title, _("Approve or reject them in Buri."))
    request = notice.requests[0]
    network = state.network(request.network)
    name = next(
        (each.nickname for each in network.members if each.address == request.address) if network else iter(()), ""
    )
    return Words(
        _("{name} wants to join").format(name=short_name(name or request.address)),
        short_name(network.name) if network is not None else "",
    )


def _keys(notice: Notice, state: EngineState) -> Words:
    names = [_name_of(address, state) for address in notice.peers]
    text = _("No connection until you have looked at it: it may be a new computer, or somebody who pretends.")
    if len(names) == 1:
        return Words(_("{name} shows another key").format(name=names[0]), text)
    return Words(_("{count} friends show other keys").format(count=len(names)), _names(names))


def _chat(notice: Notice, state: EngineState) -> Words:
    count = ngettext("{count} new message", "{count} new messages", notice.count)
    message = notice.message
    if message is None:
        return Words(count, _("In several conversations"))
    author, network = _name_of(message.peer, state), _network_name(message.network, state)
    title = _("{name} in {network}").format(name=author, network=network) if network else author
    if notice.count > 1:
        return Words(network or author, count)
    return Words(title, shortened(" ".join(shown_text(message.text).split()), LONGEST_TEXT))


def _network_name(number: int, state: EngineState) -> str:
    network = state.network(number)
    return "" if network is None else short_name(network.name)
