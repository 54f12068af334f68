"""Through HTTP proxies: those that lead on, those that want credentials, and those that are none."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.transport import http_connect
from app.transport.http_connect import MAX_ANSWER, Proxy, ProxyClient, ProxyError, ProxyFailure
from app.transport.routes import open_tcp
from app.transport.stream import TcpStream
from tests.transport.doors import HOST, door

OK = b"HTTP/1.1 200 Connection established\r\n\r\n"
SQUID_407 = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\nServer: squid/5.7\r\nMime-Version: 1.0\r\n"
    b"Date: Sat, 21 Nov 2026 10:00:00 GMT\r\nContent-Type: text/html;charset=utf-8\r\nContent-Length: 3508\r\n"
    b"X-Squid-Error: ERR_CACHE_ACCESS_DENIED 0\r\nVary: Accept-Language\r\nContent-Language: en\r\n"
    b"Proxy-Authenticate: %s\r\nX-Cache: MISS from proxy\r\nVia: 1.1 proxy (squid/5.7)\r\n"
    b"Connection: keep-alive\r\n\r\n<!DOCTYPE html>"
)
Answer = Callable[[str], bytes]
"""What the proxy says to a request's text."""


def meet(
    answer: Answer, story: Callable[[ProxyClient], Awaitable[None]], user: str = "", password: str = ""
) -> list[str]:
    """Let the story meet a proxy that answers so; gives the requests that it had."""
    requests: list[str] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
        said = answer(requests[-1])
        writer.write(said)
        if not (said.startswith(OK[:12]) and b"\r\n\r\n" in said):
            writer.write_eof()
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    async def whole() -> None:
        async with door(accept) as there:
            await story(ProxyClient(Proxy(HOST, there.port, user, password), open_tcp))

    asyncio.run(whole())
    return requests


def failure_of(answer: Answer, user: str = "", password: str = "") -> ProxyFailure:
    caught: list[ProxyFailure] = []

    async def story(client: ProxyClient) -> None:
        with pytest.raises(ProxyError) as error:
            await client.connect("server.example", 443)
        caught.append(error.value.failure)
        assert not password or password not in str(error.value)

    meet(answer, story, user, password)
    return caught[0]


async def there_and_back(client: ProxyClient, host: str = "server.example") -> None:
    stream = await client.connect(host, 443)
    stream.write(b"hello")
    assert await stream.read(100) == b"hello"
    stream.close()
    await stream.wait_closed()


def test_a_proxy_that_leads_on_is_asked_once_and_told_nothing_else() -> None:
    (request,) = meet(lambda _: OK, there_and_back, "anna", "secret")
    assert request.startswith("CONNECT server.example:443 HTTP/1.1\r\n")
    assert "Host: server.example:443\r\n" in request
    assert "Authorization" not in request


def test_an_ipv6_address_stands_in_brackets() -> None:
    (request,) = meet(lambda _: OK, lambda client: there_and_back(client, "2001:db8::1"))
    assert request.startswith("CONNECT [2001:db8::1]:443 ")


def test_what_comes_right_behind_the_answer_is_the_servers() -> None:
    async def story(client: ProxyClient) -> None:
        stream = await client.connect("server.example", 443)
        assert await stream.read(100) == b"first words"
        stream.abort()

    meet(lambda _: OK + b"first words", story)


def test_credentials_are_given_when_asked_for_and_at_once_from_then_on() -> None:
    wanted = "Proxy-Authorization: Basic " + base64.b64encode(b"anna:secret").decode()

    def answer(request: str) -> bytes:
        return OK if wanted in request else SQUID_407 % b'Basic realm="office"'

    async def twice(client: ProxyClient) -> None:
        await there_and_back(client)
        await there_and_back(client)

    assert [wanted in each for each in meet(answer, twice, "anna", "secret")] == [False, True, True]


def test_a_nonce_that_grew_old_is_replaced_without_a_word() -> None:
    def answer(request: str) -> bytes:
        if 'nonce="2"' in request:
            return OK
        stale = b", stale=true" if 'nonce="1"' in request else b""
        return SQUID_407 % (b'Digest realm="office", qop="auth", nonce="%d"' % (1 + bool(stale)) + stale)

    assert len(meet(answer, there_and_back, "anna", "secret")) == 3


