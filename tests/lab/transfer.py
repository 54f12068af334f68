"""Moves a file from one computer of the lab to another over plain TCP, and compares what arrived.

Two small programs, as anybody's file transfer would be: they know nothing of Buri, only the address they are given.
Used by demo.py and by scenarios.
"""

import json
from dataclasses import dataclass

from tests.lab.machines import Computer
from tests.lab.processes import LabError, Process

PORT = 9_000

RECEIVE = """
import hashlib, json, socket, sys, time
with socket.create_server((sys.argv[1], int(sys.argv[2]))) as server:
    print("ready", flush=True)
    connection, _ = server.accept()
started, buffer, size = time.monotonic(), memoryview(bytearray(1 << 20)), 0
with connection, open(sys.argv[3], "wb") as file:
    while count := connection.recv_into(buffer):
        file.write(buffer[:count])
        size += count
seconds = time.monotonic() - started
with open(sys.argv[3], "rb") as file:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
print(json.dumps({"bytes": size, "seconds": seconds, "sha256": digest}), flush=True)
"""

SEND = """
import socket, sys
with open(sys.argv[3], "rb") as file, socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60) as link:
    link.sendfile(file)
"""

SEND_SLOWLY = """
import os, socket, sys, time
size, begun = os.path.getsize(sys.argv[3]), time.monotonic()
with open(sys.argv[3], "rb") as file, socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60) as link:
    print("sending", flush=True)
    while block := file.read(65_536):
        link.sendall(block)
        early = file.tell() / size * float(sys.argv[4]) - (time.monotonic() - begun)
        time.sleep(max(0.0, early))
"""
"""Spreads the file evenly over so many seconds."""

MAKE = """
import hashlib, os, sys
digest = hashlib.sha256()
with open(sys.argv[1], "wb") as file:
    for _ in range(int(sys.argv[2])):
        block = os.urandom(1 << 20)
        file.write(block)
        digest.update(block)
print(digest.hexdigest())
"""


@dataclass(frozen=True)
class Transfer:
    """What a transfer did."""

    bytes: int
    seconds: float
    sha256: str
    equal: bool
    """The received file is the sent one."""

    @property
    def megabytes_per_second(self) -> float:
        return self.bytes / self.seconds / 1e6


def make_file(computer: Computer, mebibytes: int) -> str:
    """A file of random bytes in the computer's home; gives its SHA-256 in hexadecimal digits."""
    return computer.python(MAKE, str(computer.home / "sent"), str(mebibytes)).strip()


def move_file(sender: Computer, receiver: Computer, address: str, sha256: str, timeout: float = 60.0) -> Transfer:
    """Send the file of `make_file` to the receiver's `address`. Raises LabError if a side fails."""
    receiving = _start_receiving(receiver, address)
    sender.python(SEND, address, str(PORT), str(sender.home / "sent"), timeout=timeout)
    return _result(receiving, sha256, timeout)


def start_move(sender: Computer, receiver: Computer, address: str, seconds: float) -> tuple[Process, Process]:
    """Begin to send the file of `make_file`, evenly over so many seconds; gives both programs for `finish_move`."""
    receiving = _start_receiving(receiver, address)
    words = ["-c", SEND_SLOWLY, address, str(PORT), str(sender.home / "sent"), f"{seconds:g}"]
    sending = sender.start("send", sender.interpreter, *words)
    sending.wait_for_output("sending")
    return sending, receiving


def finish_move(moving: tuple[Process, Process], sha256: str, timeout: float = 60.0) -> Transfer:
    """Wait for the end of what `start_move` began. Raises LabError if a side fails."""
    sending, receiving = moving
    sending.wait(timeout)
    return _result(receiving, sha256, timeout)


def _start_receiving(receiver: Computer, address: str) -> Process:
    words = ["-c", RECEIVE, address, str(PORT), str(receiver.home / "received")]
    receiving = receiver.start("receive", receiver.interpreter, *words)
    receiving.wait_for_output("ready")
    return receiving


def _result(receiving: Process, sha256: str, timeout: float) -> Transfer:
    report = receiving.wait(timeout).splitlines()
    if not report or report[0] != "ready":
        raise LabError(f"{receiving.name} said: {report}")
    result = json.loads(report[-1])
    return Transfer(result["bytes"], result["seconds"], result["sha256"], equal=result["sha256"] == sha256)
