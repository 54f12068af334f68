"""What a person does with networks: make, join, leave, guard, and put members in or out.

Turns each verb into requests to the server, and does what the server may not: passwords become tokens and wrapping
keys here (off the loop, as Argon2id takes a tenth of a second), evictions are signed by the owner. Owned by
engine/engine.py; every refusal is an EngineError.
"""

import asyncio
import time
import unicodedata

from app.engine.errors import EngineError, engine_error, refusal_code, refused
from app.engine.mediation_client import MediationClient
from app.engine.networks import JoinedNetwork, Network, Networks
from app.engine.state import JoinResult
from app.protocol import network_secret
from app.protocol.keys import IdentityKey
from app.protocol.messages import (
    Accepted,
    Approve,
    Created,
    CreateNetwork,
    DeleteNetwork,
    Evict,
    JoinNetwork,
    JoinParameters,
    LeaveNetwork,
    Member,
    MemberStatus,
    Message,
    Pending,
    PrepareJoin,
    Refusal,
    Reject,
    RenameMember,
    Request,
    SetAccess,
    SetPassword,
    SetPresence,
    Unban,
)
from app.protocol.names import checked_name
from app.protocol.network_secret import InviteSecretError, PasswordFormatError, PasswordKeys
from app.protocol.statement import Statement, Verb, sign_statement
from app.protocol.wire import Address, NetworkId, RemoteProtocolError


