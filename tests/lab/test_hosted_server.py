"""A server hosted at home, its ports forwarded by the router: friends outside and at home, and the host itself."""

import pytest

from tests.lab.machines import Computer, MediationServer
from tests.lab.nat import Nat
from tests.lab.stories import PASSWORD, join, see_each_other
from tests.lab.topology import Lab

pytestmark = pytest.mark.lab

NETWORK = "friends"


class Host(Computer, MediationServer):
    """A person's computer on which the server runs as well."""


class Home:
    """Anna hosts a server at home, where Cora lives too; Ben is elsewhere. Both routers are of one kind."""

    def __init__(self, lab: Lab, kind: Nat = Nat.PORT_PRESERVING) -> None:
        router = lab.router("home", kind, ipv6=False)
        namespace = lab.namespace("anna")
        self.anna = Host(namespace, router.segment.attach(namespace, "eth0"))
        self.cora = lab.computer("cora", behind=router)
        self.ben = lab.computer("ben", behind=lab.router("office", kind, ipv6=False))
        for protocol, port in (("tcp", 12_975), ("udp", 12_975), ("udp", 12_976)):
            router.forward_port(protocol, port, self.anna)
        self.outside = router.outer.ipv4

    def open(self) -> None:
        """The server runs, and all are online: each reaches it by the address that leads there."""
        self.anna.set_up()
        self.anna.go()
        self.anna.go_online(self.anna, "--server", "127.0.0.1", "--public-host", self.outside)
        self.cora.go_online(self.anna, "--public-host", self.outside)
        self.ben.go_online(self.anna, "--server", self.outside)


@pytest.mark.parametrize("owner", ["anna", "ben"])
def test_the_host_is_reached_from_outside_and_from_home_whoever_comes_first(lab: Lab, owner: str) -> None:
    home = Home(lab)
    home.open()
    anna, ben, cora = home.anna, home.ben, home.cora
    first, *others = (anna, ben, cora) if owner == "anna" else (ben, anna, cora)
    join(NETWORK, first, *others)
    for one, other in ((anna, ben), (anna, cora), (ben, cora)):
        see_each_other(one, other)
        one.ping(other.virtual_address)
        other.ping(one.virtual_address)
    assert ben.view_of(anna)["endpoint"].startswith(f"{home.outside}:")
    assert cora.view_of(anna)["endpoint"].startswith(f"{anna.addresses.ipv4}:")
    findings = {each["name"]: each["message"] for each in anna.buri("doctor")["findings"]}
    assert f"peers are told {home.outside}:" in findings["outside"]
    assert f"buri://{home.outside}:" in anna.buri("invite")["invite"]


def test_behind_hard_routers_the_host_is_reached_over_its_own_relay(lab: Lab) -> None:
    home = Home(lab, Nat.SYMMETRIC)
    home.open()
    anna, ben = home.anna, home.ben
    anna.buri("create", NETWORK, PASSWORD)
    ben.buri("join", NETWORK, PASSWORD)
    ben.wait_for_answer(anna.virtual_address)
    anna.ping(ben.virtual_address)
    assert anna.wait_for_peer(ben, "relayed")["relay"] == "127.0.0.1:12975"
    assert ben.wait_for_peer(anna, "relayed")["relay"] == f"{home.outside}:12975"
