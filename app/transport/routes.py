"""How a stream can get to a server or relay: TCP or a WebSocket over TLS, directly or through an HTTP proxy.

TLS is there to pass firewalls and proxies that know nothing else. It is not asked who the other side is: the protocol
inside authenticates the server by its own key, so that whoever opens TLS on the way finds only what is sealed, and a
server needs no certificate of anybody. Used by race.py, the engine and the carrier.
"""

import ssl
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from app.base.streams import open_stream
from app.transport.http_connect import Proxy, ProxyClient
from app.transport.stream import Stream, TcpStream
from app.transport.websocket import open_websocket

WEB_PORT = 443
"""Where servers are asked for a WebSocket if they have not said otherwise."""
READ_AHEAD = 262_144
"""Bytes that a stream takes in before they are wanted: a few trains of a relay."""
MAX_PROXIES = 64
"""Proxies that are remembered: a script may name new ones for ever."""


class Way(StrEnum):
    """What carries the stream."""

    TCP = "TCP"
    WEB = "WebSocket"


@dataclass(frozen=True, slots=True)
class Target:
    """Where to; `web_port` 0: there is no WebSocket."""

    host: str
    port: int
    web_port: int = WEB_PORT


@dataclass(frozen=True, slots=True)
class Route:
    """One way to a target; in words as a person reads it, without credentials."""

    way: Way
    proxy: Proxy | None = None

    def __str__(self) -> str:
        return self.way.value if self.proxy is None else f"{self.way.value} through the proxy {self.proxy}"


class Dialler:
    """Opens streams, and remembers what proxies asked for."""

    def __init__(self) -> None:
        self._proxies: dict[Proxy, ProxyClient] = {}

    async def open(self, target: Target, route: Route) -> Stream:
        """A stream to the target by this route; whatever happens, nothing else is left open.

        Raises OSError; ProxyError if the proxy is the reason.
        """
        port = target.port if route.way is Way.TCP else target.web_port
        carrier = await self._carrier(target.host, port, route.proxy)
        if route.way is Way.TCP:
            return carrier
        try:
            await carrier.start_tls(client_context(), _server_name(target.host))
            return await open_websocket(carrier, target.host, port)
        except BaseException:
            carrier.abort()
            raise

    async def _carrier(self, host: str, port: int, proxy: Proxy | None) -> TcpStream:
        if proxy is None:
            return await open_tcp(host, port)
        if proxy not in self._proxies and len(self._proxies) >= MAX_PROXIES:
            self._proxies.clear()
        client = self._proxies.setdefault(proxy, ProxyClient(proxy, open_tcp))
        return await client.connect(host, port)


async def open_tcp(host: str, port: int) -> TcpStream:
    """A plain stream. Raises OSError."""
    reader, writer = await open_stream(host, port, READ_AHEAD)
    return TcpStream(reader, writer)


def client_context() -> ssl.SSLContext:
    """TLS that takes any certificate, see above."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def _server_name(host: str) -> str | None:
    """What is told in the clear (SNI): names alone, RFC 6066 section 3."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return None
