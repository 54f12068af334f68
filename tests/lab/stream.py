"""A steady stream over plain TCP from one computer of the lab to another, until it is ended; and its longest stall.

Two small programs that know nothing of Buri, only the address they are given. Used by survival.py.
"""

import json
from dataclasses import dataclass

from tests.lab.machines import Computer
from tests.lab.processes import LabError, wait_until

PORT = 9_001
RATE = 2_000_000
"""Bytes a second: little, so that a stall is the network's and not the machine's."""

RECEIVE = """
import hashlib, json, os, socket, sys, time
with socket.create_server((sys.argv[1], int(sys.argv[2]))) as server:
    print("ready", flush=True)
    link, _ = server.accept()
digest, size, longest, last = hashlib.sha256(), 0, 0.0, time.monotonic()
with link, open(sys.argv[3], "wb", buffering=0) as told:
    while data := link.recv(1 << 18):
        now = time.monotonic()
        longest, last = max(longest, now - last), now
        digest.update(data)
        size += len(data)
        os.pwrite(told.fileno(), size.to_bytes(8, "big"), 0)
print(json.dumps({"bytes": size, "stall": longest, "sha256": digest.hexdigest()}), flush=True)
"""

SEND = """
import hashlib, random, signal, socket, sys, time
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
digest, size, begun = hashlib.sha256(), 0, time.monotonic()
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60) as link:
    print("sending", flush=True)
    while not ended:
        block = random.randbytes(16_384)
        link.sendall(block)
        digest.update(block)
        size += len(block)
        time.sleep(max(0.0, begun + size / int(sys.argv[3]) - time.monotonic()))
print(digest.hexdigest(), flush=True)
"""


@dataclass(frozen=True)
class Arrived:
    """What came of a stream."""

    bytes: int
    stall: float
    """The longest time in which nothing arrived, in seconds."""
    complete: bool
    """Everything that was sent has arrived, and nothing else."""


class Stream:
    """A running stream."""

    def __init__(self, sender: Computer, receiver: Computer, address: str) -> None:
        """From the sender to the receiver's `address`."""
        self._count = receiver.home / "arrived"
        self._count.unlink(missing_ok=True)
        arguments = (address, str(PORT))
        self._receiving = receiver.start("receive", receiver.interpreter, "-c", RECEIVE, *arguments, str(self._count))
        self._receiving.wait_for_output("ready")
        self._sending = sender.start("send", sender.interpreter, "-c", SEND, *arguments, str(RATE))
        self._sending.wait_for_output("sending")

    @property
    def arrived(self) -> int:
        """Bytes so far."""
        return int.from_bytes(self._count.read_bytes(), "big") if self._count.exists() else 0

    def wait_for_more(self, more: int = RATE, timeout: float = 60.0) -> None:
        """Until so many more bytes have arrived. Raises LabError if they do not, or if the connection is broken."""
        target = self.arrived + more
        name = self._receiving.name
        wait_until(lambda: self.arrived >= target or not self._sending.is_running, f"{name} to get more", timeout)
        if not self._sending.is_running:
            raise LabError(f"the stream to {name} is broken:\n{self._sending.output()}")

    def end(self) -> Arrived:
        """End it, and compare what arrived. Raises LabError if a side fails."""
        self._sending.stop(timeout=60.0)
        sent = self._sending.wait().split()[-1]
        result = json.loads(self._receiving.wait().splitlines()[-1])
        return Arrived(result["bytes"], result["stall"], result["sha256"] == sent)
