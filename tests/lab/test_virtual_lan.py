"""What people do on a LAN: find each other by broadcast, call each other by name, talk, and move files.

One server and three computers serve all of these stories, with both crypto suites among them.
"""

from collections.abc import Iterator

import pytest

from tests.lab.machines import Computer
from tests.lab.processes import wait_until
from tests.lab.stories import (
    go_online,
    join,
    names_of_networks,
    see_each_other,
    telling_no_traceback,
    wait_for_roster,
)
from tests.lab.topology import Lab
from tests.lab.transfer import make_file, move_file

pytestmark = pytest.mark.lab

NETWORK = "LAN party"
NOT_FOUND, NO_ANSWER = 5, 6

HEAR = """
import socket, struct, sys
own, group, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ear.bind(("", port))
if group:
    ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(own))
print("ready", flush=True)
while True:
    data, sender = ear.recvfrom(2000)
    print(sender[0], data.decode(), flush=True)
"""
"""A game that waits for others: prints who called, and what."""

CALL = """
import socket, sys
own, target, port, text = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
caller.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
if target.startswith("224."):
    caller.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
caller.sendto(text.encode(), (target, port))
"""
"""A game that looks for others."""

Friends = tuple[Computer, Computer, Computer]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with telling_no_traceback() as lab:
        yield lab


@pytest.fixture(scope="module")
def friends(lab: Lab) -> Friends:
    """Three computers in one network: Anna and Ben with suite 2, Carl, who prefers suite 1."""
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("home"))
    ben = lab.computer("ben", behind=lab.router("office"))
    carl = lab.computer("carl")
    go_online(server, anna, ben)
    go_online(server, carl, options=("--suite", "1"))
    join(NETWORK, anna, ben, carl)
    see_each_other(ben, carl)
    return anna, ben, carl


def test_all_of_three_reach_each_other_over_ipv4_and_ipv6(friends: Friends) -> None:
    for one in friends:
        for other in friends:
            if one is not other:
                one.ping(other.virtual_address)
                one.ping(one.view_of(other)["address6"])


@pytest.mark.parametrize("target", ["255.255.255.255", "the pool's broadcast", "224.0.0.251"])
def test_who_calls_to_all_is_heard_by_all(friends: Friends, target: str) -> None:
    anna, *others = friends
    own, port = anna.virtual_address, 27_015 + len(target)
    group = target if target.startswith("224.") else ""
    if target.startswith("the pool"):
        target = anna.python("import ipaddress, sys; print(ipaddress.ip_network(sys.argv[1])[-1])", pool(anna)).strip()
    ears = []
    for other in others:
        words = ("-c", HEAR, other.virtual_address, group, str(port))
        ears.append(other.start("ear", other.interpreter, *words))
    for ear in ears:
        ear.wait_for_output("ready")
    anna.python(CALL, own, target, str(port), "anybody there?")
    for ear in ears:
        ear.wait_for_output(f"{own} anybody there?")
        assert ear.output().count("anybody") == 1
        ear.stop()


def pool(computer: Computer) -> str:
    return str(computer.state()["server"]["pool"])


def test_who_prefers_suite_1_meets_who_prefers_suite_2(friends: Friends) -> None:
    anna, ben, carl = friends
    assert anna.view_of(ben)["suite"] == 2
    suites = {computer.name: computer.view_of(carl)["suite"] for computer in (anna, ben)}
    assert suites == {computer.name: carl.view_of(computer)["suite"] for computer in (anna, ben)}
    assert set(suites.values()) <= {1, 2}
    print(f"suites of the tunnels to carl, whose setting is 1: {suites}")
    sha256 = make_file(carl, 8)
    assert move_file(carl, anna, anna.virtual_address, sha256).equal


def test_peers_are_called_by_nickname_alias_address_and_case_does_not_matter(friends: Friends) -> None:
    anna, ben, carl = friends
    address = ben.virtual_address
    anna.buri("alias", "ben", "Big Ben")
    for name in ("ben", "BEN", "Big Ben", "big ben", address, anna.view_of(ben)["address6"]):
        assert anna.buri("peer", name)["address"] == address
    assert [line["seconds"] is not None for line in anna.buri_lines("ping", "Big Ben", "-c", "2", "-i", "0.05")]
    assert carl.refused("peer", "Big Ben") == (NOT_FOUND, "peer-not-found")
    anna.buri("alias", "ben")
    assert anna.refused("peer", "Big Ben") == (NOT_FOUND, "peer-not-found")


def test_a_long_chat_message_arrives_whole_and_in_order(friends: Friends) -> None:
    anna, ben, _ = friends
    texts = ["first " + "ä" * 8_000, "second " + "x" * 16_000, "third"]
    for text in texts:
        assert anna.buri("chat", "ben", text)["status"] == "delivered"
    heard = [line["text"] for line in ben.buri_lines("chat", "anna") if line["status"] == "received"]
    assert heard == texts


def test_a_message_for_somebody_offline_is_delivered_when_he_returns(lab: Lab, friends: Friends) -> None:
    anna, _, carl = friends
    carl.buri("logout")
    anna.wait_for_peer(carl, "offline")
    for text in ("are you there?", "call me back"):
        with_exit_code(anna, "chat", "carl", text)
    assert [line["status"] for line in anna.buri_lines("chat", "carl")] == ["queued", "queued"]
    carl.buri("login")
    see_each_other(anna, carl)

    def heard() -> list[str]:
        return [line["text"] for line in carl.buri_lines("chat", "anna")]

    wait_until(lambda: heard() == ["are you there?", "call me back"], "carl to hear both, in order")
    wait_until(lambda: {line["status"] for line in anna.buri_lines("chat", "carl")} == {"delivered"}, "anna to know")


def with_exit_code(computer: Computer, *verb: str) -> None:
    """`buri chat` to somebody who is away ends with the exit code for no answer, and says what becomes of the text."""
    code = "import subprocess, sys; print(subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode)"
    assert computer.python(code, *computer.buri_words(*verb)).strip() == str(NO_ANSWER)


def test_blocked_is_blocked_until_it_is_not(friends: Friends) -> None:
    anna, ben, _ = friends
    anna.buri("block", "ben")
    anna.wait_for_peer(ben, "blocked")
    assert not ben.can_ping(anna.virtual_address)
    anna.buri("unblock", "ben")
    see_each_other(anna, ben, 90)
    ben.ping(anna.virtual_address)


def test_an_invite_link_lets_in_where_there_is_no_password(friends: Friends) -> None:
    anna, ben, carl = friends
    anna.buri("create", "salon", "--invite-only")
    link = anna.buri("invite", "salon")["invite"]
    ben.buri("join", link)
    wait_for_roster(anna, "salon", {"anna": "online", "ben": "online"})
    number = next(each["id"] for each in anna.buri("list")["networks"] if each["name"] == "salon")
    wait_until(lambda: number in anna.view_of(ben)["proven"], "ben to prove the link's secret")
    assert "salon" not in names_of_networks(carl)
    anna.buri("delete", "salon")


def test_a_password_with_odd_signs_works_from_standard_input(friends: Friends) -> None:
    anna, ben, _ = friends
    odd = "Bürö  'quote\" $HOME \\ 鰤"
    anna.run(*anna.buri_words("create", "odd", "-"), given=f"{odd}\n")
    ben.run(*ben.buri_words("join", "odd", "-"), given=f"{odd}\n")
    wait_for_roster(anna, "odd", {"anna": "online", "ben": "online"})
    anna.buri("delete", "odd")
