"""Computers without UDP: their tunnels ride a stream to the relay, and chat, ping and files go as everywhere else."""

import time
from pathlib import Path

import pytest

from tests.lab.machines import Computer, MediationServer
from tests.lab.namespace import inside
from tests.lab.nat import Nat
from tests.lab.processes import wait_until
from tests.lab.proxy import PASSWORD as PROXY_PASSWORD
from tests.lab.proxy import USER, Authentication, Proxy
from tests.lab.stories import PASSWORD, last_answer, start_pings, wait_until_quiet
from tests.lab.topology import Lab
from tests.lab.transfer import finish_move, make_file, move_file, start_move

pytestmark = pytest.mark.lab

NETWORK = "friends"
MEBIBYTES = 20


def meet(server: MediationServer, anna: Computer, ben: Computer, **annas_environment: str) -> None:
    """Both log in and join a network; returns when each sees the other over a relay."""
    for computer in (anna, ben):
        computer.start_helper()
    anna.start_engine(server, extra=annas_environment)
    ben.start_engine(server)
    for computer in (anna, ben):
        computer.wait_until_online(60)
    anna.buri("create", NETWORK, PASSWORD)
    ben.buri("join", NETWORK, PASSWORD)
    anna.wait_for_peer(ben, "relayed")
    ben.wait_for_peer(anna, "relayed")


def do_everything(anna: Computer, ben: Computer) -> None:
    """Ping, chat, and a file each way."""
    anna.ping(ben.virtual_address)
    ben.ping(anna.virtual_address)
    anna.buri("chat", "ben", "over a stream")
    wait_until(lambda: "over a stream" in texts(ben), "ben to read what anna wrote")
    for sender, receiver in ((anna, ben), (ben, anna)):
        digest = make_file(sender, MEBIBYTES)
        moved = move_file(sender, receiver, receiver.virtual_address, digest)
        assert moved.equal
        print(f"{sender.name} to {receiver.name}: {moved.megabytes_per_second * 8:.0f} Mbit/s")


def texts(computer: Computer) -> list[str]:
    return [line["text"] for line in computer.buri_lines("chat", "anna") if line["status"] == "received"]


def carriers_of(computer: Computer) -> list[int]:
    """The processes of this computer that are carriers."""
    return [each for each in inside(computer.namespace.system_name) if words_of(each)[-1:] == ["carrier"]]


def words_of(process: int) -> list[str]:
    """The command line of a process, empty if it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text().split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


def behind_proxy(lab: Lab, proxy: Proxy) -> Computer:
    """Anna's computer, in a company whose router lets TCP to its proxy through and nothing else."""
    office = lab.router("office", Nat.PROXY_ONLY, ipv6=False)
    office.let_through(proxy.addresses.ipv4, proxy.port)
    return lab.computer("anna", behind=office)


def test_two_without_udp_reach_each_other_over_streams(lab: Lab) -> None:
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("office", Nat.UDP_BLOCKED, ipv6=False))
    ben = lab.computer("ben", behind=lab.router("hotel", Nat.UDP_BLOCKED, ipv6=False))
    meet(server, anna, ben)
    do_everything(anna, ben)
    for one, other in ((anna, ben), (ben, anna)):
        view = one.view_of(other)
        assert view["path"] == "stream relay"
        assert view["route"] == "TCP"
        assert view["relay"] == f"{server.addresses.ipv4}:{server.port}"


def test_behind_a_proxy_with_a_password_everything_goes_as_elsewhere(lab: Lab) -> None:
    server, proxy = lab.server(), lab.proxy(authentication=Authentication.BASIC)
    anna, ben = behind_proxy(lab, proxy), lab.computer("ben", behind=lab.router("home", ipv6=False))
    place = f"http://{USER}:{PROXY_PASSWORD.replace(' ', '%20')}@{proxy.place}"
    meet(server, anna, ben, HTTPS_PROXY=place)
    do_everything(anna, ben)
    assert anna.view_of(ben)["route"] == f"WebSocket through the proxy {proxy.place}"
    assert ben.view_of(anna)["path"] == "relay"
    assert PROXY_PASSWORD not in anna.engine.output()


def test_a_transfer_over_streams_outlives_a_restart_of_the_server(lab: Lab) -> None:
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("office", Nat.UDP_BLOCKED, ipv6=False))
    ben = lab.computer("ben", behind=lab.router("hotel", Nat.UDP_BLOCKED, ipv6=False))
    meet(server, anna, ben)
    digest = make_file(anna, MEBIBYTES)
    moving = start_move(anna, ben, ben.virtual_address, seconds=8.0)
    pings = start_pings(anna, ben.virtual_address)
    server.kill9()
    stopped = wait_until_quiet(pings, quiet=0.5)
    server.go()
    runs = time.time()
    wait_until(lambda: last_answer(pings) > stopped + 0.5, "pings to be answered again", 20)
    print(f"answered again {last_answer(pings) - runs:.1f} s after the server runs again; it should be less than 5 s")
    assert finish_move(moving, digest).equal


def test_no_carrier_outlives_its_engine(lab: Lab) -> None:
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("office", Nat.UDP_BLOCKED, ipv6=False))
    ben = lab.computer("ben")
    meet(server, anna, ben)
    assert len(carriers_of(anna)) == 1
    anna.engine.kill9()
    wait_until(lambda: not carriers_of(anna), "anna's carrier to end")
