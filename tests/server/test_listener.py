"""A real server on loopback and real clients over TCP."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.protocol.keys import IdentityKey
from app.protocol.mediation import HelloRefused, LoginRefused
from app.protocol.messages import (
    Accepted,
    Candidate,
    CandidateKind,
    Closing,
    Created,
    CreateNetwork,
    HelloRefusal,
    Introduce,
    Introduced,
    JoinNetwork,
    JoinParameters,
    MemberChanged,
    NetworkState,
    Ping,
    PrepareJoin,
    Refusal,
    Refused,
    Roster,
    SetNickname,
    Synchronised,
    Welcome,
)
from app.protocol.wire import Address
from app.server.config import Config, MetricsTable, ServerFolder, ServerTable, parse_config
from app.server.limits import RateLimits
from app.server.service import MediationServer
from app.server.web import WebTable
from tests.server.client import Client, key, many_keys

SERVER_KEY = 0


def config(limits: RateLimits | None = None) -> Config:
    table = ServerTable(name="home", pool="10.77.0.0/16", listen=("127.0.0.1",), port=0, reflector_ports=(0, 0))
    generous = RateLimits(handshakes_per_minute=100_000, connections_per_source=4_000, registrations_per_hour=100_000)
    return Config(table, limits=limits or generous, web=WebTable(port=0), metrics=MetricsTable("127.0.0.1", 0))


def server_folder(path: Path) -> ServerFolder:
    folder = ServerFolder(path)
    if not folder.key_file.exists():
        folder.key_file.touch(mode=0o600)
        folder.key_file.write_bytes(key(SERVER_KEY).to_pem(None))
    return folder


@asynccontextmanager
async def running(path: Path, settings: Config | None = None) -> AsyncIterator[MediationServer]:
    server = MediationServer(server_folder(path), settings or config())
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def client(server: MediationServer, identity: IdentityKey, address: Address | None = None) -> Client:
    return Client(server.port, key(SERVER_KEY).public.fingerprint, identity, address)


def play(story: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(story)


def test_one_source_cannot_take_all_half_open_places(tmp_path: Path) -> None:
    async def story() -> None:
        limits = RateLimits(half_open_per_source=1)
        async with running(tmp_path, config(limits)) as server:
            _, idle = await asyncio.open_connection("127.0.0.1", server.port)
            async with client(server, key(2)) as bert:
                await bert.connect()
                assert await bert.event(HelloRefused) == HelloRefused(HelloRefusal.BUSY)
            idle.transport.abort()

    play(story())


@pytest.mark.parametrize("suite", [1, 2])
def test_first_contact_registers_and_the_address_stays_also_after_a_restart(tmp_path: Path, suite: int) -> None:
    async def story() -> None:
        async with running(tmp_path) as server, client(server, key(1)) as anna:
            await anna.log_in("Anna", suite)
            address = anna.address
        async with running(tmp_path) as server, client(server, key(1), address) as anna:
            await anna.connect("ignored", suite)
            welcome = await anna.expect(Welcome)
            assert (welcome.nickname, welcome.server_name, welcome.observed_host) == ("Anna", "home", "127.0.0.1")
            assert welcome.reflector_ports == server.reflector_ports
            assert (welcome.pool, welcome.pool_prefix) == (0x0A4D0000, 16)
            await anna.expect(Synchronised)
            async with client(server, key(1)) as again:
                await again.log_in("other")
                assert again.address == address, "a key that registers again keeps its address"

    play(story())


def test_two_clients_make_a_network_and_see_each_other_come_and_go(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as server, client(server, key(1)) as anna:
            await anna.log_in("Anna")
            created = await anna.ask(CreateNetwork(1, "LAN party", None, None, None))
            assert isinstance(created, Created)
            async with client(server, key(2)) as bert:
                await bert.log_in("Bert")
                found = await bert.ask(PrepareJoin(1, "lan PARTY"))
                assert found == JoinParameters(1, created.network, "LAN party", None)
                await bert.must(JoinNetwork(2, created.network, None))
                state = await bert.expect(NetworkState)
                assert (state.name, state.owner, state.roster) == ("LAN party", anna.address, True)
                roster = await bert.expect(Roster)
                assert [(each.nickname, each.online) for each in sorted(roster.members, key=lambda m: m.nickname)] == [
                    ("Anna", True),
                    ("Bert", True),
                ]
                arrived = await anna.expect(MemberChanged)
                assert (arrived.member.address, arrived.member.online) == (bert.address, True)
                hello = Introduce(3, anna.address or 0, b"name", secrets.token_bytes(16), (), True)
                await bert.must(hello)
                introduced = await anna.expect(Introduced)
                assert (introduced.peer, introduced.username) == (bert.address, b"name")
            left = await anna.expect(MemberChanged)
            assert (left.member.address, left.member.online) == (bert.address, False)
            assert await anna.ask(msgspec.structs.replace(hello, peer=bert.address)) == Refused(3, Refusal.PEER_OFFLINE)

    play(story())


def test_a_login_elsewhere_ends_the_older_session(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as server, client(server, key(1)) as first:
            await first.log_in()
            async with client(server, key(1), first.address) as second:
                await second.log_in()
                assert await first.expect(Closing) == Closing(restart=False)
                await first.end()
                assert await second.ask(Ping(7)) == Accepted(7)

    play(story())


def test_wrong_keys_get_a_named_refusal(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as server:
            async with client(server, key(1)) as anna:
                await anna.log_in()
                async with client(server, key(2), anna.address) as impostor:
                    await impostor.connect()
                    assert await impostor.event(LoginRefused) == LoginRefused(Refusal.WRONG_SIGNATURE)
                assert await anna.ask(Ping(1)) == Accepted(1), "the impostor's try has not ended the real session"
            async with client(server, key(2), Address(1)) as stranger:
                await stranger.connect()
                assert await stranger.event(LoginRefused) == LoginRefused(Refusal.NO_SUCH_ACCOUNT)
            async with Client(server.port, key(3).public.fingerprint, key(1)) as misled:
                await misled.connect()
                assert await misled.event(HelloRefused) == HelloRefused(HelloRefusal.NO_SUCH_KEY)

    play(story())


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\x00", b"\x00\x00", b"\xff" * 70_000, b"GET / HTTP/1.1\r\n\r\n", b"\x00\x03abc", b"\x00\x02\x91\x01"],
)
def test_garbage_ends_that_one_stream_only(tmp_path: Path, garbage: bytes) -> None:
    async def story() -> None:
        async with running(tmp_path) as server, client(server, key(1)) as anna:
            await anna.log_in()
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(garbage)
            writer.write_eof()
            try:
                assert len(await reader.read(65_536)) <= 16
            except ConnectionResetError:
                pass
            finally:
                writer.transport.abort()
            assert await anna.ask(Ping(1)) == Accepted(1)

    play(story())


def test_a_tampered_frame_after_the_login_ends_the_stream_and_the_session(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as server, client(server, key(1)) as anna, client(server, key(2)) as bert:
            await anna.log_in()
            created = await anna.ask(CreateNetwork(1, "n", None, None, None))
            assert isinstance(created, Created)
            await bert.log_in("bert")
            await bert.must(JoinNetwork(1, created.network, None))
            await anna.expect(MemberChanged)
            bert.conversation.send(SetNickname(2, "x"))
            frame = bytearray(bert.conversation.data_to_send())
            frame[-1] ^= 1
            bert.writer.write(frame)
            assert await bert.end() == ""
            assert not (await anna.expect(MemberChanged)).member.online

    play(story())


def test_a_flood_of_requests_is_slowed_down_and_loses_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        limits = RateLimits(requests_per_second=200)
        async with running(tmp_path, config(limits)) as server, client(server, key(1)) as anna:
            await anna.log_in()
            for number in range(1_000):
                anna.send(PrepareJoin(number, "nowhere"))
            reasons = [(await anna.expect(Refused)).reason for _ in range(1_000)]
            assert set(reasons) == {Refusal.NETWORK_NOT_FOUND, Refusal.TOO_MANY_REQUESTS}
            assert reasons.count(Refusal.NETWORK_NOT_FOUND) < 100

    play(story())


def test_more_connections_than_allowed_hear_busy(tmp_path: Path) -> None:
    async def story() -> None:
        limits = RateLimits(connections_per_source=2)
        async with (
            running(tmp_path, config(limits)) as server,
            client(server, key(1)) as anna,
            client(server, key(2)) as bert,
            client(server, key(3)) as third,
        ):
            await anna.log_in()
            await bert.log_in()
            await third.connect()
            assert await third.event(HelloRefused) == HelloRefused(HelloRefusal.BUSY)

    play(story())


def test_half_open_connections_are_bounded_and_do_not_lock_members_out(tmp_path: Path) -> None:
    async def story() -> None:
        limits = RateLimits(half_open=3)
        async with running(tmp_path, config(limits)) as server, client(server, key(1)) as anna:
            await anna.log_in()
            idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
            async with client(server, key(2)) as bert:
                await bert.connect()
                assert await bert.event(HelloRefused) == HelloRefused(HelloRefusal.BUSY)
            assert await anna.ask(Ping(1)) == Accepted(1)
            for _, writer in idle:
                writer.transport.abort()

    play(story())


def test_a_client_that_does_not_read_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.connection.MAX_UNSENT", 20_000)
    limits = RateLimits(introductions_per_minute=10_000_000, requests_per_second=100_000, bytes_per_second=100_000_000)
    candidates = (Candidate(CandidateKind.HOST, "2001:db8:1111:2222:3333:4444:5555:6666", 12_975),) * 24

    async def story() -> None:
        async with (
            running(tmp_path, config(limits)) as server,
            client(server, key(1)) as anna,
            client(server, key(2)) as deaf,
        ):
            await anna.log_in()
            created = await anna.ask(CreateNetwork(1, "n", None, None, None))
            assert isinstance(created, Created)
            await deaf.log_in()
            await deaf.must(JoinNetwork(1, created.network, None))
            deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
            reply: object = None
            number = 2
            while reply != Refused(number, Refusal.PEER_OFFLINE):
                number += 1
                anna.told.clear()
                reply = await anna.ask(Introduce(number, deaf.address or 0, b"name", bytes(32), candidates, False))

    play(story())


def test_a_stopping_server_asks_to_come_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as server, client(server, key(1)) as anna:
            await anna.log_in()
            await server.stop()
            assert await anna.expect(Closing) == Closing(restart=True)

    play(story())


def test_metrics_and_health(tmp_path: Path) -> None:
    async def get(port: int, page: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {page} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        return answer

    async def story() -> None:
        async with running(tmp_path) as server, client(server, key(1)) as anna:
            await anna.log_in()
            port = server.metrics_port or 0
            text = await get(port, "/metrics")
            assert text.startswith("HTTP/1.1 200 OK")
            assert "\nburi_server_sessions 1\n" in text
            assert "\nburi_server_registrations_total 1\n" in text
            assert (await get(port, "/health")).endswith("\r\n\r\nok\n")
            assert (await get(port, "/")).startswith("HTTP/1.1 404")

    play(story())


def test_five_hundred_accounts_log_in_and_everybody_sees_everybody(tmp_path: Path) -> None:
    crowd = 500
    keys = many_keys(crowd)

    async def story() -> None:
        settings = parse_config(
            b"[server]\nname='s'\npool='10.77.0.0/16'\nlisten=['127.0.0.1']\nport=0\nreflector-ports=[]\n"
            b"[policy]\nmembers-per-network=1000\n"
            b"[limits]\nhandshakes-per-minute=9999\nconnections-per-source=999\nregistrations-per-hour=9999\n"
            b"joins-per-minute=9999\nhalf-open=999\n"
        )
        async with running(tmp_path, settings) as server, client(server, key(1)) as owner:
            await owner.log_in("owner")
            created = await owner.ask(CreateNetwork(1, "crowd", None, None, None))
            assert isinstance(created, Created)
            clients = [await client(server, identity).log_in("guest") for identity in keys]
            for each in clients:
                await each.must(JoinNetwork(1, created.network, None))
            seen: set[int | None] = {owner.address}
            while len(seen) <= crowd:
                seen.add((await owner.expect(MemberChanged)).member.address)
            assert seen == {owner.address, *(each.address for each in clients)}
            for each in clients:
                each.writer.transport.abort()
            while len(seen) > 1:
                changed = (await owner.expect(MemberChanged)).member
                assert not changed.online
                seen.discard(changed.address)

    play(story())
