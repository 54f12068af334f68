"""What `doctor` says of a running engine: one finding for each thing that must be well, most basic first. Pure."""

from collections.abc import Mapping, Sequence

from app.engine.nat import describe_router, mapping_behaviour, of_family
from app.engine.relays import RelayReach
from app.engine.state import (
    EngineState,
    Finding,
    HelperStatus,
    MappingStatus,
    NetworkStatus,
    PeerDetails,
    PeerStatus,
    PortMappingView,
    Problem,
    Protection,
    ServerStatus,
)
from app.protocol.wire import Endpoint

MAX_NETWORKS = 16
MAX_PEERS = 16
"""Of those that are well, and as many again of those that are not."""


def diagnose(
    state: EngineState,
    seen: Mapping[Endpoint, Endpoint],
    hosts: Sequence[Endpoint],
    peers: Sequence[PeerDetails],
    guessed: Sequence[Endpoint] = (),
    relays: Sequence[RelayReach] = (),
) -> tuple[Finding, ...]:
    """The findings. `seen` is what each reflector saw, `hosts` the interfaces' endpoints.

    `guessed` is where peers are told to look for this computer from outside though no reflector says so.
    """
    ways = _addresses(hosts), _outside(seen, guessed, relays), _router(seen, hosts, state.port_mapping)
    return (
        _server(state),
        _helper(state),
        *(ways if state.helper.status is HelperStatus.UP else ()),  # without the helper nobody can know them
        *_networks(state),
        *_peers(peers),
        *_paths(peers),
        _drops(state),
    )


def _server(state: EngineState) -> Finding:
    server = state.server
    place = f"{server.host}:{server.port}"
    if server.status is ServerStatus.ONLINE:
        route = f", by {server.route}" if server.route else ""
        return Finding("server", True, f"Logged in to {place} as {server.address}{route}.")
    if server.status is ServerStatus.LOGGED_OUT:
        return Finding("server", False, "Logged out.", "Connect with `buri login`.")
    return _problem("server", server.problem, f"Connecting to {place}.")


def _helper(state: EngineState) -> Finding:
    helper = state.helper
    if helper.status is HelperStatus.UP:
        family = "IPv4 and IPv6" if helper.ipv6 else "IPv4 only"
        return Finding("helper", True, f"Adapter {helper.interface}, UDP port {helper.udp_port}, {family}.")
    return _problem("helper", helper.problem, f"The helper is {helper.status}.")


def _problem(name: str, problem: Problem | None, otherwise: str) -> Finding:
    if problem is None:
        return Finding(name, False, otherwise, "Wait a moment and look again.")
    return Finding(name, False, f"{problem.title} {problem.message}".rstrip(), problem.remedy)


def _addresses(hosts: Sequence[Endpoint]) -> Finding:
    if hosts:
        return Finding("addresses", True, "Peers nearby may use " + ", ".join(map(str, hosts[:8])) + ".")
    return Finding("addresses", False, "No network interface has an address.", "Connect this computer to a network.")


def _outside(seen: Mapping[Endpoint, Endpoint], guessed: Sequence[Endpoint], relays: Sequence[RelayReach]) -> Finding:
    sayings = []
    if seen:
        sayings.append("Seen from outside as " + ", ".join(map(str, dict.fromkeys(seen.values()))) + ".")
    if guessed:
        places = ", ".join(map(str, guessed))
        sayings.append(
            f"The server stands behind the same router, so peers are told {places}: right if it keeps ports."
        )
    relay = next((each.place for each in relays if each.stream is not None), "")
    if relay and not seen:
        sayings.append(
            f"No answer came over UDP, so peers outside are reached through the relay {relay} over TCP, only slower. "
            "To reach them directly, UDP must get out."
        )
    if sayings:
        return Finding("outside", True, " ".join(sayings))
    return Finding(
        "outside",
        False,
        "No reflector of the server outside this computer answered over UDP.",
        "Let UDP, or at least TCP, out to the server's ports: without a way to its relay only peers in the same local "
        "network can be reached. If the server runs on this computer or beside it, name the address under which others "
        "reach it: `buri up --public-host ADDRESS`.",
    )


def _router(seen: Mapping[Endpoint, Endpoint], hosts: Sequence[Endpoint], port_mapping: PortMappingView) -> Finding:
    message = ". ".join(line[:1].upper() + line[1:] for line in describe_router(seen, hosts)) + "."
    if port_mapping.status is MappingStatus.MAPPED:
        opened = f"It opened the port {port_mapping.outside} by {port_mapping.protocol}, where all reach this computer."
        return Finding("router", True, f"{message} {opened}")
    if not mapping_behaviour(of_family(seen, ipv6=False), hosts).is_hard:
        return Finding("router", True, message)
    remedy = (
        "Direct tunnels need the other side to have an easier router, or a port opened on this one: `buri netcheck`."
    )
    return Finding("router", False, message, remedy)


def _networks(state: EngineState) -> list[Finding]:
    sayings = {
        Protection.PROVED: (True, "Members prove its secret to each other.", ""),
        Protection.OPEN: (True, "It is open: whoever the server lists is a member.", ""),
        Protection.MISSING: (False, "This computer lacks its secret.", "Join it again with its password or invite."),
    }
    return [
        Finding(f"network {each.name}", sayings[each.protection][0], *sayings[each.protection][1:])
        for each in state.networks[:MAX_NETWORKS]
        if each.status is not NetworkStatus.PENDING  # its secret comes with the approval
    ]


def _peers(peers: Sequence[PeerDetails]) -> list[Finding]:
    """Those that are online and can't be talked to."""
    bad = {PeerStatus.FAILED, PeerStatus.UNPROVEN, PeerStatus.KEY_CHANGED}
    return [_without_tunnel(each) for each in peers if each.peer.status in bad][:MAX_PEERS]


def _without_tunnel(details: PeerDetails) -> Finding:
    peer = details.peer
    name = peer.alias or peer.nickname
    if peer.problem is not None:
        return _problem(f"peer {name}", peer.problem, "")
    if not details.candidates:
        message = "It tells no way to reach it: it may have blocked this computer, or still be starting."
        return Finding(f"peer {name}", False, message, "Ask the person. Buri goes on trying.")
    tried = ", ".join(f"{each.endpoint} ({each.kind}: {each.status})" for each in details.candidates[:8])
    remedy = "Buri goes on trying. `buri netcheck` on both sides tells what gets out, and which relays are reached."
    return Finding(f"peer {name}", False, f"No path was found. Tried: {tried}.", remedy)


def _paths(peers: Sequence[PeerDetails]) -> list[Finding]:
    """How each peer with a tunnel is reached."""
    return [_path(each) for each in peers if each.peer.path is not None][:MAX_PEERS]


def _path(details: PeerDetails) -> Finding:
    peer = details.peer
    kind = next((each.kind for each in details.candidates if each.endpoint == peer.endpoint), "")
    latency = "" if peer.latency is None else f", {peer.latency * 1_000:.1f} ms"
    others = sum(each.status == "checked" for each in details.candidates)
    more = f"; {others} more answered" if others else ""
    place = f"{peer.endpoint} ({kind})" if kind and not peer.relay else peer.endpoint
    route = f" by {peer.route}" if peer.route else ""
    return Finding(f"path to {peer.alias or peer.nickname}", True, f"{peer.path}, {place}{route}{latency}{more}.")


def _drops(state: EngineState) -> Finding:
    if not state.counters:
        return Finding("drops", True, "Nothing was dropped.")
    told = ", ".join(f"{name}: {count}" for name, count in state.counters[:12])
    return Finding("drops", True, f"Dropped: {told}."[:500])
