"""A bad cable between two pumps: loses, reorders, duplicates or corrupts single datagrams, and keeps trains together.

To relayed datagrams it is their relay, as it changes nothing in them.

Run as a program in a computer of the pump lab. Sits at a UDP port of its own and forwards each way, train by train, so
that the receiver gets trains with gaps just as from a real network card. Some kernels have no netem.
"""

import argparse
import random
import socket
import struct

UDP_SEGMENT, UDP_GRO = 103, 104
PORT = 18_000

Address = tuple[str, int]


def spoil(segments: list[bytes], trouble: str, share: float, chance: random.Random) -> list[bytes]:
    """The segments as they come out of the cable."""
    spoiled: list[bytes] = []
    for segment in segments:
        if chance.random() >= share:
            spoiled.append(segment)
        elif trouble == "duplicate":
            spoiled += [segment, segment]
        elif trouble == "reorder":
            spoiled.insert(chance.randrange(len(spoiled) + 1), segment)
        elif trouble == "corrupt":
            place = chance.randrange(len(segment))
            spoiled.append(segment[:place] + bytes([segment[place] ^ 0xFF]) + segment[place + 1 :])
    return spoiled


def send(sock: socket.socket, segments: list[bytes], size: int, address: Address) -> None:
    """Send segments of `size` bytes in trains; a shorter one ends its train."""
    train: list[bytes] = []
    for segment in segments:
        train.append(segment)
        if len(segment) < size or len(train) * size > 60_000:
            send_train(sock, train, size, address)
            train = []
    if train:
        send_train(sock, train, size, address)


def send_train(sock: socket.socket, train: list[bytes], size: int, address: Address) -> None:
    """Send one train, or a single datagram."""
    option = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", size))] if len(train) > 1 else []
    sock.sendmsg(train, option, 0, address)


def main() -> None:
    """Forward until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--ends", nargs=2, required=True)
    parser.add_argument("--end-port", type=int, required=True)
    parser.add_argument("--trouble", required=True)
    parser.add_argument("--share", type=float, required=True)
    arguments = parser.parse_args()
    chance = random.Random(7)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)
    sock.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    sock.bind((arguments.host, PORT))
    print("ready", flush=True)
    ends = [(host, arguments.end_port) for host in arguments.ends]
    while True:
        data, ancillary, _, source = sock.recvmsg(65_536, 64)
        size = next((struct.unpack("=i", value)[0] for _, kind, value in ancillary if kind == UDP_GRO), len(data))
        segments = [data[start : start + size] for start in range(0, len(data), size)]
        destination = ends[1] if source == ends[0] else ends[0]
        send(sock, spoil(segments, arguments.trouble, arguments.share, chance), size, destination)


if __name__ == "__main__":
    main()
