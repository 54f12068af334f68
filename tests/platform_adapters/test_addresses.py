"""This computer's addresses, read without a library and held against what the system itself says."""

import socket

import pytest

from app.platform import addresses
from app.platform.addresses import LocalAddress, local_addresses, open_change_socket, without_trackable


def test_the_address_that_leads_out_is_among_them() -> None:
    found = {each.address for each in local_addresses()}
    leading_out = {each.address for each in addresses._outgoing_addresses()}
    assert leading_out - {"127.0.0.1", "::1"} <= found
    assert not found & {"127.0.0.1", "::1"}


def test_changes_are_told_by_a_socket_that_waits_for_nobody() -> None:
    with open_change_socket() or socket.socket() as netlink, pytest.raises(BlockingIOError):
        netlink.recv(1)


def test_truncated_answers_are_not_read_beyond_their_end() -> None:
    body = addresses._ADDRESS.pack(socket.AF_INET, 24, 0, 0, 1) + addresses._ATTRIBUTE.pack(8, 2) + b"\x7f\x00\x00\x01"
    message = addresses._HEADER.pack(16 + len(body), 20, 0, 1, 0) + body
    assert addresses._messages(message) == [(20, body)]
    for end in range(len(message)):
        for _kind, part in addresses._messages(message[:end]):
            if len(part) >= addresses._ADDRESS.size:
                addresses._address_in(part)
    assert addresses._messages(bytes(16)) == []


def test_an_address_that_shows_the_hardware_is_told_only_where_there_is_no_temporary_one() -> None:
    followed, other = "2001:db8::211:22ff:fe33:4455", "2001:db8:0:1:211:22ff:fe33:4455"
    stable, temporary = "2001:db8::7", "2001:db8::1234:5678:9abc:def0"
    found = [
        LocalAddress("eth0", "192.168.1.2"),
        LocalAddress("eth0", followed),
        LocalAddress("eth0", stable),
        LocalAddress("eth0", temporary, temporary=True),
        LocalAddress("eth0", other),
        LocalAddress("wlan0", followed),
    ]
    told = [(each.interface, each.address) for each in without_trackable(found)]
    assert told == [
        ("eth0", "192.168.1.2"),
        ("eth0", stable),
        ("eth0", temporary),
        ("eth0", other),
        ("wlan0", followed),
    ]
