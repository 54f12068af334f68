"""The demo: two computers behind two routers meet, on this one machine, each step shown as it happens.

    python3 installer/run.py demo --no-window     (sets everything up and then runs `python -m tests.lab.demo` as root)

Where there is no screen, `installer/run.py demo` alone does the same; where there is one it starts window_demo.py.

Everything it starts is a real program as a user would start it, in the same lab that the tests use; the lab and all
its processes are gone when it ends, also after Ctrl-C.
"""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from tests.lab.machines import Computer, MediationServer
from tests.lab.nat import Nat
from tests.lab.processes import LabError
from tests.lab.topology import Lab
from tests.lab.transfer import Transfer, make_file, move_file

NETWORK = "friends"
PASSWORD = "correct horse battery staple"
GREETING = "Hello Ben, this went through no server."
MEBIBYTES = 256
REPETITIONS = 3
"""Transfers; the middle one counts, as a shared machine is fast in one moment and slow in the next."""
LOG_TAIL = 1_500


class Narrator:
    """Prints what happens, with the seconds since the start in front, and remembers what to sum up."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._facts: list[tuple[str, str]] = []

    def say(self, text: str) -> None:
        """One line of the story."""
        print(f"{time.monotonic() - self._start:6.1f} s  {text}", flush=True)

    def show(self, text: str) -> None:
        """What a program answered, indented."""
        for line in text.splitlines():
            print(f"{'':10}{line}", flush=True)

    def remember(self, what: str, value: str) -> None:
        """A fact for the summary."""
        self._facts.append((what, value))

    def sum_up(self) -> None:
        """All facts, at the end."""
        width = max(len(what) for what, _ in self._facts)
        print("\n" + "\n".join(f"  {what:<{width}}  {value}" for what, value in self._facts), flush=True)


@contextmanager
def ending_politely() -> Iterator[None]:
    """Turn SIGTERM into an ordinary exit, so that the lab is taken down."""

    def leave(*_: object) -> NoReturn:
        sys.exit(143)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def tell(lab: Lab, story: Narrator) -> bool:
    """The whole story; True if all of it went well."""
    server, anna, ben = build(lab, story)
    meet(server, anna, ben, story)
    ping(anna, ben, story)
    chat(anna, ben, story)
    return move(anna, ben, story)


def build(lab: Lab, story: Narrator) -> tuple[MediationServer, Computer, Computer]:
    """The internet, a server on it, and two homes."""
    story.say("building an internet of network namespaces, two homes with routers, and a server")
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("home", Nat.PORT_PRESERVING, ipv6=False))
    ben = lab.computer("ben", behind=lab.router("office", Nat.PORT_PRESERVING, ipv6=False))
    story.show(f"server {server.addresses.ipv4} on the internet\n{described(anna, 'home')}\n{described(ben, 'office')}")
    story.say(f"the server runs; its fingerprint is {server.fingerprint}")
    if not (anna.can_ping(server.addresses.ipv4) and ben.can_ping(server.addresses.ipv4)):
        raise LabError("the computers do not reach the server")
    if anna.can_ping(ben.addresses.ipv4):
        raise LabError("the routers let strangers in: this would prove nothing")
    story.say("both reach the server; without Buri they do not reach each other")
    return server, anna, ben


def described(computer: Computer, router: str) -> str:
    return f"{computer.name:<6} {computer.addresses.ipv4} behind the router `{router}`, no open ports"


def meet(server: MediationServer, anna: Computer, ben: Computer, story: Narrator) -> None:
    """Both log in, and join one network."""
    for computer in (anna, ben):
        computer.go_online(server)
        address = computer.virtual_address
        story.say(f"{computer.name} is logged in and has the address {address} for good")
        story.remember(f"{computer.name}'s address", address)
    anna.buri("create", NETWORK, PASSWORD)
    story.say(f"anna made the network `{NETWORK}` with a password that the server never sees")
    annas_address = anna.virtual_address
    ben.buri("join", NETWORK, PASSWORD)
    joined = time.monotonic()
    story.say(f"ben joined `{NETWORK}`")
    ben.wait_for_answer(annas_address)
    seconds = time.monotonic() - joined
    story.say(f"first answer through the tunnel, {seconds:.1f} s after the join")
    peer = ben.wait_for_peer(anna, "direct")
    suite = {1: "suite 1", 2: "suite 2: X25519 + ML-KEM-768, AES-256-GCM"}[peer["suite"]]
    story.say(f"the path is direct, to {peer['endpoint']}; {suite}")
    story.remember("first ping after the join", f"{seconds:.1f} s")
    story.remember("path", f"direct, to {peer['endpoint']}")
    story.remember("protection", suite)


def ping(anna: Computer, ben: Computer, story: Narrator) -> None:
    """Twice: with the system's own ping, and with Buri's."""
    story.say("ben pings anna with the system's `ping`")
    report = ben.ping(anna.virtual_address, count=5)
    story.show("\n".join(line for line in report.splitlines() if "bytes from" in line))
    story.say("and anna pings ben with `buri ping`")
    answers = anna.buri_lines("ping", "ben", "--count", "5", "--interval", "0.2")
    times = sorted(answer["seconds"] for answer in answers if answer["seconds"] is not None)
    story.show("  ".join(f"{seconds * 1000:.2f} ms" for seconds in times))
    story.remember("round trip", f"{times[len(times) // 2] * 1000:.2f} ms (median of {len(times)} of {len(answers)})")


def chat(anna: Computer, ben: Computer, story: Narrator) -> None:
    """A message there, and its arrival."""
    sent = anna.buri("chat", "ben", GREETING)
    story.say(f"anna to ben: {GREETING!r}: {sent['status']}")
    received = [line["text"] for line in ben.buri_lines("chat", "anna") if line["status"] == "received"]
    if received != [GREETING]:
        raise LabError(f"ben should have got the message, and has {received}")
    story.say(f"ben reads: {received[0]!r}")
    story.remember("chat", sent["status"])


def move(anna: Computer, ben: Computer, story: Narrator) -> bool:
    """A file of random bytes from anna to ben, several times, each over one ordinary TCP connection. True if equal."""
    story.say(f"anna makes a file of {MEBIBYTES} MiB of random bytes and sends it to {ben.virtual_address}")
    sha256 = make_file(anna, MEBIBYTES)
    transfers = [move_file(anna, ben, ben.virtual_address, sha256) for _ in range(REPETITIONS)]
    for each in transfers:
        story.say(f"{each.bytes:,} bytes in {each.seconds:.2f} s: {speed(each)}")
        story.show(f"sent     {sha256}\nreceived {each.sha256}")
    middle = sorted(transfers, key=lambda each: each.seconds)[REPETITIONS // 2]
    equal = all(each.equal for each in transfers)
    story.remember("file", f"{middle.bytes:,} bytes at {speed(middle)}, the median of {REPETITIONS}")
    story.remember("SHA-256", "equal" if equal else "DIFFERENT")
    return equal


def speed(transfer: Transfer) -> str:
    rate = transfer.megabytes_per_second
    return f"{rate:,.0f} MB/s ({rate * 8 / 1000:.2f} Gbit/s)"


def tell_what_went_wrong(lab: Lab, story: Narrator, error: LabError) -> None:
    """The error, and the end of what every program printed."""
    story.say(f"this went wrong: {error}")
    for name, text in lab.logs():
        story.show(f"--- {name}\n{text[-LOG_TAIL:]}")


def main() -> int:
    """Run the demo; 0 if everything in it went well."""
    story = Narrator()
    with ending_politely():
        try:
            with Lab() as lab:
                try:
                    went_well = tell(lab, story)
                except LabError as error:
                    went_well = False
                    tell_what_went_wrong(lab, story, error)
                story.say("taking everything down")
        except KeyboardInterrupt:
            story.say("stopped; everything is taken down")
            return 130
    if went_well:
        story.sum_up()
    return 0 if went_well else 1


if __name__ == "__main__":
    sys.exit(main())
