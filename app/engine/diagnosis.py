"""What `doctor` says of a running engine: one finding for each thing that must be well, most basic first. Pure."""

from collections.abc import Sequence

from app.engine.state import (
    EngineState,
    Finding,
    HelperStatus,
    NetworkStatus,
    PeerStatus,
    Problem,
    Protection,
    ServerStatus,
)
from app.protocol.wire import Endpoint


def diagnose(state: EngineState, outside: Sequence[Endpoint], hosts: Sequence[Endpoint]) -> tuple[Finding, ...]:
    """The findings. `outside` is what reflectors see, `hosts` the interfaces' endpoints."""
    ways = (_addresses(hosts), _outside(outside)) if state.helper.status is HelperStatus.UP else ()
    return (
        _server(state),
        _helper(state),
        *ways,  # without the helper nobody can know them
        *_networks(state),
        *_peers(state),
        _drops(state),
    )


def _server(state: EngineState) -> Finding:
    server = state.server
    place = f"{server.host}:{server.port}"
    if server.status is ServerStatus.ONLINE:
        return Finding("server", True, f"Logged in to {place} as {server.address}.")
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


def _outside(outside: Sequence[Endpoint]) -> Finding:
    if not outside:
        return Finding(
            "outside",
            False,
            "The server's reflector did not answer over UDP.",
            "Let UDP out to the server's ports, or only peers in the same local network can be reached.",
        )
    seen = ", ".join(map(str, outside))
    if len({each.port for each in outside if ":" not in each.host}) > 1:
        remedy = "A direct tunnel needs the other side to have an easier router, or a port forwarded on this one."
        return Finding("outside", False, f"The router gives each destination another port ({seen}).", remedy)
    return Finding("outside", True, f"Seen from outside as {seen}.")


def _networks(state: EngineState) -> list[Finding]:
    sayings = {
        Protection.PROVED: (True, "Members prove its secret to each other.", ""),
        Protection.OPEN: (True, "It is open: whoever the server lists is a member.", ""),
        Protection.MISSING: (False, "This computer lacks its secret.", "Join it again with its password or invite."),
    }
    return [
        Finding(f"network {each.name}", sayings[each.protection][0], *sayings[each.protection][1:])
        for each in state.networks[:16]
        if each.status is not NetworkStatus.PENDING  # its secret comes with the approval
    ]


def _peers(state: EngineState) -> list[Finding]:
    bad = {PeerStatus.FAILED, PeerStatus.UNPROVEN, PeerStatus.KEY_CHANGED}
    return [
        _problem(f"peer {each.nickname}", each.problem, f"{each.nickname} is {each.status}.")
        for each in state.peers
        if each.status in bad
    ][:16]


def _drops(state: EngineState) -> Finding:
    if not state.counters:
        return Finding("drops", True, "Nothing was dropped.")
    told = ", ".join(f"{name}: {count}" for name, count in state.counters[:12])
    return Finding("drops", True, f"Dropped: {told}."[:500])
