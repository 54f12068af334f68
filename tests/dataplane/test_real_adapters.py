"""Real adapters, real pumps, real TCP: files arrive unharmed, with and without offloads, over good and bad cables."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from app.ipc.schema import (
    Done,
    EndpointChanged,
    MessageReceived,
    PeerWanted,
    SendMessage,
    SetPeerPath,
    UdpEndpoint,
    UseSockets,
)
from app.protocol.wire import MAX_EXTRA_SOCKETS
from benchmarks.pump_lab import UDP_PORT, Computer, PumpLab
from tests.dataplane.bad_cable import PORT

pytestmark = pytest.mark.privileged

RELAY = 0xC0FFEE00

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


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize(("offload_a", "offload_b"), [(True, True), (True, False)])
def test_files_arrive_unharmed_over_a_relay(suite: int, offload_a: bool, offload_b: bool) -> None:
    with PumpLab(offload_a, offload_b) as lab, bad_cable(lab, "nothing", 0) as relay:
        lab.install_sessions(suite, through=relay._replace(relay=RELAY))
        transfer_both_ways(lab, 8)
        for computer in (lab.a, lab.b):
            assert not {name for name, count in computer.statistics().counters.items() if count and "drop-" in name} - {
                "drop-standing-queue",
                "drop-source",  # the system's own IPv6 words to the neighbours
                "drop-destination",
                "drop-broadcast-rate",
            }


def test_files_arrive_unharmed_over_a_relay_that_loses_some() -> None:
    with PumpLab() as lab, bad_cable(lab, "loss", 0.01) as relay:
        lab.install_sessions(through=relay._replace(relay=RELAY))
        transfer_both_ways(lab, 4)


def test_a_peer_moves_to_the_last_of_many_sockets() -> None:
    with PumpLab() as lab:
        lab.install_sessions()
        lab.a.ask(UseSockets(request=1, numbers=tuple(range(1, MAX_EXTRA_SOCKETS + 1))), Done)
        through = UdpEndpoint(lab.b.cable_host, UDP_PORT, socket=MAX_EXTRA_SOCKETS)
        lab.a.ask(SetPeerPath(request=2, peer=lab.b.address, endpoint=through), Done)
        lab.a.run("ping", "-c", "1", lab.b.tunnel_host)
        moved = lab.b.wait_for(EndpointChanged)
        assert isinstance(moved, EndpointChanged)
        assert moved.endpoint.port != UDP_PORT
        lab.b.ask(SetPeerPath(request=3, peer=lab.a.address, endpoint=moved.endpoint), Done)
        transfer_both_ways(lab, 4)
        drops = lab.a.statistics().counters
        assert not drops["drop-no-socket"]


def narrow_cable(lab: PumpLab, mtu: int) -> None:
    """The cable between the two carries less than usual."""
    for computer in (lab.a, lab.b):
        computer.run("ip", "link", "set", "cable", "mtu", str(mtu))


def test_over_a_narrow_cable_only_what_may_be_fragmented_arrives() -> None:
    with PumpLab() as lab:
        lab.install_sessions()
        narrow_cable(lab, 1_300)
        fits = 1_300 - 28 - 32
        for number, (size, whole) in enumerate([(fits + 1, True), (fits, True), (1_400, False)]):
            payload = bytes(size)
            lab.a.ask(SendMessage(request=number, peer=lab.b.address, payload=payload, whole=whole), Done)
        arrived = [lab.b.wait_for(MessageReceived) for _ in range(2)]
        assert [len(each.payload) for each in arrived if isinstance(each, MessageReceived)] == [fits, 1_400]


def test_with_the_mtu_of_a_narrow_cable_senders_are_told_and_files_arrive() -> None:
    with PumpLab() as lab:
        lab.install_sessions()
        narrow_cable(lab, 1_300)
        fits = 1_300 - 28 - 32
        for computer, other in ((lab.a, lab.b), (lab.b, lab.a)):
            endpoint = UdpEndpoint(other.cable_host, UDP_PORT)
            computer.ask(SetPeerPath(request=1, peer=other.address, endpoint=endpoint, mtu=fits), Done)
        transfer_both_ways(lab, 4)
        transfer_both_ways(lab, 2, version=6)
        assert lab.a.statistics().counters["drop-too-big"] == 0
        probe = lab.a.command("ping", "-c", "1", "-W", "5", "-M", "do", "-s", str(fits - 27), lab.b.tunnel_host)
        assert f"mtu = {fits}" in subprocess.run(probe, capture_output=True, text=True, check=False).stdout
        lab.a.run("ping", "-c", "1", "-W", "5", "-M", "do", "-s", str(fits - 28), lab.b.tunnel_host)


@pytest.mark.parametrize("relay", [0, RELAY])
def test_over_a_narrow_cable_that_nobody_has_measured_files_arrive_in_fragments(relay: int) -> None:
    with PumpLab() as lab:
        lab.install_sessions(relay=relay)
        narrow_cable(lab, 1_300)
        transfer_both_ways(lab, 2)


def test_a_running_transfer_survives_a_cable_that_becomes_narrow() -> None:
    with PumpLab() as lab, ThreadPoolExecutor(1) as threads:
        lab.install_sessions()
        running = threads.submit(transfer, lab.a, lab.b, lab.b.tunnel_host, 256)
        while lab.a.statistics().peers[0].sent_bytes < 1_000_000:
            pass
        narrow_cable(lab, 1_300)
        for computer, other in ((lab.a, lab.b), (lab.b, lab.a)):
            endpoint = UdpEndpoint(other.cable_host, UDP_PORT)
            computer.ask(SetPeerPath(request=1, peer=other.address, endpoint=endpoint, mtu=1_240), Done)
        running.result()
        assert lab.a.statistics().counters["drop-too-big"]


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