class Membership:
    """The network verbs of one account on one server."""

    def __init__(
        self, identity: IdentityKey, server_fingerprint: bytes, client: MediationClient, networks: Networks
    ) -> None:
        self._identity = identity
        self._server_fingerprint = server_fingerprint
        self._client = client
        self._networks = networks

    async def create(self, name: str, password: str | None, invite_only: bool) -> NetworkId:
        """Make a network; its secret, if it gets one, is remembered before anybody can join."""
        name = _checked(name)
        secret = network_secret.new_secret() if password is not None or invite_only else None
        salt = token = wrapped = None
        if password is not None and secret is not None:
            salt = network_secret.new_salt()
            keys = await self._derive(password, name, salt)
            token, wrapped = keys.token, network_secret.wrap(secret, keys.wrapping_key, name)
        created = await self._client.request(CreateNetwork(0, name, salt, token, wrapped), Created)
        network = NetworkId(created.network)
        self._networks.remember(network, JoinedNetwork(name, self._networks.own_address, secret))
        return network

    async def join(self, name: str, password: str | None, invite_secret: str | None) -> JoinResult:
        """Join, or bring the password or secret of a network that the account is in already."""
        name = _checked(name)
        secret = _secret_of(invite_secret)
        parameters = await self._client.request(PrepareJoin(0, name), JoinParameters)
        if _name_key(parameters.name) != _name_key(name):
            raise engine_error("server-protocol", reason="It answered for another network")
        token, wrapping_key = await self._keys_to_join(parameters, password)
        network = NetworkId(parameters.network)
        before = self._networks.joined.get(network)
        if before is not None and _name_key(before.name) != _name_key(name):
            raise engine_error("server-protocol", reason="It answered with the number of another network")
        answer = await self._ask_to_join(network, token)
        self._networks.remember(network, self._joined(network, parameters.name, secret, wrapping_key))
        return JoinResult(network, isinstance(answer, Pending))

    def _joined(self, network: NetworkId, name: str, secret: bytes | None, wrapping_key: bytes | None) -> JoinedNetwork:
        """What to remember. A secret that is here already goes only for one that the person brings.

        Raises EngineError for a password of which this computer can tell that it is wrong.
        """
        before, known = self._networks.joined.get(network), self._networks.all.get(network)
        if before is None:
            return JoinedNetwork(name, None, secret, wrapping_key)
        wrapped = None if known is None else known.state.wrapped_secret
        if before.secret is not None and wrapping_key is not None and wrapped is not None:
            try:
                network_secret.unwrap(wrapped, wrapping_key, name)
            except RemoteProtocolError:
                raise engine_error("secret-wrong", name=name) from None
        return JoinedNetwork(name, before.owner, secret or before.secret, wrapping_key)

    async def _keys_to_join(
        self, parameters: JoinParameters, password: str | None
    ) -> tuple[bytes | None, bytes | None]:
        """Token and wrapping key. A password that the server calls needless is a warning: it may lie."""
        if parameters.salt is None:
            if password is not None:
                raise engine_error("no-password-expected", name=parameters.name)
            return None, None
        if password is None:
            raise engine_error("password-needed", name=parameters.name)
        keys = await self._derive(password, parameters.name, parameters.salt)
        return keys.token, keys.wrapping_key

    async def _ask_to_join(self, network: NetworkId, token: bytes | None) -> Message:
        """Being a member or waiting already is fine: the person brings what this computer lacked."""
        try:
            return await self._client.request(JoinNetwork(0, network, token), Message)
        except EngineError as error:
            known = self._networks.all.get(network)
            if known is None or error.code not in (
                refusal_code(Refusal.ALREADY_MEMBER),
                refusal_code(Refusal.ALREADY_PENDING),
            ):
                raise
            return Pending(0, network) if known.state.status is MemberStatus.PENDING else Accepted(0)

    async def leave(self, network: NetworkId) -> None:
        """Leave and forget its secret."""
        await self._do(LeaveNetwork(0, self._known(network).network))
        self._networks.forget(network)

    async def delete(self, network: NetworkId) -> None:
        """Owner: delete and forget its secret."""
        await self._do(DeleteNetwork(0, self._known(network).network))
        self._networks.forget(network)

    async def set_password(self, network: NetworkId, password: str | None) -> None:
        """Owner: wrap the network's secret anew, or take the wrapping away; the secret itself stays."""
        known = self._known(network)
        joined = self._networks.joined.get(network)
        if joined is None:
            raise engine_error("secret-missing", name=known.state.name)
        if password is None:
            await self._do(SetPassword(0, network, None, None, None))
            return
        if joined.secret is None and self._networks.needs_secret(network):
            raise engine_error("secret-missing", name=known.state.name)
        secret = joined.secret or network_secret.new_secret()
        salt = network_secret.new_salt()
        keys = await self._derive(password, known.state.name, salt)
        wrapped = network_secret.wrap(secret, keys.wrapping_key, known.state.name)
        await self._do(SetPassword(0, network, salt, keys.token, wrapped))
        self._networks.remember(network, JoinedNetwork(known.state.name, joined.owner, secret))

    async def set_access(
        self, network: NetworkId, locked: bool | None, approval: bool | None, member_limit: int | None
    ) -> None:
        """Owner: lock, approval, member limit."""
        await self._do(SetAccess(0, self._known(network).network, locked, approval, member_limit))

    async def evict(self, network: NetworkId, member: Address, ban: bool) -> None:
        """Owner: put a member out by a signed statement, which every member holds against the server."""
        signed = self._statement(network, member, Verb.EVICTED)
        await self._do(Evict(0, network, member, ban, signed))
        self._networks.hear_own_statement(network, signed, self._identity.public)

    async def unban(self, network: NetworkId, member: Address) -> None:
        """Owner: forget a ban."""
        await self._do(Unban(0, self._known(network).network, member))

    async def approve(self, network: NetworkId, member: Address) -> None:
        """Owner: let a waiting account in; one that was evicted is readmitted by a statement."""
        line = self._member(network, member)
        barred = self._networks.memory.is_barred(network, member, line.fingerprint)
        signed = self._statement(network, member, Verb.READMITTED) if barred else None
        await self._do(Approve(0, network, member, signed))
        if signed is not None:
            self._networks.hear_own_statement(network, signed, self._identity.public)

    async def reject(self, network: NetworkId, member: Address) -> None:
        """Owner: turn a waiting account away."""
        await self._do(Reject(0, self._known(network).network, member))

    async def rename(self, network: NetworkId, member: Address, nickname: str | None) -> None:
        """Change a nickname in one network."""
        name = None if nickname is None else _checked(nickname)
        await self._do(RenameMember(0, self._known(network).network, member, name))

    async def set_presence(self, network: NetworkId, online: bool) -> None:
        """Go online or offline in one network."""
        await self._do(SetPresence(0, self._known(network).network, online))

    def _statement(self, network: NetworkId, member: Address, verb: Verb) -> bytes:
        line = self._member(network, member)
        now = time.time()
        statement = Statement(
            self._server_fingerprint,
            network,
            member,
            line.fingerprint,
            verb,
            self._networks.memory.next_counter(network, now),
            int(now),
        )
        return sign_statement(statement, self._identity)

    def _known(self, network: NetworkId) -> Network:
        known = self._networks.all.get(network)
        if known is None:
            raise refused(Refusal.NETWORK_NOT_FOUND)
        return known

    def _member(self, network: NetworkId, member: Address) -> Member:
        line = self._known(network).members.get(member)
        if line is None:
            raise refused(Refusal.PEER_NOT_FOUND)
        return line

    async def _do(self, request: Request) -> None:
        await self._client.request(request, Accepted)

    async def _derive(self, password: str, name: str, salt: bytes) -> PasswordKeys:
        try:
            return await asyncio.to_thread(
                network_secret.derive_password_keys, password, self._server_fingerprint, name, salt
            )
        except PasswordFormatError as error:
            raise engine_error("password-not-valid", reason=_sentence(error)) from None


def _checked(name: str) -> str:
    try:
        return checked_name(name)
    except RemoteProtocolError:
        raise refused(Refusal.BAD_NAME) from None


def _name_key(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _secret_of(invite_secret: str | None) -> bytes | None:
    try:
        return None if invite_secret is None else network_secret.secret_from_invite(invite_secret)
    except InviteSecretError as error:
        raise engine_error("invite-not-valid", reason=_sentence(error)) from None


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]
