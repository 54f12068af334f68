"""What the network check may find: at home, behind a hard router, in an office with a proxy, and without internet."""

from app.engine.errors import engine_error, problem_of
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
from app.engine.state import MappingProtocol, MappingStatus, PortMappingView, Problem

OUTSIDE = "203.0.113.5:41641"
SERVER = "buri.example.org:12975"
PROXY = "proxy.example:3128"
NO_IPV6 = RouterView("IPv6", has_address=False, udp=False)
RELAYS = (RelayView(SERVER, 0.0142), RelayView("relay.example.net:12975", 0.0418), RelayView("198.51.100.7:12975"))


def _verdict(code: str, **details: object) -> Problem:
    return problem_of(engine_error(code, **details))


def home() -> Netcheck:
    """A home router that keeps ports and opens one, and IPv6."""
    router = RouterView(
        "IPv4",
        has_address=True,
        udp=True,
        mapping=MappingBehaviour.ENDPOINT_INDEPENDENT,
        filtering=FilteringBehaviour.PORT_DEPENDENT,
        hairpin=False,
        keeps_port=True,
        outside=(OUTSIDE,),
    )
    ipv6 = RouterView("IPv6", True, True, MappingBehaviour.NO_TRANSLATION, outside=("[2001:db8::17]:41641",))
    return Netcheck(
        Grade.DIRECT,
        _verdict("netcheck-direct", outside=OUTSIDE),
        PortMappingView(MappingStatus.MAPPED, MappingProtocol.UPNP, "192.168.1.1", OUTSIDE),
        (router, ipv6),
        routes=(RouteView("TCP", True, 0.0151), RouteView("WebSocket", True, 0.0472)),
        relays=RELAYS,
        path_mtu=1_492,
    )


def mobile() -> Netcheck:
    """A carrier's network: each destination sees another port."""
    router = RouterView(
        "IPv4",
        has_address=True,
        udp=True,
        mapping=MappingBehaviour.PORT_DEPENDENT,
        filtering=FilteringBehaviour.PORT_DEPENDENT,
        keeps_port=False,
        outside=("198.51.100.20:1044", "198.51.100.20:1045"),
    )
    return Netcheck(
        Grade.HARD,
        _verdict("netcheck-hard", port=41_641),
        PortMappingView(MappingStatus.NONE, reason="no answer"),
        (router, NO_IPV6),
        routes=(RouteView("TCP", True, 0.0613),),
        relays=(RelayView(SERVER, 0.0588),),
    )


def office() -> Netcheck:
    """Only the proxy leads out."""
    route = f"WebSocket through the proxy {PROXY}"
    return Netcheck(
        Grade.RELAYED,
        _verdict("netcheck-relayed", route=route, server=SERVER),
        PortMappingView(MappingStatus.OFF),
        (RouterView("IPv4", has_address=True, udp=False), NO_IPV6),
        (ProxyView(PROXY, "environment or system"),),
        (RouteView(route, True, 0.0871), RouteView("TCP", False, None, _verdict("server-no-answer", server=SERVER))),
        (RelayView(SERVER, None, 0.0734),),
    )


def unplugged() -> Netcheck:
    """Nothing gets out."""
    failed = RouteView("TCP", False, None, _verdict("server-no-answer", server=SERVER))
    return Netcheck(
        Grade.NOTHING,
        _verdict("netcheck-blocked", server=SERVER),
        PortMappingView(),
        (RouterView("IPv4", has_address=True, udp=False), NO_IPV6),
        routes=(failed,),
        relays=(RelayView(SERVER),),
    )
