"""Ways between two computers that test_two_computers.py does not go: how soon, open ends, IPv6 alone, mixed homes."""

import time

import pytest

from tests.lab.machines import Computer, MediationServer
from tests.lab.nat import Nat
from tests.lab.processes import wait_until
from tests.lab.stories import PASSWORD, go_online, join, see_each_other
from tests.lab.topology import Lab

pytestmark = pytest.mark.lab

NETWORK = "friends"


def test_the_first_ping_follows_soon_after_the_second_member_joins(lab: Lab) -> None:
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("home", ipv6=False))
    ben = lab.computer("ben", behind=lab.router("office", ipv6=False))
    go_online(server, anna, ben)
    anna.buri("create", NETWORK, PASSWORD)
    annas_address = anna.virtual_address
    ben.buri("join", NETWORK, PASSWORD)
    joined = time.monotonic()
    ben.wait_for_answer(annas_address)
    print(f"first answer {time.monotonic() - joined:.2f} s after `buri join` had ended; it should be less than 2 s")
    see_each_other(anna, ben)
    assert anna.state()["helper"]["status"] == "up"


def meet_and_ping(server: MediationServer, anna: Computer, ben: Computer) -> None:
    """Both log in, join a network and reach each other."""
    go_online(server, anna, ben)
    join(NETWORK, anna, ben)
    ben.ping(anna.virtual_address)
    anna.ping(ben.virtual_address)


@pytest.mark.parametrize("nat", [Nat.PORT_PRESERVING, Nat.SYMMETRIC])
def test_a_computer_on_the_open_internet_is_reached_from_behind_any_router(lab: Lab, nat: Nat) -> None:
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("home", nat, ipv6=False))
    ben = lab.computer("ben")
    meet_and_ping(server, anna, ben)
    assert ben.view_of(anna)["endpoint"].startswith("203.0.113.")


def test_where_there_is_no_ipv4_all_goes_over_ipv6(lab: Lab) -> None:
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("home"))
    ben = lab.computer("ben", behind=lab.router("office"))
    for computer in (anna, ben):
        computer.namespace.ip(f"address del {computer.addresses.ipv4}/24 dev eth0")
        computer.start_helper()
        computer.start_engine(server, "--server", f"[{server.addresses.ipv6}]:{server.port}")
    for computer in (anna, ben):
        computer.wait_until_online()
    join(NETWORK, anna, ben)
    ben.ping(anna.virtual_address)
    assert anna.addresses.ipv6 in ben.view_of(anna)["endpoint"]


def test_a_home_with_ipv6_and_one_without_meet_over_ipv4(lab: Lab) -> None:
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("home"))
    ben = lab.computer("ben", behind=lab.router("office", ipv6=False))
    meet_and_ping(server, anna, ben)
    assert ben.view_of(anna)["endpoint"].startswith("203.0.113.")


def test_a_router_that_forgets_its_mappings_is_overcome(lab: Lab) -> None:
    server = lab.server()
    home = lab.router("home", Nat.SYMMETRIC, ipv6=False)
    anna, ben = lab.computer("anna", behind=home), lab.computer("ben")
    meet_and_ping(server, anna, ben)
    endpoint = ben.view_of(anna)["endpoint"]
    home.reboot()
    rebooted = time.monotonic()
    anna.wait_for_answer(ben.virtual_address, 60)
    print(f"first answer {time.monotonic() - rebooted:.1f} s after anna's router had rebooted")
    see_each_other(anna, ben, 60)
    wait_until(lambda: ben.view_of(anna)["endpoint"] != endpoint, "ben to know where anna is now", 60)
