"""The engine's facade as far as it is about networks: what the command line and the windows call.

A part of `Engine`, in a module of its own for its size; what is behind it is engine/membership.py.
"""

import asyncio
from contextlib import suppress

from app.engine.errors import refused
from app.engine.membership import Membership
from app.engine.networks import Networks
from app.engine.recorder import Recorder
from app.engine.roster_refresh import RosterRefresh
from app.engine.settings import ServerAddress
from app.engine.state import JoinResult
from app.engine.timing import Timing
from app.protocol.invite import Invite, format_invite
from app.protocol.keys import parse_fingerprint
from app.protocol.messages import Refusal
from app.protocol.wire import Address, NetworkId


class NetworkFacade:
    """The networks of one account. Every refusal is an EngineError."""

    _server: ServerAddress
    _membership: Membership
    _networks: Networks
    _recorder: Recorder
    _refresh: RosterRefresh
    _timing: Timing
    _word_came: asyncio.Event

    async def create_network(self, name: str, password: str | None = None, *, invite_only: bool = False) -> NetworkId:
        """Make a network and own it. `invite_only`: without a password, but members need the invite link's secret."""
        network = await self._membership.create(name, password, invite_only)
        await self._recorder.flush()
        await self._until_told(network)
        return network

    async def join_network(
        self, name: str, password: str | None = None, invite_secret: str | None = None
    ) -> JoinResult:
        """Join by name; for a network one is in already, give the password that this computer does not have yet.

        `invite_secret` is the secret part of an invite link.
        """
        result = await self._membership.join(name, password, invite_secret)
        await self._recorder.flush()
        await self._until_told(NetworkId(result.network))
        return result

    async def leave_network(self, network: NetworkId) -> None:
        """Leave, or take back the wish to join."""
        await self._membership.leave(network)

    async def delete_network(self, network: NetworkId) -> None:
        """Owner: delete it for all."""
        await self._membership.delete(network)

    async def set_password(self, network: NetworkId, password: str | None) -> None:
        """Owner: change or remove the password; members are not touched."""
        await self._membership.set_password(network, password)
        await self._recorder.flush()

    async def set_access(
        self,
        network: NetworkId,
        locked: bool | None = None,
        approval: bool | None = None,
        member_limit: int | None = None,
    ) -> None:
        """Owner: lock against new members; let them wait for approval; limit their number. None leaves as it is."""
        await self._membership.set_access(network, locked, approval, member_limit)

    async def evict(self, network: NetworkId, member: Address, *, ban: bool = False) -> None:
        """Owner: put a member out, with `ban` for good."""
        await self._membership.evict(network, member, ban)
        self._refresh.soon()

    async def unban(self, network: NetworkId, member: Address) -> None:
        """Owner: forget a ban, so that the account may ask again."""
        await self._membership.unban(network, member)

    async def approve(self, network: NetworkId, member: Address) -> None:
        """Owner: let a waiting account in."""
        await self._membership.approve(network, member)

    async def reject(self, network: NetworkId, member: Address) -> None:
        """Owner: turn a waiting account away."""
        await self._membership.reject(network, member)

    async def rename_member(self, network: NetworkId, member: Address, nickname: str | None) -> None:
        """Change a nickname in one network: one's own, or anybody's as its owner. None takes it back."""
        await self._membership.rename(network, member, nickname)

    async def go_online(self, network: NetworkId) -> None:
        """Be online in a network."""
        await self._membership.set_presence(network, True)

    async def go_offline(self, network: NetworkId) -> None:
        """Be offline in a network; tunnels that rest on it alone end."""
        await self._membership.set_presence(network, False)

    async def invite(self, network: NetworkId | None = None) -> str:
        """An invite link to the server, or to a network on it. For an invite-only network it holds the secret."""
        name, secret = None, None
        if network is not None:
            known = self._networks.all.get(network)
            if known is None:
                raise refused(Refusal.NETWORK_NOT_FOUND)
            joined = self._networks.joined.get(network)
            name = known.state.name
            secret = joined.secret if joined is not None and known.state.salt is None else None
        fingerprint = parse_fingerprint(self._server.fingerprint)
        return format_invite(Invite(self._server.host_for_others, self._server.port, fingerprint, name, secret))

    async def _until_told(self, network: NetworkId) -> None:
        """The server's word about a network follows its answer; who asked expects to see it in the state."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timing.request_timeout):
                while network not in self._networks.all:
                    await self._word_came.wait()
