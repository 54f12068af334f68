"""A peer that says nothing: when the engine is told, and what ends the silence."""

from itertools import pairwise

from app.dataplane.peer_table import MAX_PATIENCE
from app.ipc.schema import PeerQuiet
from tests.dataplane.packets import Flow, packet
from tests.dataplane.sides import FAR, NEAR, TwoSides, plain

TO_FAR = Flow(NEAR, FAR)
BACK = plain(packet(Flow(FAR, NEAR), b"here"))


def told_quiet(sides: TwoSides, *times: float) -> list[float]:
    """A packet goes out at each time, and never one comes back; when the engine is told."""
    told = []
    for now in times:
        sides.near.send(plain(packet(TO_FAR, b"anybody?")), now=now)
        if PeerQuiet(FAR) in sides.near.notifications:
            told.append(now)
            sides.near.notifications.clear()
    return told


def answer(sides: TwoSides, now: float, *packets: bytes) -> None:
    """The far side sends packets, or an engine message."""
    sides.far.send(*packets, now=now)
    if not packets:
        far = sides.far.peer(NEAR)
        assert far.sending is not None
        sides.far.port.send_one(far.sending.tunnel.seal(b"\x00pong"), far.path)
    sides.near.receive(now)
    sides.near.notifications.clear()


def test_a_silence_is_told_soon_and_then_ever_more_rarely() -> None:
    with TwoSides() as sides:
        every_quarter_second = [100 + number / 4 for number in range(600)]
        told = told_quiet(sides, *every_quarter_second)
        assert told[:5] == [100.5, 101.5, 103.5, 107.5, 115.5]
        assert {after - before for before, after in pairwise(told[6:])} == {MAX_PATIENCE}


def test_whoever_answers_is_not_quiet() -> None:
    with TwoSides() as sides:
        for second in range(100, 110):
            assert told_quiet(sides, second, second + 0.4) == []
            answer(sides, second + 0.45, BACK)


def test_an_idle_hour_is_no_silence() -> None:
    with TwoSides() as sides:
        assert told_quiet(sides, 100) == []
        answer(sides, 100.1, BACK)
        assert told_quiet(sides, 3_700) == []


def test_whoever_only_listens_is_asked_more_and_more_rarely() -> None:
    with TwoSides() as sides:
        told: list[float] = []
        for tenth in range(1_000, 1_600):
            if told_quiet(sides, tenth / 10):
                told.append(tenth)
                answer(sides, tenth / 10)
        gaps = [after - before for before, after in pairwise(told)]
        assert len(told) <= 7
        assert gaps == sorted(gaps)


def test_a_packet_of_the_peer_or_another_path_makes_the_engine_hear_soon_again() -> None:
    with TwoSides() as sides:
        assert told_quiet(sides, 100, 100.5, 101.5) == [100.5, 101.5]
        answer(sides, 103.5, BACK)
        assert told_quiet(sides, 104, 104.5) == [104.5]
        sides.connect(relay=0xC0000000)
        assert told_quiet(sides, 105, 105.25, 105.5) == [105.5]


def test_broadcasts_expect_no_answer() -> None:
    with TwoSides() as sides:
        for now in (100, 102, 104):
            sides.near.send(plain(packet(Flow(NEAR, 0xFFFFFFFF, tcp=False), b"anybody?")), now=now)
        assert sides.near.notifications == []
