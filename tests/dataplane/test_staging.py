"""Packets that wait for a session: bounded in every direction."""

from app.dataplane.counters import Counters
from app.dataplane.staging import MAX_BYTES, MAX_PACKETS, MAX_WANTED, TELL_BURST, Staging
from app.ipc.schema import Notification, PeerWanted


def test_the_address_first_wanted_gives_way() -> None:
    told: list[Notification] = []
    counters = Counters()
    staging = Staging(counters, told.append)
    for address in range(1, MAX_WANTED + 2):
        staging.hold(address, b"packet", address * 0.01)
    assert told == [PeerWanted(address) for address in range(1, MAX_WANTED + 2)]
    assert staging.release(1, 3.0) == []
    assert staging.release(2, 3.0) == [b"packet"]
    assert counters["drop-no-session"] == 1


def test_the_bytes_held_are_bounded() -> None:
    counters = Counters()
    staging = Staging(counters, lambda _: None)
    large = bytes(MAX_BYTES // MAX_PACKETS)
    for _ in range(MAX_PACKETS):
        staging.hold(1, large, 1.0)
    staging.hold(2, b"one more", 1.0)
    assert counters["drop-no-session"] == 1
    assert len(staging.release(1, 1.0)) == MAX_PACKETS
    staging.hold(2, b"one more", 1.0)
    assert staging.release(2, 1.0) == [b"one more"]


def test_a_scan_of_the_whole_pool_is_told_at_a_limited_rate() -> None:
    told: list[Notification] = []
    staging = Staging(Counters(), told.append)
    for address in range(1, 1_001):
        staging.hold(address, b"packet", 1.0)
    assert len(told) == TELL_BURST
