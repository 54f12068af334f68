"""For how long a transfer stalls when networks change, servers restart, and relays take over.

    python -m benchmarks.survival [--rounds 3] [--json FILE]

Run as root. The stories of tests/lab/survival.py, in which TCP streams run both ways through the tunnel: what arrived
is compared, and the longest time in which nothing did is measured. Exit code 1 if a median misses the bar.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.process_usage import machine, spread
from tests.lab.survival import ACTS, Act, tell
from tests.lab.topology import Lab

MAX_STALL = 5.0
"""Seconds."""


def main() -> int:
    """Measure and tell; 0 if the bar holds."""
    parser = argparse.ArgumentParser(prog="benchmarks.survival", description="How long transfers stall.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here")
    arguments = parser.parse_args()
    stalls: dict[str, list[float]] = {}
    for act in ACTS:
        stalls |= measure(act, arguments.rounds)
    record: dict[str, Any] = {
        "rounds": arguments.rounds,
        "seconds": {name: spread(values) for name, values in stalls.items()},
        "machine": machine(),
    }
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(record, indent=2) + "\n")
    for name, figures in record["seconds"].items():
        print(f"{name:60} median {figures['median']:5.2f} s  worst {figures['worst']:5.2f} s")
    within = all(figures["median"] < MAX_STALL for figures in record["seconds"].values())
    print(f"bar: {MAX_STALL:g} s: {'held' if within else 'MISSED'}")
    return 0 if within else 1


def measure(act: Act, rounds: int) -> dict[str, list[float]]:
    """The longest stalls of all stories in all rounds, in seconds."""
    with Lab() as lab:
        stage = act.stage(lab)
        stalls: dict[str, list[float]] = {story.name: [] for story in act.stories}
        for _ in range(rounds):
            for story in act.stories:
                stalls[story.name].append(tell(stage, story))
                print(f"{story.name}: {stalls[story.name][-1]:.2f} s", flush=True)
    return stalls


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("benchmarks.survival makes network namespaces: run it as root")
    sys.exit(main())
