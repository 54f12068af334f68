"""`buri netcheck` behind each kind of real router: it tells in the words of RFC 4787 what the router does."""

from typing import Any

import pytest

from tests.lab.machines import Computer, MediationServer
from tests.lab.nat import Nat
from tests.lab.processes import LabError
from tests.lab.stories import go_online
from tests.lab.topology import Lab

pytestmark = pytest.mark.lab

CONE = "endpoint-independent or address-dependent mapping"
STRICT, LOOSE = "address-and-port-dependent filtering", "endpoint-independent or address-dependent filtering"


def settle(computer: Computer, server: MediationServer, **settings: object) -> None:
    """Let the computer know its server without an engine that runs."""
    place = {"host": server.addresses.ipv4, "port": server.port, "fingerprint": server.fingerprint}
    computer.configure(server=place, **settings)


def test_each_kind_of_router_is_told_without_an_engine(lab: Lab) -> None:
    server = lab.server()
    expected = {
        Nat.PORT_PRESERVING: ("direct", CONE, STRICT, True),
        Nat.PORT_CHANGING: ("direct", CONE, STRICT, False),
        Nat.RESTRICTED: ("direct", CONE, LOOSE, True),
        Nat.FULL_CONE: ("direct", CONE, LOOSE, True),
        Nat.SYMMETRIC: ("hard", "address-and-port-dependent mapping", STRICT, False),
        Nat.NONE: ("direct", "no translation", STRICT, True),
    }
    for nat, (grade, mapping, filtering, keeps_port) in expected.items():
        computer = lab.computer(nat.name.lower(), behind=lab.router(f"router-{nat.name.lower()}", nat, ipv6=False))
        settle(computer, server)
        check = computer.buri("netcheck")
        ipv4, ipv6 = check["routers"]
        found = (check["grade"], ipv4["mapping"], ipv4["filtering"], ipv4["keeps_port"])
        assert found == (grade, mapping, filtering, keeps_port), f"{nat}: {check}"
        assert ipv4["hairpin"] in (None, False)
        assert not ipv6["udp"]
        assert check["own_socket"]
        assert (check["routes"][0]["name"], check["routes"][0]["works"]) == ("TCP", True)


def test_a_running_engine_tells_its_own_socket_relays_and_open_port(lab: Lab) -> None:
    relay = lab.relay("relay")
    server = lab.server(relays=[relay])
    home = lab.router("home", hairpin=True)
    home.open_ports_on_request()
    anna = lab.computer("anna", behind=home)
    go_online(server, anna)
    check: dict[str, Any] = anna.buri("netcheck")
    assert check["grade"] == "open"
    ipv4, ipv6 = check["routers"]
    assert ipv4["mapping"] == "endpoint-independent mapping"  # the relay is a reflector at another address
    assert ipv4["hairpin"] is True
    assert (ipv6["has_address"], ipv6["udp"]) == (True, None)  # the server is known by its IPv4 address alone
    assert check["port_mapping"]["protocol"] == "PCP"
    assert len(check["relays"]) == 2
    assert all(each["udp"] is not None for each in check["relays"])
    assert not check["own_socket"]
    assert "[network check]" in anna.run(*anna.buri_words("doctor", "--report"))


def test_where_udp_is_blocked_the_route_over_tcp_is_told(lab: Lab) -> None:
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("hotel", Nat.UDP_BLOCKED, ipv6=False))
    settle(anna, server)
    check = anna.buri("netcheck")
    assert (check["grade"], check["verdict"]["code"]) == ("relayed", "netcheck-relayed")
    assert "TCP" in check["verdict"]["message"]


def test_where_nothing_gets_out_it_says_so_and_fails(lab: Lab) -> None:
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("office", Nat.PROXY_ONLY, ipv6=False))
    settle(anna, server)
    with pytest.raises(LabError, match=r"exit 6:(.|\n)*netcheck-blocked"):
        anna.buri("netcheck")


def test_where_only_a_proxy_leads_out_the_route_through_it_is_told(lab: Lab) -> None:
    server, proxy = lab.server(), lab.proxy()
    office = lab.router("office", Nat.PROXY_ONLY, ipv6=False)
    office.let_through(proxy.addresses.ipv4, proxy.port)
    anna = lab.computer("anna", behind=office)
    settle(anna, server, proxy={"mode": "by-hand", "host": proxy.addresses.ipv4, "port": proxy.port})
    check = anna.buri("netcheck")
    assert check["grade"] == "relayed"
    assert check["proxies"] == [{"place": proxy.place, "source": "settings"}]
    assert f"WebSocket through the proxy {proxy.place}" in [each["name"] for each in check["routes"] if each["works"]]
