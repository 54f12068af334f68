"""Sending trains: when the socket is full, when the kernel takes no train, when there is no way."""

import errno
import select
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.dataplane.counters import Counters
from app.dataplane.peer_table import Path as UdpPath
from app.dataplane.peer_table import SocketAddress
from app.dataplane.udp_port import UdpPort

IP_MTU_DISCOVER = 10


class NoRoute(socket.socket):
    """A socket of a computer without any network."""

    def sendto(self, *_: object) -> int:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        yield sock


def sender() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)


def no_more_sockets() -> socket.socket:
    raise OSError(errno.EMFILE, "Too many open files")


def port_on(
    sock: socket.socket, counters: Counters, open_socket: Callable[[], socket.socket] = no_more_sockets
) -> UdpPort:
    return UdpPort(sock, counters, select.poll(), open_socket)


def to(address: SocketAddress, number: int = 0) -> UdpPath:
    return (address, b"", number)


def is_blocked(port: UdpPort) -> bool:
    return port.blocked


def test_a_train_arrives_as_its_datagrams(receiver: socket.socket) -> None:
    counters = Counters()
    with sender() as sock:
        port_on(sock, counters).send_train((b"aaa", b"bbbc"), 3, 7, to(receiver.getsockname()))
    assert [receiver.recv(100) for _ in range(3)] == [b"aaa", b"bbb", b"c"]
    assert counters["udp-sends"] == 1


def test_a_train_that_the_kernel_refuses_is_sent_in_single_datagrams(receiver: socket.socket) -> None:
    counters = Counters()
    with sender() as sock:
        port_on(sock, counters).send_train((b"ab" * 150,), 2, 300, to(receiver.getsockname()))
    assert [receiver.recv(100) for _ in range(150)] == [b"ab"] * 150
    assert counters["udp-sends"] == 150


def test_what_the_kernel_refuses_altogether_is_counted() -> None:
    counters = Counters()
    with sender() as sock:
        port = port_on(sock, counters)
        port.send_train((b"train",), 2, 5, to(("127.0.0.1", 0)))
        port.send_train((b"one",), 3, 3, to(("127.0.0.1", 0)))
    assert counters["drop-udp-refused"] == 4


def test_no_route_is_counted() -> None:
    counters = Counters()
    with NoRoute(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        port_on(sock, counters).send_one(b"data", to(("192.0.2.1", 9)))
    assert counters["drop-udp-unreachable"] == 1


def test_a_train_waits_while_the_socket_is_full(tmp_path: Path) -> None:
    # A Unix socket is full as soon as its reader is slow, which a UDP socket on the loopback interface never is.
    place = str(tmp_path / "full")
    counters = Counters()
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock,
    ):
        reader.bind(place)
        sock.setblocking(False)
        port = port_on(sock, counters)
        address: SocketAddress = place  # type: ignore[assignment]
        path = to(address)
        sent = 0
        while not is_blocked(port):
            port.send_train((sent.to_bytes(2, "big"),), 2, 2, path)
            sent += 1
        port.send_one(b"cannot wait", path)
        assert counters["drop-udp-full"] == 1
        port.resume()
        assert is_blocked(port)
        received = [reader.recv(100)]
        select.select([], [sock], [], 5)
        port.resume()
        assert not is_blocked(port)
        received += [reader.recv(100) for _ in range(sent - 1)]
        assert received == [number.to_bytes(2, "big") for number in range(sent)]
        port.resume()
        assert counters["udp-sends"] == sent


# --- extra sockets


def test_extra_sockets_are_opened_used_and_closed(receiver: socket.socket) -> None:
    counters = Counters()
    with sender() as sock:
        port = port_on(sock, counters, sender)
        assert port.use_sockets([3, 4])
        port.send_one(b"a", to(receiver.getsockname(), 3))
        port.send_train((b"b", b"b"), 1, 2, to(receiver.getsockname(), 4))
        (_, third), (_, fourth), _ = (receiver.recvfrom(100) for _ in range(3))
        assert third != fourth
        kept = port.sockets[4]
        assert port.use_sockets([4, 5])
        assert port.sockets[4] is kept
        assert set(port.sockets) == {0, 4, 5} == set(port.numbers.values())
        port.send_one(b"lost", to(receiver.getsockname(), 3))
        port.send_train((b"lost",), 1, 4, to(receiver.getsockname(), 3))
        assert counters["drop-no-socket"] == 5
        assert port.use_sockets([])
        assert kept.fileno() == -1


def test_when_the_system_gives_no_more_sockets_the_opened_ones_stay() -> None:
    given = iter([sender()])
    with sender() as sock:
        port = port_on(sock, Counters(), lambda: next(given, None) or no_more_sockets())
        assert not port.use_sockets([1, 2, 3])
        assert set(port.sockets) == {0, 1}
        assert port.use_sockets([])


def test_a_socket_of_another_family_is_none() -> None:
    with sender() as sock, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        port = port_on(sock, Counters(), lambda: other)
        assert not port.use_sockets([1])
        assert set(port.sockets) == {0}
        assert other.fileno() == -1


def test_a_train_that_waits_for_a_closed_socket_is_lost_and_nothing_waits_on(tmp_path: Path) -> None:
    place = str(tmp_path / "full")
    counters = Counters()
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock,
    ):
        reader.bind(place)
        port = port_on(sock, counters, lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
        assert port.use_sockets([1])
        address: SocketAddress = place  # type: ignore[assignment]
        while not is_blocked(port):
            port.send_train((b"x",), 1, 1, to(address, 1))
        assert port.use_sockets([])
        assert not is_blocked(port)
        assert counters["drop-no-socket"] == 1
        port.resume()


def test_a_whole_datagram_is_not_fragmented_and_the_next_may_be_again(receiver: socket.socket) -> None:
    with sender() as sock:
        sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, 0)
        port = port_on(sock, counters := Counters())
        port.send_whole(b"whole", to(receiver.getsockname()))
        assert receiver.recv(100) == b"whole"
        assert sock.getsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER) == 0
        port.send_whole(b"nowhere", to(receiver.getsockname(), 1))
        assert counters["drop-no-socket"] == 1
