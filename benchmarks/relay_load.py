"""Load for a relay: a client that sends through it as fast as it can, and a peer that counts what arrives.

    python -m benchmarks.relay_load sink HOST PORT OWN_HOST OWN_PORT [SECRET]
    python -m benchmarks.relay_load buri HOST PORT SECRET SECONDS SIZE TRAIN
    python -m benchmarks.relay_load turn HOST PORT PEER PEER_PORT SECONDS SIZE TRAIN

For Buri's relay both ends are bound endpoints; the sink binds if it is given a secret behind its own address. For a
TURN server the client has a channel to the sink, which is a plain peer. Started by benchmarks/relay.py, inside its
namespaces.
"""

import os
import select
import socket
import struct
import sys
import time
from ipaddress import IPv4Address

from app.protocol.relay import (
    Grant,
    RelayBind,
    RelayBound,
    RelayPing,
    RelayPong,
    bind_mac,
    decode,
    encode,
    seal_token,
    token_key,
)
from app.server.relay.secret import parse_secret

UDP_SEGMENT, UDP_GRO = 103, 104
MAGIC = 0x2112A442
CHANNEL = 0x4000
PAIR = b"two measured one"
NEVER = 4_000_000_000
ANSWER_TIMEOUT = 5.0


def udp_socket(host: str, port: int = 0) -> socket.socket:
    """A bound socket with large buffers."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, 8_388_608)
    sock.bind((host, port))
    sock.settimeout(ANSWER_TIMEOUT)
    return sock


def bind(sock: socket.socket, relay: tuple[str, int], secret: bytes, side: int) -> bytes:
    """Bind the socket to one side of the measured pair; gives the relay id."""
    token = seal_token(secret, Grant(PAIR, side, NEVER, 0))
    key = token_key(secret, token)
    sock.sendto(encode(RelayPing(os.urandom(8))), relay)
    pong = decode(sock.recv(2_048))
    assert isinstance(pong, RelayPong)
    nonce = os.urandom(8)
    mac = bind_mac(key, token, pong.cookie, nonce)
    sock.sendto(encode(RelayBind(token, pong.cookie, nonce, mac)), relay)
    bound = decode(sock.recv(2_048))
    assert isinstance(bound, RelayBound), bound
    return bound.relay.to_bytes(4)


def stun(sock: socket.socket, server: tuple[str, int], method: int, attributes: bytes) -> bytes:
    """One TURN request without credentials; gives the attributes of its success response."""
    sock.sendto(struct.pack("!HHI", method, len(attributes), MAGIC) + os.urandom(12) + attributes, server)
    answer = sock.recv(2_048)
    (kind,) = struct.unpack_from("!H", answer)
    if kind != method | 0x0100:
        raise RuntimeError(f"TURN: {method:#x} was answered by {kind:#x}: {answer[20:]!r}")
    return answer[20:]


def open_channel(sock: socket.socket, server: tuple[str, int], peer: tuple[str, int]) -> None:
    """Allocate, and bind a channel to the peer (RFC 8656 sections 7 and 12)."""
    stun(sock, server, 0x0003, struct.pack("!HHI", 0x0019, 4, 17 << 24))
    address = int(IPv4Address(peer[0])) ^ MAGIC
    xor_peer = struct.pack("!HHBBHI", 0x0012, 8, 0, 1, peer[1] ^ (MAGIC >> 16), address)
    stun(sock, server, 0x0009, struct.pack("!HHHH", 0x000C, 4, CHANNEL, 0) + xor_peer)


def send(sock: socket.socket, to: tuple[str, int], datagram: bytes, train: int, seconds: float) -> None:
    """Send trains of so many datagrams, or single ones, until the time is over."""
    sock.settimeout(None)
    sock.connect(to)
    option = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", len(datagram)))] if train > 1 else []
    data, sent, until = datagram * train, 0, time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(8):
            sock.sendmsg((data,), option)
        sent += 8 * train
    print(sent)


def count(sock: socket.socket) -> None:
    """Tell the bytes received so far whenever a line is asked for, until standard input ends."""
    sock.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    sock.setblocking(False)
    buffer, received = bytearray(65_536), 0
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    poller.register(sys.stdin, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            if descriptor == sys.stdin.fileno():
                if not os.read(descriptor, 64):
                    return
                print(received, flush=True)
                continue
            try:
                for _ in range(64):
                    received += sock.recv_into(buffer)
            except BlockingIOError:
                continue


def main(words: list[str]) -> None:
    """Be the sink or the client."""
    role, host, port, *rest = words
    relay = (host, int(port))
    if role == "sink":
        sock = udp_socket(rest[0], int(rest[1]))
        if len(rest) > 2:
            bind(sock, relay, parse_secret(rest[2]), 1)
        print("ready", flush=True)
        count(sock)
        return
    sock = udp_socket("0.0.0.0")
    seconds, size, train = float(rest[-3]), int(rest[-2]), int(rest[-1])
    if role == "buri":
        head = bind(sock, relay, parse_secret(rest[0]), 0)
    else:
        open_channel(sock, relay, (rest[0], int(rest[1])))
        head = struct.pack("!HH", CHANNEL, size)
    send(sock, relay, head + bytes(size), train, seconds)


if __name__ == "__main__":
    main(sys.argv[1:])
