"""The smallest shared facts: header layout, endpoints and how numbers look to people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol import wire
from app.protocol.wire import Endpoint, RemoteProtocolError


def test_golden_headers() -> None:
    aead = wire.DATA_HEADER_AEAD.pack(wire.DatagramType.DATA, wire.DataFlag.CONTINUES, 0, 0x01020304, 5)
    assert aead.hex() == "8101000001020304" + "0000000000000005"
    cbc = wire.DATA_HEADER_CBC.pack(wire.DatagramType.DATA, wire.DataFlag.NONE, 0, 0x01020304, 5)
    assert cbc.hex() == "8100000001020304" + "00000005"


def test_no_datagram_of_ours_can_be_taken_for_stun() -> None:
    assert all(kind >= 0x80 for kind in wire.DatagramType)


def test_flags_fit_their_byte_and_do_not_overlap() -> None:
    assert wire.DataFlag.CONTINUES | wire.DataFlag.PARTIAL_CHECKSUM == 3


def test_both_faults_are_protocol_errors() -> None:
    assert issubclass(wire.LocalProtocolError, wire.ProtocolError)
    assert issubclass(wire.RemoteProtocolError, wire.ProtocolError)
    assert not issubclass(wire.LocalProtocolError, wire.RemoteProtocolError)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.1", "192.0.2.1:5000"),
        ("::ffff:192.0.2.1", "192.0.2.1:5000"),
        ("2001:DB8:0::1", "[2001:db8::1]:5000"),
        ("127.0.0.1", "127.0.0.1:5000"),
    ],
)
def test_endpoints_are_brought_to_their_normal_form(host: str, expected: str) -> None:
    assert str(wire.checked_endpoint(host, 5_000)) == expected


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [
        ("example.org", 1, "not an IP address"),
        ("", 1, "not an IP address"),
        ("192.0.2.01", 1, "not an IP address"),
        ("192.0.2.1", 0, "port out of range"),
        ("192.0.2.1", 65_536, "port out of range"),
        ("192.0.2.1", -1, "port out of range"),
        ("0.0.0.0", 1, "not a unicast address"),
        ("::", 1, "not a unicast address"),
        ("224.0.0.1", 1, "not a unicast address"),
        ("ff02::1", 1, "not a unicast address"),
        ("fe80::1%eth0", 1, "a zone means something"),
        ("::ffff:224.0.0.1", 1, "not a unicast address"),
        ("255.255.255.255", 1, "not a unicast address"),
    ],
)
def test_endpoints_that_no_peer_can_have_are_refused(host: str, port: int, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason):
        wire.checked_endpoint(host, port)


@given(st.text(max_size=50) | st.ip_addresses().map(str), st.integers())
def test_any_text_and_number_are_an_endpoint_or_a_named_error(host: str, port: int) -> None:
    try:
        endpoint = wire.checked_endpoint(host, port)
    except RemoteProtocolError:
        return
    assert wire.checked_endpoint(*endpoint) == endpoint


def test_an_endpoint_compares_like_its_parts() -> None:
    assert Endpoint("192.0.2.1", 1) == ("192.0.2.1", 1, 0, 0)


def test_an_endpoint_behind_a_relay_is_another_one() -> None:
    relayed = wire.checked_endpoint("192.0.2.1", 1, wire.MIN_RELAY_ID + 5)
    assert relayed != Endpoint("192.0.2.1", 1) == relayed.plain
    assert str(relayed) == "relay 192.0.2.1:1"


@pytest.mark.parametrize(("relay", "socket"), [(1, 0), (wire.MIN_RELAY_ID - 1, 0), (2**32, 0), (0, -1), (0, 513)])
def test_relay_ids_and_sockets_that_nobody_has_are_refused(relay: int, socket: int) -> None:
    with pytest.raises(RemoteProtocolError):
        wire.checked_endpoint("192.0.2.1", 1, relay, socket)


def test_virtual_addresses_in_text() -> None:
    assert wire.format_address(0x0A2A0001) == "10.42.0.1"
    assert wire.format_address6(0x0A2A0001) == "fd62:7572:6900::a2a:1"


def test_network_ids_in_text() -> None:
    assert wire.format_network_id(7) == "0000-000-007"
    assert wire.format_network_id(2**32 - 1) == "4294-967-295"
