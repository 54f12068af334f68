"""What a relay carries on one core, beside coturn in the same run.

    python -m benchmarks.relay [--rounds 5] [--seconds 3] [--json FILE]

Run as root, with coturn installed. Three network namespaces, a client, the relay and a peer, with two virtual cables;
the relay is pinned to one processor, the load (benchmarks/relay_load.py, the same for both) to the others. Coturn
forwards data of a TURN channel. In each round every case is measured once for each relay, in alternation; figures are
medians. A relay's CPU time for a datagram hardly depends on what else the machine does, unlike the throughput.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from app.server.relay.config import RelayFolder
from app.server.relay.secret import secret_text
from benchmarks.process_usage import machine, usage_of

ROOT = Path(__file__).parent.parent
CLIENT, PEER = "198.51.100.1", "203.0.113.1"
RELAY_INSIDE, RELAY_OUTSIDE = "198.51.100.2", "203.0.113.2"
PORT, PEER_PORT = 12_975, 20_000
RELAY_PROCESSOR = "0"
CASES = {
    "trains of 1,200 bytes": (1_200, 45),
    "single ones of 1,200 bytes": (1_200, 1),
    "trains of 100 bytes": (100, 64),
    "single ones of 100 bytes": (100, 1),
}
"""Bytes of payload, and datagrams that the client sends at once."""
WARM_UP = 0.5


@dataclass(frozen=True)
class Figure:
    """One case of one relay."""

    gbps: float
    """Payload that arrived."""
    datagrams: float
    """That arrived in a second."""
    microseconds: float
    """CPU time of the relay for one that arrived."""
    share: float
    """Of those that were sent."""


def main() -> int:
    """Measure, and tell the medians."""
    parser = argparse.ArgumentParser(prog="benchmarks.relay", description="What a relay carries, beside coturn.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", type=Path, metavar="FILE", default=Path(__file__).parent / "results" / "relay.json")
    arguments = parser.parse_args()
    rounds: list[dict[str, Figure]] = []
    for number in range(arguments.rounds):
        rounds.append(one_round(arguments.seconds))
        print(f"round {number + 1} is done", file=sys.stderr)
    medians = {name: middle([each[name] for each in rounds]) for name in rounds[0]}
    record = {"machine": machine(), "seconds": arguments.seconds, "median": medians}
    arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    print(f"{'':42} {'Gbit/s':>8} {'datagrams/s':>12} {'µs CPU each':>12} {'arrived':>8}")
    for name, figures in medians.items():
        print("{:42} {gbps:8.2f} {datagrams:12,.0f} {microseconds:12.2f} {share:8.0%}".format(name, **figures))
    return 0


def middle(figures: list[Figure]) -> dict[str, float]:
    """The median of each value."""
    values = [asdict(each) for each in figures]
    return {name: round(median(each[name] for each in values), 3) for name in values[0]}


def one_round(seconds: float) -> dict[str, Figure]:
    """Every case once for each relay."""
    figures = {}
    with network() as names:
        for case, (size, train) in CASES.items():
            for relay, run in (("buri", buri), ("coturn", coturn)):
                with run(names) as (process, client, sink):
                    figures[f"{relay}, {case}"] = measure(names, process, client, sink, seconds, size, train)
    return figures


def measure(
    names: list[str], relay: int, client: list[str], sink: list[str], seconds: float, size: int, train: int
) -> Figure:
    """Send for so long; the figure is that of the time after the beginning."""
    others = ",".join(str(number) for number in range(os.cpu_count() or 1) if str(number) != RELAY_PROCESSOR) or "0"
    load = ["taskset", "-c", others, sys.executable, "-m", "benchmarks.relay_load"]
    with piped(names[2], *load, *sink) as sinking:
        expect(sinking, "ready")
        words = [*client, str(seconds + WARM_UP), str(size), str(train)]
        with piped(names[0], *load, *words) as sending:
            time.sleep(WARM_UP + 0.5)
            before, cpu, began = ask(sinking), usage_of(relay).cpu_seconds, time.monotonic()
            time.sleep(max(0.5, seconds - 1))
            after, used, took = ask(sinking), usage_of(relay).cpu_seconds - cpu, time.monotonic() - began
            sent, _ = sending.communicate(timeout=60)
        total = ask(sinking)
        sinking.communicate(timeout=30)
    width = size + (4 if client[0] == "buri" else 0)
    arrived = (after - before) / width
    return Figure(
        arrived * size * 8 / took / 1e9, arrived / took, used / max(arrived, 1) * 1e6, total / width / max(int(sent), 1)
    )


def piped(name: str, *words: str) -> "subprocess.Popen[str]":
    """A program in a namespace that talks with us."""
    return subprocess.Popen(
        inside(name, *words), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )


def expect(process: "subprocess.Popen[str]", word: str) -> None:
    """Wait for a line. Raises RuntimeError for another."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if line != word:
        raise RuntimeError(f"{word!r} was expected, not {line!r}")


