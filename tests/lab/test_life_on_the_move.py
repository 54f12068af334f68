"""What is repaired without a click besides changed networks (survival.py): servers that move, computers asleep."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.machines import Computer, MediationServer
from tests.lab.namespace import inside
from tests.lab.nat import Nat
from tests.lab.processes import tool, wait_until
from tests.lab.stories import go_online, start_pings
from tests.lab.stream import Stream
from tests.lab.topology import Lab

pytestmark = pytest.mark.lab

NETWORK = "friends"
NAME = "server.example"
ASLEEP = 30.0
"""Seconds."""


def move_server(lab: Lab, old: MediationServer) -> MediationServer:
    """Its folder goes to a machine with another address; the old one vanishes without a word to anybody."""
    new = lab.bare_server("new-server")
    shutil.copytree(old.server_folder, new.server_folder)
    for path in (Path(new.server_folder), *Path(new.server_folder).rglob("*")):
        new.give(path)
    old.namespace.ip("link set eth0 down")
    new.go()
    return new


def is_at(computer: Computer, server: MediationServer) -> bool:
    """Has this computer a connection with the server?"""
    return bool(computer.run(tool("ss"), "-Htn", "state", "established", "dst", server.addresses.ipv4, root=True))


@pytest.mark.parametrize("nat", [Nat.PORT_PRESERVING, Nat.SYMMETRIC], ids=["direct", "relayed"])
def test_a_server_moves_and_everybody_follows_its_name(lab: Lab, nat: Nat) -> None:
    server = lab.server()
    anna, ben = (lab.computer(name, lab.router(f"{name}-home", nat, ipv6=False)) for name in ("anna", "ben"))
    for computer in (anna, ben):
        computer.know_names(server_example=server.addresses.ipv4)
        computer.start_helper()
        computer.start_engine(server, "--server", f"{NAME}:{server.port}")
    for computer in (anna, ben):
        computer.wait_until_online()
    anna.buri("create", NETWORK)
    ben.buri("join", NETWORK)
    status = "direct" if nat is Nat.PORT_PRESERVING else "relayed"
    anna.wait_for_peer(ben, status)
    pings = start_pings(anna, ben.virtual_address)

    new = move_server(lab, server)
    moved = time.monotonic()
    for computer in (anna, ben):
        computer.know_names(server_example=new.addresses.ipv4)
    before = pings.output().count("bytes from")
    wait_until(lambda: pings.output().count("bytes from") > before + 20, "pings to be answered", 120)
    print(f"{status}: pings were answered again {time.monotonic() - moved:.1f} s after the server was gone")
    wait_until(lambda: is_at(anna, new) and is_at(ben, new), "both to be at the new server", 120)
    print(f"{status}: both were at the new server after {time.monotonic() - moved:.1f} s")
    for computer in (anna, ben):
        computer.wait_until_online()
    anna.wait_for_peer(ben, status)
    anna.wait_for_answer(ben.virtual_address)


@contextmanager
def asleep(computer: Computer) -> Iterator[None]:
    """All its programs stand still: the nearest thing to a closed lid that a namespace knows."""
    stopped = inside(computer.namespace.system_name)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("nat", [Nat.PORT_PRESERVING, Nat.SYMMETRIC], ids=["direct", "relayed"])
def test_a_computer_sleeps_and_is_there_again_when_it_wakes(lab: Lab, nat: Nat) -> None:
    server = lab.server()
    anna, ben = (lab.computer(name, lab.router(f"{name}-home", nat, ipv6=False)) for name in ("anna", "ben"))
    go_online(server, anna, ben)
    anna.buri("create", NETWORK)
    ben.buri("join", NETWORK)
    status = "direct" if nat is Nat.PORT_PRESERVING else "relayed"
    ben.wait_for_peer(anna, status)
    stream = Stream(ben, anna, anna.virtual_address)
    stream.wait_for_more()
    fell_asleep = time.monotonic()
    with asleep(anna):
        wait_until(lambda: time.monotonic() > fell_asleep + ASLEEP, "the night to pass", ASLEEP + 1)
    woke = time.monotonic()
    anna.wait_for_answer(ben.virtual_address, 60)
    print(f"{status}: a ping was answered {time.monotonic() - woke:.2f} s after {ASLEEP:g} s of sleep")
    stream.wait_for_more()
    assert stream.end().complete
    anna.wait_until_online()
    ben.wait_for_peer(anna, status)
