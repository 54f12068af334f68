"""Which endpoints a computer tells its peers, and what it learns from reflectors."""

import asyncio
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.candidates import (
    MAX_OUTSIDE,
    OwnAddresses,
    Reflectors,
    as_candidates,
    host_endpoints,
    read_addresses,
    resolve_ports,
)
from app.engine.timing import Timing
from app.platform.addresses import LocalAddress
from app.protocol import stun
from app.protocol.messages import MAX_CANDIDATES, CandidateKind
from app.protocol.stun import MessageClass, StunMessage
from app.protocol.wire import Endpoint

REFLECTORS = (Endpoint("198.51.100.1", 1), Endpoint("198.51.100.1", 2))
QUICK = Timing(reflector_timeout=0.05, reflector_retry=0.0)


def test_the_virtual_adapter_is_no_candidate() -> None:
    addresses = [
        LocalAddress("eth0", "192.168.1.5"),
        LocalAddress("eth0", "2001:db8::5"),
        LocalAddress("buri0", "10.1.0.9"),
        LocalAddress("other", "10.77.3.4"),
        LocalAddress("other", "fd62:7572:6900::a4d:304"),
    ]
    pool = IPv4Network("10.77.0.0/16")
    found = host_endpoints(addresses, 4_000, "buri0", pool, ipv6=True)
    assert found == [Endpoint("192.168.1.5", 4_000), Endpoint("2001:db8::5", 4_000)]
    assert host_endpoints(addresses, 4_000, "buri0", pool, ipv6=False) == [Endpoint("192.168.1.5", 4_000)]
    assert Endpoint("10.77.3.4", 1) in host_endpoints(addresses, 1, "buri0", None, ipv6=False)


def test_an_address_that_is_seen_from_outside_unchanged_is_told_once() -> None:
    host, outside = Endpoint("203.0.113.5", 4_000), Endpoint("198.51.100.7", 9)
    told = as_candidates([host], [host, outside])
    assert [(each.kind, each.host) for each in told] == [
        (CandidateKind.HOST, "203.0.113.5"),
        (CandidateKind.REFLEXIVE, "198.51.100.7"),
    ]


def test_interfaces_are_told_in_their_order_which_says_what_counts() -> None:
    hosts = [Endpoint("192.168.1.5", 1), *(Endpoint(f"172.{n}.0.1", 1) for n in range(17, 17 + MAX_CANDIDATES))]
    told = as_candidates(hosts, [Endpoint("198.51.100.7", 9)])
    assert [each.host for each in told] == [*(each.host for each in hosts[: MAX_CANDIDATES - 1]), "198.51.100.7"]


endpoints = st.builds(Endpoint, st.ip_addresses(v=4).map(str), st.integers(1, 65_535))


def test_a_port_that_the_router_opened_is_told_as_such() -> None:
    host, outside, opened = Endpoint("192.168.1.5", 4_000), Endpoint("198.51.100.7", 9), Endpoint("198.51.100.7", 4_000)
    told = as_candidates([host], [outside, opened], [opened])
    assert [(each.kind, each.port) for each in told] == [
        (CandidateKind.HOST, 4_000),
        (CandidateKind.MAPPED, 4_000),
        (CandidateKind.REFLEXIVE, 9),
    ]


@given(st.lists(endpoints, max_size=40), st.lists(endpoints, max_size=8), st.lists(endpoints, max_size=1))
def test_a_computer_with_many_addresses_tells_what_fits_and_the_outside_first(
    hosts: list[Endpoint], reflexive: list[Endpoint], mapped: list[Endpoint]
) -> None:
    told = as_candidates(hosts, reflexive, mapped)
    assert len(told) <= MAX_CANDIDATES
    assert len({(each.host, each.port) for each in told}) == len(told)
    outside = {each.plain for each in (*reflexive, *mapped)} - {each.plain for each in hosts}
    assert sum(each.kind is not CandidateKind.HOST for each in told) >= min(MAX_OUTSIDE, len(outside))
    kinds = [each.kind for each in told]
    assert kinds == sorted(kinds)


class Mirror:
    """Answers questions to some reflectors."""

    def __init__(self, silent: tuple[Endpoint, ...] = (), wrong: bool = False) -> None:
        self.silent, self.wrong = silent, wrong
        self.asked: list[Endpoint] = []
        self.reflectors = Reflectors(self.send, QUICK)
        self.reflectors.endpoints = REFLECTORS

    def send(self, endpoint: Endpoint, data: bytes) -> None:
        self.asked.append(endpoint)
        if endpoint in self.silent:
            return
        question = stun.decode(data)
        mapped = None if self.wrong else Endpoint("203.0.113.5", 7_000 + endpoint.port)
        answer = StunMessage(MessageClass.SUCCESS, question.transaction_id, mapped_address=mapped)
        asyncio.get_running_loop().call_soon(self.reflectors.receive, answer)


