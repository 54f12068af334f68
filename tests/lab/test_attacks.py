"""Bad wires, strangers and cheating members: what they send is dropped and counted, and what honest people do goes on.

Each story prints what was sent and what was counted.
"""

from collections.abc import Iterator

import pytest

from tests.lab.machines import Computer
from tests.lab.processes import wait_until
from tests.lab.stories import go_online, join, start_pings, telling_no_traceback
from tests.lab.topology import Lab
from tests.lab.transfer import make_file, move_file
from tests.lab.wire import Wire, put_wire

pytestmark = pytest.mark.lab

NETWORK = "friends"

GARBAGE = """
import os, random, socket, sys
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
gun = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
stun = bytes.fromhex("0001000c2112a442")
for number in range(count):
    noise = os.urandom(random.choice((0, 1, 3, 8, 15, 16, 20, 33, 100, 900, 1400)))
    starts = (b"", b"\\x80", b"\\x81", b"\\x82", b"\\x83", b"\\xff", stun)
    gun.sendto(starts[number % len(starts)] + noise, (host, port))
"""
"""Random datagrams, some with the first bytes of something that Buri knows."""

LISTEN = """
import socket, sys
ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ear.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    data, sender = ear.recvfrom(2000)
    print(sender[0], data.decode(), flush=True)
"""

SEND_AS = """
import socket, struct, sys
source, target, port, text = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4].encode()
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
udp = struct.pack("!HHHH", 4000, port, 8 + len(text), 0) + text
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 1, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(target))
for _ in range(20):
    raw.sendto(ip + udp, (target, 0))
"""
"""Twenty UDP packets with whatever source somebody wishes."""


@pytest.fixture
def lab() -> Iterator[Lab]:
    with telling_no_traceback() as lab:
        yield lab


def two_homes_with_a_wire(lab: Lab, **shares: float) -> tuple[Computer, Computer, Wire]:
    """Anna's wire is a bad one; both are online and see each other."""
    server = lab.server()
    home = lab.router("home", ipv6=False)
    anna = lab.computer("anna", behind=home)
    ben = lab.computer("ben", behind=lab.router("office", ipv6=False))
    wire = put_wire(lab, home, anna, **shares)
    go_online(server, anna, ben)
    join(NETWORK, anna, ben)
    return anna, ben, wire


def wait_for_drops(computer: Computer, reason: str, least: int = 1) -> None:
    """Until this computer has told of so many drops for this reason."""
    wait_until(lambda: computer.dropped(reason) >= least, f"{computer.name} to count {least} {reason}")


def test_a_wire_that_loses_doubles_and_swaps_harms_neither_file_nor_chat(lab: Lab) -> None:
    anna, ben, wire = two_homes_with_a_wire(lab, lose=0.05, double=0.05, swap=0.05)
    sha256 = make_file(anna, 4)
    assert move_file(anna, ben, ben.virtual_address, sha256).equal
    texts = [f"{number} " + "x" * 16_000 for number in range(4)]
    for text in texts:
        assert anna.buri("chat", "ben", text)["status"] == "delivered"
    assert [line["text"] for line in ben.buri_lines("chat", "anna")] == texts
    wait_for_drops(ben, "drop-replayed")
    print(f"the wire: {wire.cut()}; ben counted {ben.state()['counters']}")


def test_replayed_tampered_and_truncated_datagrams_are_dropped_and_counted(lab: Lab) -> None:
    anna, ben, wire = two_homes_with_a_wire(lab, replay=0.1, tamper=0.1, truncate=0.1)
    sha256 = make_file(anna, 4)
    assert move_file(anna, ben, ben.virtual_address, sha256).equal
    assert move_file(ben, anna, anna.virtual_address, make_file(ben, 1)).equal
    anna.buri("chat", "ben", "y" * 16_000)
    for computer in (anna, ben):
        for reason in ("drop-replayed", "drop-not-authentic", "drop-malformed"):
            wait_for_drops(computer, reason)
        print(f"{computer.name} counted {computer.state()['counters']}")
    assert ben.view_of(anna)["status"] == "direct"
    assert [line["text"] for line in ben.buri_lines("chat", "anna")] == ["y" * 16_000]
    print(f"the wire: {wire.cut()}")


def test_garbage_from_a_stranger_moves_nothing_but_counters(lab: Lab) -> None:
    server = lab.server()
    anna, ben, mallory = (lab.computer(name) for name in ("anna", "ben", "mallory"))
    go_online(server, anna, ben)
    join(NETWORK, anna, ben)
    pings = start_pings(ben, anna.virtual_address)
    port = anna.state()["helper"]["udp_port"]
    mallory.python(GARBAGE, anna.addresses.ipv4, str(port), "3000")
    mallory.python(GARBAGE, server.addresses.ipv4, "12975", "3000")
    mallory.python(GARBAGE, server.addresses.ipv4, "12976", "3000")
    for reason in ("drop-unknown-datagram", "drop-unknown-session"):
        wait_for_drops(anna, reason)
    print(f"anna counted {anna.state()['counters']}")
    before = pings.output().count("bytes from")
    wait_until(lambda: pings.output().count("bytes from") > before + 5, "ben's pings to go on")
    sha256 = make_file(ben, 1)
    assert move_file(ben, anna, anna.virtual_address, sha256).equal
    anna.buri("create", "the server still works")


def test_a_member_sends_from_no_address_but_his_own(lab: Lab) -> None:
    server = lab.server()
    anna, ben, carl = (lab.computer(name) for name in ("anna", "ben", "carl"))
    ben.change_program("app/dataplane/outbound.py", "if not ours:", "if False:")
    go_online(server, anna, ben, carl)
    join(NETWORK, anna, ben, carl)
    ear = anna.start("ear", anna.interpreter, "-c", LISTEN, anna.virtual_address, "4001")
    ear.wait_for_output("ready")

    send_as(carl, ben.virtual_address, anna, "carl with an honest program")
    wait_for_drops(carl, "drop-source", 20)
    send_as(ben, carl.virtual_address, anna, "ben with a cheating program")
    wait_for_drops(anna, "drop-inner-source", 20)
    send_as(ben, ben.virtual_address, anna, "ben as himself")
    ear.wait_for_output("ben as himself")
    assert "program" not in ear.output()


def send_as(sender: Computer, source: str, receiver: Computer, text: str) -> None:
    words = ("-c", SEND_AS, source, receiver.virtual_address, "4001", text)
    sender.run(sender.interpreter, *words, root=True)
