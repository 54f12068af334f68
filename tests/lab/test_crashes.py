"""Parts of the world are killed with signal 9, one at a time: what must go goes, what must stay stays, all returns."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.lab.machines import Computer, MediationServer
from tests.lab.namespace import inside
from tests.lab.processes import wait_until
from tests.lab.stories import (
    go_online,
    join,
    see_each_other,
    start_pings,
    telling_no_traceback,
    wait_for_roster,
)
from tests.lab.topology import Lab
from tests.lab.transfer import finish_move, make_file, start_move

pytestmark = pytest.mark.lab

NETWORK = "friends"
REKEY_SECONDS = 4
OUTAGE_SECONDS = float(os.environ.get("BURI_LAB_OUTAGE", "6"))
"""For how long the server is dead at least; 60 shows the real minute."""

World = tuple[MediationServer, Computer, Computer]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with telling_no_traceback() as lab:
        yield lab


@pytest.fixture(scope="module")
def world(lab: Lab) -> World:
    """Two homes, one network, and tunnels that get fresh keys every few seconds."""
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("home", ipv6=False))
    ben = lab.computer("ben", behind=lab.router("office", ipv6=False))
    for computer in (anna, ben):
        computer.configure(rekey_interval=REKEY_SECONDS)
    go_online(server, anna, ben)
    join(NETWORK, anna, ben)
    return server, anna, ben


def pump_of(computer: Computer) -> int | None:
    """The process id of the pump, a child of the helper; None while there is none."""
    for pid in inside(computer.namespace.system_name):
        with suppress(FileNotFoundError, ProcessLookupError):  # it may have ended since
            if b"app.helper.pump_launcher" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
    return None


def has_nothing_of_buri(computer: Computer, address: str) -> bool:
    """No adapter, no address, no route."""
    traces = computer.run("ip", "address") + computer.run("ip", "route", "show", "table", "all")
    traces += computer.run("ip", "-6", "route", "show", "table", "all")
    return "buri0" not in traces and address not in traces


def test_a_transfer_and_a_rekey_outlive_the_server(world: World) -> None:
    server, anna, ben = world
    sha256 = make_file(anna, 8)
    address = ben.virtual_address
    moving = start_move(anna, ben, address, seconds=OUTAGE_SECONDS + 4)
    server.kill9()
    killed = time.monotonic()
    wait_until(lambda: anna.state()["server"]["status"] == "waiting", "anna to notice")
    told = {computer: computer.view_of(peer)["keys_since"] for computer, peer in ((anna, ben), (ben, anna))}
    for computer, peer in ((anna, ben), (ben, anna)):

        def has_fresh_keys(computer: Computer = computer, peer: Computer = peer) -> bool:
            view = computer.view_of(peer)
            assert view["status"] == "direct"
            return bool(view["keys_since"] > told[computer] + 1)

        wait_until(has_fresh_keys, f"fresh keys on {computer.name} without a server")
    wait_until(lambda: time.monotonic() > killed + OUTAGE_SECONDS, "the outage to last", OUTAGE_SECONDS + 1)
    server.go()
    assert finish_move(moving, sha256, timeout=OUTAGE_SECONDS + 60).equal

    for computer in (anna, ben):
        computer.wait_until_online(60)
    back = time.monotonic() - killed
    print(f"the server was dead for {OUTAGE_SECONDS:g} s; {back:.1f} s after its death both are logged in again")
    for computer in (anna, ben):
        wait_for_roster(computer, NETWORK, {"anna": "online", "ben": "online"})
    ben.buri("go-offline", NETWORK)
    wait_for_roster(anna, NETWORK, {"anna": "online", "ben": "offline"})
    ben.buri("go-online", NETWORK)
    see_each_other(anna, ben)


def test_a_killed_engine_takes_adapter_addresses_and_routes_with_it(world: World) -> None:
    server, anna, ben = world
    address = anna.virtual_address
    assert not has_nothing_of_buri(anna, address)
    anna.engine.kill9()
    killed = time.monotonic()
    wait_until(lambda: has_nothing_of_buri(anna, address), "all to be gone", 5.0)
    print(f"adapter, addresses and routes were gone {time.monotonic() - killed:.2f} s after kill -9 of the engine")
    ben.wait_for_peer(anna, "offline", 60)
    print(f"ben saw anna offline {time.monotonic() - killed:.2f} s after that kill")
    wait_for_roster(ben, NETWORK, {"anna": "offline", "ben": "online"})

    anna.start_engine(server)
    anna.wait_until_online()
    see_each_other(anna, ben)
    assert anna.virtual_address == address
    ben.wait_for_answer(address)


def test_the_engine_tells_that_its_helper_is_gone_and_returns_with_the_next(world: World) -> None:
    _, anna, ben = world
    pings = start_pings(ben, anna.virtual_address)
    anna.helper.kill9()
    killed = time.monotonic()
    wait_until(lambda: anna.state()["helper"]["problem"] is not None, "anna's engine to say so")
    print(f"status tells of the lost helper {time.monotonic() - killed:.2f} s after its end")
    assert anna.state()["helper"]["problem"]["code"] in ("helper-lost", "helper-missing")
    assert not anna.namespace.has_link("buri0")
    assert "helper" in anna.run(*anna.buri_words("status")).lower()

    anna.start_helper()
    started = time.monotonic()
    before = pings.output().count("bytes from")
    wait_until(lambda: pings.output().count("bytes from") > before, "ben's pings to be answered again", 60)
    print(f"ben's pings were answered again {time.monotonic() - started:.2f} s after the next helper's start")
    pings.stop()
    see_each_other(anna, ben)
    assert anna.state()["helper"]["problem"] is None


def test_a_killed_pump_is_replaced(world: World) -> None:
    _, anna, ben = world
    pings = start_pings(anna, ben.virtual_address)
    first = pump_of(anna)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    killed = time.monotonic()
    wait_until(lambda: anna.namespace.has_link("buri0") and pump_of(anna) not in (None, first), "another pump", 30)
    pings.stop()
    anna.wait_until_online()
    anna.wait_for_answer(ben.virtual_address, 60)
    print(f"anna's pings were answered again {time.monotonic() - killed:.2f} s after kill -9 of her pump")
    see_each_other(anna, ben)


def test_an_engine_of_root_starts_its_helper_and_starts_it_again(lab: Lab, world: World) -> None:
    server, anna, _ = world
    rita = lab.computer("rita")
    words = ("up", "--server", f"{server.addresses.ipv4}:{server.port}", "--fingerprint", server.fingerprint)
    rita.start("engine", *rita.buri_words(*words, "--nickname", "rita", "--key-file"), root=True)

    def is_up() -> bool:
        words = rita.buri_words("status", "--json")
        return '"status":"up"' in rita.run(*words, root=True).replace(" ", "")

    rita.namespace.processes[-1].wait_for_output("Buri runs")
    wait_until(is_up, "root's adapter")
    (helper,) = (pid for pid in inside(rita.namespace.system_name) if is_helper(pid))
    os.kill(helper, signal.SIGKILL)

    def is_up_anew() -> bool:
        helpers = [pid for pid in inside(rita.namespace.system_name) if is_helper(pid)]
        return bool(helpers) and helper not in helpers and is_up()

    wait_until(is_up_anew, "another helper and its adapter", 30)
    rita.run(*rita.buri_words("create", "roots"), root=True)
    anna.buri("join", "roots")
    anna.wait_for_peer(rita, "direct")
    anna.wait_for_answer(anna.view_of(rita)["address"])


def is_helper(pid: int) -> bool:
    try:
        return b"app.helper.service" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False
