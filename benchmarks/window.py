"""What the window costs and how smooth it is: start, frames with a crowd, idleness, memory, and held clicks.

    python -m benchmarks.window [--rounds 10] [--seconds 20] [--json FILE]

Needs Xvfb and openbox, and as root nothing else. Figures only: nothing is judged. A start runs from the start of the
process to the first paint of its main window; a cold one has a copy of .venv that no other program uses, dropped from
the page cache. The other parts, window_crowd.py and window_held.py, are processes of their own.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.process_usage import Spent, machine, spread, usage_of
from tests.ui.screen import Screen

ROOT = Path(__file__).resolve().parent.parent
SETTLE = 3.0
"""Seconds from the first paint until a start has done everything else."""


def main() -> int:
    """Measure, tell, and write the record."""
    parser = argparse.ArgumentParser(prog="benchmarks.window", description="What the window costs.")
    parser.add_argument("--rounds", type=int, default=10, help="starts")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each watch")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="buri-window-") as folder:
        screen = Screen(Path(folder) / "screen")
        try:
            record = measure(screen.environment, Path(folder), arguments.rounds, arguments.seconds)
        finally:
            screen.stop()
    record["machine"] = machine()
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(record, indent=2) + "\n")
    show(record)
    return 0


def measure(screen: Mapping[str, str], folder: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """Every part, one after another."""
    environment = {**os.environ, **screen, "BURI_HOME": str(folder / "home"), "PYTHONUNBUFFERED": "1"}
    start(environment)  # writes what only the first start writes
    warm = [start(environment) for _ in range(rounds)]
    cold = cold_starts(environment, folder / "venv", min(rounds, 5))
    crowd = part("benchmarks.window_crowd", environment, "--seconds", str(seconds))
    return {
        "start_seconds": {"warm": spread(warm), "cold": spread(cold)},
        "idle": idle(environment, seconds),
        "crowd": crowd,
        "held": part("benchmarks.window_held", environment),
    }


def part(module: str, environment: Mapping[str, str], *arguments: str) -> Any:
    """Run a part to its end; gives the document that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=dict(environment),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def app(environment: Mapping[str, str], python: str = sys.executable) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """The app, and the seconds until its window was painted; ended at the end."""
    words = [python, "-m", "benchmarks.window_start", "gui", "--key-file"]
    started = time.monotonic()
    with subprocess.Popen(words, env=dict(environment), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        painted = json.loads(process.stdout.readline())["painted"]
        try:
            yield process, painted - started
        finally:
            process.terminate()
            process.wait(20)


def start(environment: Mapping[str, str], python: str = sys.executable) -> float:
    """Seconds of one start."""
    with app(environment, python) as (_, seconds):
        return seconds


def cold_starts(environment: Mapping[str, str], copy: Path, rounds: int) -> list[float]:
    """Starts that read Python packages from disk."""
    shutil.copytree(ROOT / ".venv", copy, symlinks=True)
    seconds = []
    for _ in range(rounds):
        os.sync()  # what was not written yet can't be dropped
        for path in copy.rglob("*"):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        seconds.append(start(environment, str(copy / "bin" / "python")))
    return seconds


def idle(environment: Mapping[str, str], seconds: float) -> dict[str, Any]:
    """What the app uses with its window shown and nothing to do."""
    with app(environment) as (process, _):
        time.sleep(SETTLE)
        before, started = usage_of(process.pid), time.monotonic()
        time.sleep(seconds)
        spent = Spent.between("window", before, usage_of(process.pid), time.monotonic() - started)
    return {
        "cpu_percent": spent.cpu_percent,
        "rss_megabytes": spent.rss_megabytes,
        "pss_megabytes": spent.pss_megabytes,
        "wakeups_per_second": spent.wakeups_per_second,
    }


def show(record: Mapping[str, Any]) -> None:
    """The record in words."""
    for kind, figures in record["start_seconds"].items():
        print(f"start to first paint, {kind}: median {figures['median']} s, {figures['best']} to {figures['worst']} s")
    still, crowd = record["idle"], record["crowd"]
    print(
        f"window shown, nothing to do: {still['cpu_percent']} % of a core, {still['wakeups_per_second']} wake-ups/s, "
        f"{still['rss_megabytes']} MB RSS, {still['pss_megabytes']} MB PSS"
    )
    for kind in ("nothing changes", "changing"):
        told = crowd[kind]
        frames, events = told["frames_ms"], told["events_ms"]
        print(
            f"500 peers, {kind}: {told['cpu_percent']} % of a core; {frames['count']} frames of {frames['p50']} ms "
            f"(p99 {frames['p99']}, max {frames['max']}); events p99 {events['p99']} ms, max {events['max']} ms"
        )
    print(f"500 peers: {crowd['rss_megabytes']} MB RSS, {crowd['pss_megabytes']} MB PSS")
    held = record["held"]
    print(f"silent server, slow helper: longest event {held['events_ms']['max']} ms of {held['events_ms']['count']}")
    for name, asked in sorted(held["asked_ms"].items(), key=lambda item: -item[1]["held"])[:6]:
        print(f"  {asked['held']:6.1f} ms, of them {asked['cpu']:.1f} ms of CPU: {name}")


if __name__ == "__main__":
    sys.exit(main())
