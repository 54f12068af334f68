"""What a running process has used, read from /proc: CPU time, memory, wake-ups, descriptors. Linux.

Used by the benchmarks of idleness, of meetings and of the server; it measures and judges nothing.
"""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple


class Usage(NamedTuple):
    """One process at one moment."""

    cpu_seconds: float
    """User and system time of all its threads since its start."""
    pss: int
    """Bytes: its own memory and its share of what it has in common with others."""
    rss: int
    """Bytes, with everything shared counted in full."""
    switches: int
    """Voluntary context switches since its start: how often it went to sleep, and so was woken."""
    descriptors: int


def usage_of(pid: int) -> Usage:
    """What the process has used up to now. Raises FileNotFoundError or ProcessLookupError when it has ended."""
    process = Path("/proc", str(pid))
    memory = _numbers(process / "smaps_rollup")
    threads = list((process / "task").iterdir())
    # Nanoseconds of the scheduler: utime and stime in `stat` are the same time in steps of 10 ms.
    nanoseconds = sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads)
    return Usage(
        nanoseconds / 1e9,
        memory["Pss"] * 1_024,
        memory["Rss"] * 1_024,
        sum(_numbers(thread / "status")["voluntary_ctxt_switches"] for thread in threads),
        len(list((process / "fd").iterdir())),
    )


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    files = Path("/proc", str(pid), "task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]


def _numbers(file: Path) -> dict[str, int]:
    """The lines `Name:  number ...` of a file."""
    numbers = {}
    for line in file.read_text().splitlines():
        name, _, rest = line.partition(":")
        word = rest.split()[:1]
        if word and word[0].isdigit():
            numbers[name] = int(word[0])
    return numbers


@dataclass(frozen=True, slots=True)
class Spent:
    """What one process spent between two moments, and how large it was at the end."""

    role: str
    cpu_percent: float
    """Of one core."""
    pss_megabytes: float
    rss_megabytes: float
    wakeups_per_second: float
    descriptors: int

    @classmethod
    def between(cls, role: str, before: Usage, after: Usage, seconds: float) -> "Spent":
        """From two readings, `seconds` apart."""
        return cls(
            role,
            round(100 * (after.cpu_seconds - before.cpu_seconds) / seconds, 3),
            round(after.pss / 1e6, 1),
            round(after.rss / 1e6, 1),
            round((after.switches - before.switches) / seconds, 2),
            after.descriptors,
        )


def machine() -> dict[str, object]:
    """Where and when a benchmark ran, for its record."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def spread(values: list[float], digits: int = 3) -> dict[str, float]:
    """Median, best and worst of some measurements."""
    return {
        "median": round(median(values), digits),
        "best": round(min(values), digits),
        "worst": round(max(values), digits),
    }
