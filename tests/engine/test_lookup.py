"""People say names; engines want numbers."""

import pytest

from app.engine.errors import EngineError
from app.engine.lookup import find_network, find_peer, peer_name
from app.engine.state import EngineState, NetworkStatus, NetworkView, PeerStatus, PeerView, Protection
from app.protocol.wire import Address


def network(number: int, name: str) -> NetworkView:
    status, protection = NetworkStatus.ONLINE, Protection.OPEN
    return NetworkView(number, f"{number}", name, "10.0.0.1", False, status, False, False, 0, protection, False)


STATE = EngineState(
    networks=(network(123456789, "Family"), network(7, "games"), network(8, "Games")),
    peers=(
        PeerView("10.0.0.2", "", "Ben", PeerStatus.OFFLINE, alias="brother"),
        PeerView("10.0.0.3", "", "carl", PeerStatus.OFFLINE),
        PeerView("10.0.0.4", "", "Carl", PeerStatus.OFFLINE),
    ),
)


@pytest.mark.parametrize("text", ["family", "FAMILY", "123456789", "0123-456-789"])
def test_a_network_is_found_by_name_or_number(text: str) -> None:
    assert find_network(STATE, text) == 123456789


@pytest.mark.parametrize("text", ["ben", "Brother", "10.0.0.2"])
def test_a_peer_is_found_by_nickname_alias_or_address(text: str) -> None:
    assert find_peer(STATE, text) == Address(0x0A000002)


@pytest.mark.parametrize(
    ("find", "text", "code"),
    [
        (find_network, "games", "network-ambiguous"),
        (find_network, "nothing", "network-not-found"),
        (find_network, "", "network-not-found"),
        (find_peer, "CARL", "peer-ambiguous"),
        (find_peer, "nobody", "peer-not-found"),
        (find_peer, "", "peer-not-found"),
        (find_peer, "10.0.0.99", "peer-not-found"),
    ],
)
def test_what_is_not_clear_is_an_error(find, text: str, code: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(EngineError, match=code):
        find(STATE, text)


def test_a_peer_is_called_what_the_person_calls_it() -> None:
    assert peer_name(STATE, Address(0x0A000002)) == "brother"
    assert peer_name(STATE, Address(0x0A000003)) == "carl"
    assert peer_name(STATE, Address(0x0A000009)) == "10.0.0.9"