def ask(sink: "subprocess.Popen[str]") -> int:
    """Bytes that have arrived by now."""
    assert sink.stdin is not None
    assert sink.stdout is not None
    sink.stdin.write("?\n")
    sink.stdin.flush()
    return int(sink.stdout.readline())


Running = tuple[int, list[str], list[str]]
"""The relay's process, and the words for client and sink."""


@contextmanager
def buri(names: list[str]) -> Iterator[Running]:
    """`buri relay run`, without a limit of its pairs."""
    with tempfile.TemporaryDirectory(prefix="buri-relay-") as name:
        folder = RelayFolder(Path(name))
        folder.create("localhost", PORT, web_port=0)
        text = folder.config_file.read_text().replace("# pair-rate = 25000000", "pair-rate = 4294967295")
        folder.config_file.write_text(text)
        words = [sys.executable, "-m", "app", "relay", "run", "--attached", "--folder", name]
        with pinned(names[1], *words) as process:
            expect(process, "ready")
            secret = secret_text(folder.read_secret())
            sink = ["sink", RELAY_OUTSIDE, str(PORT), PEER, str(PEER_PORT), secret]
            yield process.pid, ["buri", RELAY_INSIDE, str(PORT), secret], sink


@contextmanager
def coturn(names: list[str]) -> Iterator[Running]:
    """`turnserver` with one thread for relaying, without credentials and limits."""
    words = ["turnserver", "-n", "-z", "-m", "1", "--no-cli", "--no-tls", "--no-dtls", "--log-file", "stdout"]
    words += ["--listening-ip", RELAY_INSIDE, "--listening-port", str(PORT), "--relay-ip", RELAY_OUTSIDE]
    words += ["--pidfile", "/dev/null", "--simple-log"]
    with pinned(names[1], *words) as process:
        wait_for_port(names[1])
        client = ["turn", RELAY_INSIDE, str(PORT), PEER, str(PEER_PORT)]
        yield process.pid, client, ["sink", RELAY_OUTSIDE, str(PORT), PEER, str(PEER_PORT)]


def wait_for_port(name: str) -> None:
    """Until something listens. Raises TimeoutError."""
    for _ in range(100):
        if subprocess.run(inside(name, "ss", "-Hlun", f"sport = :{PORT}"), capture_output=True, check=True).stdout:
            return
        time.sleep(0.1)
    raise TimeoutError("coturn does not listen")


@contextmanager
def pinned(name: str, *words: str) -> "Iterator[subprocess.Popen[str]]":
    """A program in a namespace on the relay's processor, ended at the end."""
    process = piped(name, "taskset", "-c", RELAY_PROCESSOR, *words)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def inside(name: str, *words: str) -> list[str]:
    """The command line that runs `words` inside a namespace."""
    return ["ip", "netns", "exec", name, *words]


@contextmanager
def network() -> Iterator[list[str]]:
    """Client, relay and peer, with a cable between the first two and one between the last two."""
    names = [f"buri-{os.getpid()}-{role}" for role in ("client", "relay", "peer")]
    with ExitStack() as stack:
        for name in names:
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "delete", name)
            _ip("-n", name, "link", "set", "lo", "up")
        ends = ((CLIENT, RELAY_INSIDE, names[0]), (PEER, RELAY_OUTSIDE, names[2]))
        for number, (outer, inner, name) in enumerate(ends):
            cable = f"cable{number}"
            _ip("-n", name, "link", "add", "cable", "type", "veth", "peer", cable, "netns", names[1])
            for namespace, device, host in ((name, "cable", outer), (names[1], cable, inner)):
                _ip("-n", namespace, "address", "add", f"{host}/24", "dev", device)
                _ip("-n", namespace, "link", "set", device, "up")
        yield names


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)


if __name__ == "__main__":
    raise SystemExit(main())
