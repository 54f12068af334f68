"""Where no path is direct: two behind the hardest routers, over the relay of the server or one of its own machine."""

import json

import pytest

from app.protocol.relay import Grant, RelayBind, RelayPing, encode, seal_token
from app.protocol.stun import question
from app.protocol.wire import MIN_RELAY_ID
from tests.lab.machines import Computer, MediationServer
from tests.lab.nat import Nat
from tests.lab.processes import tool, wait_until
from tests.lab.stories import PASSWORD, go_online
from tests.lab.topology import Lab
from tests.lab.transfer import make_file, move_file

pytestmark = pytest.mark.lab

NETWORK = "friends"

POSE = """
import random, socket, struct, sys
victim, relay, port, count, *words = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), *sys.argv[5:]
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
sent = 0
for number in range(count):
    word = bytes.fromhex(words[number % len(words)])
    udp = struct.pack("!HHHH", random.randint(1_024, 65_535), port, 8 + len(word), 0) + word
    ends = socket.inet_aton(victim) + socket.inet_aton(relay)
    sent += raw.sendto(struct.pack("!BBHHHBBH", 0x45, 0, 0, number, 0, 64, 17, 0) + ends + udp, (relay, 0))
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.settimeout(20)
own.sendto(bytes.fromhex(words[0]), (relay, port))
own.recv(2_000)
print(sent)
"""
"""Words with somebody else's address as their source; ends when the relay has taken them all. The first is answered."""


def two_behind_symmetric_routers(lab: Lab) -> tuple[Computer, Computer]:
    homes = [lab.router(name, Nat.SYMMETRIC, ipv6=False) for name in ("home", "office")]
    return lab.computer("anna", behind=homes[0]), lab.computer("ben", behind=homes[1])


def meet(server: MediationServer, anna: Computer, ben: Computer) -> None:
    """Both log in, join a network and reach each other, relayed."""
    go_online(server, anna, ben)
    reach_each_other(anna, ben)


def reach_each_other(anna: Computer, ben: Computer) -> None:
    """Join a network; the way between both is relayed."""
    anna.buri("create", NETWORK, PASSWORD)
    ben.buri("join", NETWORK, PASSWORD)
    ben.wait_for_answer(anna.virtual_address)
    anna.ping(ben.virtual_address)
    assert anna.wait_for_peer(ben, "relayed")["status"] == "relayed"


def test_the_servers_own_relay_carries_what_finds_no_direct_path(lab: Lab) -> None:
    server = lab.server()
    anna, ben = two_behind_symmetric_routers(lab)
    meet(server, anna, ben)
    assert anna.view_of(ben)["relay"] == f"{server.addresses.ipv4}:{server.port}"


def test_a_relay_on_its_own_machine_carries_and_is_found_again_after_its_crash(lab: Lab) -> None:
    relay = lab.relay()
    server = lab.server(relays=[relay], own_relay=False)
    anna, ben = two_behind_symmetric_routers(lab)
    meet(server, anna, ben)
    assert anna.view_of(ben)["relay"] == f"{relay.addresses.ipv4}:{relay.port}"
    relay.kill9()
    wait_until(lambda: not anna.can_ping(ben.virtual_address), "the tunnel to stop with its relay")
    relay.go()
    anna.wait_for_answer(ben.virtual_address, timeout=30)


def test_one_with_ipv4_alone_and_one_with_ipv6_alone_meet_on_the_relay(lab: Lab) -> None:
    """There is no other way between them, whatever their routers do."""
    server = lab.server()
    anna = lab.computer("anna", behind=lab.router("home", ipv6=False))
    ben = lab.computer("ben")
    ben.namespace.ip(f"address del {ben.addresses.ipv4}/24 dev eth0")
    ben.start_helper()
    ben.start_engine(server, "--server", f"[{server.addresses.ipv6}]:{server.port}")
    ben.wait_until_online()
    go_online(server, anna)
    reach_each_other(anna, ben)


def test_a_file_moves_over_the_relay_at_the_rate_that_a_pair_has(lab: Lab) -> None:
    server = lab.server()
    anna, ben = two_behind_symmetric_routers(lab)
    meet(server, anna, ben)
    moved = move_file(anna, ben, ben.virtual_address, make_file(anna, 64))
    assert moved.equal
    print(f"{moved.megabytes_per_second:.1f} MB/s over the relay; a pair may send 25")
    assert anna.view_of(ben)["status"] == "relayed"


def test_a_relay_that_is_down_is_not_offered(lab: Lab) -> None:
    down, up = lab.relay("down"), lab.relay("up")
    server = lab.server(relays=[down, up], own_relay=False)
    down.kill9()
    anna, ben = two_behind_symmetric_routers(lab)
    meet(server, anna, ben)
    assert anna.view_of(ben)["relay"] == f"{up.addresses.ipv4}:{up.port}"


def test_whoever_poses_as_another_gets_less_sent_to_him_than_he_sends(lab: Lab) -> None:
    relay, victim, mallory = lab.relay(), lab.computer("victim"), lab.computer("mallory")
    victim.namespace.nft(
        f"""
        table inet account {{
          counter received {{ }}
          chain input {{
            type filter hook input priority -300
            ip saddr {relay.addresses.ipv4} counter name received
          }}
        }}
        """
    )
    token = seal_token(bytes(32), Grant(bytes(16), 0, 4_000_000_000, 0))
    words = [
        question(b"transaction!"),
        encode(RelayPing(bytes(8))),
        encode(RelayBind(token, bytes(16), bytes(8), bytes(32))),
        MIN_RELAY_ID.to_bytes(4) + bytes(8),
        MIN_RELAY_ID.to_bytes(4) + bytes(1_000),
    ]
    addresses = (victim.addresses.ipv4, relay.addresses.ipv4, str(relay.port), "2000")
    arguments = (*addresses, *(word.hex() for word in words))
    sent = int(mallory.run(mallory.interpreter, "-c", POSE, *arguments, root=True))
    counted = victim.namespace.run(tool("nft"), "-j", "list", "counter", "inet", "account", "received")
    (received,) = [each["counter"]["bytes"] for each in json.loads(counted)["nftables"] if "counter" in each]
    print(f"{sent} bytes in the victim's name, {received} to it")
    assert 0 < received < sent / 5
