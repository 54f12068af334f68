"""What reflectors tell of a router, and what they can't."""

from app.engine.nat import describe_router, mapping_behaviour
from app.engine.netcheck_state import MappingBehaviour
from app.protocol.wire import Endpoint

FIRST, SECOND, SIXTH = Endpoint("198.51.100.1", 1), Endpoint("198.51.100.1", 2), Endpoint("2001:db8::1", 1)
ELSEWHERE = Endpoint("198.51.100.9", 1)
HOST, HOST6 = Endpoint("192.168.1.2", 4_000), Endpoint("2001:db8::2", 4_000)
OUTSIDE, OTHER = Endpoint("203.0.113.1", 4_000), Endpoint("203.0.113.1", 4_007)


def test_two_ports_that_see_the_same_do_not_tell_what_another_address_would_see() -> None:
    seen = {FIRST: OUTSIDE, SECOND: OUTSIDE}
    assert mapping_behaviour(seen, [HOST]) is MappingBehaviour.NOT_PORT_DEPENDENT
    line = describe_router(seen, [HOST])[0]
    assert line.startswith("IPv4: endpoint-independent or address-dependent mapping, keeps the port;")
    assert "can't tell" in line


def test_two_ports_that_see_different_endpoints_tell_it_all() -> None:
    seen = {FIRST: OUTSIDE, SECOND: OTHER}
    assert mapping_behaviour(seen, [HOST]) is MappingBehaviour.PORT_DEPENDENT
    assert "gives another port" in describe_router(seen, [HOST])[0]


def test_a_reflector_at_another_address_tells_the_rest() -> None:
    same = {FIRST: OUTSIDE, SECOND: OUTSIDE}
    assert mapping_behaviour({**same, ELSEWHERE: OUTSIDE}, [HOST]) is MappingBehaviour.ENDPOINT_INDEPENDENT
    assert mapping_behaviour({**same, ELSEWHERE: OTHER}, [HOST]) is MappingBehaviour.ADDRESS_DEPENDENT
    different = {FIRST: OUTSIDE, SECOND: OTHER, ELSEWHERE: OUTSIDE}
    assert mapping_behaviour(different, [HOST]) is MappingBehaviour.PORT_DEPENDENT
    assert mapping_behaviour({FIRST: OUTSIDE, ELSEWHERE: OTHER}, [HOST]) is MappingBehaviour.PORT_DEPENDENT


def test_one_answer_tells_little_and_none_tells_nothing() -> None:
    assert mapping_behaviour({FIRST: OUTSIDE}, [HOST]) is MappingBehaviour.UNKNOWN
    assert "takes two" in describe_router({FIRST: OUTSIDE}, [HOST])[0]
    silence = ["IPv4: no reflector answered over UDP", "IPv6: no reflector answered over UDP"]
    assert describe_router({}, [HOST, HOST6])[:-1] == silence
    assert describe_router({}, [HOST])[:-1] == silence[:1]


def test_each_family_is_told_for_itself_and_an_own_address_is_no_translation() -> None:
    lines = describe_router({FIRST: OUTSIDE, SECOND: OTHER, SIXTH: HOST6}, [HOST, HOST6])
    assert "address-and-port-dependent" in lines[0]
    assert lines[1] == "IPv6: no translation; the reflectors see this computer's own address"


def test_what_nobody_can_see_from_here_is_said() -> None:
    assert "filtering" in describe_router({}, [])[-1]
