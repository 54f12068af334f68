"""What the command line and the running engine say to each other: a closed list of typed requests and answers.

Each request carries a number; every answer to it carries the same. The first request is Open: another version is
refused. A plain request is answered by Done, or by one value, or Failed. A stream gives values until Finished or
Failed; closing the connection ends what still runs. What a request is answered by, its docstring says.

Everything is MessagePack of one tagged struct, limited here, so that decoding is the validation; dispatch is derived
from these classes. Networks and peers are numbers: whoever asks has looked names up in the state. Values are JSON of
the classes of app/engine/state.py, which this package may not import: opaque bytes here, typed at both ends.

Used by app/engine/control_server.py (decodes REQUESTS) and app/cli/client.py (decodes ANSWERS).
"""

from typing import Annotated

from msgspec import Meta

from app.ipc.schema import IpcMessage, MessageCodec, Uint16, Uint32, VirtualAddress
from app.protocol.wire import MAX_CHAT, MAX_NAME, MAX_PASSWORD

CONTROL_VERSION = 1
MAX_CONTROL_FRAME = 262_144
"""Bytes in one frame after its 32-bit length."""
MAX_PART = 131_072
"""Bytes of JSON in one Part."""
MAX_VALUE = 64 * MAX_PART
"""Bytes of JSON in one value: a state with tens of thousands of members."""
MAX_CHAT_PAGE = 200
"""Chat messages that are read at once."""
MAX_PING_SIZE = 1_200
"""Bytes that a ping can carry."""

