"""The engine's facade and composition root: commands in, snapshots out.

The command line and the UI know this class, `state.py` and `errors.py` and nothing else of the engine. It only wires
the parts together and hands each command to the one that carries it out. Runs in any asyncio loop, without Qt and
without privileges. Every refusal is an `EngineError`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from app.engine.account import Account
from app.engine.chat import Chat
from app.engine.diagnosis import diagnose
from app.engine.helper_link import HelperConnector, HelperLink
from app.engine.mediation_client import MediationClient
from app.engine.membership import Membership
from app.engine.networks import Networks
from app.engine.peers import Peers
from app.engine.pings import Pings
from app.engine.settings import Profile
from app.engine.snapshot import Publisher
from app.engine.state import ChatMessage, EngineState, Finding, JoinResult, RoundTrip, Verification
from app.engine.timing import Timing
from app.protocol.keys import IdentityKey
from app.protocol.wire import Address, NetworkId


class Engine:
    """One account on one server. Made in a running loop or before; `start` and `stop` once each."""

    def __init__(
        self, identity: IdentityKey, profile: Profile, helper: HelperConnector, timing: Timing | None = None
    ) -> None:
        """`helper` connects to the privileged helper, starting it where it may; `timing` is for tests."""

    async def start(self) -> None:
        """Load what is known, connect to the helper, and log in if the person left the engine logged in."""

    async def stop(self) -> None:
        """End tunnels, the server's conversation and the helper's; idempotent."""

    # --- what it shows

    @property
    def state(self) -> EngineState:
        """The present snapshot."""

    def subscribe(self, callback: Callable[[EngineState], None]) -> Callable[[], None]:
        """Call back in the loop with the present state now and after changes, at most ten times a second.

        Gives the function that ends it.
        """

    def subscribe_chat(self, callback: Callable[[ChatMessage], None]) -> Callable[[], None]:
        """Call back with each new chat message, and again when its status changes. Gives the function that ends it."""

    def chat_history(self, peer: Address, limit: int = 100) -> tuple[ChatMessage, ...]:
        """The last messages with a peer, oldest first."""

    def find_network(self, text: str) -> NetworkId:
        """The network with this name, or this id with or without dashes. Raises EngineError if there is none."""

    def find_peer(self, text: str) -> Address:
        """The peer with this address, nickname or alias. Raises EngineError if there is none or more than one."""

    # --- the account

    async def login(self) -> None:
        """Log in and stay logged in. Returns when synchronised; raises EngineError if the first try fails.

        After an error the engine goes on trying where that makes sense; `logout` ends it.
        """

    async def logout(self) -> None:
        """Leave the server and end all tunnels until `login`; survives a restart of the engine."""

    async def set_nickname(self, nickname: str) -> None:
        """Change the own nickname everywhere."""

    # --- networks

    async def create_network(self, name: str, password: str | None = None, *, invite_only: bool = False) -> NetworkId:
        """Make a network and own it. `invite_only`: without a password, but members need the invite link's secret."""

    async def join_network(
        self, name: str, password: str | None = None, invite_secret: str | None = None
    ) -> JoinResult:
        """Join by name; for a network one is in already, give the password that this computer does not have yet.

        `invite_secret` is the secret part of an invite link.
        """

    async def leave_network(self, network: NetworkId) -> None:
        """Leave, or take back the wish to join."""

    async def delete_network(self, network: NetworkId) -> None:
        """Owner: delete it for all."""

    async def set_password(self, network: NetworkId, password: str | None) -> None:
        """Owner: change or remove the password; members are not touched."""

    async def set_access(
        self,
        network: NetworkId,
        locked: bool | None = None,
        approval: bool | None = None,
        member_limit: int | None = None,
    ) -> None:
        """Owner: lock against new members; let them wait for approval; limit their number. None leaves as it is."""

    async def evict(self, network: NetworkId, member: Address, *, ban: bool = False) -> None:
        """Owner: put a member out, with `ban` for good."""

    async def unban(self, network: NetworkId, member: Address) -> None:
        """Owner: forget a ban, so that the account may ask again."""

    async def approve(self, network: NetworkId, member: Address) -> None:
        """Owner: let a waiting account in."""

    async def reject(self, network: NetworkId, member: Address) -> None:
        """Owner: turn a waiting account away."""

    async def rename_member(self, network: NetworkId, member: Address, nickname: str | None) -> None:
        """Change a nickname in one network: one's own, or anybody's as its owner. None takes it back."""

    async def go_online(self, network: NetworkId) -> None:
        """Be online in a network."""

    async def go_offline(self, network: NetworkId) -> None:
        """Be offline in a network; tunnels that rest on it alone end."""

    async def invite(self, network: NetworkId | None = None) -> str:
        """An invite link to the server, or to a network on it. For an invite-only network it holds the secret."""

    # --- peers

    def ping(
        self, peer: Address, count: int = 4, *, interval: float = 1.0, size: int = 56, timeout: float = 3.0
    ) -> AsyncIterator[RoundTrip]:
        """Ping through the tunnel, `count` times (0: until closed), `size` bytes each; times in seconds."""

    async def send_chat(self, peer: Address, text: str) -> ChatMessage:
        """Send up to 16 KiB of text. Returns once it is taken: queued for an offline peer, else on its way."""

    async def wait_chat(self, message: ChatMessage, timeout: float = 30.0) -> ChatMessage:
        """The message once it is delivered or failed, or as it is after `timeout` seconds."""

    async def verification(self, peer: Address) -> Verification:
        """The safety number that both people compare, and the fingerprints."""

    async def mark_verified(self, peer: Address, verified: bool = True) -> None:
        """Remember that the safety number was compared, or forget it."""

    async def accept_new_key(self, peer: Address) -> None:
        """Trust the changed key of a peer; it counts as not verified."""

    async def set_blocked(self, peer: Address, blocked: bool = True) -> None:
        """Block a peer: no tunnel, no chat; or let it in again."""

    async def set_alias(self, peer: Address, alias: str) -> None:
        """Call a peer something on this computer only; empty takes it back."""

    async def doctor(self) -> tuple[Finding, ...]:
        """What the engine finds about itself, most basic first, without secrets."""
