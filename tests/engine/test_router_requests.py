"""Opening a port of a router, against stand-ins on loopback: those that speak UPnP, those that refuse, hostile ones.

The real `miniupnpd` is met in tests/lab/test_port_mapping.py.
"""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from app.engine.router_requests import LIFETIME, Opening, RouterRefused, RouterRequests
from app.engine.state import MappingProtocol
from app.protocol import upnp
from app.protocol.wire import Endpoint

ROUTER = "127.0.0.1"
OUTSIDE = "198.51.100.7"
SERVICE = upnp.SERVICES[1]
MAX_BODY = 1_000_000


@contextmanager
def answering(answer: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """A UDP port that answers each datagram with what `answer` makes of it; gives the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as router:
        router.bind((ROUTER, 0))
        port = router.getsockname()[1]

        def serve() -> None:
            while True:
                data, sender = router.recvfrom(2_048)
                if data == b"end":
                    return
                told = answer(data)
                if told is not None:
                    router.sendto(told, sender)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
                ending.sendto(b"end", (ROUTER, port))
            thread.join()


class HomeRouter:
    """The HTTP side of a UPnP router: what it was asked, and which ports are taken by others."""

    def __init__(self) -> None:
        self.opened: dict[int, str] = {}
        self.taken: set[int] = set()
        self.only_for_ever = False
        self.drip = 0.0
        """Seconds between two bytes of an answer."""
        self.answer: Callable[[bytes], tuple[int, bytes]] = self._answer

    def _answer(self, body: bytes) -> tuple[int, bytes]:
        if not body:
            service = f"<service><serviceType>{SERVICE}</serviceType><controlURL>/control</controlURL></service>"
            return 200, f"<root>{service}</root>".encode()
        fields = dict(upnp._elements(body))
        port = int(fields.get("NewExternalPort", 0))
        if b"GetExternalIPAddress" in body:
            return 200, f"<r><NewExternalIPAddress>{OUTSIDE}</NewExternalIPAddress></r>".encode()
        if b"DeletePortMapping" in body:
            del self.opened[port]
        elif port in self.taken:
            return 500, b"<e><errorCode>718</errorCode></e>"
        elif self.only_for_ever and fields["NewLeaseDuration"] != "0":
            return 500, b"<e><errorCode>725</errorCode></e>"
        else:
            self.opened[port] = f"{fields['NewInternalClient']}:{fields['NewInternalPort']}"
        return 200, b"<r/>"


@contextmanager
def http_of(router: HomeRouter) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            status, body = router.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            self.send_response(status)
            self.end_headers()
            with suppress(OSError):
                for start in range(0, len(body), 1 if router.drip else MAX_BODY):
                    self.wfile.write(body[start : start + (1 if router.drip else MAX_BODY)])
                    time.sleep(router.drip)

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    with HTTPServer((ROUTER, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def exits() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def silent(_: bytes) -> None:
    return None


def found_at(location: str) -> Callable[[bytes], bytes]:
    answer = f"HTTP/1.1 200 OK\r\nST: {upnp._DEVICES[0]}\r\nLOCATION: {location}\r\n\r\n"
    return lambda _: answer.encode()


def requests(
    exits: ExitStack, request: Callable[[bytes], bytes | None], search: Callable[[bytes], bytes | None]
) -> RouterRequests:
    return RouterRequests(bytes(12), exits.enter_context(answering(request)), exits.enter_context(answering(search)))


def upnp_router(exits: ExitStack, router: HomeRouter) -> RouterRequests:
    port = exits.enter_context(http_of(router))
    refuse = struct.pack("!BBHI", 0, 128, 5, 0)
    return requests(exits, lambda _: refuse, found_at(f"http://{ROUTER}:{port}/description.xml"))


def test_a_router_that_speaks_upnp_alone_opens_the_port_and_closes_it(exits: ExitStack) -> None:
    home = HomeRouter()
    asking = upnp_router(exits, home)
    opening = asking.open(ROUTER, 5000, None)
    assert opening[:6] == (MappingProtocol.UPNP, ROUTER, ROUTER, 5000, Endpoint(OUTSIDE, 5000), LIFETIME)
    assert home.opened == {5000: "127.0.0.1:5000"}
    asking.close(opening)
    assert not home.opened


def test_a_port_that_another_computer_has_is_not_fought_for(exits: ExitStack) -> None:
    home = HomeRouter()
    home.taken = {5000}
    opening = upnp_router(exits, home).open(ROUTER, 5000, None)
    assert opening.outside.port != 5000
    assert home.opened == {opening.outside.port: "127.0.0.1:5000"}


def test_a_router_that_opens_ports_for_ever_only_is_asked_so(exits: ExitStack) -> None:
    home = HomeRouter()
    home.only_for_ever = True
    assert upnp_router(exits, home).open(ROUTER, 5000, None).outside == Endpoint(OUTSIDE, 5000)


def test_a_port_that_was_had_before_is_wanted_again(exits: ExitStack) -> None:
    opening = upnp_router(exits, HomeRouter()).open(ROUTER, 5000, Endpoint(OUTSIDE, 6000))
    assert opening.outside.port == 6000


def test_a_router_that_says_nothing_is_given_up(exits: ExitStack) -> None:
    with pytest.raises(RouterRefused, match="no answer"):
        requests(exits, silent, silent).open(ROUTER, 5000, None)


def test_a_router_that_sends_us_elsewhere_is_not_followed(exits: ExitStack) -> None:
    with pytest.raises(RouterRefused, match="UPnP: no answer"):
        requests(exits, silent, found_at("http://192.0.2.1/description.xml")).open(ROUTER, 5000, None)


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"<!DOCTYPE x><root/>"),
        (200, b"<root>" + bytes(1)),
        (302, b""),
        (200, b"a" * (upnp.MAX_DOCUMENT + upnp.MAX_HEAD + 2)),
        (500, b"<e><errorCode>501</errorCode><errorDescription>Action Failed</errorDescription></e>"),
    ],
)
def test_a_router_that_answers_nonsense_is_refused_with_a_reason(exits: ExitStack, answer: tuple[int, bytes]) -> None:
    home = HomeRouter()
    home.answer = lambda _: answer
    with pytest.raises(RouterRefused, match=r"\w"):
        upnp_router(exits, home).open(ROUTER, 5000, None)


def test_a_router_that_answers_in_drops_is_given_up(exits: ExitStack) -> None:
    home = HomeRouter()
    home.drip, home.answer = 0.0001, lambda _: (200, b" " * upnp.MAX_DOCUMENT)
    with pytest.raises(RouterRefused, match=r"too slowly|timed out"):
        upnp_router(exits, home).open(ROUTER, 5000, None)


def test_garbage_and_a_flood_of_it_end_in_time(exits: ExitStack) -> None:
    with pytest.raises(RouterRefused, match="no answer"):
        requests(exits, lambda data: data[::-1], lambda data: data * 3).open(ROUTER, 5000, None)


def test_closing_a_port_at_a_router_that_is_gone_is_refused(exits: ExitStack) -> None:
    gone = RouterRequests(bytes(12), 9, 9)
    for control in (None, upnp.Control(upnp.Place(9, "/"), SERVICE)):
        opening = Opening(MappingProtocol.PCP, ROUTER, ROUTER, 5000, Endpoint(OUTSIDE, 5000), 60, control)
        with pytest.raises(RouterRefused):
            gone.close(opening)
