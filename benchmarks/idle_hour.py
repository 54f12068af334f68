"""What an engine sends in an hour in which nobody does anything, counted by kind.

    python -m benchmarks.idle_hour [--peers 1 10] [--json FILE]

Real engines and a real server in one process, on a virtual internet and a virtual clock (tests/engine/idle.py): no
root, and no hour. Directly, and over the server's relay.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.engine.idle import HOUR, IdleHour, idle_hour


def main() -> int:
    """Count and tell."""
    parser = argparse.ArgumentParser(prog="benchmarks.idle_hour", description="What an idle hour costs.")
    parser.add_argument("--peers", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here")
    arguments = parser.parse_args()
    hours = []
    for peers in arguments.peers:
        for relayed in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                hour = idle_hour(Path(folder), peers, relayed)
            hours.append(record(hour, relayed))
            show(hours[-1])
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(hours, indent=2) + "\n")
    return 0


def record(hour: IdleHour, relayed: bool) -> dict[str, Any]:
    """What is kept of it."""
    return {
        "peers": hour.peers,
        "tunnels": hour.tunnels,
        "relayed": relayed,
        "of_each_tunnel": {kind: round(count / hour.tunnels, 1) for kind, count in sorted(hour.all.items())},
        "of_one_engine": dict(sorted(hour.one.items())),
        "with_the_server": {way: round(count / (hour.peers + 1), 1) for way, count in sorted(hour.server.items())},
    }


def show(told: dict[str, Any]) -> None:
    """The record as text."""
    print(f"{told['peers']} peers, {told['tunnels']} tunnels, {'relayed' if told['relayed'] else 'direct'}")
    pace = told["of_each_tunnel"].get("ProbeRequest")
    print(f"  a keepalive of each tunnel every {HOUR / pace:.1f} s" if pace else "  no keepalives")
    for title in ("of_each_tunnel", "of_one_engine", "with_the_server"):
        counts = ", ".join(f"{kind} {count:g}" for kind, count in told[title].items())
        print(f"  {title.replace('_', ' ')}: {counts}")


if __name__ == "__main__":
    sys.exit(main())
