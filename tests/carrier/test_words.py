"""Orders and reports go over pipes in lines; nothing else does, and errors show nothing of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.carrier.words import (
    Connected,
    Counted,
    Failed,
    Listening,
    Lost,
    Order,
    Report,
    WordError,
    line_of,
    read_order,
    read_report,
)
from app.transport.http_connect import Proxy, ProxyFailure
from app.transport.routes import Route, Target, Way

PROXY = Proxy("proxy.example", 3128, "anna", "correct horse")
ORDER = Order(Target("relay.example", 12975, 443), (Route(Way.TCP), Route(Way.WEB, PROXY)), 41_000)


def test_an_order_arrives_with_the_credentials_of_its_proxies() -> None:
    assert read_order(line_of(ORDER)) == ORDER


@pytest.mark.parametrize(
    "report",
    [
        Listening(4_000),
        Connected(str(Route(Way.WEB, PROXY))),
        Lost("the relay does not answer"),
        Failed("no answer"),
        Failed("proxy", ProxyFailure.REFUSED_CREDENTIALS),
        Counted({"drop-no-stream": 3}),
    ],
)
def test_reports_arrive_in_one_line_each(report: Report) -> None:
    line = line_of(report)
    assert line.count(b"\n") == 1
    assert read_report(line) == report


@given(st.binary(max_size=400))
def test_garbage_is_refused(line: bytes) -> None:
    for read in (read_order, read_report):
        with pytest.raises(WordError):
            read(line)


@pytest.mark.parametrize(
    "change",
    [(b"41000", b"0"), (b"41000", b"70000"), (b'"port":12975', b'"port":"x"'), (b'"TCP"', b'"UDP"'), (b"{", b"{{")],
)
def test_a_wrong_order_is_refused_without_showing_what_it_holds(change: tuple[bytes, bytes]) -> None:
    line = line_of(ORDER).replace(*change)
    with pytest.raises(WordError) as caught:
        read_order(line)
    assert "horse" not in str(caught.value)
    assert caught.value.__cause__ is None
