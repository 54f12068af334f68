"""What `doctor` says."""

from app.engine.diagnosis import diagnose
from app.engine.state import (
    EngineState,
    HelperStatus,
    HelperView,
    NetworkStatus,
    NetworkView,
    PeerStatus,
    PeerView,
    Problem,
    Protection,
    ServerStatus,
    ServerView,
)
from app.protocol.wire import Endpoint

HOST, OUTSIDE, OTHER = Endpoint("192.168.1.2", 4), Endpoint("203.0.113.1", 4), Endpoint("203.0.113.1", 5)
PROBLEM = Problem("x", "It broke.", "Badly.", "Mend it.")


def network(protection: Protection) -> NetworkView:
    return NetworkView(1, "1", "family", "", False, NetworkStatus.ONLINE, False, False, 0, protection, True)


def test_a_healthy_engine_has_only_good_findings() -> None:
    state = EngineState(
        server=ServerView(ServerStatus.ONLINE, "example.org", 12_975, address="10.0.0.1"),
        helper=HelperView(HelperStatus.UP, "buri0", 4_000, True),
        networks=(network(Protection.PROVED),),
        peers=(PeerView("10.0.0.2", "", "ben", PeerStatus.DIRECT),),
    )
    findings = diagnose(state, [OUTSIDE], [HOST])
    assert all(each.ok for each in findings)
    assert [each.name for each in findings][:4] == ["server", "helper", "addresses", "outside"]


def test_every_trouble_comes_with_what_to_do() -> None:
    state = EngineState(
        server=ServerView(ServerStatus.WAITING, problem=PROBLEM),
        helper=HelperView(HelperStatus.UP, "buri0", 4_000, True),
        networks=(network(Protection.MISSING),),
        peers=(PeerView("10.0.0.2", "", "ben", PeerStatus.FAILED),),
        counters=(("check-malformed", 3),),
    )
    for outside in ([], [OUTSIDE, OTHER]):
        findings = {each.name: each for each in diagnose(state, outside, [])}
        assert all(each.remedy for each in findings.values() if not each.ok)
        assert not findings["outside"].ok
        assert findings["server"].message == "It broke. Badly."
        assert "check-malformed: 3" in findings["drops"].message
    logged_out = diagnose(EngineState(), [], [])
    assert "Logged out" in logged_out[0].message


def test_without_the_helper_only_the_helper_is_to_blame() -> None:
    state = EngineState(server=ServerView(ServerStatus.ONLINE), helper=HelperView(HelperStatus.ABSENT, problem=PROBLEM))
    findings = diagnose(state, [], [])
    assert [(each.name, each.remedy) for each in findings if not each.ok] == [("helper", "Mend it.")]
