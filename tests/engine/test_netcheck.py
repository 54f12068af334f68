"""What the network check makes of what it found: the verdict in plain words, and every line of it."""

import pytest

from app.engine.errors import SENTENCES
from app.engine.netcheck import Survey, described, judged, nearest_first
from app.engine.netcheck_probe import Probed
from app.engine.netcheck_state import FilteringBehaviour, Grade, MappingBehaviour, RelayView, RouteView
from app.engine.state import MappingProtocol, MappingStatus, PortMappingView
from app.protocol.wire import Endpoint

FIRST, SECOND = Endpoint("198.51.100.1", 12_975), Endpoint("198.51.100.1", 12_976)
FIRST6 = Endpoint("2001:db8::1", 12_975)
HOST, OUTSIDE, OTHER = Endpoint("192.168.1.2", 4_000), Endpoint("203.0.113.9", 4_000), Endpoint("203.0.113.9", 4_711)
HOST6 = Endpoint("2001:db8:1::2", 4_000)
FRESH = Probed(HOST, {FIRST: OUTSIDE, SECOND: OUTSIDE}, False, True, 1_500)
MAPPED = PortMappingView(MappingStatus.MAPPED, MappingProtocol.PCP, "192.168.1.1", "203.0.113.9:4000")
NONE = PortMappingView(reason="PCP and NAT-PMP: no answer. UPnP: no answer")


def survey(**changes: object) -> Survey:
    """A computer behind a usual home router, without an engine."""
    usual = {"server": "vpn.example:12975", "probes": [FRESH], "seen": {}, "hosts": [], "port_mapping": NONE}
    return Survey(**{**usual, **changes})  # type: ignore[arg-type]


def test_behind_a_usual_router_nearly_all_connections_are_direct() -> None:
    check = judged(survey())
    assert (check.grade, check.verdict.code) == (Grade.DIRECT, "netcheck-direct")
    assert "203.0.113.9:4000" in check.verdict.message
    assert check.own_socket
    assert check.path_mtu == 1_500
    ipv4, ipv6 = check.routers
    assert ipv4.mapping is MappingBehaviour.NOT_PORT_DEPENDENT
    assert ipv4.filtering is FilteringBehaviour.PORT_DEPENDENT
    assert (ipv4.hairpin, ipv4.keeps_port, ipv4.has_address) == (True, True, True)
    assert not ipv6.udp


def test_a_port_that_the_router_opened_lets_everybody_in() -> None:
    check = judged(survey(port_mapping=MAPPED))
    assert (check.grade, check.verdict.code) == (Grade.OPEN, "netcheck-open")
    assert "by PCP at 192.168.1.1" in "\n".join(described(check))


def test_a_router_behind_another_one_opens_nothing_to_everybody() -> None:
    behind = PortMappingView(MappingStatus.BEHIND_ANOTHER, MappingProtocol.UPNP, "192.168.1.1", "100.64.0.9:4000")
    assert judged(survey(port_mapping=behind)).grade is Grade.DIRECT


def test_an_open_computer_without_a_router_is_reached_by_all_and_behind_a_firewall_by_nearly_all() -> None:
    seen = {FIRST: HOST, SECOND: HOST}
    for gets_in, grade in ((True, Grade.OPEN), (False, Grade.DIRECT), (None, Grade.DIRECT)):
        check = judged(survey(probes=[Probed(HOST, seen, gets_in, None, None)]))
        assert (check.routers[0].mapping, check.grade) == (MappingBehaviour.NO_TRANSLATION, grade)


def test_the_engines_own_socket_counts_where_there_is_one() -> None:
    check = judged(survey(seen={FIRST: OUTSIDE, SECOND: OTHER}, hosts=[HOST]))
    assert (check.grade, check.verdict.code) == (Grade.HARD, "netcheck-hard")
    assert "4000" in check.verdict.remedy
    assert check.routers[0].keeps_port is False
    assert not check.own_socket


def test_whoever_switched_the_asking_for_ports_off_is_told_to_switch_it_on() -> None:
    off = PortMappingView(MappingStatus.OFF)
    check = judged(survey(seen={FIRST: OUTSIDE, SECOND: OTHER}, hosts=[HOST], port_mapping=off))
    assert check.grade is Grade.HARD
    assert "buri port-mapping on" in check.verdict.remedy


