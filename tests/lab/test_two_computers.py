"""Two computers meet, whatever routers they sit behind, and stay together when parts of the world go away."""

import pytest

from tests.lab.machines import Computer, MediationServer
from tests.lab.nat import Nat
from tests.lab.processes import LabError, wait_until
from tests.lab.topology import Lab
from tests.lab.transfer import make_file, move_file

pytestmark = pytest.mark.lab

NETWORK = "friends"
PASSWORD = "secret"

SNIFF = """
import socket
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
wire.bind(("eth0", 0))
print("ready", flush=True)
while True:
    if b"never to be seen" in wire.recv(70_000):
        print("seen", flush=True)
    print("a packet", flush=True)
"""


def meet(server: MediationServer, anna: Computer, ben: Computer, *options: str) -> None:
    """Both log in and join one network; each sees the other over a direct path."""
    for computer in (anna, ben):
        computer.go_online(server, *options)
    anna.buri("create", NETWORK, PASSWORD)
    ben.buri("join", NETWORK, PASSWORD)
    for computer, peer in ((anna, ben), (ben, anna)):
        computer.wait_for_peer(peer, "direct")


def two_homes(lab: Lab, first: Nat, second: Nat) -> tuple[Computer, Computer]:
    anna = lab.computer("anna", behind=lab.router("home", first, ipv6=False))
    ben = lab.computer("ben", behind=lab.router("office", second, ipv6=False))
    return anna, ben


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Nat.PORT_PRESERVING, Nat.PORT_PRESERVING),
        (Nat.RESTRICTED, Nat.PORT_PRESERVING),
        (Nat.FULL_CONE, Nat.SYMMETRIC),
        (Nat.NONE, Nat.PORT_PRESERVING),
    ],
)
def test_two_computers_behind_routers_find_a_direct_path(lab: Lab, first: Nat, second: Nat) -> None:
    server = lab.server()
    anna, ben = two_homes(lab, first, second)
    meet(server, anna, ben)
    ben.ping(anna.virtual_address)
    anna.ping(ben.virtual_address)


def test_where_both_have_ipv6_it_carries_the_tunnel(lab: Lab) -> None:
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("home", Nat.SYMMETRIC))
    ben = lab.computer("ben", behind=lab.router("office", Nat.SYMMETRIC))
    meet(server, anna, ben)
    ben.ping(anna.virtual_address)
    assert anna.addresses.ipv6 in ben.view_of(anna)["endpoint"]


def test_two_computers_in_one_home_talk_without_leaving_it(lab: Lab) -> None:
    server = lab.server()
    home = lab.router("home", ipv6=False)
    anna, ben = lab.computer("anna", behind=home), lab.computer("ben", behind=home)
    meet(server, anna, ben)
    assert ben.view_of(anna)["endpoint"].startswith(f"{anna.addresses.ipv4}:")


@pytest.mark.parametrize("suite", [1, 2])
def test_each_suite_carries_a_file_unharmed(lab: Lab, suite: int) -> None:
    server = lab.server()
    anna, ben = two_homes(lab, Nat.PORT_PRESERVING, Nat.PORT_PRESERVING)
    meet(server, anna, ben, "--suite", str(suite))
    assert ben.view_of(anna)["suite"] == suite
    sha256 = make_file(anna, 16)
    assert move_file(anna, ben, ben.virtual_address, sha256).equal


def test_nobody_on_the_way_can_read_what_travels(lab: Lab) -> None:
    server = lab.server()
    anna, ben = two_homes(lab, Nat.PORT_PRESERVING, Nat.PORT_PRESERVING)
    meet(server, anna, ben)
    sniffer = anna.start("sniffer", anna.interpreter, "-c", SNIFF, root=True)
    sniffer.wait_for_output("ready")
    anna.run("ping", "-c", "3", "-i", "0.1", "-p", b"never to be seen".hex(), ben.virtual_address, root=True)
    anna.buri("chat", "ben", "this is never to be seen")
    wait_until(lambda: sniffer.output().count("a packet") >= 8, "packets to pass the sniffer")
    assert "\nseen" not in sniffer.output()

    anna.run("ping", "-c", "1", "-p", b"never to be seen".hex(), server.addresses.ipv4, root=True)
    sniffer.wait_for_output("\nseen")  # what is not sealed would have been noticed


def test_a_wrong_password_is_refused_in_plain_words(lab: Lab) -> None:
    server = lab.server()
    anna, ben = two_homes(lab, Nat.PORT_PRESERVING, Nat.PORT_PRESERVING)
    for computer in (anna, ben):
        computer.go_online(server)
    anna.buri("create", NETWORK, PASSWORD)
    with pytest.raises(LabError, match="assword"):
        ben.buri("join", NETWORK, "a guess")
    assert ben.view_of(anna) is None


def test_tunnels_outlive_a_killed_server(lab: Lab) -> None:
    server = lab.server()
    anna, ben = two_homes(lab, Nat.PORT_PRESERVING, Nat.PORT_PRESERVING)
    meet(server, anna, ben)
    server.kill9()
    wait_until(lambda: anna.state()["server"]["status"] == "waiting", "anna to notice")
    ben.ping(anna.virtual_address, count=3)
    server.go()
    for computer in (anna, ben):
        computer.wait_until_online(60)
    assert anna.view_of(ben)["status"] == "direct"


def test_a_killed_engine_leaves_no_adapter_and_comes_back(lab: Lab) -> None:
    server = lab.server()
    anna, ben = two_homes(lab, Nat.PORT_PRESERVING, Nat.PORT_PRESERVING)
    meet(server, anna, ben)
    address = anna.virtual_address
    assert anna.namespace.has_link("buri0")
    anna.engine.kill9()
    wait_until(lambda: not anna.namespace.has_link("buri0"), "the adapter to go", 5.0)
    assert address not in anna.run("ip", "address")
    assert "buri0" not in anna.run("ip", "route", "show", "table", "all")

    anna.start_engine(server)
    anna.wait_until_online()
    ben.wait_for_answer(anna.virtual_address)
    assert anna.virtual_address == address


def test_a_killed_helper_is_missed_and_tunnels_return_with_the_next(lab: Lab) -> None:
    server = lab.server()
    anna, ben = two_homes(lab, Nat.PORT_PRESERVING, Nat.PORT_PRESERVING)
    meet(server, anna, ben)
    anna.helper.kill9()
    wait_until(lambda: not anna.namespace.has_link("buri0"), "the adapter to go", 5.0)
    wait_until(lambda: anna.state()["helper"]["status"] != "up", "anna's engine to notice")
    anna.start_helper()
    anna.wait_until_online()
    ben.wait_for_answer(anna.virtual_address, timeout=60)


def test_an_evicted_member_is_out_with_its_tunnels(lab: Lab) -> None:
    server = lab.server()
    anna, ben = two_homes(lab, Nat.PORT_PRESERVING, Nat.PORT_PRESERVING)
    meet(server, anna, ben)
    bens_address = ben.virtual_address
    anna.buri("evict", NETWORK, "ben")
    wait_until(lambda: anna.view_of(ben) is None, "anna to forget ben")
    wait_until(lambda: ben.view_of(anna) is None, "ben to be told")
    assert not anna.can_ping(bens_address)
