"""The server connection against servers that break, lie about themselves, or say nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from app.base.backoff import Backoff
from app.base.tasks import Tasks
from app.engine.errors import EngineError
from app.engine.mediation_client import MediationClient, ServerAccess
from app.engine.server_routes import ServerRoutes
from app.engine.state import ServerStatus
from app.engine.timing import Timing
from app.protocol.keys import IdentityKey
from app.protocol.mediation import LoginRequested, MessageReceived, RegistrationRequested, ServerConversation
from app.protocol.messages import (
    Accepted,
    Closing,
    Created,
    Message,
    Refusal,
    Refused,
    Request,
    SetNickname,
    Synchronised,
)
from app.protocol.wire import Address
from app.server.certificate import own_certificate, server_context
from app.server.entrance import Entrance, Visitor
from app.server.limits import RateLimits
from app.server.metrics import Counters

SERVER, CLIENT, STRANGER = (IdentityKey.generate() for _ in range(3))
TIMING = Timing(
    connect_timeout=2.0,
    request_timeout=0.3,
    login_timeout=1.0,
    server_backoff=Backoff(first=0.01, limit=0.05),
    refused_backoff=Backoff(first=30.0, limit=60.0),
)
ADDRESS = Address(0x0A000001)
Answer = Callable[[Request], list[Message]]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Setting:
    """A client and a little server with the behaviour of one test."""

    def __init__(self, serve: Serve) -> None:
        self.serve = serve
        self.words: list[Message] = []
        self.logins: list[Address] = []
        self.connections = 0
        self.port = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.changed = asyncio.Event()
        self.tasks = Tasks()
        self.routes = ServerRoutes(self.tasks, web_port=0, location=lambda: "here")
        self.client = MediationClient(
            CLIENT,
            TIMING,
            self.tasks,
            self.words.append,
            self.logins.append,
            self.changed.set,
            self.routes,
        )

    async def __aenter__(self) -> "Setting":
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self.server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.stop()
        await self.tasks.close()
        for _turn in range(5):  # turns of the loop: a connection that just came leaks if its server is closed already
            await asyncio.sleep(0)
        self.server.close()
        await self.server.wait_closed()
        for writer in self.writers:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        with suppress(ConnectionError):
            await self.serve(reader, writer)
        writer.close()

    def start(self, address: Address | None = None, port: int | None = None) -> None:
        access = ServerAccess("127.0.0.1", port or self.port, SERVER.public.fingerprint, 2, "anna")
        self.client.start(access, address)

    async def until(self, *statuses: ServerStatus) -> None:
        async with asyncio.timeout(20):
            while self.client.status not in statuses:
                self.changed.clear()
                await self.changed.wait()


def honest(
    answer: Answer = lambda _: [],
    identity: IdentityKey = SERVER,
    refusal: Refusal | None = None,
    synchronises: bool = True,
) -> Serve:
    """A server that logs everybody in and answers by `answer`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now = asyncio.get_running_loop().time
        conversation = ServerConversation(identity, now())
        while not conversation.closed and (data := await reader.read(65_536)):
            conversation.receive_data(data, now())
            while (event := conversation.next_event()) is not None:
                if isinstance(event, RegistrationRequested | LoginRequested) and refusal is not None:
                    conversation.refuse_login(refusal, now())
                elif isinstance(event, RegistrationRequested):
                    conversation.accept_registration(ADDRESS, now())
                    if synchronises:
                        conversation.send(Synchronised())
                elif isinstance(event, LoginRequested):
                    conversation.accept_login(CLIENT.public, now())
                    conversation.send(Synchronised())
                elif isinstance(event, MessageReceived):
                    assert isinstance(event.message, Request)
                    for message in answer(event.message):
                        conversation.send(message)
            writer.write(conversation.data_to_send())
            await writer.drain()

    return serve


