"""Ports that a real router opens (miniupnpd): a direct way in for peers, even between two of the hardest routers."""

import pytest

from tests.lab.machines import Computer
from tests.lab.nat import Nat
from tests.lab.processes import wait_until
from tests.lab.stories import PASSWORD, go_online, join, see_each_other
from tests.lab.topology import Lab, Router

pytestmark = pytest.mark.lab


def mapping(computer: Computer) -> dict[str, str]:
    """What the engine shows of its open port."""
    view: dict[str, str] = computer.state()["port_mapping"]
    return view


def wait_until_mapped(computer: Computer) -> dict[str, str]:
    wait_until(lambda: mapping(computer)["status"] == "mapped", f"{computer.name} to have an open port")
    return mapping(computer)


def opened(router: Router) -> list[str]:
    """The ports that miniupnpd has opened."""
    rules = router.namespace.run("nft", "list", "chain", "inet", "port_mapping", "prerouting_miniupnpd")
    return [line.strip() for line in rules.splitlines() if "dnat" in line]


@pytest.mark.parametrize(("protocol", "speaks_pcp"), [("PCP", True), ("UPnP", False)])
def test_two_symmetric_routers_let_a_direct_path_through_an_open_port(
    lab: Lab, protocol: str, speaks_pcp: bool
) -> None:
    server = lab.server()
    home = lab.router("home", Nat.SYMMETRIC, ipv6=False)
    home.open_ports_on_request(pcp=speaks_pcp)
    anna = lab.computer("anna", behind=home)
    ben = lab.computer("ben", behind=lab.router("office", Nat.SYMMETRIC, ipv6=False))
    go_online(server, anna, ben)
    view = wait_until_mapped(anna)
    assert view["protocol"] == protocol
    assert view["gateway"] == "192.168.1.1"
    join("friends", anna, ben)
    ben.ping(anna.virtual_address)
    assert ben.view_of(anna)["endpoint"] == view["outside"]
    assert mapping(ben)["status"] == "none"
    anna.engine.stop()
    wait_until(lambda: not opened(home), "the port to be closed again")


def test_a_port_that_opens_while_a_peer_is_relayed_makes_it_direct(lab: Lab) -> None:
    server = lab.server()
    home = lab.router("home", Nat.SYMMETRIC, ipv6=False)
    home.open_ports_on_request()
    anna = lab.computer("anna", behind=home)
    ben = lab.computer("ben", behind=lab.router("office", Nat.SYMMETRIC, ipv6=False))
    anna.configure(port_mapping=False)
    go_online(server, anna, ben)
    for computer, verb in ((anna, "create"), (ben, "join")):
        computer.buri(verb, "friends", PASSWORD)
    ben.wait_for_peer(anna, "relayed")
    assert mapping(anna)["status"] == "off"
    assert anna.buri("port-mapping", "on") == {"wanted": True}
    see_each_other(anna, ben)
    assert anna.buri("port-mapping", "off") == {"wanted": False}
    assert not opened(home)


def test_a_router_that_was_rebooted_is_asked_again(lab: Lab) -> None:
    server = lab.server()
    home = lab.router("home", Nat.SYMMETRIC, ipv6=False)
    home.open_ports_on_request()
    anna = lab.computer("anna", behind=home)
    go_online(server, anna)
    wait_until_mapped(anna)
    home.reboot()
    wait_until(lambda: len(opened(home)) == 1, "the port to be open again")


def test_a_router_behind_another_one_says_why_it_opens_no_port(lab: Lab) -> None:
    server = lab.server()
    carrier = lab.router("carrier", network="100.64.0.0/24", ipv6=False)
    home = lab.router("home", behind=carrier)
    home.open_ports_on_request()
    anna = lab.computer("anna", behind=home)
    go_online(server, anna)
    wait_until(lambda: mapping(anna)["reason"] != "", "anna to be told that there is no open port")
    print(mapping(anna)["reason"])
    assert mapping(anna)["status"] == "none"
    assert not opened(home)
