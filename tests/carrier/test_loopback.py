"""The socket between pump and carrier: whole trains both ways, and nobody else's datagrams."""

import select
import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from app.carrier.loopback import HOST, Loopback
from app.platform.linux.tun import open_udp_socket

SLOT = 1_000
TRAIN = b"".join(bytes([0xC0, 0, 0, index]) * 250 for index in range(40)) + b"end!"


@pytest.fixture
def pump() -> Iterator[socket.socket]:
    """The pump's own kind of socket."""
    with open_udp_socket(0, offload=True) as sock:
        yield sock


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    loopback = Loopback(Counter())
    yield loopback
    loopback.close()


def arrived(sock: Loopback | socket.socket) -> None:
    """Wait until something is there."""
    assert select.select([sock], [], [], 10)[0]


def from_pump(pump: socket.socket, loopback: Loopback, data: bytes, slot: int) -> None:
    option = [(socket.IPPROTO_UDP, 103, slot.to_bytes(2, "little"))] if len(data) > slot else []
    pump.sendmsg([data], option, 0, ("::ffff:" + HOST, loopback.port))
    arrived(loopback)


def test_a_train_of_the_pump_comes_as_one(pump: socket.socket, loopback: Loopback) -> None:
    loopback.connect(pump.getsockname()[1])
    from_pump(pump, loopback, TRAIN, SLOT)
    received = loopback.receive()
    assert received is not None
    train, slot = received
    assert (bytes(train), slot) == (TRAIN, SLOT)
    assert loopback.receive() is None


def test_a_train_reaches_the_pump_as_one(pump: socket.socket, loopback: Loopback) -> None:
    loopback.connect(pump.getsockname()[1])
    loopback.send(memoryview(TRAIN), SLOT)
    arrived(pump)
    data, ancillary, _, sender = pump.recvmsg(65_536, 64)
    assert data == TRAIN
    assert int.from_bytes(ancillary[0][2], "little") == SLOT
    assert sender[1] == loopback.port


def test_what_others_on_this_computer_send_does_not_come_in(pump: socket.socket, loopback: Loopback) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"\xc0000 early", (HOST, loopback.port))
        arrived(loopback)
        loopback.connect(pump.getsockname()[1])
        stranger.sendto(b"\xc0000 late", (HOST, loopback.port))
        from_pump(pump, loopback, b"\xc0000 mine", SLOT)
        received = loopback.receive()
        assert received is not None
        assert bytes(received[0]) == b"\xc0000 mine"
        assert loopback.receive() is None


def test_a_pump_that_is_gone_is_counted() -> None:
    counters = Counter[str]()
    loopback = Loopback(counters)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind((HOST, 0))
        port = gone.getsockname()[1]
    loopback.connect(port)
    loopback.send(memoryview(b"\xc0000 one"), SLOT)
    arrived(loopback)
    assert loopback.receive() is None
    assert counters["drop-pump-unreachable"] == 1
    loopback.close()
