"""Where a computer may stand, from the open internet to behind an HTTP proxy alone, and what follows for two of them.

Used by test_nat_table.py, and by benchmarks/nat_table.py, which measures how long it takes.
"""

from collections.abc import Iterable
from enum import Enum
from urllib.parse import quote

from tests.lab.machines import Computer
from tests.lab.nat import Nat
from tests.lab.proxy import PASSWORD, USER, Authentication, Proxy
from tests.lab.topology import Lab


class Place(Enum):
    """What is between a computer and the internet. Facts and their words: RFC 4787."""

    OPEN = "open"
    """Nothing."""
    FULL_CONE = "full-cone"
    RESTRICTED = "restricted"
    PORT_RESTRICTED = "port-restricted"
    SYMMETRIC = "symmetric"
    CARRIER = "carrier"
    """A symmetric router behind a carrier's, which gives it ports of a small block alone."""
    NO_UDP = "no-udp"
    """A firewall that lets no UDP through."""
    PROXY = "proxy-only"
    """A firewall that lets nothing through but TCP to an HTTP proxy, which wants a name and a password."""

    @property
    def is_hard(self) -> bool:
        """Each destination sees another port."""
        return self in (Place.SYMMETRIC, Place.CARRIER)

    @property
    def has_udp(self) -> bool:
        """UDP gets out."""
        return self not in (Place.NO_UDP, Place.PROXY)


NATS = {
    Place.FULL_CONE: Nat.FULL_CONE,
    Place.RESTRICTED: Nat.RESTRICTED,
    Place.PORT_RESTRICTED: Nat.PORT_PRESERVING,
    Place.SYMMETRIC: Nat.SYMMETRIC,
    Place.CARRIER: Nat.SYMMETRIC,
    Place.NO_UDP: Nat.UDP_BLOCKED,
    Place.PROXY: Nat.PROXY_ONLY,
}


def expected(first: Place, second: Place) -> str:
    """The status of two computers at these places for each other: direct wherever it is possible in theory."""
    possible = first.has_udp and second.has_udp and not (first.is_hard and second.is_hard)
    return "direct" if possible else "relayed"


def is_guessed(first: Place, second: Place) -> bool:
    """Whether the direct path is found by guessing ports."""
    return {first, second} in ({Place.PORT_RESTRICTED, hard} for hard in Place if hard.is_hard)


def gather(lab: Lab, places: Iterable[Place]) -> dict[Place, tuple[Computer, Computer]]:
    """A server, and two computers at each of these places, each behind a router of its own; all are online."""
    server, proxy = lab.server(), lab.proxy(authentication=Authentication.DIGEST)
    crowd = {
        place: (computer_at(place, lab, place.value, proxy), computer_at(place, lab, f"{place.value}-2", proxy))
        for place in places
    }
    computers = [(place, each) for place, both in crowd.items() for each in both]
    for _, each in computers:
        each.start_helper()
    person = f"{quote(USER)}:{quote(PASSWORD)}"
    for place, each in computers:
        each.start_engine(
            server, extra={"HTTPS_PROXY": f"http://{person}@{proxy.place}"} if place is Place.PROXY else {}
        )
    for _, each in computers:
        each.wait_until_online(90)
    return crowd


def computer_at(place: Place, lab: Lab, name: str, proxy: Proxy) -> Computer:
    """A computer at this place."""
    if place is Place.OPEN:
        return lab.computer(name)
    behind = None
    if place is Place.CARRIER:
        behind = lab.router(f"{name}-carrier", Nat.PORT_BLOCK, network="100.64.0.0/24", ipv6=False)
    router = lab.router(f"{name}-router", NATS[place], behind=behind, ipv6=False)
    if place is Place.PROXY:
        router.let_through(proxy.addresses.ipv4, proxy.port)
    return lab.computer(name, behind=router)
