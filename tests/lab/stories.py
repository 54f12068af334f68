"""What many scenarios begin with: computers that come online, join a network and see each other; and what none may end
with. Used by the tests in this folder.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.lab.machines import Computer, MediationServer
from tests.lab.processes import LabError, Process, tool, wait_until
from tests.lab.topology import Lab

PASSWORD = "correct horse"
PINGS = ("-n", "-D", "-i", "0.05")
"""Options of `ping` that show the time of each answer."""


@contextmanager
def telling_no_traceback() -> Iterator[Lab]:
    """A lab, in which at the end no program has printed a traceback. For fixtures that several tests share."""
    with Lab() as lab:
        yield lab
        for name, text in lab.logs():
            assert "Traceback" not in text, f"{name}:\n{text[-6_000:]}"


def go_online(server: MediationServer, *computers: Computer, options: tuple[str, ...] = ()) -> None:
    """Start helpers and engines, all at the same time, and wait until all are logged in."""
    for computer in computers:
        computer.start_helper()
    for computer in computers:
        computer.start_engine(server, *options)
    for computer in computers:
        computer.wait_until_online()


def join(network: str, owner: Computer, *others: Computer, password: str | None = PASSWORD) -> None:
    """The owner makes a network, the others join; returns when each sees each over a tunnel."""
    words = (network,) if password is None else (network, password)
    owner.buri("create", *words)
    for other in others:
        other.buri("join", *words)
    for other in others:
        see_each_other(owner, other)


def see_each_other(first: Computer, second: Computer, timeout: float = 30.0) -> None:
    """Until each has a direct tunnel to the other."""
    first.wait_for_peer(second, "direct", timeout)
    second.wait_for_peer(first, "direct", timeout)


def wait_for_roster(computer: Computer, network: str, expected: dict[str, str], timeout: float = 20.0) -> None:
    """Until the network's roster here has exactly these nicknames with these statuses."""

    def is_so() -> bool:
        return roster(computer, network) == expected

    wait_until(is_so, f"{computer.name} to see {expected} in {network}", timeout)


def roster(computer: Computer, network: str) -> dict[str, str]:
    """Nickname and status of each member, as this computer sees the network."""
    networks = computer.buri("list")["networks"]
    members = [each["members"] for each in networks if each["name"] == network]
    return {member["nickname"]: member["status"] for member in members[0]} if members else {}


def paths_of(computer: Computer) -> dict[str, str]:
    """Nickname and status of each peer that shares a network with this computer."""
    members = [member for network in computer.buri("list")["networks"] for member in network["members"]]
    return {member["nickname"]: member["peer"]["status"] for member in members if member["peer"] is not None}


def names_of_networks(computer: Computer) -> set[str]:
    """The networks that this computer is in."""
    return {each["name"] for each in computer.buri("list")["networks"]}


def start_pings(computer: Computer, address: str) -> Process:
    """The system's ping, twenty times a second until it is stopped; returns after its first answer."""
    pings = computer.start("ping", tool("ping"), *PINGS, address, root=True)
    pings.wait_for_output("bytes from")
    return pings


def last_answer(pings: Process) -> float:
    """When the last answer came, in seconds since 1970."""
    times = [line for line in pings.output().splitlines() if line.startswith("[") and "bytes from" in line]
    return float(times[-1].partition("]")[0].removeprefix("["))


def wait_until_quiet(pings: Process, quiet: float = 2.0, timeout: float = 20.0) -> float:
    """Until no answer has come for `quiet` seconds; gives when the last one came, in seconds since 1970."""
    wait_until(lambda: time.time() - last_answer(pings) > quiet, f"{pings.name} to get no answers", timeout)
    return last_answer(pings)


def succeeds(action: Callable[[], object]) -> bool:
    """Whether a program of the lab does what it should; for `wait_until`."""
    try:
        action()
    except LabError:
        return False
    return True
