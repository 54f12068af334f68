"""What a router in front of this computer does to its endpoints, as far as the reflectors can tell.

In the words of RFC 4787 and RFC 5780. The server's reflector has several ports at one address of each family; relays at
other addresses are reflectors too, and where there is none, a mapping that depends on the address alone looks like one
that depends on nothing. Pure; used by engine/netcheck.py, engine/diagnosis.py and engine/report.py.
"""

from collections.abc import Mapping, Sequence

from app.engine.netcheck_state import MappingBehaviour
from app.protocol.wire import Endpoint


def mapping_behaviour(seen: Mapping[Endpoint, Endpoint], hosts: Sequence[Endpoint]) -> MappingBehaviour:
    """The behaviour for one family of addresses.

    `seen` has for each reflector that answered the endpoint it saw; `hosts` are this computer's interface endpoints.
    """
    outside = set(seen.values())
    reflectors = {each.host for each in seen}
    if outside & set(hosts):
        return MappingBehaviour.NO_TRANSLATION
    if len(seen) < 2:
        return MappingBehaviour.UNKNOWN
    if len(outside) == 1:
        return MappingBehaviour.ENDPOINT_INDEPENDENT if len(reflectors) > 1 else MappingBehaviour.NOT_PORT_DEPENDENT
    each_host_sees_one = len({(reflector.host, told) for reflector, told in seen.items()}) == len(reflectors)
    some_port_pair = len(seen) > len(reflectors)
    return (
        MappingBehaviour.ADDRESS_DEPENDENT if each_host_sees_one and some_port_pair else MappingBehaviour.PORT_DEPENDENT
    )


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
    return [*lines, "filtering behaviour: `buri netcheck` tries it out"]


_EXPLAINED = {
    MappingBehaviour.NO_TRANSLATION: "the reflectors see this computer's own address",
    MappingBehaviour.NOT_PORT_DEPENDENT: "all ports of the reflector see the same; whether another address would, "
    "one server can't tell",
    MappingBehaviour.ENDPOINT_INDEPENDENT: "all reflectors see the same",
    MappingBehaviour.ADDRESS_DEPENDENT: "each reflector's address sees another endpoint",
    MappingBehaviour.PORT_DEPENDENT: "each port of the reflector sees another endpoint",
    MappingBehaviour.UNKNOWN: "only one port of the reflector answered, and it takes two to tell",
}
