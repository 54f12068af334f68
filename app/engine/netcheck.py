"""The network check: what routers, firewalls and proxies around this computer let through, and what follows from it.

Gathers what engine/netcheck_probe.py and the engine's parts find out, and judges it: `judged` is a pure function. In
the words of RFC 4787 and RFC 5780. Used by the engine's facade, and by the command line where no engine runs.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from app.engine.candidates import resolve_ports
from app.engine.errors import engine_error, problem_of
from app.engine.nat import mapping_behaviour, of_family
from app.engine.netcheck_probe import Probed, probe
from app.engine.netcheck_state import (
    FilteringBehaviour,
    Grade,
    MappingBehaviour,
    Netcheck,
    ProxyView,
    RelayView,
    RouterView,
    RouteView,
)
from app.engine.settings import ServerAddress
from app.engine.state import MappingStatus, PortMappingView
from app.protocol.wire import Endpoint


@dataclass(frozen=True, slots=True)
class Survey:
    """All that was found out, before it is judged."""

    server: str
    """Host and port."""
    probes: Sequence[Probed]
    """One for each family of addresses in which reflectors could be asked."""
    seen: Mapping[Endpoint, Endpoint]
    """For each reflector what it saw of the engine's own socket; empty without an engine."""
    hosts: Sequence[Endpoint]
    """The interfaces' endpoints of that socket."""
    port_mapping: PortMappingView
    proxies: Sequence[ProxyView] = ()
    routes: Sequence[RouteView] = ()
    relays: Sequence[RelayView] = ()
    server_is_inside: bool = False
    """It stands on this computer or beside it: nothing of it answers from outside."""


async def reflectors_of(server: ServerAddress) -> tuple[Endpoint, ...]:
    """Where the reflectors of a server usually are: at its own port number and the next."""
    return await resolve_ports(server.host_for_others, (server.port, server.port + 1))


async def probed(reflectors: Sequence[Endpoint]) -> list[Probed]:
    """Try out the routers for each family of the reflectors; in threads, for a second or two."""
    families = [[each for each in reflectors if (":" in each.host) == ipv6] for ipv6 in (False, True)]
    found = await asyncio.gather(*(asyncio.to_thread(probe, each) for each in families if each))
    return [each for each in found if each is not None]


def nearest_first(relays: Iterable[RelayView]) -> tuple[RelayView, ...]:
    """Those reached over UDP by their distance, then those over a stream, then the others."""
    far = float("inf")
    return tuple(sorted(relays, key=lambda each: (each.udp or far, each.stream or far)))


def judged(survey: Survey) -> Netcheck:
    """The result with its verdict."""
    routers = (_router(survey, "IPv4"), _router(survey, "IPv6"))
    mtus = [each.path_mtu for each in survey.probes if each.path_mtu is not None]
    code, grade, details = _verdict(survey, routers)
    return Netcheck(
        grade,
        problem_of(engine_error(code, **details)),
        survey.port_mapping,
        routers,
        tuple(survey.proxies),
        tuple(survey.routes),
        tuple(survey.relays),
        min(mtus, default=None),
        own_socket=not survey.hosts or (not survey.seen and any(each.seen for each in survey.probes)),
    )


def _router(survey: Survey, family: str) -> RouterView:
    ipv6 = family == "IPv6"
    fresh = next((each for each in survey.probes if (":" in each.host.host) == ipv6), None)
    hosts = [each for each in survey.hosts if (":" in each.host) == ipv6]
    seen = of_family(survey.seen, ipv6=ipv6)
    if not seen and fresh is not None:
        seen, hosts = fresh.seen, [fresh.host]
    has_address = bool(hosts) or (fresh is not None and not ip_address(fresh.host.host).is_loopback)
    if not seen:
        return RouterView(family, has_address, udp=None if fresh is None else False)
    return RouterView(
        family,
        has_address,
        udp=True,
        mapping=mapping_behaviour(seen, hosts),
        filtering=_filtering(fresh),
        hairpin=None if fresh is None else fresh.hairpin,
        keeps_port={each.port for each in seen.values()} <= {each.port for each in hosts},
        outside=tuple(dict.fromkeys(map(str, seen.values()))),
    )


def _filtering(fresh: Probed | None) -> FilteringBehaviour:
    if fresh is None or fresh.other_port_gets_in is None:
        return FilteringBehaviour.UNKNOWN
    return FilteringBehaviour.NOT_PORT_DEPENDENT if fresh.other_port_gets_in else FilteringBehaviour.PORT_DEPENDENT


