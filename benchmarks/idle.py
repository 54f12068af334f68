"""What Buri costs while nothing happens: CPU, memory, wake-ups and packets of a computer with idle peers.

    python -m benchmarks.idle [--peers 10] [--seconds 60] [--unreachable] [--json FILE]

Run as root. In the lab of tests/lab a computer behind a router and its peers, each with a real helper, pump and
engine, join one network. When all paths are direct and the search for better ones has ended, it watches for the given
time what the computer's processes and the server use. With `--unreachable` the router lets no UDP through: that is what
attempts in vain cost. Exit code 1 if a bar is missed.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from benchmarks.process_usage import Spent, Usage, children_of, machine, usage_of
from tests.lab.demo import NETWORK, PASSWORD
from tests.lab.machines import Computer, MediationServer
from tests.lab.nat import Nat
from tests.lab.processes import wait_until
from tests.lab.topology import Lab

MAX_CPU_PERCENT = 0.5
"""Of one core: engine, helper and pump together."""
MAX_MEMORY = 80.0
"""Megabytes of each process."""


def main() -> int:
    """Measure and tell; 0 if every bar holds."""
    parser = argparse.ArgumentParser(prog="benchmarks.idle", description="What idle peers cost.")
    parser.add_argument("--peers", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to watch")
    parser.add_argument("--settle", type=float, default=30.0, help="seconds between the last meeting and the watch")
    parser.add_argument("--unreachable", action="store_true", help="the computer's router blocks UDP")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here")
    arguments = parser.parse_args()
    with Lab() as lab:
        server, computer = settled(lab, arguments.peers, arguments.settle, arguments.unreachable)
        record = watch(server, computer, arguments.seconds)
    record |= {"peers": arguments.peers, "unreachable": arguments.unreachable, "machine": machine()}
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(record, indent=2) + "\n")
    show(record)
    return 0 if record["within_bars"] else 1


def settled(lab: Lab, peers: int, settle: float, unreachable: bool) -> tuple[MediationServer, Computer]:
    """The server and a computer whose tunnels to all its peers are direct and quiet, or were tried for a while."""
    server = lab.server()
    nat = Nat.UDP_BLOCKED if unreachable else Nat.PORT_PRESERVING
    computer = lab.computer("anna", behind=lab.router("home", nat, ipv6=False))
    computer.go_online(server, "--log-level", "info")
    computer.buri("create", NETWORK, PASSWORD)
    others = [lab.computer(f"peer{number}") for number in range(peers)]

    def arrive(other: Computer) -> None:
        other.go_online(server, "--log-level", "info")
        other.buri("join", NETWORK, PASSWORD)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(arrive, others))

    def all_settled() -> bool:
        wanted = ("connecting", "failed") if unreachable else ("direct",)
        return sum(peer["status"] in wanted for peer in computer.state()["peers"]) == peers

    wait_until(all_settled, f"{peers} peers to be {'unreachable' if unreachable else 'direct'}", 120)
    time.sleep(settle)
    return server, computer


def watch(server: MediationServer, computer: Computer, seconds: float) -> dict[str, object]:
    """Two readings, `seconds` apart, and what lies between them."""
    (pump,) = children_of(computer.helper.pid)
    processes = {
        "engine": computer.engine.pid,
        "helper": computer.helper.pid,
        "pump": pump,
        "server": server.process.pid,
    }
    before = readings(processes)
    packets = outer_packets(computer)
    started = time.monotonic()
    time.sleep(seconds)
    after = readings(processes)
    elapsed = time.monotonic() - started
    sent, received = (now - then for now, then in zip(outer_packets(computer), packets, strict=True))
    spent = [Spent.between(role, before[role], after[role], elapsed) for role in processes]
    own = [each for each in spent if each.role != "server"]
    cpu = sum(each.cpu_percent for each in own)
    return {
        "seconds": round(elapsed, 1),
        "processes": [asdict(each) for each in spent],
        "client_cpu_percent": round(cpu, 3),
        "packets_sent_per_minute": round(60 * sent / elapsed, 1),
        "packets_received_per_minute": round(60 * received / elapsed, 1),
        "within_bars": cpu < MAX_CPU_PERCENT and all(each.rss_megabytes < MAX_MEMORY for each in own),
    }


def readings(processes: dict[str, int]) -> dict[str, Usage]:
    """What each has used so far."""
    return {role: usage_of(pid) for role, pid in processes.items()}


def outer_packets(computer: Computer) -> tuple[int, int]:
    """Packets that the computer's cable has carried: sent, received."""
    for line in computer.namespace.run("cat", "/proc/net/dev").splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == "eth0":
            columns = numbers.split()
            return int(columns[9]), int(columns[1])
    raise LookupError("the computer has no eth0")


def show(record: dict[str, object]) -> None:
    """The record as a table."""
    print(f"{'':8} {'CPU %':>7} {'PSS MB':>7} {'RSS MB':>7} {'wake-ups/s':>11} {'descriptors':>11}")
    processes = record["processes"]
    assert isinstance(processes, list)
    kind = "unreachable" if record["unreachable"] else "idle"
    for each in processes:
        print(
            f"{each['role']:8} {each['cpu_percent']:7.3f} {each['pss_megabytes']:7.1f} {each['rss_megabytes']:7.1f} "
            f"{each['wakeups_per_second']:11.2f} {each['descriptors']:11}"
        )
    print(
        f"engine, helper and pump with {record['peers']} {kind} peers: {record['client_cpu_percent']} % of one core"
        f" over {record['seconds']} s (bar {MAX_CPU_PERCENT}); memory bar {MAX_MEMORY:.0f} MB each\n"
        f"packets a minute: {record['packets_sent_per_minute']} sent,"
        f" {record['packets_received_per_minute']} received\n"
        f"{'within the bars' if record['within_bars'] else 'A BAR IS MISSED'}"
    )


if __name__ == "__main__":
    sys.exit(main())
