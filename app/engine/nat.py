"""What a router in front of this computer does to its endpoints, as far as the server's reflectors can tell.

In the words of RFC 4787 and RFC 5780. The reflector has several ports at one address of each family, so a mapping that
depends on the port shows, while one that depends on the address alone looks like one that depends on nothing; how the
router filters can't be seen at all, as nothing answers from an address that was not asked. Pure; used by
engine/diagnosis.py and engine/report.py.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from app.protocol.wire import Endpoint


class MappingBehaviour(StrEnum):
    """RFC 4787 section 4.1, as far as it shows."""

    NO_TRANSLATION = "no translation"
    NOT_PORT_DEPENDENT = "endpoint-independent or address-dependent mapping"
    PORT_DEPENDENT = "address-and-port-dependent mapping"
    UNKNOWN = "mapping behaviour unknown"


def mapping_behaviour(seen: Mapping[Endpoint, Endpoint], hosts: Sequence[Endpoint]) -> MappingBehaviour:
    """The behaviour for one family of addresses.

    `seen` has for each reflector that answered the endpoint it saw; `hosts` are this computer's interface endpoints.
    """
    outside = set(seen.values())
    if outside & set(hosts):
        return MappingBehaviour.NO_TRANSLATION
    if len(outside) > 1:
        return MappingBehaviour.PORT_DEPENDENT
    return MappingBehaviour.NOT_PORT_DEPENDENT if len(seen) > 1 else MappingBehaviour.UNKNOWN


def of_family(seen: Mapping[Endpoint, Endpoint], *, ipv6: bool) -> dict[Endpoint, Endpoint]:
    """What the reflectors of one family saw."""
    return {reflector: outside for reflector, outside in seen.items() if (":" in reflector.host) == ipv6}


def describe_router(seen: Mapping[Endpoint, Endpoint], hosts: Sequence[Endpoint]) -> list[str]:
    """What can be said, and what can't, a line for each family that a reflector answered in."""
    lines = []
    for family, ipv6 in (("IPv4", False), ("IPv6", True)):
        part = of_family(seen, ipv6=ipv6)
        ports = {each.port for each in hosts if (":" in each.host) == ipv6}
        if not part:
            if ports or not ipv6:  # without an IPv6 address nobody expects an answer
                lines.append(f"{family}: no reflector answered over UDP")
            continue
        behaviour = mapping_behaviour(part, hosts)
        kept = "keeps the port" if {each.port for each in part.values()} <= ports else "gives another port"
        port = "" if behaviour is MappingBehaviour.NO_TRANSLATION else f", {kept}"
        lines.append(f"{family}: {behaviour}{port}; {_EXPLAINED[behaviour]}")
    return [*lines, "filtering behaviour: can't be told, as no reflector answers from a second address"]


_EXPLAINED = {
    MappingBehaviour.NO_TRANSLATION: "the reflectors see this computer's own address",
    MappingBehaviour.NOT_PORT_DEPENDENT: "all ports of the reflector see the same; whether another address would, "
    "one server can't tell",
    MappingBehaviour.PORT_DEPENDENT: "each port of the reflector sees another endpoint",
    MappingBehaviour.UNKNOWN: "only one port of the reflector answered, and it takes two to tell",
}