Network = Annotated[int, Meta(ge=1, le=0xFFFFFFFF)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Password = Annotated[str, Meta(min_length=1, max_length=MAX_PASSWORD)]
InviteSecret = Annotated[str, Meta(min_length=1, max_length=256)]
MessageNumber = Annotated[int, Meta(ge=1, le=(1 << 53) - 1)]
Code = Annotated[str, Meta(max_length=64)]
Sentence = Annotated[str, Meta(max_length=512)]
ChatText = Annotated[str, Meta(min_length=1, max_length=MAX_CHAT)]
"""Characters; the engine checks that they are at most MAX_CHAT bytes of UTF-8."""


class ControlRequest(IpcMessage, frozen=True, kw_only=True):
    """Base of what the command line asks; `request` comes back in each answer."""

    request: Uint32 = 0


# --- the connection and the state


class Open(ControlRequest, frozen=True):
    """First on a connection. Answered by Opened, or Failed `other-version`."""

    version: Uint16


class ReadState(ControlRequest, frozen=True):
    """Answered by one EngineState."""


class WatchState(ControlRequest, frozen=True):
    """Stream: an EngineState now and after each change, bursts merged; until closed."""


# --- the account


class LogIn(ControlRequest, frozen=True):
    """Connect and stay connected. Answered by Done, or Failed with the reason, once it was tried."""


class LogOut(ControlRequest, frozen=True):
    """Disconnect from the server and end all tunnels until LogIn. Answered by Done."""


class SetNickname(ControlRequest, frozen=True):
    """Change the own nickname everywhere. Answered by Done."""

    nickname: Name


# --- networks


class CreateNetwork(ControlRequest, frozen=True):
    """Make a network and own it. Answered by one number, the network."""

    name: Name
    password: Password | None = None
    invite_only: bool = False
    """Without a password, but only with the secret of an invite link."""


class JoinNetwork(ControlRequest, frozen=True):
    """Join by name. Answered by one JoinResult."""

    name: Name
    password: Password | None = None
    invite_secret: InviteSecret | None = None
    """The secret part of an invite link."""


class LeaveNetwork(ControlRequest, frozen=True):
    """Leave a network, or take back the wish to join. Answered by Done."""

    network: Network


class DeleteNetwork(ControlRequest, frozen=True):
    """Owner: delete it for all. Answered by Done."""

    network: Network


class SetPresence(ControlRequest, frozen=True):
    """Go online or offline in one network. Answered by Done."""

    network: Network
    online: bool


class SetPassword(ControlRequest, frozen=True):
    """Owner: change or, with None, remove the password. Answered by Done."""

    network: Network
    password: Password | None


class SetAccess(ControlRequest, frozen=True):
    """Owner: lock; let new members wait for approval; limit their number. None leaves as it is. Answered by Done."""

    network: Network
    locked: bool | None = None
    approval: bool | None = None
    member_limit: Uint16 | None = None
    """0 for the server's own limit."""


class EvictMember(ControlRequest, frozen=True):
    """Owner: put a member out, with `ban` for good. Answered by Done."""

    network: Network
    member: VirtualAddress
    ban: bool = False


class UnbanMember(ControlRequest, frozen=True):
    """Owner: forget a ban. Answered by Done."""

    network: Network
    member: VirtualAddress


class ApproveMember(ControlRequest, frozen=True):
    """Owner: let a waiting account in. Answered by Done."""

    network: Network
    member: VirtualAddress


class RejectMember(ControlRequest, frozen=True):
    """Owner: turn a waiting account away. Answered by Done."""

    network: Network
    member: VirtualAddress


class RenameMember(ControlRequest, frozen=True):
    """Change a member's nickname in one network; None takes it back. Answered by Done."""

    network: Network
    member: VirtualAddress
    nickname: Name | None


class MakeInvite(ControlRequest, frozen=True):
    """A link for others: to the server alone, or to a network on it. Answered by one string, the link.

    The link of an invite-only network holds its secret: it is for the invited alone.
    """

    network: Network | None = None


# --- peers


class PingPeer(ControlRequest, frozen=True):
    """Ping through the tunnel, not the server. Stream: `count` times RoundTrip."""

    peer: VirtualAddress
    count: Annotated[int, Meta(ge=0, le=1_000_000)] = 4
    """0 for until closed."""
    interval: Annotated[float, Meta(ge=0.01, le=3_600.0)] = 1.0
    """Seconds from one to the next."""
    size: Annotated[int, Meta(ge=0, le=MAX_PING_SIZE)] = 56
    """Bytes carried in each direction."""
    timeout: Annotated[float, Meta(ge=0.05, le=60.0)] = 3.0
    """Seconds to wait for each answer."""


class SendChat(ControlRequest, frozen=True):
    """Send a chat message. Stream: one ChatMessage when it is taken, one when it is delivered or has failed.

    The second comes after `timeout` seconds at the latest, with the status that holds then; FollowChat tells the rest.
    """

    text: ChatText
    peer: Uint32 = 0
    network: Uint32 = 0
    timeout: Annotated[float, Meta(ge=0.0, le=600.0)] = 10.0

    def __post_init__(self) -> None:
        _check_conversation(self.peer, self.network)


class ReadChat(ControlRequest, frozen=True):
    """What was said last in a conversation. Answered by a list of ChatMessage, oldest first."""

    peer: Uint32 = 0
    network: Uint32 = 0
    before: MessageNumber | None = None
    """Only messages older than the one of this id."""
    limit: Annotated[int, Meta(ge=1, le=MAX_CHAT_PAGE)] = 100

    def __post_init__(self) -> None:
        _check_conversation(self.peer, self.network)


class FollowChat(ControlRequest, frozen=True):
    """Stream: a ChatMessage for each new one in a conversation and for each whose status changes; until closed."""

    peer: Uint32 = 0
    network: Uint32 = 0

    def __post_init__(self) -> None:
        _check_conversation(self.peer, self.network)


class MarkChatRead(ControlRequest, frozen=True):
    """A person has seen all that came in a conversation. Answered by Done."""

    peer: Uint32 = 0
    network: Uint32 = 0

    def __post_init__(self) -> None:
        _check_conversation(self.peer, self.network)


class KeepChat(ControlRequest, frozen=True):
    """Keep what is said on disk from now on, or delete what is kept; None asks. Answered by one bool: what holds."""

    keep: bool | None = None


class ClearChat(ControlRequest, frozen=True):
    """Forget what was said in all conversations. Answered by Done."""


AnyChatRequest = ReadChat | FollowChat | MarkChatRead


def _check_conversation(peer: int, network: int) -> None:
    """A conversation is with one peer or with the members of a network. Raises ValueError."""
    if bool(peer) == bool(network):
        raise ValueError("chat: either peer or network")


class ReadSafetyNumber(ControlRequest, frozen=True):
    """Answered by one Verification."""

    peer: VirtualAddress


class MarkVerified(ControlRequest, frozen=True):
    """Remember that the safety number was compared, or forget it. Answered by Done."""

    peer: VirtualAddress
    verified: bool


class SetBlocked(ControlRequest, frozen=True):
    """Block a peer: no tunnel, no chat; or let it in again. Answered by Done."""

    peer: VirtualAddress
    blocked: bool


class SetAlias(ControlRequest, frozen=True):
    """Call a peer something on this computer only; empty takes it back. Answered by Done."""

    peer: VirtualAddress
    alias: Annotated[str, Meta(max_length=MAX_NAME)]


class AcceptKey(ControlRequest, frozen=True):
    """Trust a peer's changed key, the one with this fingerprint that the person was shown. Answered by Done."""

    peer: VirtualAddress
    fingerprint: Annotated[str, Meta(min_length=1, max_length=64)]


class ReadProxy(ControlRequest, frozen=True):
    """Answered by one ProxyChoice."""


class SetProxy(ControlRequest, frozen=True):
    """Choose an HTTP proxy. Answered by Done."""

    mode: Name
    host: Annotated[str, Meta(max_length=253)] = ""
    port: Uint16 = 0
    user: Annotated[str, Meta(max_length=255)] = ""
    pac: Annotated[str, Meta(max_length=2_048)] = ""
    password: Annotated[str, Meta(max_length=1_024)] | None = None
    """None keeps the one there is, for the same user at the same proxy."""


class TryProxy(ControlRequest, frozen=True):
    """Reach the server by the chosen proxy and nothing else. Answered by one text, the route; or Failed."""


class UsePortMapping(ControlRequest, frozen=True):
    """Ask the router to open a port from now on, or no more; None asks. Answered by one bool: what holds."""

    wanted: bool | None = None


class CheckNetwork(ControlRequest, frozen=True):
    """What the network around this computer lets through. Answered by one Netcheck, after some seconds."""


class Diagnose(ControlRequest, frozen=True):
    """Answered by a list of Finding, most basic first."""


class ReadReport(ControlRequest, frozen=True):
    """Everything that helps to find out why something does not work, fit to be shown around. Answered by its text."""


# --- answers


class ControlAnswer(IpcMessage, frozen=True, kw_only=True):
    """Base of what the engine answers."""

    request: Uint32 = 0


class Opened(ControlAnswer, frozen=True):
    """The engine's versions and its process."""

    version: Uint16
    engine_version: Annotated[str, Meta(max_length=32)]
    process: Annotated[int, Meta(ge=1)]


class Done(ControlAnswer, frozen=True):
    """Carried out."""


class Part(ControlAnswer, frozen=True):
    """A piece of the JSON of one value; `last` ends the value. What the value is, the request's class says."""

    data: Annotated[bytes, Meta(max_length=MAX_PART)]
    last: bool


class Finished(ControlAnswer, frozen=True):
    """A stream has come to its end."""


class Failed(ControlAnswer, frozen=True):
    """Not carried out: a code for programs, and for people what happened and what to do."""

    code: Code
    title: Sentence
    message: Sentence
    remedy: Sentence = ""


REQUESTS = MessageCodec(ControlRequest)
"""For the engine: reads requests."""
ANSWERS = MessageCodec(ControlAnswer)
"""For the command line: reads answers."""


def parts_of(data: bytes, request: int) -> list[Part]:
    """`data`, the JSON of one value, as answers to `request`."""
    return [
        Part(data=data[start : start + MAX_PART], last=start + MAX_PART >= len(data), request=request)
        for start in range(0, max(len(data), 1), MAX_PART)
    ]