def run(serve: Serve, story: Callable[[Setting], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with Setting(serve) as setting:
            await story(setting)

    asyncio.run(whole())


async def refusal_of(awaitable: Awaitable[object]) -> str:
    with pytest.raises(EngineError) as caught:
        await awaitable
    return caught.value.code


def test_the_first_contact_registers_and_the_next_logs_in() -> None:
    async def story(setting: Setting) -> None:
        setting.start()
        await setting.client.settled()
        assert (setting.logins, setting.client.status) == ([ADDRESS], ServerStatus.ONLINE)
        await setting.client.stop()
        setting.start(ADDRESS)
        await setting.client.settled()
        assert setting.logins == [ADDRESS, ADDRESS]

    run(honest(), story)


def test_replies_find_their_requests_and_refusals_are_errors() -> None:
    def answer(request: Request) -> list[Message]:
        assert isinstance(request, SetNickname)
        if request.nickname == "bad":
            return [Refused(request.request, Refusal.BAD_NAME)]
        return [Accepted(9_999), Accepted(request.request), Accepted(request.request)]

    async def story(setting: Setting) -> None:
        setting.start()
        await setting.client.settled()
        await setting.client.request(SetNickname(0, "anna"), Accepted)
        assert await refusal_of(setting.client.request(SetNickname(0, "bad"), Accepted)) == "refused-bad-name"
        assert await refusal_of(setting.client.request(SetNickname(0, "anna"), Created)) == "server-protocol"

    run(honest(answer), story)


def test_a_server_that_does_not_answer_is_not_waited_for_forever() -> None:
    async def story(setting: Setting) -> None:
        setting.start()
        await setting.client.settled()
        assert await refusal_of(setting.client.request(SetNickname(0, "anna"), Accepted)) == "server-no-answer"
        assert setting.client.online

    run(honest(), story)


def test_a_server_that_never_tells_its_networks_is_not_waited_for_forever() -> None:
    async def story(setting: Setting) -> None:
        setting.start()
        assert await refusal_of(setting.client.settled()) == "server-no-answer"
        assert setting.client.status is ServerStatus.SYNCHRONISING

    run(honest(synchronises=False), story)


def test_a_server_with_another_key_is_told_and_left_alone() -> None:
    async def story(setting: Setting) -> None:
        setting.start()
        assert await refusal_of(setting.client.settled()) == "server-wrong-key"
        assert (setting.client.status, setting.connections) == (ServerStatus.REFUSED, 1)

    run(honest(identity=STRANGER), story)


def test_another_server_at_the_hosts_web_port_does_not_matter(tmp_path: Path) -> None:
    """Two servers of one host can't both have port 443."""

    async def answer_no(visitor: Visitor) -> None:
        now = asyncio.get_running_loop().time
        conversation = ServerConversation(STRANGER, now())
        conversation.receive_data(await visitor.stream.read(65_536), now())
        visitor.stream.write(conversation.data_to_send())
        await visitor.stream.drain()

    async def story(setting: Setting) -> None:
        other = Entrance(RateLimits(), Counters(), setting.tasks, answer_no, None)
        file = own_certificate(tmp_path / "web.pem", "")
        setting.routes.web_port = other.open_web("127.0.0.1", 0, server_context(file, file))
        setting.routes.remembered["here"] = "WebSocket"
        setting.start()
        await setting.client.settled()
        assert str(setting.client.route) == "TCP"
        other.close()

    run(honest(), story)


def test_a_refused_account_is_told_and_left_alone() -> None:
    async def story(setting: Setting) -> None:
        setting.start()
        assert await refusal_of(setting.client.settled()) == "refused-registration-closed"
        assert (setting.client.status, setting.connections) == (ServerStatus.REFUSED, 1)

    run(honest(refusal=Refusal.REGISTRATION_CLOSED), story)


@pytest.mark.parametrize(
    "noise", [b"", b"\x00\x00", b"\xff" * 5_000, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x05hello"]
)
def test_noise_instead_of_a_server_ends_that_one_try(noise: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(noise)
        await writer.drain()

    async def story(setting: Setting) -> None:
        setting.start()
        assert await refusal_of(setting.client.settled()) in ("server-protocol", "server-lost", "server-unreachable")
        await setting.until(ServerStatus.CONNECTING)

    run(serve, story)


def test_a_port_where_nobody_listens_is_tried_again() -> None:
    async def story(setting: Setting) -> None:
        setting.server.close()
        setting.start()
        assert await refusal_of(setting.client.settled()) == "server-unreachable"
        await setting.until(ServerStatus.WAITING)
        assert setting.client.problem is not None
        assert "Connection refused" in setting.client.problem.message
        await setting.until(ServerStatus.CONNECTING)

    run(honest(), story)


def test_who_wants_a_new_connection_does_not_wait_for_the_end_of_the_try_that_is_under_way() -> None:
    async def story(setting: Setting) -> None:
        arrived, greet = asyncio.Event(), setting.serve

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if setting.connections > 1:
                await greet(reader, writer)
                return
            arrived.set()
            await reader.read()  # the first one is never answered

        setting.serve = serve
        setting.client._timing = replace(TIMING, connect_timeout=3_600.0)
        setting.start()
        await arrived.wait()
        setting.client.reconnect()
        setting.client.reconnect()
        await setting.until(ServerStatus.ONLINE)
        assert setting.connections == 2

    run(honest(), story)


def test_a_lost_server_ends_requests_and_is_found_again() -> None:
    def answer(_: Request) -> list[Message]:
        raise ConnectionAbortedError

    async def story(setting: Setting) -> None:
        setting.start()
        await setting.client.settled()
        assert await refusal_of(setting.client.request(SetNickname(0, "anna"), Accepted)) == "server-lost"
        assert await refusal_of(setting.client.request(SetNickname(0, "anna"), Accepted)) == "not-logged-in"
        await setting.until(ServerStatus.ONLINE)
        assert setting.connections >= 2

    run(honest(answer), story)


def test_after_a_change_of_networks_a_connection_is_kept_if_it_answers_and_made_anew_if_not() -> None:
    silent: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        write = writer.write
        writer.write = lambda data: None if writer in silent else write(data)  # type: ignore[method-assign]
        await honest(lambda request: [Accepted(request.request)])(reader, writer)

    async def story(setting: Setting) -> None:
        setting.start()
        await setting.client.settled()
        setting.client.network_changed({"127.0.0.1"})
        await setting.client.request(SetNickname(0, "anna"), Accepted)
        assert setting.connections == 1

        silent.update(setting.writers)
        setting.client.network_changed({"127.0.0.1"})
        await setting.until(ServerStatus.CONNECTING)
        await setting.until(ServerStatus.ONLINE)
        assert setting.connections == 2

    run(serve, story)


@pytest.mark.parametrize(("restart", "status"), [(True, ServerStatus.WAITING), (False, ServerStatus.REFUSED)])
def test_a_server_that_closes_says_whether_to_come_back(restart: bool, status: ServerStatus) -> None:
    def answer(request: Request) -> list[Message]:
        assert isinstance(request, SetNickname)
        if request.nickname == "leave":
            raise ConnectionAbortedError
        return [Closing(restart)]

    async def story(setting: Setting) -> None:
        setting.start()
        await setting.client.settled()
        for nickname in ("anna", "leave"):
            with suppress(EngineError):
                await setting.client.request(SetNickname(0, nickname), Accepted)
        await setting.until(status)
        assert setting.client.problem is not None
        assert setting.client.problem.code == ("server-restarts" if restart else "server-replaced")

    run(honest(answer), story)


def test_stopping_ends_whoever_waits_for_the_login() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def story(setting: Setting) -> None:
        setting.start()
        waiting = setting.tasks.start("login", refusal_of(setting.client.settled()))
        await setting.client.stop()
        assert await waiting == "not-logged-in"

    run(serve, story)
