"""Proxies as people, programs and systems write them down."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.transport.http_connect import Proxy
from app.transport.proxies import environment_proxy, is_excepted, parse_pac_answer, parse_proxy


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("proxy.example:3128", Proxy("proxy.example", 3_128)),
        ("http://proxy.example", Proxy("proxy.example", 80)),
        (" http://10.0.0.1:8080/ ", Proxy("10.0.0.1", 8_080)),
        ("http://anna:p%40ss%3Aword@proxy:3128", Proxy("proxy", 3_128, "anna", "p@ss:word")),
        ("[2001:db8::1]:3128", Proxy("2001:db8::1", 3_128)),
    ],
)
def test_a_proxy_is_read_as_it_is_written(text: str, proxy: Proxy) -> None:
    assert parse_proxy(text) == proxy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "socks5://proxy:1080",
        "https://proxy:443",
        "http://proxy:0",
        "proxy:99999",
        "http://proxy:80/path",
        "http://pro xy:80",
        "http://a%0d%0ab:c@proxy:80",
        "proxy:eighty",
        "x" * 3_000,
    ],
)
def test_what_is_no_proxy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_proxy(text)


def test_a_port_may_have_to_be_named() -> None:
    assert parse_proxy("proxy:3128", usual_port=0).port == 3_128
    with pytest.raises(ValueError, match="port"):
        parse_proxy("proxy", usual_port=0)


@pytest.mark.parametrize(
    "text",
    [
        "http://anna:secret/of/mine@proxy:80",
        "http://anna:secret\uff1aof mine@proxy:80",
        "http://anna:secret[of mine@proxy:80",
        "http://secret:x@[secret]:80",
        "anna:secret@proxy:secret",
    ],
)
def test_what_is_said_of_a_wrong_proxy_holds_no_password(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_proxy(text)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(st.text(max_size=100))
def test_nothing_but_a_proxy_comes_out(text: str) -> None:
    with suppress(ValueError):
        proxy = parse_proxy(text)
        assert 0 < proxy.port < 65_536
        assert not set(proxy.host) & set("\r\n /@")
    parse_pac_answer(text)
    is_excepted([text], "server.example", 443)


def test_the_environment_names_a_proxy_and_its_exceptions() -> None:
    named = {
        "HTTPS_PROXY": "http://proxy:3128",
        "ALL_PROXY": "http://other:1",
        "NO_PROXY": "localhost, .lan,10.0.0.0/8",
    }
    assert environment_proxy(named, "server.example", 443) == Proxy("proxy", 3_128)
    assert environment_proxy({**named, "https_proxy": "http://lower:1"}, "a.example", 443) == Proxy("lower", 1)
    for host in ("localhost", "nas.lan", "10.3.4.5"):
        assert environment_proxy(named, host, 443) is None
    assert environment_proxy({"http_proxy": "http://proxy:1"}, "server.example", 443) is None
    with pytest.raises(ValueError, match="socks"):
        environment_proxy({"ALL_PROXY": "socks5://proxy:1080"}, "server.example", 443)


@pytest.mark.parametrize(
    ("exception", "host", "means"),
    [
        ("*", "anything.example", True),
        ("example.com", "example.com", True),
        ("example.com", "www.example.com", True),
        ("example.com", "badexample.com", False),
        (".example.com", "www.example.com", True),
        ("*.example.com", "www.example.com", True),
        ("EXAMPLE.com", "www.Example.COM", True),
        ("example.com:443", "example.com", True),
        ("example.com:80", "example.com", False),
        ("192.0.2.0/24", "192.0.2.77", True),
        ("192.0.2.0/24", "192.0.3.77", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("2001:db8::/32", "2001:db8::1", True),
        ("[2001:db8::1]:443", "2001:db8::1", True),
        ("<local>", "nas", True),
        ("<local>", "nas.example", False),
        ("", "server.example", False),
        (".", "server.example", False),
    ],
)
def test_exceptions_are_names_ends_of_names_addresses_and_networks(exception: str, host: str, means: bool) -> None:
    assert is_excepted([exception], host, 443) is means


def test_a_scripts_answer_is_a_list() -> None:
    answer = "SOCKS s:1; PROXY a.example:3128;HTTP b:80 ; HTTPS c:443; DIRECT; PROXY bad:host:x"
    assert parse_pac_answer(answer) == [Proxy("a.example", 3_128), Proxy("b", 80)]
    assert parse_pac_answer("DIRECT") == []
