"""Two computers as network namespaces on one cable, each with a real adapter and a real pump process.

Used by benchmarks and by the privileged tests of the packet path. Needs root; leaves nothing behind.
"""

import os
import socket
import struct
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from app.ipc.schema import (
    ANSWERS,
    InstallSession,
    IpcMessage,
    Notification,
    ReadStatistics,
    Reply,
    Request,
    Statistics,
    UdpEndpoint,
)
from app.protocol.suites import SUITES
from app.protocol.wire import format_address6

UDP_PORT = 17_000
POOL = 0x0A_1B_00_00
_ROOT = Path(__file__).parent.parent

Answer = TypeVar("Answer", bound=Reply)


class Computer:
    """One network namespace with an adapter `buri0` and its pump."""

    def __init__(self, name: str, number: int, offload: bool) -> None:
        self.name = f"buri-{os.getpid()}-{name}"
        self.number = number
        self.address = POOL + number
        self.offload = offload
        self.notifications: list[Notification] = []
        self.pump: subprocess.Popen[str] | None = None
        self._control, self._pump_end = socket.socketpair()
        self._control.settimeout(10)
        self._requests = 0

    @property
    def tunnel_host(self) -> str:
        """The virtual IPv4 address in text."""
        return f"10.27.0.{self.number}"

    @property
    def tunnel_host6(self) -> str:
        """The virtual IPv6 address in text."""
        return format_address6(self.address)

    @property
    def cable_host(self) -> str:
        """The address on the cable."""
        return f"192.0.2.{self.number}"

    def command(self, *words: str) -> list[str]:
        """The command line that runs `words` inside this computer."""
        return ["ip", "netns", "exec", self.name, *words]

    def run(self, *words: str, timeout: float = 60) -> str:
        """Run a program inside this computer; its standard output. Raises CalledProcessError."""
        done = subprocess.run(self.command(*words), check=True, capture_output=True, text=True, timeout=timeout)
        return done.stdout

    def start_pump(self, queue: int | None = None) -> None:
        """Make the adapter and start the pump as production does."""
        words = [sys.executable, "-m", "benchmarks.node", "--address", str(self.address), "--port", str(UDP_PORT)]
        words += ["--control-fd", str(self._pump_end.fileno()), "--offload", str(int(self.offload))]
        if queue is not None:
            words += ["--queue", str(queue)]
        self.pump = subprocess.Popen(
            self.command(*words),
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=(self._pump_end.fileno(),),
        )
        assert self.pump.stdout is not None
        if self.pump.stdout.readline() != "ready\n":
            raise RuntimeError(f"the pump of {self.name} did not start")
        self._pump_end.close()

    def ask(self, request: Request, answer: type[Answer]) -> Answer:
        """Send a request to the pump and wait for its reply, which must be an `answer`."""
        data = ANSWERS.encode(request)
        self._control.sendall(struct.pack("!I", len(data)) + data)
        while True:
            message = self.next_message()
            if isinstance(message, Notification):
                self.notifications.append(message)
            elif isinstance(message, answer):
                return message
            else:
                raise RuntimeError(f"{request} was answered by {message}")

    def next_message(self) -> IpcMessage:
        """The next reply or notification from the pump."""
        (length,) = struct.unpack("!I", self._receive(4))
        return ANSWERS.decode(self._receive(length))

    def wait_for(self, kind: type[Notification]) -> Notification:
        """The first notification of a kind, past or to come."""
        while True:
            for index, notification in enumerate(self.notifications):
                if isinstance(notification, kind):
                    return self.notifications.pop(index)
            message = self.next_message()
            if isinstance(message, Notification):
                self.notifications.append(message)

    def statistics(self) -> Statistics:
        """The pump's counters."""
        self._requests += 1
        return self.ask(ReadStatistics(request=self._requests), Statistics)

    def cpu_seconds(self) -> float:
        """User and system seconds that the pump has used."""
        assert self.pump is not None
        fields = Path(f"/proc/{self.pump.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self) -> int:
        """Resident memory of the pump."""
        assert self.pump is not None
        return int(Path(f"/proc/{self.pump.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        """End the pump by closing its control socket."""
        self._control.close()
        self._pump_end.close()
        if self.pump is None:
            return
        try:
            self.pump.wait(5)
        except subprocess.TimeoutExpired:
            self.pump.kill()
            self.pump.wait()
        if self.pump.stdout is not None:
            self.pump.stdout.close()

    def _receive(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            more = self._control.recv(length - len(data))
            if not more:
                raise ConnectionError("the pump has ended")
            data += more
        return data


class PumpLab:
    """Two computers, `a` and `b`. A context manager."""

    def __init__(self, offload_a: bool = True, offload_b: bool = True, queue: int | None = None) -> None:
        self.a = Computer("a", 1, offload_a)
        self.b = Computer("b", 2, offload_b)
        self._queue = queue
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for computer in (self.a, self.b):
                stack.callback(computer.stop)
            for computer in (self.a, self.b):
                _ip("netns", "add", computer.name)
                stack.callback(_ip, "netns", "delete", computer.name)
                _ip("-n", computer.name, "link", "set", "lo", "up")
            _ip("-n", self.a.name, "link", "add", "cable", "type", "veth", "peer", "cable", "netns", self.b.name)
            for computer in (self.a, self.b):
                _ip("-n", computer.name, "address", "add", f"{computer.cable_host}/24", "dev", "cable")
                _ip("-n", computer.name, "link", "set", "cable", "up")
            for computer in (self.a, self.b):
                computer.start_pump(self._queue)
            self._cleanup = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.a.stop()
        self.b.stop()
        self._cleanup.close()

    def install_sessions(
        self, suite: int = 2, index: int = 1, through: UdpEndpoint | None = None, relay: int = 0
    ) -> None:
        """Give both pumps the two ends of one session, over the cable or `through` something in between.

        With a relay id the datagrams look relayed, though they go straight over the cable.
        As in a handshake, the responder `b` is ready before the initiator `a` sends.
        """
        key_material = os.urandom(SUITES[suite].keymat_length)
        partial_checksums = self.a.offload and self.b.offload and suite == 2
        for computer, other, initiator in ((self.b, self.a, False), (self.a, self.b, True)):
            request = InstallSession(
                request=index,
                peer=other.address,
                local_index=index * 10 + computer.number,
                remote_index=index * 10 + other.number,
                suite=suite,
                initiator=initiator,
                key_material=key_material,
                endpoint=through or UdpEndpoint(other.cable_host, UDP_PORT, relay),
                confirmed=True,
                partial_checksums=partial_checksums,
            )
            computer.ask(request, Reply)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
