"""A link in the middle carries only short packets: big transfers go through, and the tunnel learns what fits."""

import re
from enum import Enum

import pytest

from tests.lab.machines import Computer, Machine
from tests.lab.processes import LabError, tool, wait_until
from tests.lab.stories import PASSWORD, go_online
from tests.lab.topology import Lab, Router
from tests.lab.transfer import make_file, move_file

pytestmark = pytest.mark.lab

NETWORK = "friends"
FITTING = {1_400: 1_320, 1_280: 1_200}
"""Of the sizes that are tried (app/protocol/path_mtu.py), the largest one that a link carries in one piece."""


class Link(Enum):
    """What a router does with a packet that is too long for the next link."""

    TELLS = "tells"
    """It fragments it, or tells the sender that this was needed and not allowed."""
    SILENT = "silent"
    """It fragments it, or drops it without a word."""
    SWALLOWS = "swallows"
    """It drops it without a word, whether it might have been fragmented or not."""


def narrow(carrier: Router, home: Router, mtu: int, link: Link) -> None:
    """The link between the carrier's router and the one at home carries packets of `mtu` bytes.

    TCP learns it at its beginning, as routers at such links see to it; what a tunnel carries does not.
    """
    carrier.namespace.nft(rule("forward", f"tcp flags syn tcp option maxseg size set {mtu - 40}"))
    if link is Link.SWALLOWS:
        carrier.namespace.nft(rule("forward", f"meta l4proto udp ip length > {mtu} drop"))
        return
    home.namespace.ip(f"link set wan mtu {mtu}")
    carrier.namespace.ip(f"link set port1 mtu {mtu}", f"link set lan mtu {mtu}")
    if link is Link.SILENT:
        for router in (carrier, home):
            router.namespace.nft(rule("output", "icmp type destination-unreachable icmp code frag-needed drop"))


def rule(hook: str, statement: str) -> str:
    """A rule set."""
    return f"""
table inet narrow {{
  chain {hook} {{
    type filter hook {hook} priority 0
    {statement}
  }}
}}
"""


def cut_trains(*machines: Machine) -> None:
    """Let single packets leave, as a real network card does: a rule on their length would see a train as one."""
    for machine in machines:
        machine.namespace.ip("link set eth0 gso_max_segs 1")


def learned(computer: Computer, address: str) -> int:
    """The size that the computer's system is told when it sends a larger packet which must not be fragmented."""
    try:
        computer.run(tool("ping"), "-n", "-c", "1", "-W", "1", "-M", "do", "-s", "1372", address, root=True)
    except LabError as error:
        told = re.search(r"mtu ?= ?(\d+)", str(error))
        return int(told[1]) if told else 0
    return 0


@pytest.mark.parametrize("link", Link, ids=lambda link: link.value)
@pytest.mark.parametrize("mtu", FITTING)
def test_big_transfers_pass_a_narrow_link_directly_and_relayed(lab: Lab, mtu: int, link: Link) -> None:
    server = lab.server()
    carrier = lab.router("carrier", ipv6=False)
    home, office = lab.router("home", behind=carrier, ipv6=False), lab.router("office", ipv6=False)
    anna, ben = lab.computer("anna", behind=home), lab.computer("ben", behind=office)
    cut_trains(server, anna, ben)
    narrow(carrier, home, mtu, link)
    go_online(server, anna, ben)
    anna.buri("create", NETWORK, PASSWORD)
    ben.buri("join", NETWORK, PASSWORD)
    sums = {anna: make_file(anna, 4), ben: make_file(ben, 4)}
    for status in ("direct", "relayed"):
        for here, there in ((anna, ben), (ben, anna)):
            here.wait_for_peer(there, status)
            assert move_file(here, there, there.virtual_address, sums[here]).equal
            wait_until(
                lambda here=here, there=there: learned(here, there.virtual_address) == FITTING[mtu],  # type: ignore[misc]
                f"{here.name} to know what fits",
            )
        office.separate(carrier)
        anna.wait_for_answer(ben.virtual_address)
