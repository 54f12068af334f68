"""What a tunnel carries where UDP is blocked: over a stream to the relay, and through an HTTP proxy alone.

    python -m benchmarks.streams [--rounds 3] [--seconds 8] [--json FILE]

Run as root, with iperf3, ping and squid. In the lab of tests/lab anna is behind a router that lets no UDP through and
ben behind one that does; the server relays. All programs share this machine's processors: both engines, pumps, the
carrier, the server, squid and iperf3. Beside each route stands a bare TCP stream from anna to ben in the same round.
Exit code 1 if the bar is missed: 100 Mbit/s through the proxy.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.process_usage import machine
from tests.lab.machines import Computer, Machine, MediationServer
from tests.lab.nat import Nat
from tests.lab.processes import LabError, tool
from tests.lab.proxy import Proxy
from tests.lab.stories import PASSWORD
from tests.lab.topology import Lab

RESULTS = Path(__file__).parent / "results"
BAR = 100.0
"""Mbit/s through the proxy."""
IPERF_PORT = 5_201
PAIR_RATE = 1_000_000_000
"""Bytes a second, so that the server's usual limit of 25,000,000 does not decide."""

Figures = dict[str, float]


def main() -> int:
    """Measure and tell the medians; 0 if the bar holds."""
    parser = argparse.ArgumentParser(prog="benchmarks.streams", description="What a tunnel carries without UDP.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8, help="length of each transfer")
    parser.add_argument("--places", nargs="+", choices=PLACES, default=list(PLACES))
    parser.add_argument("--json", type=Path, metavar="FILE", default=RESULTS / "streams.json")
    arguments = parser.parse_args()
    record: dict[str, Any] = {"machine": machine(), "seconds": arguments.seconds, "median": {}, "rounds": {}}
    for name in arguments.places:
        place = PLACES[name]
        with Lab() as lab:
            anna, ben = place(lab)
            print(f"{name}: {anna.view_of(ben)['path']}, {anna.view_of(ben)['route'] or 'UDP'}", file=sys.stderr)
            rounds = [one_round(anna, ben, arguments.seconds) for _ in range(arguments.rounds)]
        record["rounds"][name] = rounds
        record["median"][name] = {key: round(median(each[key] for each in rounds), 2) for key in rounds[0]}
        for key, value in record["median"][name].items():
            print(f"{name:26} {key:26} {value:10.2f}", flush=True)
    arguments.json.parent.mkdir(exist_ok=True)
    arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    squid = record["median"].get("through squid")
    if squid is None:
        return 0
    carried = min(squid[f"tunnel_{way}_mbps"] for way in ("up", "down"))
    print(f"bar: {BAR:.0f} Mbit/s through the proxy: {'held' if carried >= BAR else 'MISSED'}")
    return 0 if carried >= BAR else 1


# --- places


def over_udp(lab: Lab) -> tuple[Computer, Computer]:
    """For comparison: the relay over UDP, between two symmetric routers."""
    homes = [lab.router(name, Nat.SYMMETRIC, ipv6=False) for name in ("office", "home")]
    anna, ben = lab.computer("anna", behind=homes[0]), lab.computer("ben", behind=homes[1])
    return meet(fast_server(lab), anna, ben)


def over_tcp(lab: Lab) -> tuple[Computer, Computer]:
    """A router that lets no UDP through."""
    office = lab.router("office", Nat.UDP_BLOCKED, ipv6=False)
    return meet(fast_server(lab), lab.computer("anna", behind=office), lab.computer("ben"))


def over_web(lab: Lab) -> tuple[Computer, Computer]:
    """A router that lets nothing through to the server but the web."""
    office = lab.router("office", Nat.UDP_BLOCKED, ipv6=False)
    office.block("tcp", MediationServer.port)
    return meet(fast_server(lab), lab.computer("anna", behind=office), lab.computer("ben"))


def through_squid(lab: Lab) -> tuple[Computer, Computer]:
    """A router that lets TCP to the proxy through, and the bare stream's port of ben."""
    return meet_through(lab, fast_server(lab), lab.proxy())


def meet_through(lab: Lab, server: MediationServer, proxy: Proxy) -> tuple[Computer, Computer]:
    """Anna has nothing but the proxy."""
    office = lab.router("office", Nat.PROXY_ONLY, ipv6=False)
    office.let_through(proxy.addresses.ipv4, proxy.port)
    anna, ben = lab.computer("anna", behind=office), lab.computer("ben")
    office.let_through(ben.addresses.ipv4, IPERF_PORT)
    return meet(server, anna, ben, HTTPS_PROXY=f"http://{proxy.place}")


def over_slow_line(lab: Lab) -> tuple[Computer, Computer]:
    """As `over_tcp`, behind a slow line."""
    anna, ben = over_tcp(lab)
    slow_down(anna)
    return anna, ben


def through_slow_squid(lab: Lab) -> tuple[Computer, Computer]:
    """As `through_squid`; the slow line is at the proxy, where nobody but the proxy can drop anything."""
    server, proxy = fast_server(lab), lab.proxy()
    slow_down(proxy)
    return meet_through(lab, server, proxy)


def slow_down(computer: Machine) -> None:
    """A line of 20 Mbit/s, with a queue of 40 ms, on the way out."""
    words = ("dev", "eth0", "root", "tbf", "rate", "20mbit", "burst", "16k", "latency", "40ms")
    computer.namespace.run(tool("tc"), "qdisc", "replace", *words)


PLACES: dict[str, Callable[[Lab], tuple[Computer, Computer]]] = {
    "relay over UDP": over_udp,
    "stream over TCP": over_tcp,
    "WebSocket over TLS": over_web,
    "through squid": through_squid,
    "TCP, line of 20 Mbit/s": over_slow_line,
    "squid, line of 20 Mbit/s": through_slow_squid,
}


def fast_server(lab: Lab) -> MediationServer:
    """A server that lets pairs send as much as they can."""
    server = lab.server()
    server.process.stop()
    config = Path(server.server_folder) / "server.toml"
    config.write_text(config.read_text().replace("# pair-rate = 25000000", f"pair-rate = {PAIR_RATE}"))
    server.go()
    return server


def meet(server: MediationServer, anna: Computer, ben: Computer, **environment: str) -> tuple[Computer, Computer]:
    """Both are in one network and see each other over the relay."""
    for computer in (anna, ben):
        computer.start_helper()
    anna.start_engine(server, extra=environment)
    ben.start_engine(server)
    for computer in (anna, ben):
        computer.wait_until_online(60)
    anna.buri("create", "friends", PASSWORD)
    ben.buri("join", "friends", PASSWORD)
    anna.wait_for_peer(ben, "relayed")
    ben.wait_for_peer(anna, "relayed")
    return anna, ben


# --- figures


def one_round(anna: Computer, ben: Computer, seconds: int) -> Figures:
    """The bare stream, then the tunnel idle and under load in both directions."""
    figures = tcp(anna, ben, ben.addresses.ipv4, seconds, "bare_up") if is_public(ben) else {}
    figures |= latency(anna, ben.virtual_address, "idle", 200)
    for way, options in (("up", ()), ("down", ("--reverse",))):
        figures |= tcp(anna, ben, ben.virtual_address, seconds, f"tunnel_{way}", *options)
    return figures


def is_public(ben: Computer) -> bool:
    """Whether a bare stream gets to him."""
    return ben.addresses.ipv4.startswith("203.0.113.")


def tcp(anna: Computer, ben: Computer, host: str, seconds: int, name: str, *options: str) -> Figures:
    """One TCP stream between anna and ben's `host`, and pings meanwhile if it is the tunnel; root may choose CUBIC."""
    listening = ("--server", "--one-off", "--forceflush", "--bind", host)
    server = ben.start("iperf-server", tool("iperf3"), *listening, root=True)
    server.wait_for_output("Server listening")
    words = ("--client", host, "--time", str(seconds), "--congestion", "cubic", "--json", *options)
    client = anna.start("iperf", tool("iperf3"), *words, root=True)
    figures = latency(anna, host, name, 100 * (seconds - 1)) if name.startswith("tunnel") else {}
    report = json.loads(client.wait(seconds + 30))
    server.wait(10)
    if "error" in report:
        raise LabError(f"iperf3: {report['error']}; {server.output()}")
    end = report["end"]
    return {f"{name}_mbps": end["sum_received"]["bits_per_second"] / 1e6} | figures


def latency(anna: Computer, host: str, name: str, count: int) -> Figures:
    """Round-trip times of small packets, one each 10 ms: median and 99th percentile in ms, and the loss."""
    words = ("-n", "-c", str(count), "-i", "0.01", "-W", "5", host)
    lines = anna.run(tool("ping"), *words, root=True, timeout=60).splitlines()
    times = sorted(float(line.split("time=")[1].split()[0]) for line in lines if "time=" in line)
    return {
        f"{name}_ping_p50_ms": median(times),
        f"{name}_ping_p99_ms": times[len(times) * 99 // 100],
        f"{name}_ping_lost_percent": 100 * (1 - len(times) / count),
    }


if __name__ == "__main__":
    sys.exit(main())
