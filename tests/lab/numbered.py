"""Numbered datagrams from one computer of the lab to another: which of them did not arrive?

Used by test_survival.py, as TCP hides what was lost.
"""

from tests.lab.machines import Computer

PORT = 9_002
PACE = 0.005
"""Seconds between two datagrams."""

RECEIVE = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_194_304)
    link.bind((sys.argv[1], int(sys.argv[2])))
    print("ready", flush=True)
    numbers = set()
    while (number := int.from_bytes(link.recv(200)[:8])) != 0:
        numbers.add(number)
print(len(numbers), flush=True)
"""

SEND = """
import signal, socket, sys, time
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
number, begun, pace = 0, time.monotonic(), float(sys.argv[3])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
    link.connect((sys.argv[1], int(sys.argv[2])))
    print("sending", flush=True)
    while not ended:
        number += 1
        link.send(number.to_bytes(8).ljust(200, b"."))
        time.sleep(max(0.0, begun + number * pace - time.monotonic()))
    time.sleep(1)
    link.send(bytes(8))
print(number, flush=True)
"""


class Numbered:
    """A running flow of numbered datagrams."""

    def __init__(self, sender: Computer, receiver: Computer) -> None:
        arguments = (receiver.virtual_address, str(PORT))
        self._receiving = receiver.start("numbered-in", receiver.interpreter, "-c", RECEIVE, *arguments)
        self._receiving.wait_for_output("ready")
        self._sending = sender.start("numbered-out", sender.interpreter, "-c", SEND, *arguments, str(PACE))
        self._sending.wait_for_output("sending")

    def end(self) -> tuple[int, int]:
        """End it; gives how many were sent, and how many of them arrived."""
        self._sending.stop(timeout=30.0)
        sent = int(self._sending.wait().split()[-1])
        return sent, int(self._receiving.wait().splitlines()[-1])
