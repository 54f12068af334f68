"""Routers behind routers, hairpins, mappings that end early, and routers that give other ports after a restart."""

import time

import pytest

from tests.lab.machines import Computer
from tests.lab.nat import Nat
from tests.lab.processes import wait_until
from tests.lab.stories import PASSWORD, go_online, join, see_each_other
from tests.lab.topology import Lab, Router

pytestmark = pytest.mark.lab

NETWORK = "friends"


def meet(anna: Computer, *others: Computer) -> None:
    """Join a network, without waiting for any kind of path."""
    anna.buri("create", NETWORK, PASSWORD)
    for other in others:
        other.buri("join", NETWORK, PASSWORD)


def carrier_with_homes(lab: Lab, *, hairpin: bool) -> tuple[Router, Computer, Computer]:
    """A carrier's router, and two computers in homes behind it, each with a router of its own."""
    carrier = lab.router("carrier", network="100.64.0.0/24", ipv6=False, hairpin=hairpin)
    anna = lab.computer("anna", behind=lab.router("home", behind=carrier))
    ben = lab.computer("ben", behind=lab.router("office", behind=carrier))
    return carrier, anna, ben


def test_behind_the_same_carrier_a_hairpin_makes_the_path_direct(lab: Lab) -> None:
    server = lab.server()
    carrier, anna, ben = carrier_with_homes(lab, hairpin=True)
    cleo = lab.computer("cleo", behind=lab.router("elsewhere", ipv6=False))
    go_online(server, anna, ben, cleo)
    join(NETWORK, anna, ben, cleo)
    assert anna.view_of(ben)["endpoint"].startswith(carrier.outer.ipv4)
    for peer in (ben, cleo):
        anna.ping(peer.virtual_address)


def test_behind_the_same_carrier_without_a_hairpin_the_relay_carries(lab: Lab) -> None:
    server = lab.server()
    _, anna, ben = carrier_with_homes(lab, hairpin=False)
    go_online(server, anna, ben)
    meet(anna, ben)
    anna.wait_for_peer(ben, "relayed")
    anna.ping(ben.virtual_address)


def test_in_one_home_the_path_stays_inside_also_between_two_of_its_networks(lab: Lab) -> None:
    server = lab.server()
    home = lab.router("home", ipv6=False)
    anna, ben = lab.computer("anna", behind=home), lab.computer("ben", behind=home)
    cleo = lab.computer("cleo", behind=lab.router("upstairs", behind=home))
    go_online(server, anna, ben, cleo)
    join(NETWORK, anna, ben, cleo)
    assert anna.view_of(ben)["endpoint"].startswith(ben.addresses.ipv4)
    assert cleo.view_of(anna)["endpoint"].startswith(anna.addresses.ipv4)
    for peer in (ben, cleo):
        anna.ping(peer.virtual_address)


def test_a_mapping_that_ended_in_silence_is_made_again_when_the_tunnel_is_used(lab: Lab) -> None:
    """Sooner than any keepalive would come; the relay carries until the direct path stands again."""
    server = lab.server()
    home = lab.router("home", ipv6=False, udp_lifetime=4)
    anna, ben = lab.computer("anna", behind=home), lab.computer("ben", behind=lab.router("office", ipv6=False))
    go_online(server, anna, ben)
    join(NETWORK, anna, ben)
    office = ben.view_of(anna)["endpoint"]
    wait_until(lambda: not has_mapping(home), "the mapping to end", 60)
    used = time.monotonic()
    ben.wait_for_answer(anna.virtual_address)
    print(f"first answer {time.monotonic() - used:.1f} s after the tunnel was used again; its way was {office}")
    see_each_other(anna, ben, 60)


def has_mapping(router: Router) -> bool:
    return "udp" in router.namespace.run("conntrack", "-L", "-p", "udp")


def test_a_router_that_gives_other_ports_after_a_restart_is_overcome(lab: Lab) -> None:
    """As soon as the computer behind it sends something; what others send can't tell it that the way in is gone."""
    server = lab.server()
    home = lab.router("home", Nat.PORT_CHANGING, ipv6=False)
    anna, ben = lab.computer("anna", behind=home), lab.computer("ben", behind=lab.router("office", ipv6=False))
    go_online(server, anna, ben)
    join(NETWORK, anna, ben)
    before = ben.view_of(anna)["endpoint"]
    home.reboot()
    rebooted = time.monotonic()
    anna.wait_for_answer(ben.virtual_address)
    print(f"first answer {time.monotonic() - rebooted:.1f} s after anna's router had rebooted")
    see_each_other(anna, ben, 60)
    wait_until(lambda: ben.view_of(anna)["endpoint"] != before, "ben to know where anna is now", 60)
