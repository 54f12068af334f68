"""How long people wait: for a peer after a join, for Buri to start, for an answer of the command line.

    python -m benchmarks.meeting [--rounds 10] [--json FILE]

Run as root. In the lab of tests/lab two computers behind port-preserving routers meet in a new network each round: the
time runs from the second one's request to join until its first ping through the tunnel is answered, and until its
engine shows the peer as direct. The request goes over the engine's control socket and the pings are raw ICMP, so that
no program start is counted. Then: cold starts of engine, server and command line. Exit code 1 if the bar is missed.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.process_usage import machine, spread
from tests.lab.demo import PASSWORD
from tests.lab.machines import Computer, MediationServer
from tests.lab.nat import Nat
from tests.lab.processes import wait_until
from tests.lab.topology import Lab

MAX_FIRST_PING = 2.0
"""Seconds: the median from the join to the first answer."""


def main() -> int:
    """Measure and tell; 0 if the bar holds."""
    parser = argparse.ArgumentParser(prog="benchmarks.meeting", description="How long people wait.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here")
    arguments = parser.parse_args()
    with Lab() as lab:
        record = measure(lab, arguments.rounds)
    record["machine"] = machine()
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(record, indent=2) + "\n")
    seconds = record["seconds"]
    for what, figures in seconds.items():
        print(
            f"{what:38} median {figures['median']:6.3f} s  best {figures['best']:6.3f}  worst {figures['worst']:6.3f}"
        )
    within = bool(seconds["join to first answered ping"]["median"] < MAX_FIRST_PING)
    print(f"bar: first ping {MAX_FIRST_PING} s: {'held' if within else 'MISSED'}")
    return 0 if within else 1


def measure(lab: Lab, rounds: int) -> dict[str, Any]:
    """Everything, in seconds, as medians and extremes."""
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("home", Nat.PORT_PRESERVING, ipv6=False))
    ben = lab.computer("ben", behind=lab.router("office", Nat.PORT_PRESERVING, ipv6=False))
    times: dict[str, list[float]] = {"first start, with a new key, to online": []}
    for computer in (anna, ben):
        computer.start_helper()
        times["first start, with a new key, to online"].append(start_to_online(computer, server))
    meetings = [meeting(anna, ben, number) for number in range(rounds)]
    times["join to first answered ping"] = [ping for ping, _ in meetings]
    times["join to shown as direct"] = [direct for _, direct in meetings]
    times["`buri up` to online"] = [restart(ben, server) for _ in range(rounds)]
    times["`buri status`"] = statuses(ben, rounds)
    times["`buri server run` to listening"] = [restart_server(server) for _ in range(rounds)]
    return {"rounds": rounds, "seconds": {what: spread(values) for what, values in times.items()}}


def meeting(anna: Computer, ben: Computer, number: int) -> tuple[float, float]:
    """Anna makes a network, Ben joins: seconds to the first answer and to the direct path. Then both leave it."""
    network = f"meeting-{number}"
    anna.buri("create", network, PASSWORD)
    words = [ben.interpreter, "-m", "benchmarks.joiner", network, PASSWORD, anna.virtual_address]
    told = json.loads(ben.run(*words, root=True, timeout=60))
    ben.buri("leave", network)
    anna.buri("delete", network)
    for computer, peer in ((anna, ben), (ben, anna)):
        wait_until(lambda at=computer, of=peer: at.view_of(of) is None, "both to forget each other")  # type: ignore[misc]
    return told["ping"], told["direct"]


def start_to_online(computer: Computer, server: MediationServer) -> float:
    """Seconds from the start of `buri up` until it prints that it is online."""
    fingerprint = server.fingerprint
    words = ("--server", f"{server.addresses.ipv4}:{server.port}", "--fingerprint", fingerprint)
    started = time.monotonic()
    computer.engine = computer.start(
        "engine", *computer.buri_words("up", *words, "--nickname", computer.name, "--key-file")
    )
    computer.engine.wait_for_output("Buri runs: ")
    return time.monotonic() - started


def restart(computer: Computer, server: MediationServer) -> float:
    """As `start_to_online`, of an engine that has run before."""
    computer.engine.stop()
    return start_to_online(computer, server)


def restart_server(server: MediationServer) -> float:
    """Seconds from the start of the server until it listens."""
    server.process.stop()
    return taking(server.go)


def statuses(computer: Computer, rounds: int) -> list[float]:
    """Seconds of `buri status`, without what starting any program on a computer of the lab takes."""
    whole = [taking(computer.state) for _ in range(rounds)]
    nothing = median(taking(lambda: computer.run("true")) for _ in range(rounds))
    return [each - nothing for each in whole]


def taking(action: Callable[[], Any]) -> float:
    """Seconds that something takes."""
    started = time.monotonic()
    action()
    return time.monotonic() - started


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("benchmarks.meeting makes network namespaces: run it as root")
    sys.exit(main())
