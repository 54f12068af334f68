"""Real adapters, real pumps, real TCP: files arrive unharmed, with and without offloads, over good and bad cables."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from app.ipc.schema import EndpointChanged, PeerWanted, UdpEndpoint
from benchmarks.pump_lab import UDP_PORT, Computer, PumpLab
from tests.dataplane.bad_cable import PORT

pytestmark = pytest.mark.privileged

RECEIVER = """
import hashlib, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.create_server((sys.argv[1], 7_000), family=family) as server:
    print("listening", flush=True)
    connection, _ = server.accept()
    digest = hashlib.sha256()
    while data := connection.recv(1 << 20):
        digest.update(data)
    print(digest.hexdigest(), flush=True)
"""
SENDER = """
import hashlib, os, socket, sys
digest = hashlib.sha256()
with socket.create_connection((sys.argv[1], 7_000), timeout=60) as connection:
    for _ in range(int(sys.argv[2])):
        data = os.urandom(1 << 20)
        digest.update(data)
        connection.sendall(data)
print(digest.hexdigest())
"""


def transfer(source: Computer, destination: Computer, host: str, mebibytes: int) -> None:
    """Send random data over TCP through the tunnel and compare what arrived."""
    command = destination.command(sys.executable, "-c", RECEIVER, host)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        try:
            assert receiver.stdout.readline() == "listening\n"
            sent = source.run(sys.executable, "-c", SENDER, host, str(mebibytes), timeout=90)
            assert receiver.stdout.readline() == sent
        finally:
            receiver.kill()


def transfer_both_ways(lab: PumpLab, mebibytes: int, version: int = 4) -> None:
    """Both directions at the same time."""
    with ThreadPoolExecutor(2) as threads:
        jobs = [
            threads.submit(transfer, one, other, other.tunnel_host if version == 4 else other.tunnel_host6, mebibytes)
            for one, other in ((lab.a, lab.b), (lab.b, lab.a))
        ]
        for job in jobs:
            job.result()


@contextmanager
def bad_cable(lab: PumpLab, trouble: str, share: float) -> Iterator[UdpEndpoint]:
    """What stands between the two pumps."""
    words = ["--host", lab.b.cable_host, "--ends", lab.a.cable_host, lab.b.cable_host, "--end-port", str(UDP_PORT)]
    words += ["--trouble", trouble, "--share", str(share)]
    command = lab.b.command(sys.executable, "-m", "tests.dataplane.bad_cable", *words)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as cable:
        assert cable.stdout is not None
        try:
            assert cable.stdout.readline() == "ready\n"
            yield UdpEndpoint(lab.b.cable_host, PORT)
        finally:
            cable.kill()


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize(("offload_a", "offload_b"), [(True, True), (True, False), (False, True), (False, False)])
def test_files_arrive_unharmed_between_all_kinds_of_adapters(suite: int, offload_a: bool, offload_b: bool) -> None:
    with PumpLab(offload_a, offload_b) as lab:
        lab.install_sessions(suite)
        transfer_both_ways(lab, 16)
        transfer_both_ways(lab, 4, version=6)


@pytest.mark.parametrize("offload_b", [True, False])
@pytest.mark.parametrize(
    ("trouble", "share", "counter"),
    [
        ("loss", 0.01, None),
        ("reorder", 0.02, None),
        ("duplicate", 0.05, "drop-replayed"),
        ("corrupt", 0.005, "drop-not-authentic"),
    ],
)
def test_files_arrive_unharmed_over_a_bad_cable(
    trouble: str, share: float, counter: str | None, offload_b: bool
) -> None:
    with PumpLab(True, offload_b) as lab, bad_cable(lab, trouble, share) as cable:
        lab.install_sessions(through=cable)
        transfer_both_ways(lab, 4)
        for computer in (lab.a, lab.b):
            drops = computer.statistics().counters
            assert not drops["drop-inner-source"]
            assert not drops["drop-tun-refused"]
            if counter is not None:
                assert drops[counter]


def test_large_datagrams_arrive_in_order() -> None:
    with PumpLab() as lab:
        lab.install_sessions()
        code = (
            "import socket,sys;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.bind((sys.argv[1],7000));"
            "s.setsockopt(1,8,1<<22);s.settimeout(20);print('ready',flush=True);"
            "print(*[int.from_bytes(s.recv(2000)[:4],'big') for _ in range(400)],flush=True)"
        )
        sender = (
            "import socket,sys;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);"
            "[s.sendto(n.to_bytes(4,'big')*300,(sys.argv[1],7000)) for n in range(400)]"
        )
        command = lab.b.command(sys.executable, "-c", code, lab.b.tunnel_host)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
            assert receiver.stdout is not None
            assert receiver.stdout.readline() == "ready\n"
            lab.a.run(sys.executable, "-c", sender, lab.b.tunnel_host)
            assert receiver.stdout.readline().split() == [str(number) for number in range(400)]


def test_the_first_packet_waits_for_its_session() -> None:
    with PumpLab() as lab, ThreadPoolExecutor(1) as threads:
        ping = threads.submit(lab.a.run, "ping", "-c", "1", "-W", "10", lab.b.tunnel_host)
        assert lab.a.wait_for(PeerWanted) == PeerWanted(lab.b.address)
        lab.install_sessions()
        assert "1 received" in ping.result()


def test_a_peer_that_moves_is_noticed() -> None:
    with PumpLab() as lab:
        lab.install_sessions()
        lab.a.run("ip", "address", "add", "192.0.2.77/24", "dev", "cable")
        lab.a.run("ip", "route", "replace", "192.0.2.0/24", "dev", "cable", "src", "192.0.2.77")
        lab.a.run("ping", "-c", "1", lab.b.tunnel_host)
        moved = lab.b.wait_for(EndpointChanged)
        assert isinstance(moved, EndpointChanged)
        assert moved.endpoint.host == "192.0.2.77"


def test_rekeying_under_traffic_loses_nothing() -> None:
    with PumpLab() as lab, ThreadPoolExecutor(1) as threads:
        lab.install_sessions(index=1)
        ping = threads.submit(lab.a.run, "ping", "-c", "200", "-i", "0.005", lab.b.tunnel_host)
        for index in range(2, 8):
            lab.install_sessions(index=index)
        assert " 0% packet loss" in ping.result()


def test_an_idle_pump_is_small_and_still() -> None:
    with PumpLab() as lab:
        lab.install_sessions()
        before = lab.a.statistics().counters
        after = lab.a.statistics().counters
        assert lab.a.memory_bytes() < 80_000_000
        assert after["tun-reads"] - before["tun-reads"] < 10
