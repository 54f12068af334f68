"""The lab itself: routers do what their kind says, computers reach each other, and nothing stays behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.machines import CHECKOUT, Computer
from tests.lab.namespace import NETNS_FOLDER, leftovers, sweep
from tests.lab.nat import Nat
from tests.lab.processes import LabError, Process, wait_until
from tests.lab.topology import Lab

pytestmark = pytest.mark.lab

ECHO = """
import socket, sys
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("0.0.0.0", int(sys.argv[1])))
print("ready", flush=True)
while True:
    data, sender = receiver.recvfrom(100)
    receiver.sendto(f"{sender[0]} {sender[1]}".encode(), sender)
"""
"""Answers each datagram with the endpoint it came from, like a reflector."""

ASK = """
import socket, sys
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asker.bind(("0.0.0.0", 5000))
asker.settimeout(5)
for place in sys.argv[1:]:
    host, port = place.split(":")
    asker.sendto(b"who am I", (host, int(port)))
    print(asker.recv(100).decode())
"""
"""Asks several reflectors from one socket, port 5000."""

LISTEN = """
import socket, sys
listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listener.bind(("0.0.0.0", 5000))
host, port = sys.argv[1].split(":")
listener.sendto(b"open the door", (host, int(port)))
print(listener.recv(100).decode(), flush=True)
while True:
    print(listener.recv(100).decode(), flush=True)
