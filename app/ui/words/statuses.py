"""Statuses in words: one vocabulary for all windows. The sign and colour of each are in look/status_signs.py."""

from app.engine.state import EngineState, HelperStatus, MemberView, PathKind, PeerStatus, PeerView, ServerStatus
from app.ui.words.translations import _


def waits_for_helper(state: EngineState) -> bool:
    """Whether no tunnel can come up, as nothing makes the adapter."""
    return state.helper.status in (HelperStatus.ABSENT, HelperStatus.LOST)


def peer_status(status: PeerStatus, path: PathKind | None = None, *, without_helper: bool = False) -> str:
    """One word or a few for what holds with a peer; `path` is what its tunnel travels over."""
    if status is PeerStatus.CONNECTING and without_helper:
        return _("waiting for the helper")
    if status is PeerStatus.RELAYED and path is PathKind.STREAM_RELAY:
        return _("relayed over TCP")
    words = {
        PeerStatus.OFFLINE: _("offline"),
        PeerStatus.CONNECTING: _("connecting…"),
        PeerStatus.DIRECT: _("direct"),
        PeerStatus.RELAYED: _("relayed"),
        PeerStatus.FAILED: _("no path found"),
        PeerStatus.BLOCKED: _("blocked"),
        PeerStatus.KEY_CHANGED: _("key changed"),
        PeerStatus.UNPROVEN: _("not proven"),
    }
    return words[status]


def capitalised(words: str) -> str:
    """At the beginning of a line; names within keep their letters."""
    return words[:1].upper() + words[1:]


def explained(status: PeerStatus, path: PathKind | None = None, *, without_helper: bool = False) -> str:
    """One sentence for a person who wonders what a status means."""
    if status is PeerStatus.CONNECTING and without_helper:
        return _("Online, but no tunnel comes up while Buri's helper does not run.")
    if status is PeerStatus.RELAYED and path is PathKind.STREAM_RELAY:
        return _("Connected through a relay over TCP, as UDP is blocked here. End-to-end encrypted, but slower.")
    sentences = {
        PeerStatus.OFFLINE: _("Not online in a network that you share."),
        PeerStatus.CONNECTING: _("Online; the tunnel is being set up."),
        PeerStatus.DIRECT: _("Connected directly, end to end."),
        PeerStatus.RELAYED: _("Connected through a relay, end-to-end encrypted. Buri keeps looking for a direct way."),
        PeerStatus.FAILED: _("Online, but no way was found, not even through a relay. Buri keeps trying."),
        PeerStatus.BLOCKED: _("Blocked by you: no tunnel, no chat."),
        PeerStatus.KEY_CHANGED: _("Shows another key than before. No tunnel until you accept it."),
        PeerStatus.UNPROVEN: _("Could not prove that it knows the network's secret. No tunnel."),
    }
    return sentences[status]


def absence(state: EngineState, gone: str) -> str:
    """Why a peer or network is not in this snapshot: `gone`, unless we are not connected ourselves."""
    if not state.power:
        return _("Buri is switched off")
    if state.server.status is not ServerStatus.ONLINE:
        return _("Not connected to the server.")
    return gone


def latency(seconds: float | None) -> str:
    """A round-trip time as people read it; empty if none is known."""
    if seconds is None:
        return ""
    milliseconds = seconds * 1_000
    return _("<1 ms") if milliseconds < 1 else _("{count} ms").format(count=round(milliseconds))


def spoken_latency(seconds: float | None) -> str:
    """The same for a screen reader."""
    if seconds is None:
        return ""
    milliseconds = round(seconds * 1_000)
    if milliseconds < 1:
        return _("less than a millisecond")
    return _("one millisecond") if milliseconds == 1 else _("{count} milliseconds").format(count=milliseconds)


def peer_name(peer: PeerView) -> str:
    """What this computer calls a peer."""
    return peer.alias or peer.nickname or peer.address


def member_name(member: MemberView, peer: PeerView | None) -> str:
    """What this computer calls a member: nicknames may differ from network to network."""
    return (peer.alias if peer is not None else "") or member.nickname or member.address


def server_line(state: EngineState, clock: str) -> str:
    """Where the connection to the server stands, in one line; `clock` is when it is tried again."""
    server = state.server
    name = server.name or server.host
    match server.status:
        case ServerStatus.ONLINE:
            return _("Connected to {server}").format(server=name)
        case ServerStatus.SYNCHRONISING:
            return _("Connected to {server}, fetching networks…").format(server=name)
        case ServerStatus.CONNECTING:
            return _("Connecting to {server}…").format(server=name)
        case ServerStatus.WAITING:
            return _("Server lost, trying again at {time}").format(time=clock) if clock else _("Server lost")
        case ServerStatus.REFUSED:
            return _("{server} refused the login").format(server=name)
        case _:
            return _("Switched off")
