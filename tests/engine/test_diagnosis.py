"""What `doctor` says."""

from dataclasses import replace

from app.engine.diagnosis import diagnose
from app.engine.relays import RelayReach
from app.engine.state import (
    CandidateView,
    EngineState,
    HelperStatus,
    HelperView,
    MappingProtocol,
    MappingStatus,
    NetworkStatus,
    NetworkView,
    PathKind,
    PeerDetails,
    PeerStatus,
    PeerView,
    PortMappingView,
    Problem,
    Protection,
    ServerStatus,
    ServerView,
)
from app.protocol.wire import Endpoint

HOST, OUTSIDE, OTHER = Endpoint("192.168.1.2", 4), Endpoint("203.0.113.1", 4), Endpoint("203.0.113.1", 5)
REFLECTOR, SECOND = Endpoint("198.51.100.1", 1), Endpoint("198.51.100.1", 2)
PROBLEM = Problem("x", "It broke.", "Badly.", "Mend it.")


def network(protection: Protection) -> NetworkView:
    return NetworkView(1, "1", "family", "", False, NetworkStatus.ONLINE, False, False, 0, protection, True)


def peer(status: PeerStatus, *candidates: CandidateView, path: PathKind | None = None) -> PeerDetails:
    endpoint = candidates[0].endpoint if candidates and path is not None else ""
    view = PeerView("10.0.0.2", "", "ben", status, path=path, endpoint=endpoint, latency=0.0124 if path else None)
    return PeerDetails(view, "", 0, candidates)


def test_a_healthy_engine_has_only_good_findings() -> None:
    state = EngineState(
        server=ServerView(ServerStatus.ONLINE, "example.org", 12_975, address="10.0.0.1"),
        helper=HelperView(HelperStatus.UP, "buri0", 4_000, True),
        networks=(network(Protection.PROVED),),
    )
    ben = peer(
        PeerStatus.DIRECT,
        CandidateView("203.0.113.9:4", "peer-reflexive", "in use", 0.0124),
        CandidateView("192.168.1.9:4", "host", "checked", 0.1),
        path=PathKind.DIRECT,
    )
    findings = diagnose(state, {REFLECTOR: OUTSIDE, SECOND: OUTSIDE}, [HOST], [ben])
    assert all(each.ok for each in findings)
    assert [each.name for each in findings] == [
        *("server", "helper", "addresses", "outside", "router", "network family", "path to ben", "drops")
    ]
    told = {each.name: each.message for each in findings}
    assert told["path to ben"] == "direct, 203.0.113.9:4 (peer-reflexive), 12.4 ms; 1 more answered."
    assert told["outside"] == "Seen from outside as 203.0.113.1:4."


def test_every_trouble_comes_with_what_to_do() -> None:
    state = EngineState(
        server=ServerView(ServerStatus.WAITING, problem=PROBLEM),
        helper=HelperView(HelperStatus.UP, "buri0", 4_000, True),
        networks=(network(Protection.MISSING),),
        counters=(("check-malformed", 3),),
    )
    ben = peer(PeerStatus.FAILED, CandidateView("192.168.1.9:4", "host", "failed"))
    findings = {each.name: each for each in diagnose(state, {REFLECTOR: OUTSIDE, SECOND: OTHER}, [], [ben])}
    assert all(each.remedy for each in findings.values() if not each.ok)
    assert not findings["router"].ok
    assert "address-and-port-dependent" in findings["router"].message
    assert findings["peer ben"].message == "No path was found. Tried: 192.168.1.9:4 (host: failed)."
    assert findings["server"].message == "It broke. Badly."
    assert "check-malformed: 3" in findings["drops"].message
    silent = {each.name: each for each in diagnose(state, {}, [], [peer(PeerStatus.FAILED)])}
    assert "blocked" in silent["peer ben"].message
    unheard = {each.name: each for each in diagnose(state, {}, [], [peer(PeerStatus.UNPROVEN)])}
    assert not unheard["outside"].ok
    assert unheard["router"].ok  # what can't be told is no fault of the router
    assert "Logged out" in diagnose(EngineState(), {}, [], [])[0].message


def test_a_path_over_a_stream_is_told_by_its_relay_and_route() -> None:
    relay = "198.51.100.1:1"
    ben = peer(PeerStatus.RELAYED, CandidateView(relay, "stream-relay", "in use", 0.01), path=PathKind.STREAM_RELAY)
    ben = replace(ben, peer=replace(ben.peer, relay=relay, route="TCP"))
    findings = {each.name: each for each in diagnose(EngineState(), {}, [HOST], [ben])}
    assert findings["path to ben"].message == "stream relay, 198.51.100.1:1 by TCP, 12.4 ms."


def test_without_the_helper_only_the_helper_is_to_blame() -> None:
    state = EngineState(server=ServerView(ServerStatus.ONLINE), helper=HelperView(HelperStatus.ABSENT, problem=PROBLEM))
    findings = diagnose(state, {}, [], [])
    assert [(each.name, each.remedy) for each in findings if not each.ok] == [("helper", "Mend it.")]


def test_where_udp_is_blocked_a_relay_over_tcp_is_good_enough() -> None:
    state = EngineState(server=ServerView(ServerStatus.ONLINE), helper=HelperView(HelperStatus.UP))
    reached, mute = RelayReach("203.0.113.2:12975", None, 0.08, True), RelayReach("203.0.113.2:12975", None, None, True)
    findings = {each.name: each for each in diagnose(state, {}, [HOST], [], relays=[reached])}
    assert findings["outside"].ok
    assert "through the relay 203.0.113.2:12975 over TCP" in findings["outside"].message
    assert not {each.name: each for each in diagnose(state, {}, [HOST], [], relays=[mute])}["outside"].ok


def test_a_hard_router_that_opened_a_port_is_no_trouble() -> None:
    mapping = PortMappingView(MappingStatus.MAPPED, MappingProtocol.PCP, "192.168.1.254", "192.0.3.11:38924")
    state = EngineState(helper=HelperView(HelperStatus.UP), port_mapping=mapping)
    findings = {each.name: each for each in diagnose(state, {REFLECTOR: OUTSIDE, SECOND: OTHER}, [HOST], [])}
    assert findings["router"].ok
    assert "It opened the port 192.0.3.11:38924 by PCP" in findings["router"].message


def test_what_peers_are_told_of_the_host_of_the_server_is_a_guess_and_called_one() -> None:
    state = EngineState(server=ServerView(ServerStatus.ONLINE), helper=HelperView(HelperStatus.UP))
    findings = {each.name: each for each in diagnose(state, {}, [HOST], [], [OUTSIDE])}
    assert findings["outside"].ok
    assert "peers are told 203.0.113.1:4: right if it keeps ports" in findings["outside"].message
