"""Who is in a network and who is not: passwords, owners, approval, being put out, and what tunnels make of it.

One server and three computers serve all of these stories; each makes networks of its own.
"""

import time
from collections.abc import Iterator

import pytest

from tests.lab.machines import Computer, MediationServer
from tests.lab.processes import wait_until
from tests.lab.stories import (
    PASSWORD,
    go_online,
    join,
    names_of_networks,
    roster,
    see_each_other,
    start_pings,
    telling_no_traceback,
    wait_for_roster,
    wait_until_quiet,
)
from tests.lab.topology import Lab

pytestmark = pytest.mark.lab

REFUSED, NOT_FOUND = 4, 5
OTHER_KEY = "SHA256:" + 43 * "A"

World = tuple[MediationServer, Computer, Computer, Computer]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with telling_no_traceback() as lab:
        yield lab


@pytest.fixture(scope="module")
def world(lab: Lab) -> World:
    """Anna and Carl behind a router each, Ben on the internet."""
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("home"))
    ben, carl = lab.computer("ben"), lab.computer("carl", behind=lab.router("office"))
    go_online(server, anna, ben, carl)
    return server, anna, ben, carl


def test_a_server_with_another_key_is_not_believed(lab: Lab, world: World) -> None:
    server, dora = world[0], lab.computer("dora")
    dora.start_helper()
    place = f"{server.addresses.ipv4}:{server.port}"
    words = ("up", "--server", place, "--fingerprint", OTHER_KEY, "--nickname", "dora", "--key-file")
    mistaken = dora.start("engine-mistaken", *dora.buri_words(*words))
    mistaken.wait_for_output("This is not the server that was expected")
    assert dora.state()["server"]["problem"]["code"] == "server-wrong-key"
    assert dora.refused("login") == (REFUSED, "server-wrong-key")
    assert not dora.namespace.has_link("buri0")
    mistaken.stop()

    dora.start_engine(server)
    dora.wait_until_online()


def test_wrong_password_locked_network_and_unknown_network(world: World) -> None:
    _, anna, ben, _ = world
    anna.buri("create", "vault", PASSWORD)
    assert ben.refused("join", "vault", "a guess") == (REFUSED, "refused-wrong-password")
    assert ben.refused("join", "vault") == (REFUSED, "password-needed")
    assert ben.refused("join", "nowhere", PASSWORD) == (NOT_FOUND, "refused-network-not-found")
    assert anna.refused("create", "vault", "mine") == (REFUSED, "refused-name-taken")
    anna.buri("set-access", "vault", "lock")
    assert ben.refused("join", "vault", PASSWORD) == (REFUSED, "refused-network-locked")
    anna.buri("set-access", "vault", "unlock")
    ben.buri("join", "vault", PASSWORD)
    see_each_other(anna, ben)
    assert ben.refused("set-access", "vault", "lock") == (REFUSED, "refused-not-the-owner")
    anna.buri("delete", "vault")
    wait_until(lambda: ben.view_of(anna) is None, "the deleted network to be gone for ben")
    assert "vault" not in names_of_networks(ben)
    assert not ben.can_ping(anna.virtual_address)


def test_a_new_password_keeps_members_and_asks_newcomers(world: World) -> None:
    _, anna, ben, carl = world
    join("club", anna, ben)
    pings = start_pings(ben, anna.virtual_address)
    anna.buri("set-pass", "club", "the new one")
    assert carl.refused("join", "club", PASSWORD) == (REFUSED, "refused-wrong-password")
    carl.buri("join", "club", "the new one")
    for computer in (anna, ben):
        see_each_other(carl, computer)
    carl.ping(ben.virtual_address)
    before = pings.output().count("bytes from")
    wait_until(lambda: pings.output().count("bytes from") > before, "ben's old tunnel to go on")
    pings.stop()
    anna.buri("delete", "club")


def test_the_owner_approves_or_rejects_and_members_leave(world: World) -> None:
    _, anna, ben, carl = world
    anna.buri("create", "house", PASSWORD)
    anna.buri("set-access", "house", "manual")
    assert ben.buri("join", "house", PASSWORD)["pending"]
    assert carl.buri("join", "house", PASSWORD)["pending"]
    wait_for_roster(anna, "house", {"anna": "online", "ben": "pending", "carl": "pending"})
    assert ben.view_of(anna) is None
    anna.buri("reject", "house", "carl")
    anna.buri("approve", "house", "ben")
    see_each_other(anna, ben)
    anna.ping(ben.virtual_address)
    wait_until(lambda: "house" not in names_of_networks(carl), "carl to learn of the rejection")
    assert anna.view_of(carl) is None

    ben.buri("leave", "house")
    wait_for_roster(anna, "house", {"anna": "online"})
    assert names_of_networks(ben) == set()
    assert not anna.can_ping(ben.virtual_address)
    anna.buri("delete", "house")


