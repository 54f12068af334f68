"""A bad wire: a program between a computer and its router that loses, doubles, swaps and forges what passes.

The computer's port is moved from its router's bridge into a namespace of its own, and Python carries each frame from
one end to the other, so that anything can happen to it, in the order and share the scenario wants. (The kernel's own
emulator, netem, is not everywhere.) Frames are raw, with the kernel's header for checksums in front (packet(7),
PACKET_VNET_HDR), as between namespaces nobody computes them. Used by scenarios.
"""

import json
import sys
from dataclasses import dataclass

from tests.lab.machines import Computer
from tests.lab.processes import Process
from tests.lab.topology import Lab, Router

CARRY = '''
import json, os, random, selectors, signal, socket, struct, sys
settings = json.loads(sys.argv[1])
SOL_PACKET, PACKET_VNET_HDR, OUTGOING, HEADER = 263, 15, 4, 10
told = dict.fromkeys(("carried", "lost", "doubled", "swapped", "replayed", "tampered", "truncated"), 0)

def end(name):
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    link.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    link.bind((name, 3))
    return link

def happens(what):
    return random.random() < settings.get(what, 0.0)

def datagram_of_buri(frame):
    """Where the UDP payload of a handshake or sealed data begins in an IPv4 frame without options, or None."""
    ipv4_udp = frame[HEADER + 12:HEADER + 15] == b"\\x08\\x00\\x45" and frame[HEADER + 23] == 17
    start = HEADER + 14 + 20 + 8
    return start if ipv4_udp and len(frame) > start + 40 and frame[start] in (0x80, 0x81) else None

def forged(frame, start, payload):
    """The same datagram with another payload: lengths and the IP checksum are right, the UDP checksum is left out."""
    head = bytearray(frame[HEADER:start])
    head[16:18] = struct.pack("!H", 28 + len(payload))
    head[24:26] = bytes(2)
    total = sum(struct.unpack("!10H", head[14:34]))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    head[24:26] = struct.pack("!H", ~total & 0xFFFF)
    head[38:42] = struct.pack("!HH", 8 + len(payload), 0)
    return bytes(HEADER) + bytes(head) + payload

def send(link, frame):
    try:
        link.send(frame)
    except OSError as error:
        told[error.strerror] = told.get(error.strerror, 0) + 1

def attack(link, frame, earlier):
    start = datagram_of_buri(frame)
    if start is None:
        return
    payload = frame[start:]
    if happens("replay"):
        told["replayed"] += 1
        earlier.append(frame)
        del earlier[:-50]
        again = random.choice(earlier)
        send(link, forged(again, start, again[start:]))
    if happens("tamper"):
        told["tampered"] += 1
        at = random.randrange(16, len(payload))
        send(link, forged(frame, start, payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1:]))
    if happens("truncate"):
        told["truncated"] += 1
        send(link, forged(frame, start, payload[:random.randrange(1, len(payload))]))

def carry(frame, link, held, earlier):
    told["carried"] += 1
    ip = frame[HEADER + 12:HEADER + 14] == b"\\x08\\x00"
    if ip and happens("lose"):
        told["lost"] += 1
    elif ip and happens("swap"):
        told["swapped"] += 1
        held.append(frame)
        return
    else:
        attack(link, frame, earlier)
        send(link, frame)
        if ip and happens("double"):
            told["doubled"] += 1
            send(link, frame)
    while held:
        send(link, held.pop(0))

def stop(*_):
    print(json.dumps(told), flush=True)
    os._exit(0)

signal.signal(signal.SIGTERM, stop)
ends = [end("inner"), end("outer")]
pairs = {ends[0]: (ends[1], [], []), ends[1]: (ends[0], [], [])}
selector = selectors.DefaultSelector()
for link in ends:
    selector.register(link, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in selector.select():
        frame, address = key.fileobj.recvfrom(70_000)
        if address[2] != OUTGOING:
            carry(frame, *pairs[key.fileobj])
'''


@dataclass(frozen=True)
class Wire:
    """A running bad wire."""

    process: Process

    def cut(self) -> dict[str, int]:
        """End it, and the connection with it; gives how many frames met which fate."""
        self.process.stop()
        counted: dict[str, int] = json.loads(self.process.output().splitlines()[-1])
        return counted


def put_wire(lab: Lab, router: Router, computer: Computer, **shares: float) -> Wire:
    """Put a bad wire between the router and the first computer behind it, before anything was sent.

    Shares are from 0 to 1 of the IP packets in each direction: `lose`, `double`, `swap` (held until the next packet
    has passed), and of Buri's datagrams before which the wire sends a `replay` of an earlier one, a copy that it did
    `tamper` with, or one that it did `truncate`.
    """
    between = lab.namespace(f"wire-of-{computer.name}")
    router.namespace.ip(
        f"link set port1 netns {between.system_name} name inner",
        f"link add wire type veth peer name outer netns {between.system_name}",
        "link set wire master lan gso_max_segs 1 up",  # trains are cut here: the wire carries single datagrams
    )
    computer.namespace.ip("link set eth0 gso_max_segs 1")
    between.ip("link set inner up", "link set outer up")
    process = between.start("wire", sys.executable, "-c", CARRY, json.dumps(shares))
    process.wait_for_output("ready")
    return Wire(process)
