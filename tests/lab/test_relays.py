"""Where no path is direct: two behind the hardest routers, over the relay of the server or one of its own machine."""

import pytest

from tests.lab.machines import Computer, MediationServer
from tests.lab.nat import Nat
from tests.lab.processes import wait_until
from tests.lab.stories import PASSWORD, go_online
from tests.lab.topology import Lab
from tests.lab.transfer import make_file, move_file

pytestmark = pytest.mark.lab

NETWORK = "friends"


def two_behind_symmetric_routers(lab: Lab) -> tuple[Computer, Computer]:
    homes = [lab.router(name, Nat.SYMMETRIC, ipv6=False) for name in ("home", "office")]
    return lab.computer("anna", behind=homes[0]), lab.computer("ben", behind=homes[1])


def meet(server: MediationServer, anna: Computer, ben: Computer) -> None:
    """Both log in, join a network and reach each other, relayed."""
    go_online(server, anna, ben)
    reach_each_other(anna, ben)


def reach_each_other(anna: Computer, ben: Computer) -> None:
    """Join a network; the way between both is relayed."""
    anna.buri("create", NETWORK, PASSWORD)
    ben.buri("join", NETWORK, PASSWORD)
    ben.wait_for_answer(anna.virtual_address)
    anna.ping(ben.virtual_address)
    assert anna.wait_for_peer(ben, "relayed")["status"] == "relayed"


def test_the_servers_own_relay_carries_what_finds_no_direct_path(lab: Lab) -> None:
    server = lab.server()
    anna, ben = two_behind_symmetric_routers(lab)
    meet(server, anna, ben)
    assert anna.view_of(ben)["relay"] == f"{server.addresses.ipv4}:{server.port}"


def test_a_relay_on_its_own_machine_carries_and_is_found_again_after_its_crash(lab: Lab) -> None:
    relay = lab.relay()
    server = lab.server(relays=[relay], own_relay=False)
    anna, ben = two_behind_symmetric_routers(lab)
    meet(server, anna, ben)
    assert anna.view_of(ben)["relay"] == f"{relay.addresses.ipv4}:{relay.port}"
    relay.kill9()
    wait_until(lambda: not anna.can_ping(ben.virtual_address), "the tunnel to stop with its relay")
    relay.go()
    anna.wait_for_answer(ben.virtual_address, timeout=30)


def test_one_with_ipv4_alone_and_one_with_ipv6_alone_meet_on_the_relay(lab: Lab) -> None:
    """There is no other way between them, whatever their routers do."""
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("home", ipv6=False))
    ben = lab.computer("ben")
    ben.namespace.ip(f"address del {ben.addresses.ipv4}/24 dev eth0")
    ben.start_helper()
    ben.start_engine(server, "--server", f"[{server.addresses.ipv6}]:{server.port}")
    ben.wait_until_online()
    go_online(server, anna)
    reach_each_other(anna, ben)


def test_a_file_moves_over_the_relay_at_the_rate_that_a_pair_has(lab: Lab) -> None:
    server = lab.server()
    anna, ben = two_behind_symmetric_routers(lab)
    meet(server, anna, ben)
    moved = move_file(anna, ben, ben.virtual_address, make_file(anna, 64))
    assert moved.equal
    print(f"{moved.megabytes_per_second:.1f} MB/s over the relay; a pair may send 25")
    assert anna.view_of(ben)["status"] == "relayed"
