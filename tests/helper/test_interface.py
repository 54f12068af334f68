"""Adapters as a person would see them with `ip`, in a namespace of their own."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from app.engine.helper_client import HelperClient, HelperFailed, connect_helper
from app.ipc.schema import (
    ConfigureInterface,
    Done,
    InterfaceReady,
    ReadStatistics,
    RemoveInterface,
    Reply,
    SendDatagram,
    SetPeerPath,
    Statistics,
    UdpEndpoint,
    UseSockets,
)
from app.protocol.wire import MAX_EXTRA_SOCKETS
from tests.helper.computer import LinkWatch, adapters, ip, set_ip

pytestmark = pytest.mark.privileged

Result = TypeVar("Result")
ADDRESS = 0x0A070102  # 10.7.1.2
CONFIGURE = ConfigureInterface(request=0, address=ADDRESS, prefix_length=16)


def with_engine(story: Callable[[HelperClient], Coroutine[Any, Any, Result]]) -> Result:
    """Run a story with an engine that has started its own helper."""

    async def whole() -> Result:
        client = await connect_helper(lambda notification: None)
        try:
            return await story(client)
        finally:
            await client.close()

    return asyncio.run(whole())


async def configure(client: HelperClient, request: ConfigureInterface = CONFIGURE) -> InterfaceReady:
    ready = await client.request(request)
    assert isinstance(ready, InterfaceReady)
    return ready


async def refusal_of(client: HelperClient, request: ConfigureInterface) -> HelperFailed:
    with pytest.raises(HelperFailed) as refused:
        await client.request(request)
    return refused.value


def test_the_adapter_appears_with_its_addresses_and_goes_with_the_engine(links: LinkWatch) -> None:
    async def story(client: HelperClient) -> None:
        assert adapters() == set()
        ready = await configure(client)
        (link,) = ip("address", "show", "dev", ready.name)
        found = {(address["local"], address["prefixlen"]) for address in link["addr_info"]}
        assert found == {("10.7.1.2", 16), ("fd62:7572:6900::a07:102", 112)}
        assert link["mtu"] == 1_400
        assert "UP" in link["flags"]
        assert ready.udp_port != 0

    with_engine(story)
    links.wait_until_gone()


def test_the_pump_answers_through_the_helper(links: LinkWatch) -> None:
    async def story(client: HelperClient) -> tuple[Reply, Reply]:
        await configure(client)
        datagram = SendDatagram(request=0, endpoint=UdpEndpoint("127.0.0.1", 9), data=b"\x80")
        return await client.request(ReadStatistics(request=0)), await client.request(datagram)

    statistics, done = with_engine(story)
    assert isinstance(statistics, Statistics)
    assert statistics.peers == []
    assert isinstance(done, Done)


def test_the_pump_opens_as_many_sockets_as_it_may(links: LinkWatch) -> None:
    async def story(client: HelperClient) -> Reply:
        await configure(client)
        return await client.request(UseSockets(request=0, numbers=tuple(range(1, MAX_EXTRA_SOCKETS + 1))))

    assert isinstance(with_engine(story), Done)


def test_the_same_wish_twice_changes_nothing(links: LinkWatch) -> None:
    async def story(client: HelperClient) -> None:
        first = await configure(client)
        before = ip("link", "show", "dev", first.name)
        second = await configure(client)
        assert (second.name, second.udp_port) == (first.name, first.udp_port)
        assert ip("link", "show", "dev", first.name) == before

    with_engine(story)


def test_another_wish_replaces_the_adapter(links: LinkWatch) -> None:
    async def story(client: HelperClient) -> None:
        await configure(client)
        other = ConfigureInterface(request=0, address=0x0A080102, prefix_length=24, mtu=1_280, offload=False)
        ready = await configure(client, other)
        assert adapters() == {ready.name}
        assert not ready.partial_checksums
        (link,) = ip("-4", "address", "show", "dev", ready.name)
        assert [(address["local"], address["prefixlen"]) for address in link["addr_info"]] == [("10.8.1.2", 24)]
        assert link["mtu"] == 1_280

    with_engine(story)


def test_the_wished_udp_port_is_taken_and_taken_again(links: LinkWatch) -> None:
    async def story(client: HelperClient) -> None:
        ready = await configure(
            client, ConfigureInterface(request=0, address=ADDRESS, prefix_length=16, udp_port=4_242)
        )
        assert ready.udp_port == 4_242
        again = ConfigureInterface(request=0, address=ADDRESS + 1, prefix_length=16, udp_port=4_242)
        assert (await configure(client, again)).udp_port == 4_242

    with_engine(story)


def test_a_taken_udp_port_is_said_and_leaves_nothing(links: LinkWatch) -> None:
    async def story(client: HelperClient) -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as taken:
            taken.bind(("::", 0))
            port = taken.getsockname()[1]
            wish = ConfigureInterface(request=0, address=ADDRESS, prefix_length=16, udp_port=port)
            assert (await refusal_of(client, wish)).code == "port-taken"
        assert adapters() == set()

    with_engine(story)


def test_a_clash_with_the_local_network_is_said_and_leaves_nothing(links: LinkWatch) -> None:
    set_ip("link add lan type veth peer name other-end")
    set_ip("address add 10.7.200.1/24 dev lan")
    set_ip("link set lan up")

    async def story(client: HelperClient) -> None:
        refused = await refusal_of(client, CONFIGURE)
        assert refused.code == "address-clash"
        assert "10.7.200.0/24" in refused.message
        assert "lan" in refused.message

    try:
        with_engine(story)
        links.wait(lambda present: present == {"lan", "other-end"})
    finally:
        set_ip("link delete lan")


def test_removing_it_leaves_the_connection_usable(links: LinkWatch) -> None:
    async def story(client: HelperClient) -> None:
        await configure(client)
        assert isinstance(await client.request(RemoveInterface(request=0)), Done)
        links.wait_until_gone()
        assert isinstance(await client.request(RemoveInterface(request=0)), Done)
        await configure(client)

    with_engine(story)


@pytest.mark.parametrize("host", ["example.org", "224.0.0.1", "0.0.0.0", "", "::ffff:255.255.255.255"])
def test_an_endpoint_that_is_no_peers_is_refused_by_the_helper(links: LinkWatch, host: str) -> None:
    async def story(client: HelperClient) -> str:
        await configure(client)
        with pytest.raises(HelperFailed) as refused:
            await client.request(SetPeerPath(request=0, peer=1, endpoint=UdpEndpoint(host, 1)))
        return refused.value.code

    assert with_engine(story) == "endpoint"