def test_reflectors_tell_the_outside_endpoints_and_are_not_asked_again_soon() -> None:
    async def story() -> None:
        mirror = Mirror()
        expected = (Endpoint("203.0.113.5", 7_001), Endpoint("203.0.113.5", 7_002))
        assert await mirror.reflectors.ask() == expected
        assert await mirror.reflectors.ask() == expected
        assert len(mirror.asked) == 2
        mirror.reflectors.forget()
        await mirror.reflectors.ask()
        assert len(mirror.asked) == 4

    asyncio.run(story())


def test_a_mute_reflector_holds_up_nobody() -> None:
    async def story() -> None:
        mirror = Mirror(silent=REFLECTORS[:1])
        assert await mirror.reflectors.ask() == (Endpoint("203.0.113.5", 7_002),)
        for useless in (Mirror(silent=REFLECTORS), Mirror(wrong=True)):
            assert await useless.reflectors.ask() == ()
        empty = Reflectors(mirror.send, QUICK)
        assert await empty.ask() == ()

    asyncio.run(story())


class Home:
    """What the system's resolver says of the name that others use for a server at home, and how the router answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *addresses: str, inside: str = "") -> None:
        self.addresses = list(addresses)
        self.reflectors = Reflectors(self.send, QUICK)
        self.reflectors.endpoints = REFLECTORS
        self.reflectors.public_host = "home.example"
        self.reflectors.socket_opened(4_000)
        self._inside = inside
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.resolve)

    async def resolve(self, _name: str, _port: None) -> list[object]:
        if not self.addresses:
            raise OSError("no such name")
        return [(":" in each, 0, 0, "", (each, 0)) for each in self.addresses]

    def send(self, _reflector: Endpoint, data: bytes) -> None:
        if self._inside:
            answer = StunMessage(
                MessageClass.SUCCESS, stun.decode(data).transaction_id, mapped_address=Endpoint(self._inside, 4_000)
            )
            asyncio.get_running_loop().call_soon(self.reflectors.receive, answer)


def test_behind_the_same_router_as_the_server_the_outside_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        home = Home(monkeypatch, "203.0.113.5", "2001:db8::5")
        assert await home.reflectors.ask() == (Endpoint("203.0.113.5", 4_000),)
        assert not home.reflectors.seen
        home.addresses = ["203.0.113.77"]  # as the provider gives another one every night
        home.reflectors.forget()
        assert await home.reflectors.ask() == (Endpoint("203.0.113.77", 4_000),)
        home.addresses = []  # for a while nobody answers for the name
        home.reflectors.forget()
        assert await home.reflectors.ask() == (Endpoint("203.0.113.77", 4_000),)
        home.addresses = ["203.0.113.78"]
        home.reflectors.socket_opened(5_000)
        assert await home.reflectors.ask() == (Endpoint("203.0.113.78", 5_000),)

    asyncio.run(story())


def test_what_a_router_shows_from_inside_is_told_beside_the_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        home = Home(monkeypatch, "203.0.113.5", inside="203.0.113.5")
        assert await home.reflectors.ask() == (Endpoint("203.0.113.5", 4_000),)
        assert set(home.reflectors.seen) == set(REFLECTORS)
        home = Home(monkeypatch, "203.0.113.5", inside="192.168.1.1")
        assert await home.reflectors.ask() == (Endpoint("192.168.1.1", 4_000), Endpoint("203.0.113.5", 4_000))

    asyncio.run(story())


def test_no_peer_is_told_a_loopback_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        for loopback in ("127.0.0.1", "127.0.1.1", "::1"):
            home = Home(monkeypatch, loopback, inside=loopback)
            assert await home.reflectors.ask() == ()

    asyncio.run(story())


def test_answers_to_questions_that_were_not_asked_are_not_ours() -> None:
    reflectors = Reflectors(lambda _endpoint, _data: None, QUICK)
    assert not reflectors.receive(StunMessage(MessageClass.SUCCESS, bytes(12), mapped_address=REFLECTORS[0]))


def test_the_reflectors_of_a_server_are_at_its_addresses() -> None:
    assert asyncio.run(resolve_ports("127.0.0.1", (5, 6))) == (Endpoint("127.0.0.1", 5), Endpoint("127.0.0.1", 6))
    assert asyncio.run(resolve_ports("no such host.invalid", (5,))) == ()
    assert asyncio.run(resolve_ports("a..b", (5,))) == ()


def test_this_computers_addresses_can_be_read() -> None:
    assert all(each.address for each in read_addresses())


def test_a_crowd_that_asks_for_the_own_addresses_reads_them_once_until_they_change() -> None:
    async def story() -> None:
        reads: list[list[LocalAddress]] = [[LocalAddress("eth0", "192.168.1.5")], [LocalAddress("eth0", "10.9.9.9")]]
        addresses = OwnAddresses(lambda: reads.pop(0))
        first = addresses.now()
        assert [addresses.now() for _ in range(500)] == [first] * 500
        addresses.forget()
        assert addresses.now() == [LocalAddress("eth0", "10.9.9.9")]

    asyncio.run(story())
