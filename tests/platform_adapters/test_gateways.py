"""The default gateways, out of the kernel's own table."""

import socket
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from app.platform.gateways import Gateway, announcement_socket, default_gateways, parse_routes

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
TABLE = (
    HEAD
    + "wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
    + "eth0\t00000000\tFE01A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
    + "ppp0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0\n"
    + "eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
)


def test_gateways_come_by_their_metric_and_without_point_to_point_links() -> None:
    assert parse_routes(TABLE) == [Gateway("eth0", "192.168.1.254"), Gateway("wlan0", "192.168.1.1")]
    assert parse_routes("") == parse_routes(HEAD) == []


@given(st.text(max_size=300))
def test_a_table_of_another_form_has_no_gateways(text: str) -> None:
    assert all(isinstance(each, Gateway) for each in parse_routes(HEAD + text))


def test_the_systems_own_table_can_be_read() -> None:
    assert default_gateways() == []  # no test sees this machine's own
    assert all(each.interface for each in parse_routes(Path("/proc/net/route").read_text()))


def test_announcements_are_heard_beside_another_listener() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    first, second = announcement_socket(port), announcement_socket(port)
    assert first is not None
    assert second is not None
    with first, second:
        assert first.getsockname() == second.getsockname()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 0))
        assert announcement_socket(taken.getsockname()[1]) is None