def test_offline_in_a_network_ends_the_tunnel_and_online_brings_it_back(world: World) -> None:
    _, anna, ben, _ = world
    join("games", anna, ben)
    ben.buri("go-offline", "games")
    wait_for_roster(anna, "games", {"anna": "online", "ben": "offline"})
    anna.wait_for_peer(ben, "offline")
    assert not anna.can_ping(ben.virtual_address)
    ben.buri("go-online", "games")
    wait_for_roster(anna, "games", {"anna": "online", "ben": "online"})
    see_each_other(anna, ben)
    anna.wait_for_answer(ben.virtual_address)
    anna.buri("delete", "games")


def test_owners_rename_members_and_anybody_oneself(world: World) -> None:
    _, anna, ben, _ = world
    join("names", anna, ben)
    anna.buri("rename", "names", "ben", "Benjamin")
    for computer in (anna, ben):
        wait_for_roster(computer, "names", {"anna": "online", "Benjamin": "online"})
    anna.buri("rename", "names", "Benjamin")
    ben.buri("set-nick", "benny")
    wait_for_roster(anna, "names", {"anna": "online", "benny": "online"})
    ben.buri("set-nick", "ben")
    wait_for_roster(anna, "names", {"anna": "online", "ben": "online"})
    anna.buri("delete", "names")


def test_an_evicted_member_is_out_in_both_directions_and_comes_back_by_approval_alone(world: World) -> None:
    _, anna, ben, _ = world
    join("circle", anna, ben)
    here, there = start_pings(anna, ben.virtual_address), start_pings(ben, anna.virtual_address)
    anna.buri("evict", "circle", "ben")
    evicted = time.time()
    for pings in (here, there):
        late = wait_until_quiet(pings) - evicted
        print(f"{pings.name}: the last answer came {late:+.2f} s after `buri evict` had ended")
        pings.stop()
    wait_until(lambda: ben.view_of(anna) is None, "ben to be told")
    assert anna.view_of(ben) is None

    assert ben.buri("join", "circle", PASSWORD)["pending"]
    wait_for_roster(anna, "circle", {"anna": "online", "ben": "pending"})
    anna.buri("approve", "circle", "ben")
    see_each_other(anna, ben)
    anna.wait_for_answer(ben.virtual_address)

    anna.buri("evict", "circle", "ben", "--ban")
    wait_until(lambda: ben.view_of(anna) is None, "ben to be out again")
    assert ben.refused("join", "circle", PASSWORD) == (REFUSED, "refused-banned")
    assert not ben.can_ping(anna.virtual_address)
    anna.buri("unban", "circle", ben.virtual_address)
    ben.buri("join", "circle", PASSWORD)
    if roster(anna, "circle").get("ben") == "pending":
        anna.buri("approve", "circle", "ben")
    see_each_other(anna, ben)
    anna.buri("delete", "circle")


def test_who_is_evicted_from_one_of_two_networks_keeps_the_tunnel(world: World) -> None:
    _, anna, ben, _ = world
    join("one", anna, ben)
    join("two", anna, ben)
    both = {each["id"] for each in anna.buri("list")["networks"] if each["name"] in ("one", "two")}
    wait_until(lambda: set(anna.view_of(ben)["proven"]) == both, "the tunnel to rest on both networks")
    pings = start_pings(ben, anna.virtual_address)
    anna.buri("evict", "one", "ben")
    wait_until(lambda: "one" not in names_of_networks(ben), "ben to be out of the one")
    wait_until(lambda: len(anna.view_of(ben)["networks"]) == 1, "anna to share only the other with ben")
    before = pings.output().count("bytes from")
    wait_until(lambda: pings.output().count("bytes from") > before + 20, "pings to go on")
    pings.stop()
    assert anna.view_of(ben)["status"] == "direct"
    anna.buri("delete", "two")
    anna.buri("delete", "one")
