"""What each request on the engine's socket becomes: one call of the engine's facade.

Two tables by the request's class, which a test holds against the schema: VALUES give one value (None: carried out),
STREAMS many. Checks of what a person may do are the engine's. Called by app/engine/control_server.py.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from ipaddress import IPv4Address
from typing import Any

from app.engine.engine import Engine
from app.engine.errors import EngineError, engine_error
from app.engine.proxy_choice import ProxyChoice, ProxyMode
from app.engine.state import ChatMessage, Conversation, EngineState, RoundTrip
from app.ipc import control
from app.protocol.wire import Address, NetworkId

MAX_CHAT_WAITING = 128
"""Chat messages that may wait for a client that follows a chat."""


async def _state(engine: Engine, _: control.ReadState) -> EngineState:
    return engine.state


async def _presence(engine: Engine, request: control.SetPresence) -> None:
    network = NetworkId(request.network)
    await (engine.go_online(network) if request.online else engine.go_offline(network))


def _conversation(request: control.AnyChatRequest) -> Conversation:
    return Conversation(network=request.network) if request.network else Conversation(str(IPv4Address(request.peer)))


async def _history(engine: Engine, request: control.ReadChat) -> tuple[ChatMessage, ...]:
    return await engine.chat_messages(_conversation(request), request.before, request.limit)


async def _keep_chat(engine: Engine, request: control.KeepChat) -> bool:
    if request.keep is not None:
        await engine.keep_chat_history(request.keep)
    return engine.chat_history_kept


async def _use_port_mapping(engine: Engine, request: control.UsePortMapping) -> bool:
    if request.wanted is not None:
        await engine.set_port_mapping(request.wanted)
    return engine.port_mapping_wanted


async def _proxy(engine: Engine, _: control.ReadProxy) -> ProxyChoice:
    return engine.proxy


async def _set_proxy(engine: Engine, request: control.SetProxy) -> None:
    try:
        mode = ProxyMode(request.mode)
    except ValueError as error:
        raise engine_error("proxy-not-valid", reason=error) from None
    choice = ProxyChoice(mode, request.host, request.port, request.user, request.pac)
    await engine.set_proxy(choice, request.password)


async def _mark_read(engine: Engine, request: control.MarkChatRead) -> None:
    engine.mark_read(_conversation(request))


async def _watch_state(engine: Engine, _: control.WatchState) -> AsyncGenerator[EngineState, None]:
    """Only the newest waits for a slow client."""
    changed = asyncio.Event()
    unsubscribe = engine.subscribe(lambda _: changed.set())
    try:
        while True:
            await changed.wait()
            changed.clear()
            yield engine.state
    finally:
        unsubscribe()


async def _follow_chat(engine: Engine, request: control.FollowChat) -> AsyncGenerator[ChatMessage, None]:
    """A client that falls far behind is told so by an error; nothing is left out in silence."""
    conversation = _conversation(request)
    waiting: asyncio.Queue[ChatMessage | None] = asyncio.Queue(MAX_CHAT_WAITING)

    def take(message: ChatMessage) -> None:
        if message.conversation == conversation and not waiting.full():
            waiting.put_nowait(message if waiting.qsize() < MAX_CHAT_WAITING - 1 else None)

    unsubscribe = engine.subscribe_chat(take)
    try:
        while (message := await waiting.get()) is not None:
            yield message
        raise EngineError("too-slow", "Chat messages came faster than they were read.", "", "Follow the chat again.")
    finally:
        unsubscribe()


async def _ping(engine: Engine, request: control.PingPeer) -> AsyncGenerator[RoundTrip, None]:
    answers = engine.ping(
        Address(request.peer),
        request.count,
        interval=request.interval,
        size=request.size,
        patience=request.timeout,
    )
    async for answer in answers:
        yield answer


async def _send_chat(engine: Engine, request: control.SendChat) -> AsyncGenerator[ChatMessage, None]:
    if request.network:
        message = await engine.send_network_chat(NetworkId(request.network), request.text)
    else:
        message = await engine.send_chat(Address(request.peer), request.text)
    yield message
    if request.timeout > 0:
        yield await engine.wait_chat(message, request.timeout)


def _on_network(
    call: Callable[[Engine, NetworkId, Any], Awaitable[object]],
) -> Callable[[Engine, Any], Awaitable[object]]:
    return lambda engine, request: call(engine, NetworkId(request.network), request)


def _on_member(
    call: Callable[[Engine, NetworkId, Address, Any], Awaitable[object]],
) -> Callable[[Engine, Any], Awaitable[object]]:
    return lambda engine, request: call(engine, NetworkId(request.network), Address(request.member), request)


def _on_peer(call: Callable[[Engine, Address, Any], Awaitable[object]]) -> Callable[[Engine, Any], Awaitable[object]]:
    return lambda engine, request: call(engine, Address(request.peer), request)


VALUES: Mapping[type[control.ControlRequest], Callable[[Engine, Any], Awaitable[object]]] = {
    control.ReadState: _state,
    control.LogIn: lambda engine, _: engine.login(),
    control.LogOut: lambda engine, _: engine.logout(),
    control.SetNickname: lambda engine, asked: engine.set_nickname(asked.nickname),
    control.CreateNetwork: lambda engine, asked: engine.create_network(
        asked.name, asked.password, invite_only=asked.invite_only
    ),
    control.JoinNetwork: lambda engine, asked: engine.join_network(asked.name, asked.password, asked.invite_secret),
    control.LeaveNetwork: _on_network(lambda engine, network, _: engine.leave_network(network)),
    control.DeleteNetwork: _on_network(lambda engine, network, _: engine.delete_network(network)),
    control.SetPresence: _presence,
    control.SetPassword: _on_network(lambda engine, network, asked: engine.set_password(network, asked.password)),
    control.SetAccess: _on_network(
        lambda engine, network, asked: engine.set_access(network, asked.locked, asked.approval, asked.member_limit)
    ),
    control.EvictMember: _on_member(
        lambda engine, network, member, asked: engine.evict(network, member, ban=asked.ban)
    ),
    control.UnbanMember: _on_member(lambda engine, network, member, _: engine.unban(network, member)),
    control.ApproveMember: _on_member(lambda engine, network, member, _: engine.approve(network, member)),
    control.RejectMember: _on_member(lambda engine, network, member, _: engine.reject(network, member)),
    control.RenameMember: _on_member(
        lambda engine, network, member, asked: engine.rename_member(network, member, asked.nickname)
    ),
    control.MakeInvite: lambda engine, asked: engine.invite(NetworkId(asked.network) if asked.network else None),
    control.ReadChat: _history,
    control.MarkChatRead: _mark_read,
    control.KeepChat: _keep_chat,
    control.ClearChat: lambda engine, _: engine.clear_chat(),
    control.ReadSafetyNumber: _on_peer(lambda engine, peer, _: engine.verification(peer)),
    control.MarkVerified: _on_peer(lambda engine, peer, asked: engine.mark_verified(peer, asked.verified)),
    control.SetBlocked: _on_peer(lambda engine, peer, asked: engine.set_blocked(peer, asked.blocked)),
    control.SetAlias: _on_peer(lambda engine, peer, asked: engine.set_alias(peer, asked.alias)),
    control.AcceptKey: _on_peer(lambda engine, peer, asked: engine.accept_new_key(peer, asked.fingerprint)),
    control.UsePortMapping: _use_port_mapping,
    control.CheckNetwork: lambda engine, _: engine.netcheck(),
    control.ReadProxy: _proxy,
    control.SetProxy: _set_proxy,
    control.TryProxy: lambda engine, _: engine.try_proxy(engine.proxy),
    control.Diagnose: lambda engine, _: engine.doctor(),
    control.ReadReport: lambda engine, _: engine.report(),
}
"""Requests that are answered by one value, or by Done where the call gives None."""

STREAMS: Mapping[type[control.ControlRequest], Callable[[Engine, Any], AsyncGenerator[object, None]]] = {
    control.WatchState: _watch_state,
    control.FollowChat: _follow_chat,
    control.SendChat: _send_chat,
    control.PingPeer: _ping,
}
"""Requests that are answered by many values."""