"""
"""Opens a mapping by asking one reflector, then prints whatever comes in."""

SEND = """
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.bind(("0.0.0.0", int(sys.argv[1])))
host, port = sys.argv[2].split(":")
sender.sendto(sys.argv[3].encode(), (host, int(port)))
"""


def reflector(computer: Computer, port: int) -> str:
    computer.start(f"reflector{port}", computer.interpreter, "-c", ECHO, str(port)).wait_for_output("ready")
    return f"{computer.addresses.ipv4}:{port}"


def mappings(lab: Lab, nat: Nat) -> list[str]:
    """The outside endpoints of one inner socket as three reflectors on two hosts see them."""
    first, second = lab.computer("first"), lab.computer("second")
    places = [reflector(first, 4000), reflector(first, 4001), reflector(second, 4000)]
    inner = lab.computer("inner", behind=lab.router("router", nat))
    return inner.python(ASK, *places).splitlines()


@pytest.mark.parametrize("nat", [Nat.PORT_PRESERVING, Nat.FULL_CONE, Nat.RESTRICTED])
def test_cone_routers_show_one_endpoint_to_all(lab: Lab, nat: Nat) -> None:
    seen = mappings(lab, nat)
    assert len(set(seen)) == 1
    assert seen[0].endswith(" 5000")


def test_a_symmetric_router_shows_another_port_to_each(lab: Lab) -> None:
    seen = mappings(lab, Nat.SYMMETRIC)
    assert len(set(seen)) == 3
    assert len({line.split()[0] for line in seen}) == 1


def test_a_router_without_translation_shows_the_computer_itself(lab: Lab) -> None:
    assert set(mappings(lab, Nat.NONE)) == {"198.18.1.2 5000"}


def test_a_router_that_blocks_udp_lets_tcp_through(lab: Lab) -> None:
    first = lab.computer("first")
    place = reflector(first, 4000)
    inner = lab.computer("inner", behind=lab.router("router", Nat.UDP_BLOCKED))
    with pytest.raises(LabError, match="TimeoutError"):
        inner.python(ASK.replace("settimeout(5)", "settimeout(0.3)"), place)
    first.start("web", first.interpreter, "-m", "http.server", "8000").wait_for_output("Serving")
    fetched = inner.python(f"import urllib.request as u; print(u.urlopen('http://{first.addresses.ipv4}:8000').status)")
    assert fetched.strip() == "200"


@pytest.mark.parametrize(
    ("nat", "let_in"),
    [
        (Nat.PORT_PRESERVING, ["spoken to"]),
        (Nat.SYMMETRIC, ["spoken to"]),
        (Nat.RESTRICTED, ["spoken to", "other port"]),
        (Nat.FULL_CONE, ["spoken to", "other port", "other host"]),
    ],
)
def test_filtering_lets_in_whom_the_kind_says(lab: Lab, nat: Nat, let_in: list[str]) -> None:
    known, stranger = lab.computer("known"), lab.computer("stranger")
    place = reflector(known, 4000)
    inner = lab.computer("inner", behind=lab.router("router", nat))
    listening = inner.start("listener", inner.interpreter, "-c", LISTEN, place)
    listening.wait_for_output("203.0.113.")
    mapped = listening.output().split()
    target = f"{mapped[0]}:{mapped[1]}"

    stranger.python(SEND, "4000", target, "other host")
    known.python(SEND, "4001", target, "other port")
    inner_to_known = inner.start("last", inner.interpreter, "-c", LISTEN.replace("5000", "5001"), place)
    inner_to_known.wait_for_output("203.0.113.")
    known.namespace.processes[0].stop()
    known.python(SEND, "4000", target, "spoken to")

    listening.wait_for_output("spoken to")
    came = [line for line in listening.output().splitlines() if not line.startswith("203.0.113.")]
    assert sorted(came) == sorted(let_in)


def test_computers_behind_routers_reach_the_internet_and_not_each_other(lab: Lab) -> None:
    public = lab.computer("public")
    anna = lab.computer("anna", behind=lab.router("home"))
    ben = lab.computer("ben", behind=lab.router("office"))
    assert anna.can_ping(public.addresses.ipv4)
    assert anna.can_ping(public.addresses.ipv6)
    assert ben.can_ping(public.addresses.ipv4)
    assert not anna.can_ping(ben.addresses.ipv4)
    assert not public.can_ping(anna.addresses.ipv4)


def test_ipv6_has_no_translation_but_a_firewall(lab: Lab) -> None:
    public = lab.computer("public")
    anna = lab.computer("anna", behind=lab.router("home"))
    for computer in (anna, public):
        web = computer.start(
            "web", computer.interpreter, "-m", "http.server", "8000", "--bind", computer.addresses.ipv6
        )
        web.wait_for_output("Serving")
    fetch = "import urllib.request as u, sys; print(u.urlopen(f'http://[{sys.argv[1]}]:8000', timeout=2).status)"
    assert anna.python(fetch, public.addresses.ipv6).strip() == "200"
    with pytest.raises(LabError, match="timed out"):
        public.python(fetch, anna.addresses.ipv6)


def test_a_router_may_stand_behind_a_carriers_router(lab: Lab) -> None:
    public = lab.computer("public")
    carrier = lab.router("carrier", Nat.SYMMETRIC, network="100.64.0.0/24")
    anna = lab.computer("anna", behind=lab.router("home", behind=carrier))
    assert anna.can_ping(public.addresses.ipv4)
    assert anna.can_ping(public.addresses.ipv6)
    seen = anna.python(ASK, reflector(public, 4000))
    assert seen.startswith(carrier.outer.ipv4)


def test_a_bad_cable_loses_packets_both_ways(lab: Lab) -> None:
    public = lab.computer("public")
    anna = lab.computer("anna", loss=0.5)
    report = anna.run("ping", "-n", "-c", "60", "-i", "0.01", "-W", "1", public.addresses.ipv4, root=True)
    received = int(report.split(" received")[0].split()[-1])
    assert 1 <= received <= 40  # about a quarter comes back: 15 of 60


def test_a_rebooted_router_has_forgotten_its_mappings(lab: Lab) -> None:
    public = lab.computer("public")
    router = lab.router("router", Nat.SYMMETRIC)
    inner = lab.computer("inner", behind=router)
    place = reflector(public, 4000)
    before = inner.python(ASK, place)
    assert inner.python(ASK, place) == before
    router.reboot()
    assert inner.python(ASK, place) != before


def test_two_computers_share_one_home_network(lab: Lab) -> None:
    home = lab.router("home")
    anna, ben = lab.computer("anna", behind=home), lab.computer("ben", behind=home)
    assert anna.can_ping(ben.addresses.ipv4)
    assert anna.can_ping(ben.addresses.ipv6)


def test_programs_run_as_nobody_and_only_the_asked_ones_as_root(lab: Lab) -> None:
    anna = lab.computer("anna")
    who = "import os; print(os.getuid(), os.getgroups(), os.access('/etc/shadow', os.R_OK), os.environ['HOME'])"
    assert anna.python(who).strip() == f"65534 [] False {anna.home}"
    assert anna.run(anna.interpreter, "-c", who, root=True).startswith("0 ")


def test_the_checkout_can_be_imported_by_nobody(lab: Lab) -> None:
    assert lab.computer("anna").python("import app; print(app.__doc__)").strip()


def test_nothing_is_left_after_a_lab(tmp_path: Path) -> None:
    with Lab(tmp_path / "lab") as lab:
        anna = lab.computer("anna", behind=lab.router("home"))
        sleeper = anna.start("sleeper", "sleep", "1000")
        names = [path.name for path in NETNS_FOLDER.glob(f"buri-lab-{os.getpid()}-*")]
        assert len(names) >= 3
    assert not sleeper.is_running
    assert not [name for name in names if (NETNS_FOLDER / name).exists()]


def test_nothing_is_left_after_a_failure_inside(tmp_path: Path) -> None:
    started: list[Process] = []

    def story() -> None:
        with Lab(tmp_path / "lab") as lab:
            started.append(lab.computer("anna").start("sleeper", "sleep", "1000"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        story()
    assert not started[0].is_running


def test_a_killed_run_is_swept_by_the_next_one(tmp_path: Path) -> None:
    story = (
        "import sys; from pathlib import Path; from tests.lab.topology import Lab\n"
        "lab = Lab(Path(sys.argv[1])); sleeper = lab.computer('anna').start('sleeper', 'sleep', '1000')\n"
        "print(sleeper.pid, flush=True); sys.stdin.read()\n"
    )
    words = [sys.executable, "-c", story, str(tmp_path / "lab")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=CHECKOUT, text=True) as run:
        assert run.stdout is not None
        sleeper = int(run.stdout.readline())
        run.send_signal(signal.SIGKILL)

    assert any(f"-{run.pid}-" in name for name in leftovers())
    sweep()
    assert not any(f"-{run.pid}-" in name for name in leftovers())
    wait_until(lambda: not Path(f"/proc/{sleeper}").exists(), "the sleeper to be gone")


def test_a_program_that_fails_shows_what_it_printed(lab: Lab) -> None:
    with pytest.raises(LabError, match="no such luck"):
        lab.computer("anna").python("raise SystemExit('no such luck')")
