"""The lab's routers in their rarer ways: changed ports, blocks of ports, hairpins, short lifetimes, company firewalls.

What every kind of router lets out and in is in test_lab.py.
"""

import pytest

from tests.lab.machines import Computer
from tests.lab.nat import BLOCK, OTHER_PORTS, Nat
from tests.lab.processes import LabError
from tests.lab.test_lab import ASK, ECHO, LISTEN, SEND, reflector
from tests.lab.topology import Lab, Router

pytestmark = pytest.mark.lab

CONNECT = """
import socket, sys
socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=0.5)
print("connected")
"""


def ports(lines: str) -> list[int]:
    return [int(line.split()[1]) for line in lines.splitlines()]


def test_a_port_changing_router_shows_one_other_port_and_a_new_one_after_a_restart(lab: Lab) -> None:
    first, second = lab.computer("first"), lab.computer("second")
    places = [reflector(first, 4000), reflector(first, 4001), reflector(second, 4000)]
    router = lab.router("router", Nat.PORT_CHANGING)
    inner = lab.computer("inner", behind=router)
    before = ports(inner.python(ASK, *places))
    router.reboot()
    after = ports(inner.python(ASK, *places))
    assert len(set(before)) == len(set(after)) == 1
    assert before != after
    assert {*before, *after} < set(OTHER_PORTS)


def test_a_port_block_router_shows_another_port_of_its_block_to_each(lab: Lab) -> None:
    first, second = lab.computer("first"), lab.computer("second")
    places = [reflector(first, 4000), reflector(first, 4001), reflector(second, 4000)]
    inner = lab.computer("inner", behind=lab.router("router", Nat.PORT_BLOCK))
    seen = ports(inner.python(ASK, *places))
    assert len(set(seen)) == 3
    assert all(BLOCK[0] <= port <= BLOCK[1] for port in seen)


@pytest.mark.parametrize("hairpin", [True, False])
def test_a_mapping_is_reached_from_inside_over_a_hairpin_alone(lab: Lab, hairpin: bool) -> None:
    place = reflector(lab.computer("public"), 4000)
    home = lab.router("home", hairpin=hairpin)
    anna, ben = lab.computer("anna", behind=home), lab.computer("ben", behind=home)
    listening = anna.start("listener", anna.interpreter, "-c", LISTEN, place)
    listening.wait_for_output("203.0.113.")
    mapped = listening.output().split()[1]
    ben.python(SEND, "6000", f"{home.outer.ipv4}:{mapped}", "from ben")
    if hairpin:
        listening.wait_for_output("from ben")
    else:
        ben.python(SEND, "6000", f"{anna.addresses.ipv4}:5000", "nearby")
        listening.wait_for_output("nearby")
        assert "from ben" not in listening.output()


def test_over_a_hairpin_the_outer_address_is_seen(lab: Lab) -> None:
    place = reflector(lab.computer("public"), 4000)
    home = lab.router("home", hairpin=True)
    anna, ben = lab.computer("anna", behind=home), lab.computer("ben", behind=home)
    echo = ECHO.replace("print(", f"receiver.sendto(b'', ('{place.partition(':')[0]}', 4000)); print(")
    anna.start("echo", anna.interpreter, "-c", echo, "5000").wait_for_output("ready")
    assert ben.python(ASK, f"{home.outer.ipv4}:5000").startswith(home.outer.ipv4)


def test_a_silent_mapping_ends_after_its_lifetime(lab: Lab) -> None:
    place = reflector(lab.computer("public"), 4000)
    home = lab.router("home", Nat.SYMMETRIC, udp_lifetime=1)
    inner = lab.computer("inner", behind=home)
    inner.python(ASK, place)
    assert mappings_of(home) == 1
    home.namespace.run("sh", "-c", "while conntrack -L -p udp 2>/dev/null | grep -q 5000; do sleep 0.1; done")
    assert mappings_of(home) == 0


def mappings_of(router: Router) -> int:
    return len(router.namespace.run("conntrack", "-L", "-p", "udp").splitlines())


def connects(computer: Computer, address: str, port: int) -> bool:
    try:
        return computer.python(CONNECT, address, str(port)) == "connected\n"
    except LabError:
        return False


def test_a_company_lets_tcp_to_its_proxy_through_and_nothing_else(lab: Lab) -> None:
    public, proxy = lab.computer("public"), lab.computer("proxy")
    place = reflector(public, 4000)
    for machine in (public, proxy):
        machine.start("web", machine.interpreter, "-m", "http.server", "3128").wait_for_output("Serving")
    office = lab.router("office", Nat.PROXY_ONLY, ipv6=False)
    office.let_through(proxy.addresses.ipv4, 3128)
    inner = lab.computer("inner", behind=office)
    assert connects(inner, proxy.addresses.ipv4, 3128)
    assert not connects(inner, public.addresses.ipv4, 3128)
    with pytest.raises(LabError, match="TimeoutError"):
        inner.python(ASK.replace("settimeout(5)", "settimeout(0.3)"), place)


def test_a_firewall_blocks_one_port_and_nothing_else(lab: Lab) -> None:
    public = lab.computer("public")
    for port in ("12975", "443"):
        public.start("web", public.interpreter, "-m", "http.server", port, root=True).wait_for_output("Serving")
    office = lab.router("office")
    office.block("tcp", 12_975)
    office.reboot()
    inner = lab.computer("inner", behind=office)
    assert connects(inner, public.addresses.ipv4, 443)
    assert not connects(inner, public.addresses.ipv4, 12_975)
