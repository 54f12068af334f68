"""Fresh sockets that try a router out, against reflectors on loopback. Real routers are met in tests/lab."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.engine.netcheck_probe import probe
from app.protocol import stun
from app.protocol.wire import Endpoint

HOST = "127.0.0.1"


@contextmanager
def reflector(changes_port: bool, silent: bool = False) -> Iterator[tuple[Endpoint, Endpoint]]:
    """A reflector with two ports, whose second one answers in the first one's place if it is asked for."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as second,
    ):
        ports = []
        for each in (first, second):
            each.bind((HOST, 0))
            ports.append(Endpoint(HOST, each.getsockname()[1]))

        def serve(own: socket.socket, other: socket.socket) -> None:
            while (received := own.recvfrom(2_048))[0] != b"end":
                reflection = stun.reflect(received[0], Endpoint(*received[1]), changes_port)
                if reflection is not None and not silent:
                    (other if reflection.from_other_port else own).sendto(reflection.answer, received[1])

        threads = [threading.Thread(target=serve, args=pair) for pair in ((first, second), (second, first))]
        for thread in threads:
            thread.start()
        try:
            yield ports[0], ports[1]
        finally:
            for each, thread in zip((second, first), reversed(threads), strict=True):
                each.sendto(b"end", each.getsockname())
                thread.join()


def test_all_reflectors_see_the_socket_and_the_other_port_gets_in() -> None:
    with reflector(changes_port=True) as (first, second):
        found = probe([first, second])
    assert found is not None
    assert found.seen == {first: found.host, second: found.host}
    assert found.other_port_gets_in is True
    assert found.hairpin is None  # nothing is translated here
    assert found.path_mtu is None or found.path_mtu > 1_000


def test_a_reflector_with_one_port_tells_nothing_of_filtering() -> None:
    with reflector(changes_port=False) as (first, _):
        found = probe([first])
    assert found is not None
    assert found.other_port_gets_in is None


def test_silence_is_no_answer() -> None:
    with reflector(changes_port=True, silent=True) as (first, second):
        found = probe([first, second])
    assert found is not None
    assert found.seen == {}
    assert found.other_port_gets_in is None


def test_a_family_that_leads_nowhere_is_none() -> None:
    assert probe([Endpoint("ff02::1%nowhere", 1)]) is None
