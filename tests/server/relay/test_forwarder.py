"""The relay's UDP side on loopback: real sockets, real trains, and an account of every byte that goes out."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, closing
from struct import Struct
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.protocol import stun
from app.protocol.relay import RelayUnknown, decode
from app.protocol.wire import MIN_RELAY_ID
from app.server.limits import RelayLimits
from app.server.metrics import Counters
from app.server.reflector import Reflections
from app.server.relay.bindings import Bindings
from app.server.relay.forwarder import Forwarder
from tests.server.relay.party import SECRET, Party

QUESTION: Final = stun.question(b"transaction!")
UDP_SEGMENT, UDP_GRO = 103, 104
SEGMENT = Struct("=H")
PATIENCE: Final = 20.0
FAMILIES = {"127.0.0.1": socket.AF_INET, "::1": socket.AF_INET6}


def play(story: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(story)


class Endpoint:
    """A client's UDP socket; what it got and how much it sent is counted."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.socket(FAMILIES[host], socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_194_304)
        self.socket.bind((host, 0))
        self.socket.connect((host, port))
        self.sent = 0

    def send(self, datagram: bytes) -> None:
        self.socket.send(datagram)
        self.sent += len(datagram)

    def send_train(self, train: bytes, slot: int) -> None:
        option = ((socket.IPPROTO_UDP, UDP_SEGMENT, SEGMENT.pack(slot)),)
        self.socket.sendmsg((train,), option)
        self.sent += len(train)

    async def hear(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await asyncio.get_running_loop().sock_recv(self.socket, 65_536)

    def waiting(self) -> list[bytes]:
        """What has come already."""
        datagrams = []
        try:
            while True:
                datagrams.append(self.socket.recv(65_536))
        except BlockingIOError:
            return datagrams

    async def bind(self, party: Party) -> int:
        self.send(party.ping())
        self.send(party.bind(await self.hear()))
        return party.bound(await self.hear()).relay


class RunningRelay:
    """A relay with a port on both families."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.bindings = Bindings(SECRET, RelayLimits(words_per_second=100_000))
        self.forwarder = Forwarder(self.bindings, Reflections(100_000, self.counters))
        self.ports = {host: self.forwarder.open(host, 0) for host in FAMILIES}

    def endpoint(self, host: str = "127.0.0.1") -> Endpoint:
        return Endpoint(host, self.ports[host])

    async def rest(self) -> None:
        """Wait until the relay has taken all that was sent to it: it answers in the order of coming."""
        for host in FAMILIES:
            with closing(self.endpoint(host).socket) as sock:
                sock.send(QUESTION)
                async with asyncio.timeout(PATIENCE):
                    await asyncio.get_running_loop().sock_recv(sock, 100)


@asynccontextmanager
async def relaying() -> AsyncIterator[RunningRelay]:
    relay = RunningRelay()
    try:
        yield relay
    finally:
        relay.forwarder.stop()


@pytest.mark.parametrize("home", FAMILIES)
@pytest.mark.parametrize("office", FAMILIES)
def test_trains_reach_the_other_side_whole_whatever_its_family(home: str, office: str) -> None:
    async def story() -> None:
        async with relaying() as relay:
            anna, ben = relay.endpoint(home), relay.endpoint(office)
            with closing(anna.socket), closing(ben.socket):
                number = await anna.bind(Party(0))
                assert await ben.bind(Party(1)) == number
                await anna.hear()  # BOUND: both are there
                ben.socket.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
                head = number.to_bytes(4)
                train = b"".join(head + bytes([count]) * 1_196 for count in range(40)) + head + b"the last, shorter"
                anna.send_train(train, 1_200)
                received = await ben.hear()
                while len(received) < len(train):
                    received += await ben.hear()
                assert received == train
                assert relay.bindings.counts["relay_trains"] == 1, "one train in, one train out"
                ben.send(head + b"thank you")
                assert await anna.hear() == head + b"thank you"

    play(story())


def test_datagrams_that_wait_together_leave_together_and_in_order() -> None:
    async def story() -> None:
        async with relaying() as relay:
            anna, ben = relay.endpoint(), relay.endpoint()
            with closing(anna.socket), closing(ben.socket):
                head = (await anna.bind(Party(0))).to_bytes(4)
                await ben.bind(Party(1))
                await anna.hear()
                datagrams = [head + count.to_bytes(2) + bytes(94) for count in range(150)]
                datagrams += [head + bytes(40), head + bytes(7), head + bytes(40)]
                for datagram in datagrams:
                    anna.send(datagram)
                assert [await ben.hear() for _ in datagrams] == datagrams
                assert relay.bindings.counts["relay_trains"] < len(datagrams) / 5
                assert relay.bindings.counts["relay_bytes"] == sum(map(len, datagrams))

    play(story())


def test_a_mixed_train_reaches_each_peer_it_is_for() -> None:
    async def story() -> None:
        async with relaying() as relay:
            anna, ben, carl = (relay.endpoint() for _ in range(3))
            with closing(anna.socket), closing(ben.socket), closing(carl.socket):
                to_ben = (await anna.bind(Party(0))).to_bytes(4)
                to_carl = (await anna.bind(Party(0, b"anna with carl--"))).to_bytes(4)
                await ben.bind(Party(1))
                await carl.bind(Party(1, b"anna with carl--"))
                stranger = (MIN_RELAY_ID + 1).to_bytes(4)
                await relay.rest()
                anna.waiting()
                anna.send_train(b"".join(head + bytes(60) for head in (to_ben, to_carl, stranger, to_ben)), 64)
                assert [await ben.hear(), await ben.hear()] == [to_ben + bytes(60)] * 2
                assert await carl.hear() == to_carl + bytes(60)
                assert decode(await anna.hear()) == RelayUnknown(MIN_RELAY_ID + 1)

    play(story())


def test_a_client_behind_another_address_is_told_to_bind_anew() -> None:
    async def story() -> None:
        async with relaying() as relay:
            anna, moved = relay.endpoint(), relay.endpoint()
            with closing(anna.socket), closing(moved.socket):
                number = await anna.bind(Party(0))
                moved.send(number.to_bytes(4) + b"sealed data")
                assert decode(await moved.hear()) == RelayUnknown(number)
                assert await moved.bind(Party(0)) == number

    play(story())


def test_stun_on_the_relays_port_is_the_reflectors() -> None:
    async def story() -> None:
        async with relaying() as relay:
            await relay.rest()
            assert relay.counters["reflector_answered"] == 2

    play(story())


class Attacker:
    """Somebody with a valid token for one side of a pair, who sends whatever may make the relay send more."""

    def __init__(self, relay: RunningRelay, seed: int) -> None:
        self._random = random.Random(seed)
        self.own = relay.endpoint()
        self.party = Party(1)
        self._copied = [bytes(8), QUESTION]

    def copy(self, datagram: bytes) -> None:
        """Keep what was overheard."""
        self._copied.append(datagram)

    def attack(self, kind: int, length: int) -> None:
        """One datagram or train."""
        datagram = self._random.choice(self._copied)
        match kind:
            case 0:
                self.own.send(self._random.randbytes(length))
            case 1:
                self.own.send(datagram)
            case 2:
                mangled = bytearray(datagram)
                mangled[self._random.randrange(len(mangled))] = self._random.randrange(256)
                self.own.send(bytes(mangled))
            case 3:
                self.own.send(datagram[:length])
            case 4:
                self.own.send((MIN_RELAY_ID + self._random.randrange(100)).to_bytes(4) + bytes(length))
            case 5:
                slot = 4 + length % 200
                self.own.send_train(self._random.randbytes(slot * self._random.randint(2, 30)), slot)
            case _:
                self.own.send(b"")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.lists(st.tuples(st.integers(0, 6), st.integers(1, 1_200)), min_size=1, max_size=60))
def test_whatever_is_sent_to_it_the_relay_sends_no_more(seed: int, attacks: list[tuple[int, int]]) -> None:
    async def story() -> None:
        async with relaying() as relay:
            anna, bystander = relay.endpoint(), relay.endpoint()
            attacker = Attacker(relay, seed)
            with closing(anna.socket), closing(bystander.socket), closing(attacker.own.socket):
                number = await anna.bind(Party(0))
                bystander_number = await bystander.bind(Party(0, b"a pair of others"))
                ping = attacker.party.ping()
                attacker.own.send(ping)
                pong = await attacker.own.hear()
                bind = attacker.party.bind(pong)
                for heard in (ping, pong, bind, number.to_bytes(4) + b"data", bystander_number.to_bytes(4) + b"data"):
                    attacker.copy(heard)
                attacker.own.sent, received = len(ping), len(pong)
                for kind, length in attacks:
                    attacker.attack(kind, length)
                    if attacker.own.sent > 100_000:
                        await relay.rest()
                await relay.rest()
                received += sum(map(len, attacker.own.waiting()))
                assert received + sum(map(len, anna.waiting())) <= attacker.own.sent
                assert bystander.waiting() == [], "whoever has no pair with him gets nothing"

    play(story())


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["anna", "ben", "carl"]), st.integers(0, 2), st.integers(0, 400), st.integers(1, 12)),
    min_size=1,
    max_size=25,
)
"""Who sends, which relay id, bytes of each datagram behind it, and how many in one train, the last one shorter."""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ACTIONS, st.lists(st.integers(0, 24), max_size=4))
def test_every_datagram_reaches_its_peer_unchanged_and_in_order(
    actions: list[tuple[str, int, int, int]], rests: list[int]
) -> None:
    """However they come, alone, in trains or mixed, and however many wait together."""

    async def story() -> None:
        async with relaying() as relay, AsyncExitStack() as stack:
            people = {name: relay.endpoint() for name in ("anna", "ben", "carl")}
            for person in people.values():
                stack.enter_context(closing(person.socket))
            with_ben = await people["anna"].bind(Party(0))
            with_carl = await people["anna"].bind(Party(0, b"anna with carl--"))
            await people["ben"].bind(Party(1))
            await people["carl"].bind(Party(1, b"anna with carl--"))
            numbers = [with_ben, with_carl, MIN_RELAY_ID]
            ways = {("anna", with_ben): "ben", ("ben", with_ben): "anna"}
            ways |= {("anna", with_carl): "carl", ("carl", with_carl): "anna"}
            expected: dict[tuple[str, str], list[bytes]] = {}
            heard: dict[str, list[bytes]] = {name: [] for name in people}
            for count, (sender, which, length, train) in enumerate(actions):
                head = numbers[which].to_bytes(4)
                datagrams = [head + bytes([count, number]) * length for number in range(train)]
                datagrams[-1] = datagrams[-1][: 4 + length]
                if train > 1:
                    people[sender].send_train(b"".join(datagrams), len(datagrams[0]))
                else:
                    people[sender].send(datagrams[0])
                receiver = ways.get((sender, numbers[which]))
                if receiver is not None and length:
                    expected.setdefault((sender, receiver), []).extend(datagrams)
                if count in rests or count % 5 == 4 or count == len(actions) - 1:
                    await relay.rest()
                    for name, person in people.items():
                        heard[name] += [each for each in person.waiting() if each[:1] != b"\x82"]
            assert heard["ben"] == expected.get(("anna", "ben"), [])
            assert heard["carl"] == expected.get(("anna", "carl"), [])
            for sender, number in (("ben", with_ben), ("carl", with_carl)):
                own = [each for each in heard["anna"] if each[:4] == number.to_bytes(4)]
                assert own == expected.get((sender, "anna"), [])

    play(story())
