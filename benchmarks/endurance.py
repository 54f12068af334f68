"""Does anything grow? Two computers whose tunnel gets a new key every second, with pings going on all the time.

    python -m benchmarks.endurance [--seconds 240] [--json FILE]

Run as root. In the lab of tests/lab two engines with short intervals (impatient_engine.py) replace their session each
second: 240 s are as many key exchanges as twelve hours of use. It reads memory and descriptors of all processes after
a quarter of the time and at the end, and what the pings lost. Exit code 1 if a process grew by more than 2 MB, holds
more descriptors, a request to the helper failed, or a ping was lost.
"""

import argparse
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.process_usage import Usage, children_of, machine, usage_of
from tests.lab.demo import NETWORK, PASSWORD
from tests.lab.machines import Computer, MediationServer
from tests.lab.nat import Nat
from tests.lab.processes import wait_until
from tests.lab.topology import Lab

MAX_GROWTH = 2.0
"""Megabytes between the two readings."""
PING_INTERVAL = 0.05


def main() -> int:
    """Measure and tell; 0 if nothing grew and nothing was lost."""
    parser = argparse.ArgumentParser(prog="benchmarks.endurance", description="Does anything grow?")
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here")
    arguments = parser.parse_args()
    with Lab() as lab:
        record = endure(lab, arguments.seconds)
    record["machine"] = machine()
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(record, indent=2) + "\n")
    for process, figures in record["processes"].items():
        print(f"{process:12} " + "  ".join(f"{name} {value:>6}" for name, value in figures.items()))
    print(f"{record['sessions']} sessions, {record['failed_requests']} failed requests, {record['pings']}")
    print("nothing grew, nothing was lost" if record["sound"] else "SOMETHING GREW OR WAS LOST")
    return 0 if record["sound"] else 1


def endure(lab: Lab, seconds: float) -> dict[str, Any]:
    """Let the two rekey for so long, and compare."""
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("home", Nat.PORT_PRESERVING, ipv6=False))
    ben = lab.computer("ben", behind=lab.router("office", Nat.PORT_PRESERVING, ipv6=False))
    for computer in (anna, ben):
        start_impatient(computer, server)
    anna.buri("create", NETWORK, PASSWORD)
    ben.buri("join", NETWORK, PASSWORD)
    anna.wait_for_peer(ben)
    ben.wait_for_answer(anna.virtual_address)
    count = str(int(seconds / PING_INTERVAL))
    pings = ben.start(
        "pings", "ping", "-n", "-q", "-c", count, "-i", f"{PING_INTERVAL:g}", anna.virtual_address, root=True
    )
    time.sleep(seconds / 4)
    before = readings(anna, ben, server)
    summary = pings.wait(2 * seconds)
    after = readings(anna, ben, server)
    processes = {name: growth(before[name], after[name]) for name in before}
    logs = [computer.engine.output() for computer in (anna, ben)]
    failed = sum(len(re.findall(r"helper: \w+: ", text)) for text in logs)
    lost = " 0% packet loss" not in summary
    return {
        "seconds": seconds,
        "sessions": logs[0].count("session installed"),
        "failed_requests": failed,
        "pings": next(line for line in summary.splitlines() if "packet loss" in line),
        "processes": processes,
        "sound": not failed
        and not lost
        and all(each["grew MB"] < MAX_GROWTH and each["descriptors grew"] <= 0 for each in processes.values()),
    }


def start_impatient(computer: Computer, server: MediationServer) -> None:
    """As `Computer.go_online`, with the impatient engine."""
    computer.start_helper()
    words = ("--server", f"{server.addresses.ipv4}:{server.port}", "--fingerprint", server.fingerprint)
    computer.engine = computer.start(
        *("engine", computer.interpreter, "-m", "benchmarks.impatient_engine", "up", *words),
        *("--nickname", computer.name, "--key-file", "--log-level", "debug"),
    )
    computer.engine.wait_for_output("Buri runs: ")
    wait_until(lambda: computer.state()["helper"]["status"] == "up", f"{computer.name}'s adapter")


def readings(anna: Computer, ben: Computer, server: MediationServer) -> dict[str, Usage]:
    """Of every process."""
    found = {"server": server.process.pid}
    for computer in (anna, ben):
        (pump,) = children_of(computer.helper.pid)
        roles = {"engine": computer.engine.pid, "helper": computer.helper.pid, "pump": pump}
        found |= {f"{computer.name} {role}": pid for role, pid in roles.items()}
    return {name: usage_of(pid) for name, pid in found.items()}


def growth(before: Usage, after: Usage) -> dict[str, float]:
    """What is larger now."""
    return {
        "MB": round(after.rss / 1e6, 1),
        "grew MB": round((after.rss - before.rss) / 1e6, 2),
        "descriptors": after.descriptors,
        "descriptors grew": after.descriptors - before.descriptors,
        "CPU s": round(after.cpu_seconds - before.cpu_seconds, 2),
    }


if __name__ == "__main__":
    sys.exit(main())
