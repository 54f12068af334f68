"""Joins a network and tells how long it took until a peer answered.

    python -m benchmarks.joiner NETWORK PASSWORD PEER [direct|relayed]

Started by meeting.py and nat_table.py on a computer of the lab, as root for the raw ICMP socket. It asks the running
engine over its control socket, pings the peer's address every 10 ms, and prints one JSON document with seconds since
the request: until the network is joined, until the first answer, and until each status of the peer. It ends when the
peer has the status that was named.
"""

import json
import selectors
import socket
import struct
import sys
import time

from app.cli.client import EngineClient
from app.engine.state import EngineState, JoinResult
from app.ipc import control

PING_INTERVAL = 0.01
PATIENCE = 40.0
_ECHO_REQUEST, _ECHO_REPLY = 8, 0
_IDENTIFIER = 0x4255
_IP_HEADER = 20


def main(network: str, password: str, peer: str, wanted: str = "direct") -> int:
    """Join and measure; 0 if the peer answered and came to be as wanted."""
    with EngineClient() as asking, EngineClient() as watching, icmp_socket() as icmp:
        watch = watching.send(control.WatchState())
        selector = selectors.DefaultSelector()
        for source in (asking, watching, icmp):
            selector.register(source, selectors.EVENT_READ)
        times: dict[str, float] = {}
        started = time.monotonic()
        join = asking.send(control.JoinNetwork(name=network, password=password))
        sequence = 0
        while not times.keys() >= {"joined", "ping", wanted} and time.monotonic() < started + PATIENCE:
            if time.monotonic() >= started + sequence * PING_INTERVAL:
                sequence += 1
                icmp.sendto(echo_request(sequence), (peer, 0))
            for key, _ in selector.select(PING_INTERVAL / 2):
                if key.fileobj is icmp and is_answer(icmp.recv(2_048)):
                    times.setdefault("ping", time.monotonic() - started)
                elif key.fileobj is asking:
                    asking.read_socket()
                    if any(asking.decode(each, join, JoinResult) for each in asking.ready_answers()):
                        times["joined"] = time.monotonic() - started
                elif key.fileobj is watching:
                    watching.read_socket()
                    for answer in watching.ready_answers():
                        state = watching.decode(answer, watch, EngineState)
                        for status in () if state is None else statuses_of(state, peer):
                            times.setdefault(status, time.monotonic() - started)
    print(json.dumps(times))
    return 0 if wanted in times else 1


def icmp_socket() -> socket.socket:
    """A raw socket for echo requests; the kernel writes the IP header."""
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


def echo_request(sequence: int) -> bytes:
    """RFC 792: type, code, checksum, identifier, sequence number."""
    checksum = 0xFFFF - sum((_ECHO_REQUEST << 8, _IDENTIFIER, sequence)) % 0xFFFF
    return struct.pack("!BBHHH", _ECHO_REQUEST, 0, checksum, _IDENTIFIER, sequence)


def is_answer(packet: bytes) -> bool:
    """Whether an IP packet is the answer to one of ours."""
    if len(packet) < _IP_HEADER + 8:
        return False
    kind, _, _, identifier, _ = struct.unpack_from("!BBHHH", packet, _IP_HEADER)
    return (kind, identifier) == (_ECHO_REPLY, _IDENTIFIER)


def statuses_of(state: EngineState, peer: str) -> list[str]:
    """The peer's status in a snapshot, if it is one with a tunnel."""
    return [each.status.value for each in state.peers if each.address == peer and each.status.has_tunnel]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