def test_a_hard_router_without_an_engine_names_no_port() -> None:
    check = judged(survey(probes=[Probed(HOST, {FIRST: OUTSIDE, SECOND: OTHER}, False, None, None)]))
    assert (check.grade, check.verdict.code) == (Grade.HARD, "netcheck-hard-here")


def test_one_reflector_tells_little() -> None:
    check = judged(survey(probes=[Probed(HOST, {FIRST: OUTSIDE}, None, None, None)]))
    assert (check.grade, check.verdict.code) == (Grade.DIRECT, "netcheck-one-reflector")


def test_where_udp_works_over_ipv6_alone_that_counts() -> None:
    silent = Probed(HOST, {}, None, None, None)
    check = judged(survey(probes=[silent, Probed(HOST6, {FIRST6: HOST6}, False, None, None)]))
    assert check.grade is Grade.DIRECT
    assert [each.udp for each in check.routers] == [False, True]


def test_without_udp_all_is_relayed_over_the_first_route_that_works() -> None:
    silent = Probed(HOST, {}, None, None, None)
    routes = [RouteView("TCP", False), RouteView("WebSocket", True, 0.05)]
    check = judged(survey(probes=[silent], routes=routes))
    assert (check.grade, check.verdict.code) == (Grade.RELAYED, "netcheck-relayed")
    assert "Over WebSocket" in check.verdict.message
    assert not judged(survey(probes=[silent], hosts=[HOST])).own_socket, "the engine's got no answer either"
    assert judged(survey(probes=[silent], routes=routes[:1])).verdict.code == "netcheck-blocked"
    assert judged(survey(probes=[])).verdict.code == "netcheck-no-network"


def test_a_server_on_this_side_of_the_router_can_not_tell() -> None:
    silent = Probed(HOST, {}, None, None, None)
    inside = survey(probes=[silent], routes=[RouteView("TCP", True)], server_is_inside=True)
    assert (judged(inside).grade, judged(inside).verdict.code) == (Grade.DIRECT, "netcheck-inside")
    opened = judged(survey(probes=[silent], routes=[RouteView("TCP", True)], port_mapping=MAPPED))
    assert opened.grade is Grade.OPEN


def test_every_line_says_what_it_is_about() -> None:
    relays = nearest_first(
        [RelayView("far:1"), RelayView("stream:1", None, 0.02), RelayView("near:1", 0.01), RelayView("mid:1", 0.03)]
    )
    assert [each.place for each in relays] == ["near:1", "mid:1", "stream:1", "far:1"]
    assert described(judged(survey(relays=[RelayView("mute:1", stream_tried=True)])))[-2] == "relay: mute:1: no answer"
    check = judged(survey(relays=relays, routes=[RouteView("TCP", True, 0.012), RouteView("WebSocket", False)]))
    assert described(check) == [
        "IPv4: UDP gets out, seen as 203.0.113.9:4000",
        "IPv4 router: endpoint-independent or address-dependent mapping, keeps the port, "
        "address-and-port-dependent filtering, hairpin works",
        "IPv6: not in use here",
        "port mapping: none: PCP and NAT-PMP: no answer. UPnP: no answer",
        "route: TCP: works, 12 ms",
        "route: WebSocket: does not work",
        "relay: near:1: 10 ms over UDP",
        "relay: mid:1: 30 ms over UDP",
        "relay: stream:1: 20 ms over a stream",
        "relay: far:1: no answer over UDP, not tried over a stream",
        "path MTU: 1500 bytes, as far as is known",
    ]


@pytest.mark.parametrize("code", [code for code in SENTENCES if code.startswith("netcheck-")])
def test_every_verdict_can_be_reached(code: str) -> None:
    hard = Probed(HOST, {FIRST: OUTSIDE, SECOND: OTHER}, False, None, None)
    silent = Probed(HOST, {}, None, None, None)
    reached = [
        survey(),
        survey(port_mapping=MAPPED),
        survey(probes=[hard]),
        survey(probes=[hard], hosts=[HOST]),
        survey(probes=[hard], port_mapping=PortMappingView(MappingStatus.OFF)),
        survey(probes=[silent]),
        survey(probes=[silent], routes=[RouteView("TCP", True)]),
        survey(probes=[]),
        survey(probes=[silent], routes=[RouteView("TCP", True)], server_is_inside=True),
        survey(probes=[Probed(HOST, {FIRST: OUTSIDE}, None, None, None)]),
    ]
    assert code in {judged(each).verdict.code for each in reached}
