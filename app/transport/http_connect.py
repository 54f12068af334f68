"""Through an HTTP proxy by CONNECT (RFC 9110 section 9.3.6), with credentials where it wants them.

The proxy's answer is read by h11: strict, sans-IO, and with CONNECT in its state machine. Each try is a stream of its
own, as a proxy may close it with its 407. Used by routes.py.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

import h11

from app.base.streams import reason_of
from app.transport.credentials import Credentials, parse_challenges
from app.transport.stream import TcpStream

MAX_ANSWER = 32_768
"""Bytes of a proxy's answer, without its page."""
MAX_TRIES = 4
REFUSED_FOR = 600.0
"""Seconds for which refused credentials are not shown again: many companies lock accounts after a few mistakes."""
PATIENCE = 3.0
"""Seconds for a proxy to take a connection: less than a race has, so that the proxy is blamed and not the server."""
_READ_SIZE = 4_096
_HOST = re.compile(r"[0-9A-Za-z._:%-]{1,253}")
"""What stands in a request unchanged: names and addresses. A server may name a relay as it likes."""

OpenStream = Callable[[str, int], Awaitable[TcpStream]]


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy, and who we are there; without `user` nobody."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return host_and_port(self.host, self.port)


class ProxyFailure(StrEnum):
    """Why a proxy did not let us through."""

    UNREACHABLE = "unreachable"
    WANTS_CREDENTIALS = "wants-credentials"
    """And none that are known here were given."""
    REFUSED_CREDENTIALS = "refused-credentials"
    FORBIDDEN = "forbidden"
    """It does not lead to this host or port."""
    NO_WAY = "no-way"
    """It can't reach the server itself."""
    NOT_A_PROXY = "not-a-proxy"
    """What answers there does not speak as one."""


class ProxyError(OSError):
    """A proxy did not let us through. The text holds no credentials."""

    def __init__(self, proxy: Proxy, failure: ProxyFailure, reason: str) -> None:
        super().__init__(f"proxy {proxy}: {failure}: {reason}")
        self.proxy = proxy
        self.failure = failure
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: list[tuple[str, str]]

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each == name]


class ProxyClient:
    """One proxy, with what it asked for last: the next CONNECT need not be refused first."""

    def __init__(self, proxy: Proxy, open_stream: OpenStream) -> None:
        self._proxy = proxy
        self._open_stream = open_stream
        self._credentials = Credentials(proxy.user, proxy.password) if proxy.user else None
        self._refused_until = 0.0

    async def connect(self, host: str, port: int) -> TcpStream:
        """A stream to `host` and `port`. Raises ProxyError."""
        if not _is_host(host):
            raise self._error(ProxyFailure.NO_WAY, "it can't be asked for such a name")
        now = asyncio.get_running_loop().time
        if now() < self._refused_until:
            raise self._error(ProxyFailure.REFUSED_CREDENTIALS, "a short while ago")
        for _ in range(MAX_TRIES):
            try:
                async with asyncio.timeout(PATIENCE):
                    stream = await self._open_stream(self._proxy.host, self._proxy.port)
            except OSError as error:
                raise self._error(ProxyFailure.UNREACHABLE, reason_of(error)) from error
            try:
                answer = await self._ask(stream, host_and_port(host, port))
            except (OSError, h11.ProtocolError) as error:
                stream.abort()
                raise self._error(ProxyFailure.NOT_A_PROXY, str(error)) from error
            except BaseException:
                stream.abort()
                raise
            if 200 <= answer.status < 300:
                self._note_next_nonce(answer)
                return stream
            stream.abort()
            if not self._try_again(answer):
                refusal = self._refusal(answer)
                if refusal.failure is ProxyFailure.REFUSED_CREDENTIALS:
                    self._refused_until = now() + REFUSED_FOR
                raise refusal
        raise self._error(ProxyFailure.REFUSED_CREDENTIALS, "it asks again and again")

    async def _ask(self, stream: TcpStream, target: str) -> _Answer:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_ANSWER)
        headers = [(b"Host", target.encode())]
        if self._credentials is not None and (value := self._credentials.header(target)) is not None:
            headers.append((b"Proxy-Authorization", value.encode()))
        request = h11.Request(method="CONNECT", target=target, headers=headers)
        stream.write((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        received = 0
        while (event := connection.next_event()) is h11.NEED_DATA or isinstance(event, h11.InformationalResponse):
            if event is h11.NEED_DATA:
                data = await stream.read(_READ_SIZE)
                received += len(data)
                if received > MAX_ANSWER:
                    raise h11.RemoteProtocolError("its answer is too long")
                connection.receive_data(data)
        if not isinstance(event, h11.Response):
            raise h11.RemoteProtocolError(f"{type(event).__name__} in place of an answer")
        behind, _ = connection.trailing_data
        if 200 <= event.status_code < 300 and behind:
            stream.unread(bytes(behind))
        return _Answer(event.status_code, [(name.decode(), value.decode("latin-1")) for name, value in event.headers])

    def _try_again(self, answer: _Answer) -> bool:
        if answer.status != 407 or self._credentials is None:
            return False
        return self._credentials.answer(parse_challenges(answer.values("proxy-authenticate")))

    def _refusal(self, answer: _Answer) -> ProxyError:
        offered = parse_challenges(answer.values("proxy-authenticate"))
        schemes = ", ".join(sorted({each.scheme for each in offered})) or "nothing known"
        match answer.status:
            case 407 if self._credentials is None or not self._credentials.used:
                return self._error(ProxyFailure.WANTS_CREDENTIALS, schemes)
            case 407:
                return self._error(ProxyFailure.REFUSED_CREDENTIALS, schemes)
            case 403 | 405 | 501:
                return self._error(ProxyFailure.FORBIDDEN, f"HTTP {answer.status}")
            case 502 | 503 | 504:
                return self._error(ProxyFailure.NO_WAY, f"HTTP {answer.status}")
            case status:
                return self._error(ProxyFailure.NOT_A_PROXY, f"HTTP {status}")

    def _note_next_nonce(self, answer: _Answer) -> None:
        for challenge in parse_challenges(f"Digest {value}" for value in answer.values("proxy-authentication-info")):
            if self._credentials is not None and "nextnonce" in challenge.parameters:
                self._credentials.next_nonce(challenge.parameters["nextnonce"])

    def _error(self, failure: ProxyFailure, reason: str) -> ProxyError:
        return ProxyError(self._proxy, failure, reason)


def _is_host(host: str) -> bool:
    """Whether it fits in a request, and later in what TLS says of the server."""
    try:
        return _HOST.fullmatch(host) is not None and bool(host.encode("idna"))
    except UnicodeError:
        return False


def host_and_port(host: str, port: int) -> str:
    """As URLs have them: IPv6 addresses in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
