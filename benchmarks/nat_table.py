"""How soon two computers meet, for every pair of places between the open internet and an HTTP proxy alone.

    python -m benchmarks.nat_table [--rounds 1] [--json FILE] [PLACE ...]

Run as root. In the lab of tests/lab two computers stand at each place of tests/lab/nat_table.py, all online. Pair by
pair they meet in a new network: the time runs from the moment at which the second one has joined until its first ping
through the tunnel is answered, and until its engine shows the peer as direct, where that is possible in theory. Names
of places (such as `symmetric`) measure those alone. Exit code 1 if a bar is missed.
"""

import argparse
import json
import os
import sys
from itertools import combinations_with_replacement
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.process_usage import machine
from tests.lab.machines import Computer
from tests.lab.nat_table import Place, expected, gather, is_guessed
from tests.lab.processes import LabError, wait_until
from tests.lab.stories import PASSWORD
from tests.lab.topology import Lab

MAX_FIRST_PING = 1.0
"""Seconds from the join to the first answer, in every cell."""
MAX_DIRECT = 3.0
"""Seconds until the path is direct."""
MAX_GUESSED = 20.0
"""The same where a port must be guessed."""


class Meeting(NamedTuple):
    """What was measured of one pair, in seconds; `direct` is None where the path stays relayed, as it should."""

    ping: float
    direct: float | None


def main() -> int:
    """Measure and tell; 0 if the bars hold."""
    parser = argparse.ArgumentParser(prog="benchmarks.nat_table", description="How soon two computers meet.")
    parser.add_argument("--rounds", type=int, default=1, help="labs that are built; the table has the medians")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here")
    parser.add_argument("places", nargs="*", type=Place, metavar="PLACE", default=list(Place))
    arguments = parser.parse_args()
    pairs = list(combinations_with_replacement(arguments.places, 2))
    rounds = [measure(pairs) for _ in range(arguments.rounds)]
    table = {pair: middle([each[pair] for each in rounds]) for pair in pairs}
    print_table(table)
    if arguments.json is not None:
        cells = [{"places": [each.value for each in pair], **found._asdict()} for pair, found in table.items()]
        record = {"machine": machine(), "rounds": arguments.rounds, "seconds": cells}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n")
    missed = [
        f"{first.value} and {second.value}"
        for (first, second), found in table.items()
        if not held(first, second, found)
    ]
    print(f"bars: {'MISSED by ' + ', '.join(missed) if missed else 'held'}")
    return 1 if missed else 0


def measure(pairs: list[tuple[Place, Place]]) -> dict[tuple[Place, Place], Meeting]:
    """Build a lab, and let each pair meet while no other does."""
    with Lab() as lab:
        crowd = gather(lab, dict.fromkeys(place for pair in pairs for place in pair))
        return {(a, b): meet(crowd[a][0], crowd[b][1], expected(a, b)) for a, b in pairs}


def meet(anna: Computer, ben: Computer, status: str) -> Meeting:
    """Anna makes a network, Ben joins it; then both leave it. Raises LabError if they don't meet as they should."""
    network = f"{anna.name} and {ben.name}"
    anna.buri("create", network, PASSWORD)
    words = [ben.interpreter, "-m", "benchmarks.joiner", network, PASSWORD, anna.virtual_address, status]
    told = json.loads(ben.run(*words, root=True, timeout=60))
    ben.buri("leave", network)
    anna.buri("delete", network)
    for computer, peer in ((anna, ben), (ben, anna)):
        wait_until(lambda at=computer, of=peer: at.view_of(of) is None, "both to forget each other")  # type: ignore[misc]
    found = Meeting(told["ping"] - told["joined"], told["direct"] - told["joined"] if status == "direct" else None)
    print(f"{network:38} first answer {found.ping:6.2f} s, {direct_words(found)}", flush=True)
    return found


def middle(meetings: list[Meeting]) -> Meeting:
    """The median of several rounds."""
    direct = [each.direct for each in meetings if each.direct is not None]
    return Meeting(median(each.ping for each in meetings), median(direct) if direct else None)


def held(first: Place, second: Place, found: Meeting) -> bool:
    """Whether a pair met soon enough."""
    bar = MAX_GUESSED if is_guessed(first, second) else MAX_DIRECT
    return found.ping < MAX_FIRST_PING and (found.direct is None or found.direct < bar)


def print_table(table: dict[tuple[Place, Place], Meeting]) -> None:
    """As Markdown: in each cell the seconds to the first answer, and to the direct path."""
    places = list(dict.fromkeys(place for pair in table for place in pair))
    print("\n| | " + " | ".join(place.value for place in places) + " |")
    print("| --- |" + " --- |" * len(places))
    for row in places:
        cells = [table.get((row, column)) for column in places]
        words = ["" if cell is None else f"{max(cell.ping, 0.0):.2f} / {direct_words(cell)}" for cell in cells]
        print(f"| {row.value} | " + " | ".join(words) + " |")


def direct_words(found: Meeting) -> str:
    """When the path was direct."""
    return "relayed" if found.direct is None else f"{max(found.direct, 0.0):.2f}"


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("benchmarks.nat_table makes network namespaces: run it as root")
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(str(error))
