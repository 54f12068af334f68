"""Proxy configuration scripts: what honest ones say, and what hostile ones can't do."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.transport.http_connect import Proxy
from app.transport.pac import PacError, ask_pac
from app.transport.pac_script import MAX_ANSWER, MAX_NAMES, MAX_SCRIPT, ScriptError, fetch_script, run_script
from tests.transport.doors import HOST, door

HOSTS = {"server.example": "192.0.2.7", "inside.example": "10.1.2.3"}


def answer(body: str, host: str = "server.example") -> str:
    return run_script(f"function FindProxyForURL(url, host) {{ {body} }}", host, 443, HOSTS.get, "192.168.1.10")


def holds(expression: str) -> bool:
    return answer(f'return ({expression}) ? "yes" : "no";') == "yes"


@pytest.mark.parametrize(
    "expression",
    [
        'url === "https://server.example:443/" && host === "server.example"',
        'isPlainHostName("nas") && !isPlainHostName("nas.lan")',
        'dnsDomainIs("www.example.com", ".example.com") && !dnsDomainIs("www.example.org", ".example.com")',
        'localHostOrDomainIs("www", "www.example.com") && localHostOrDomainIs("www.example.com", "www.example.com")',
        '!localHostOrDomainIs("home.example.com", "www.example.com")',
        "isResolvable(host)",
        '!isResolvable("nowhere.example")',
        'isInNet(host, "192.0.2.0", "255.255.255.0") && !isInNet(host, "10.0.0.0", "255.0.0.0")',
        'isInNet("198.51.100.9", "198.51.100.9", "255.255.255.255")',
        'dnsResolve("inside.example") === "10.1.2.3" && dnsResolve("nowhere.example") === null',
        'myIpAddress() === "192.168.1.10"',
        'dnsDomainLevels("www") === 0 && dnsDomainLevels("www.example.com") === 2',
        'shExpMatch("www.example.com", "*.example.com") && shExpMatch("abc", "a?c") && shExpMatch("", "*")',
        '!shExpMatch("www.example.com", "*.example") && !shExpMatch("abc", "a?") && !shExpMatch("a.c", "a+c")',
        'weekdayRange("SUN", "SAT") && (weekdayRange("MON", "FRI") !== weekdayRange("SAT", "SUN"))',
        'weekdayRange("SUN", "SAT", "GMT")',
        'dateRange("JAN", "DEC") && dateRange(1, 31) && dateRange(1, "JAN", 2000, 31, "DEC", 2999)',
        "!dateRange(1999) && dateRange(2000, 2999)",
        "timeRange(0, 24) && timeRange(0, 0, 0, 23, 59, 59) && !(timeRange(0, 1) && timeRange(12, 13))",
        'convert_addr("1.2.3.4") === 16909060',
        "alert('x') === undefined",
    ],
)
def test_the_standard_functions_do_what_their_names_say(expression: str) -> None:
    assert holds(expression)


@pytest.mark.parametrize(
    "body",
    [
        "while (true) {}",
        "var a = []; while (true) a.push(new Array(100000).fill(1));",
        "return FindProxyForURL(url, host);",
        "throw new Error('no');",
        "return undefinedFunction();",
        "WANTED = {}; return 'DIRECT';",
    ],
)
def test_a_script_that_goes_wild_is_stopped(body: str) -> None:
    with pytest.raises(ScriptError):
        answer(body)


def test_a_script_reaches_nothing_outside() -> None:
    for name in ("require", "process", "fetch", "XMLHttpRequest", "std", "os", "print", "load"):
        assert holds(f"typeof {name} === 'undefined'")


def test_a_script_can_have_only_a_few_names_looked_up_and_says_little() -> None:
    asked: list[str] = []

    def resolve(name: str) -> str | None:
        asked.append(name)
        return None

    endless = (
        "function FindProxyForURL() { for (var i = 0; i < 999; i++) dnsResolve('n' + i); return 'x'.repeat(1e6); }"
    )
    assert len(run_script(endless, "server.example", 443, resolve, HOST)) == MAX_ANSWER
    assert len(asked) <= MAX_NAMES


@given(st.text(max_size=80))
def test_no_script_breaks_it(script: str) -> None:
    with suppress(ScriptError):
        assert isinstance(run_script(script, "server.example", 443, HOSTS.get, HOST), str)


def test_a_host_with_strange_signs_stays_a_text() -> None:
    assert answer("return host;", '"); throw 1; ("') == '"); throw 1; ("'


def test_it_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "proxy.pac"
    script.write_text('function FindProxyForURL(url, host) { return "PROXY proxy.example:3128; DIRECT"; }')
    assert ask_pac(str(script), "server.example", 443) == [Proxy("proxy.example", 3_128)]
    script.write_text("nonsense(")
    with pytest.raises(PacError, match="the script fails"):
        ask_pac(str(script), "server.example", 443)
    with pytest.raises(PacError, match="can't be had"):
        ask_pac(str(tmp_path / "missing"), "server.example", 443)


def test_it_is_fetched_from_a_web_server_without_following_it_elsewhere(tmp_path: Path) -> None:
    pages = {
        b"/proxy.pac": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"/moved": b"HTTP/1.1 302 Found\r\nLocation: /proxy.pac\r\nContent-Length: 0\r\n\r\n",
        b"/large": b"HTTP/1.1 200 OK\r\n\r\n" + bytes(MAX_SCRIPT + 2),
    }

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(pages[request.split()[1]])
        await writer.drain()
        writer.write_eof()

    async def story() -> None:
        async with door(serve) as web:
            base = f"http://{HOST}:{web.port}"
            assert await asyncio.to_thread(fetch_script, f"{base}/proxy.pac") == "hello"
            for page in ("moved", "large"):
                with pytest.raises(ScriptError):
                    await asyncio.to_thread(fetch_script, f"{base}/{page}")

    asyncio.run(story())
    with pytest.raises(ScriptError):
        fetch_script("ftp://server.example/proxy.pac")