def _verdict(survey: Survey, routers: Sequence[RouterView]) -> tuple[str, Grade, dict[str, object]]:
    """Code, grade and details. IPv4 counts where it works: most people have nothing else."""
    if survey.port_mapping.status is MappingStatus.MAPPED:
        return "netcheck-open", Grade.OPEN, {"outside": survey.port_mapping.outside}
    router = next((each for each in routers if each.udp), None)
    if router is None:
        return _verdict_without_udp(survey, routers)
    outside: dict[str, object] = {"outside": router.outside[0]}
    if router.mapping.is_hard:
        if survey.port_mapping.status is MappingStatus.OFF:
            return "netcheck-hard-not-asked", Grade.HARD, {}
        port = survey.hosts[0].port if survey.hosts else 0
        return ("netcheck-hard", Grade.HARD, {"port": port}) if port else ("netcheck-hard-here", Grade.HARD, {})
    if router.mapping is MappingBehaviour.UNKNOWN:
        return "netcheck-one-reflector", Grade.DIRECT, outside
    is_open = router.filtering is FilteringBehaviour.NOT_PORT_DEPENDENT
    if router.mapping is MappingBehaviour.NO_TRANSLATION and is_open:
        return "netcheck-open", Grade.OPEN, outside
    return "netcheck-direct", Grade.DIRECT, outside


def _verdict_without_udp(survey: Survey, routers: Sequence[RouterView]) -> tuple[str, Grade, dict[str, object]]:
    route = next((each.name for each in survey.routes if each.works), None)
    if route is not None and survey.server_is_inside:
        return "netcheck-inside", Grade.DIRECT, {}
    if route is not None:
        return "netcheck-relayed", Grade.RELAYED, {"route": route, "server": survey.server}
    if not any(each.has_address for each in routers):
        return "netcheck-no-network", Grade.NOTHING, {}
    return "netcheck-blocked", Grade.NOTHING, {"server": survey.server}


# --- as text


def described(check: Netcheck) -> list[str]:
    """The whole result, a line for each thing: for the terminal and the report."""
    return [
        *(line for each in check.routers for line in _described_router(each)),
        f"port mapping: {_described_mapping(check.port_mapping)}",
        *(f"proxy: {each.place} ({each.source})" for each in check.proxies),
        *(f"route: {each.name}: {_described_route(each)}" for each in check.routes),
        *(f"relay: {each.place}: {_described_relay(each)}" for each in check.relays),
        *([f"path MTU: {check.path_mtu} bytes, as far as is known"] if check.path_mtu is not None else []),
    ]


def _described_router(router: RouterView) -> list[str]:
    if not router.udp:
        known = "no reflector answered over UDP" if router.udp is False else "the server has no reflector for it"
        return [f"{router.family}: {known if router.has_address else 'not in use here'}"]
    if router.keeps_port is not None and router.mapping is not MappingBehaviour.NO_TRANSLATION:
        kept = ", keeps the port" if router.keeps_port else ", gives another port"
    else:
        kept = ""
    hairpin = {True: ", hairpin works", False: ", no hairpin", None: ""}[router.hairpin]
    return [
        f"{router.family}: UDP gets out, seen as {', '.join(router.outside)}",
        f"{router.family} router: {router.mapping}{kept}, {router.filtering}{hairpin}",
    ]


def _described_mapping(mapping: PortMappingView) -> str:
    if mapping.protocol is not None:
        return f"{mapping.outside} by {mapping.protocol} at {mapping.gateway} ({mapping.status})"
    return f"{mapping.status}{f': {mapping.reason}' if mapping.reason else ''}"


def _described_route(route: RouteView) -> str:
    if route.works:
        return "works" if route.seconds is None else f"works, {route.seconds * 1_000:.0f} ms"
    return "does not work" if route.problem is None else f"{route.problem.title} {route.problem.message}".strip()


def _described_relay(relay: RelayView) -> str:
    ways = [
        f"{seconds * 1_000:.0f} ms over {way}"
        for seconds, way in ((relay.udp, "UDP"), (relay.stream, "a stream"))
        if seconds
    ]
    return ", ".join(ways) or ("no answer" if relay.stream_tried else "no answer over UDP, not tried over a stream")
