"""In an hour in which nobody does anything, nothing is sent but what keeps routers and the server from forgetting."""

from pathlib import Path

import pytest

from app.protocol.liveness import KEEPALIVE
from app.protocol.mediation import PING_INTERVAL
from tests.engine.idle import HOUR, idle_hour

PEERS = 2


KEPT_ALIVE = HOUR / KEEPALIVE * PEERS
REKEY = 6
"""Datagrams of one handshake."""


@pytest.mark.parametrize("relayed", [False, True], ids=["direct", "relayed"])
def test_one_keepalive_of_each_tunnel_and_one_ping_of_the_server_every_25_seconds(
    tmp_path: Path, relayed: bool
) -> None:
    hour = idle_hour(tmp_path, PEERS, relayed)
    sent = hour.all
    assert hour.tunnels == PEERS
    assert 0.9 * KEPT_ALIVE < sent.pop("ProbeRequest") <= KEPT_ALIVE + PEERS
    assert 0.9 * KEPT_ALIVE < sent.pop("ProbeReply") <= KEPT_ALIVE + PEERS
    assert sent.pop("handshake", 0) <= REKEY * PEERS
    assert sent.pop("Keepalive", 0) <= 2 * PEERS
    searched = sent.pop("STUN request", 0)
    assert searched < 2 * KEPT_ALIVE if relayed else searched == 0
    assert not sent

    asked = HOUR / PING_INTERVAL * (PEERS + 1)
    introduced = 20 * PEERS if relayed else 0
    for pieces in hour.server.values():
        assert 0.9 * asked < pieces <= asked + introduced + PEERS + 1
