"""What the packet path carries: throughput, packets, latency and CPU, beside the bare link in the same run.

    python -m benchmarks.throughput [--rounds 3] [--seconds 5] [--json FILE] [--picture FILE]

Run as root, with iperf3 and ping installed. Two network namespaces on one cable, each with a real adapter and a real
pump; both ends and iperf3 share this machine's processors. The `relayed` figures are those of pumps that put a relay id
in front of each datagram, and nobody in between. Every figure is the median of the rounds. Each round waits
for a quiet second and measures everything once, so that a noisy minute spoils no comparison. Needs matplotlib (extra
`bench`) for a picture.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from app.protocol.wire import MIN_RELAY_ID
from benchmarks.process_usage import machine
from benchmarks.pump_lab import Computer, PumpLab

RESULTS = Path(__file__).parent / "results"
QUIET = 0.9
"""The share of idle time of a machine on which nothing else runs."""

Figures = dict[str, float]


def main() -> int:
    """Measure, write the record and the picture, and tell the medians."""
    parser = argparse.ArgumentParser(prog="benchmarks.throughput", description="What the packet path carries.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="length of each transfer")
    parser.add_argument("--json", type=Path, metavar="FILE", default=RESULTS / "throughput.json")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the medians, as PNG or SVG")
    arguments = parser.parse_args()
    rounds = []
    for number in range(arguments.rounds):
        wait_for_quiet()
        rounds.append(one_round(arguments.seconds))
        print(f"round {number + 1}: {rounds[-1]['tunnel_tcp1_gbps']:.2f} Gbit/s, one stream", file=sys.stderr)
    medians = {name: round(median(each[name] for each in rounds), 3) for name in rounds[0]}
    medians["ratio_tcp1"] = round(medians["tunnel_tcp1_gbps"] / medians["link_tcp1_gbps"], 3)
    medians["ratio_tcp4"] = round(medians["tunnel_tcp4_gbps"] / medians["link_tcp4_gbps"], 3)
    record = {"machine": machine(), "seconds": arguments.seconds, "median": medians, "rounds": rounds}
    arguments.json.parent.mkdir(exist_ok=True)
    arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    if arguments.picture is not None:
        draw(medians, arguments.picture)
    for name, value in medians.items():
        print(f"{name:28} {value:10.3f}")
    return 0


def wait_for_quiet(patience: int = 30) -> None:
    """Return when the machine has been idle for a second, or after `patience` seconds."""
    for _ in range(patience):
        before = processor_times()
        time.sleep(1)
        total, idle = (now - then for now, then in zip(processor_times(), before, strict=True))
        if idle >= QUIET * total:
            return


def processor_times() -> tuple[int, int]:
    """All time of all processors so far and the idle part of it, in ticks."""
    ticks = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]


def one_round(seconds: int) -> Figures:
    """Everything once, with fresh adapters and pumps."""
    figures: Figures = {}
    with PumpLab() as lab:
        lab.install_sessions()
        link, tunnel = lab.b.cable_host, lab.b.tunnel_host
        for host, name in ((link, "link"), (tunnel, "tunnel")):
            figures |= latency(lab, host, f"{name}_idle") | latency(lab, host, f"{name}_successive", "-A")
        for streams in (1, 4):
            figures |= {f"link_{name}": value for name, value in tcp(lab, link, streams, seconds, loaded=False).items()}
            figures |= {
                f"tunnel_{name}": value for name, value in tcp(lab, tunnel, streams, seconds, loaded=True).items()
            }
        lab.install_sessions(index=2, relay=MIN_RELAY_ID)
        figures |= {f"relayed_{name}": value for name, value in tcp(lab, tunnel, 1, seconds, loaded=True).items()}
        lab.install_sessions(index=3)
        figures |= udp(lab, tunnel, 1_200, "1000M", seconds)
        figures |= udp(lab, tunnel, 64, "60M", seconds)
        figures["pump_memory_mb"] = max(lab.a.memory_bytes(), lab.b.memory_bytes()) / 1e6
    return figures


@contextmanager
def iperf_server(computer: Computer) -> Iterator[None]:
    """An iperf3 server for one test."""
    command = computer.command("iperf3", "--server", "--one-off", "--forceflush")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        while "Server listening" not in server.stdout.readline():
            pass
        try:
            yield
        finally:
            server.kill()


def tcp(lab: PumpLab, host: str, streams: int, seconds: int, *, loaded: bool) -> Figures:
    """One or more TCP streams from `a` to `b`: throughput, CPU seconds per gigabyte, latency meanwhile if `loaded`."""
    words = ["iperf3", "--client", host, "--time", str(seconds), "--congestion", "cubic", "--json"]
    before = [each.cpu_seconds() for each in (lab.a, lab.b)]
    command = lab.a.command(*words, "--parallel", str(streams))
    figures: Figures = {}
    name = f"tcp{streams}"
    with iperf_server(lab.b), subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        if loaded:
            figures |= latency(lab, host, f"under_{name}", count=100 * (seconds - 1))
        end = json.loads(client.communicate()[0])["end"]
    pumps = [now.cpu_seconds() - then for now, then in zip((lab.a, lab.b), before, strict=True)]
    gigabytes = end["sum_received"]["bytes"] / 1e9
    programs = [end["cpu_utilization_percent"][side] / 100 * seconds for side in ("host_total", "remote_total")]
    figures[f"{name}_gbps"] = end["sum_received"]["bits_per_second"] / 1e9
    figures[f"{name}_cpu_sender_program"], figures[f"{name}_cpu_receiver_program"] = (
        used / gigabytes for used in programs
    )
    if loaded:
        figures[f"{name}_cpu_sender_pump"], figures[f"{name}_cpu_receiver_pump"] = (used / gigabytes for used in pumps)
    figures[f"{name}_cpu_all"] = sum(programs + (pumps if loaded else [])) / gigabytes
    return figures


def udp(lab: PumpLab, host: str, size: int, rate: str, seconds: int) -> Figures:
    """Datagrams of `size` bytes from `a` to `b`, offered at `rate`: those that arrived, and the loss."""
    words = ["--udp", "--length", str(size), "--bitrate", rate, "--window", "2M", "--json"]
    with iperf_server(lab.b):
        output = lab.a.run("iperf3", "--client", host, "--time", str(seconds), *words)
    total = json.loads(output)["end"]["sum"]
    arrived = (total["packets"] - total["lost_packets"]) / total["seconds"]
    return {
        f"udp{size}_packets_per_second": arrived,
        f"udp{size}_mbps": arrived * size * 8 / 1e6,
        f"udp{size}_loss_percent": total["lost_percent"],
    }


def latency(lab: PumpLab, host: str, name: str, *pace: str, count: int = 200) -> Figures:
    """Round-trip times in milliseconds of small packets, one each 10 ms or at `pace`: median and 99th percentile."""
    lines = lab.a.run("ping", "-n", "-c", str(count), *(pace or ("-i", "0.01")), host).splitlines()
    times = sorted(float(line.split("time=")[1].split()[0]) for line in lines if "time=" in line)
    return {f"{name}_ping_p50_ms": median(times), f"{name}_ping_p99_ms": times[len(times) * 99 // 100]}


def draw(medians: Figures, picture: Path) -> None:
    """Three bar charts: throughput, CPU per gigabyte by process, latency."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    figure, (speed, cost, delay) = pyplot.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    speed.bar(["1 stream", "4 streams"], [medians["tunnel_tcp1_gbps"], medians["tunnel_tcp4_gbps"]], color="#1f6f8b")
    speed.set_title("TCP through the tunnel, Gbit/s")
    bottom = 0.0
    for part in ("sender_program", "sender_pump", "receiver_pump", "receiver_program"):
        value = medians[f"tunnel_tcp1_cpu_{part}"]
        cost.bar(["tunnel"], [value], bottom=[bottom], label=part.replace("_", "'s "))
        bottom += value
    cost.bar(["bare link"], [medians["link_tcp1_cpu_all"]], color="#999999")
    cost.legend(fontsize=8)
    cost.set_title("CPU seconds per gigabyte, 1 stream")
    names = ["successive", "idle", "1 stream", "4 streams"]
    keys = ["tunnel_successive", "tunnel_idle", "tunnel_under_tcp1", "tunnel_under_tcp4"]
    for shift, (percentile, shade) in enumerate((("p50", "#1f6f8b"), ("p99", "#99c1d0"))):
        places = [index + 0.4 * shift - 0.2 for index in range(len(names))]
        delay.bar(places, [medians[f"{key}_ping_{percentile}_ms"] for key in keys], 0.4, label=percentile, color=shade)
    delay.set_xticks(range(len(names)), names, fontsize=8)
    delay.legend(fontsize=8)
    delay.set_title("Round trip through the tunnel, ms")
    figure.savefig(picture, dpi=90)


if __name__ == "__main__":
    sys.exit(main())