def test_the_next_nonce_is_taken_from_a_good_answer() -> None:
    def answer(request: str) -> bytes:
        if "Digest" not in request:
            return SQUID_407 % b'Digest realm="office", qop="auth", nonce="1"'
        return OK[:-2] + b'Proxy-Authentication-Info: qop=auth, nextnonce="fresh"\r\n\r\n'

    async def twice(client: ProxyClient) -> None:
        for _ in range(2):
            (await client.connect("server.example", 443)).abort()

    requests = meet(answer, twice, "anna", "secret")
    assert ['nonce="fresh"' in each for each in requests] == [False, False, True]


def test_refused_credentials_are_not_shown_again_for_a_while() -> None:
    async def twice(client: ProxyClient) -> None:
        for _ in range(2):
            with pytest.raises(ProxyError) as caught:
                await client.connect("server.example", 443)
            assert caught.value.failure is ProxyFailure.REFUSED_CREDENTIALS

    requests = meet(lambda _: SQUID_407 % b'Basic realm="office"', twice, "anna", "wrong")
    assert len(requests) == 2


def test_a_proxy_that_is_never_done_with_what_it_says_first_is_none() -> None:
    async def story(client: ProxyClient) -> None:
        with pytest.raises(ProxyError, match="too long"):
            await client.connect("server.example", 443)

    meet(lambda _: b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000, story)


@pytest.mark.parametrize(
    "host", ["two words", "a\r\nX: y", "b\xfccher.example", "x\0y", "", "a" * 64, "a..b", "\ud800"]
)
def test_a_proxy_is_asked_for_no_host_that_does_not_fit_in_a_request(host: str) -> None:
    async def story(client: ProxyClient) -> None:
        with pytest.raises(ProxyError) as caught:
            await client.connect(host, 443)
        assert caught.value.failure is ProxyFailure.NO_WAY

    assert meet(lambda _: OK, story) == []


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (SQUID_407 % b'Basic realm="office"', ProxyFailure.WANTS_CREDENTIALS),
        (SQUID_407 % b"Negotiate", ProxyFailure.WANTS_CREDENTIALS),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!", ProxyFailure.FORBIDDEN),
        (b"HTTP/1.0 405 Method Not Allowed\r\n\r\n", ProxyFailure.FORBIDDEN),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", ProxyFailure.NO_WAY),
        (b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", ProxyFailure.NOT_A_PROXY),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ProxyFailure.NOT_A_PROXY),
        (b"", ProxyFailure.NOT_A_PROXY),
        (b"HTTP/1.1 200 OK\r\n", ProxyFailure.NOT_A_PROXY),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_ANSWER, ProxyFailure.NOT_A_PROXY),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000, ProxyFailure.NOT_A_PROXY),
    ],
)
def test_each_refusal_has_its_name(answer: bytes, failure: ProxyFailure) -> None:
    assert failure_of(lambda _: answer) is failure


def test_a_proxy_that_is_not_there_is_unreachable() -> None:
    async def story() -> None:
        with pytest.raises(ProxyError) as caught:
            await ProxyClient(Proxy(HOST, 1), open_tcp).connect("server.example", 443)
        assert caught.value.failure is ProxyFailure.UNREACHABLE
        assert "refused" in caught.value.reason

    asyncio.run(story())


def test_a_proxy_that_does_not_answer_at_all_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async def open_never(host: str, port: int) -> TcpStream:
            await asyncio.Event().wait()
            raise AssertionError((host, port))

        with pytest.raises(ProxyError) as caught:
            await ProxyClient(Proxy("192.0.2.1", 3128), open_never).connect("server.example", 443)
        assert (caught.value.failure, caught.value.reason) == (ProxyFailure.UNREACHABLE, "no answer")

    monkeypatch.setattr(http_connect, "PATIENCE", 0.01)
    asyncio.run(story())


def test_a_password_shows_nowhere() -> None:
    assert "secret" not in repr(Proxy(HOST, 3128, "anna", "secret"))


@given(st.binary(max_size=200), st.booleans())
def test_no_answer_breaks_it(noise: bytes, status_line: bool) -> None:
    async def story(client: ProxyClient) -> None:
        with suppress(ProxyError):
            (await client.connect("server.example", 443)).abort()

    meet(lambda _: (b"HTTP/1.1 " if status_line else b"") + noise, story, "anna", "secret")
