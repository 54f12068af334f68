"""What a crowd costs the mediation server: memory, CPU for each login, and how fast a change of presence spreads.

    python -m benchmarks.server_load [--accounts 500 2000] [--json FILE]

Needs no privileges: a real server process on loopback, and all clients in this process, each with a connection of its
own, so times include the work of every client on the same machine. The accounts are spread over 20 networks. Exit code
1 if a change of presence takes more than a second to reach all members.
"""

import argparse
import asyncio
import json
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from app.base.tasks import Tasks
from app.protocol.keys import IdentityKey
from app.protocol.mediation import ClientConversation, LoggedIn, MessageReceived
from app.protocol.messages import (
    Created,
    CreateNetwork,
    JoinNetwork,
    MemberChanged,
    Message,
    Refused,
    Request,
    SetPresence,
    Synchronised,
)
from app.protocol.wire import Address
from app.server.config import ServerFolder
from benchmarks.process_usage import Usage, machine, spread, usage_of
from tests.lab.processes import wait_until
from tests.server.client import many_keys

NETWORKS = 20
AT_ONCE = 32
"""Clients that log in at the same time."""
MAX_SPREAD = 1.0
"""Seconds from a change of presence to the last member that hears of it."""
CHANGES_PER_SECOND = 50
LOAD_SECONDS = 20
SINGLE_CHANGES = 40
LIMITS = """
[policy]
members-per-network = 1000
[limits]
handshakes-per-minute = 1000000
connections-per-source = 10000
connections = 10000
registrations-per-hour = 1000000
logins-per-minute = 10000
joins-per-minute = 1000000
half-open = 1000
[log]
level = "warning"
"""


class Crowd:
    """All clients, and what is awaited of them."""

    def __init__(self, port: int, fingerprint: bytes) -> None:
        self.port, self.fingerprint = port, fingerprint
        self.members: list[Member] = []
        self._awaited: dict[tuple[int, int, bool], tuple[set[Member], float, asyncio.Future[float]]] = {}

    def heard(self, member: "Member", told: MemberChanged) -> None:
        """A client was told of a change."""
        key = told.network, told.member.address, told.member.online
        awaited = self._awaited.get(key)
        if awaited is None:
            return
        rest, started, done = awaited
        rest.discard(member)
        if not rest:
            del self._awaited[key]
            done.set_result(time.monotonic() - started)

    async def change_presence(self, member: "Member", others: Iterable["Member"], online: bool) -> float:
        """One goes on- or offline in its network; gives the seconds until the last of the others has heard of it."""
        done: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        key = member.network, int(member.address or 0), online
        self._awaited[key] = set(others) - {member}, time.monotonic(), done
        member.send(SetPresence(member.number(), member.network, online))
        async with asyncio.timeout(60):
            return await done

    def keep_alive(self) -> None:
        """Let the clients' conversations send their pings."""
        loop = asyncio.get_running_loop()
        for member in self.members:
            member.tick(loop.time())
        loop.call_later(5, self.keep_alive)


class Member(asyncio.Protocol):
    """One account and its connection."""

    def __init__(self, crowd: Crowd, identity: IdentityKey) -> None:
        self.crowd, self.identity = crowd, identity
        self.address: Address | None = None
        self.network = 0
        self._numbers = 0
        self._replies: dict[int, asyncio.Future[Message]] = {}

    async def log_in(self) -> None:
        """Register at the first time, log in later; returns when everything has been told."""
        loop = asyncio.get_running_loop()
        self._synchronised: asyncio.Future[None] = loop.create_future()
        await loop.create_connection(lambda: self, "127.0.0.1", self.crowd.port)
        await self._synchronised

    def log_out(self) -> None:
        """End the connection."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        now = asyncio.get_running_loop().time()
        self._conversation = ClientConversation(self.identity, self.crowd.fingerprint, 2, self.address, "guest", now)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._conversation.receive_data(data, asyncio.get_running_loop().time())
        self._flush()
        while (event := self._conversation.next_event()) is not None:
            if isinstance(event, LoggedIn):
                self.address = event.address
            elif isinstance(event, MessageReceived):
                self._told(event.message)

    def _told(self, message: Message) -> None:
        reply = self._replies.pop(getattr(message, "request", 0), None)
        if reply is not None:
            reply.set_result(message)
        elif isinstance(message, MemberChanged):
            self.crowd.heard(self, message)
        elif isinstance(message, Synchronised):
            self._synchronised.set_result(None)

    def number(self) -> int:
        """A fresh request number."""
        self._numbers += 1
        return self._numbers

    def send(self, request: Request) -> None:
        """Send without waiting for the reply."""
        self._conversation.send(request)
        self._flush()

    async def ask(self, request: Request) -> Message:
        """Send, and wait for a reply that must not be a refusal."""
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._replies[request.request] = reply
        self.send(request)
        message = await reply
        if isinstance(message, Refused):
            raise RuntimeError(f"{request} was refused: {message.reason.name}")
        return message

    def tick(self, now: float) -> None:
        """Let the conversation do what is due."""
        self._conversation.handle_deadline(now)
        self._flush()

    def _flush(self) -> None:
        self._transport.write(self._conversation.data_to_send())


def main() -> int:
    """Measure and tell; 0 if the bar holds."""
    parser = argparse.ArgumentParser(prog="benchmarks.server_load", description="What a crowd costs the server.")
    parser.add_argument("--accounts", type=int, nargs="+", default=[500, 2_000])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    record: dict[str, Any] = {"machine": machine(), "crowds": []}
    for count in arguments.accounts:
        crowd = with_server(count)
        print(f"{count} accounts in {NETWORKS} networks")
        for what, figure in crowd.items():
            print(f"  {what:58} {figure}")
        record["crowds"].append({"accounts": count, **crowd})
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(record, indent=2) + "\n")
    worst = max(crowd["s until all members know"]["worst"] for crowd in record["crowds"])
    print(f"bar: a change of presence reaches all within {MAX_SPREAD} s: {'held' if worst < MAX_SPREAD else 'MISSED'}")
    return 0 if worst < MAX_SPREAD else 1


def with_server(count: int) -> dict[str, Any]:
    """Start a server, load it, stop it."""
    with tempfile.TemporaryDirectory(prefix="buri-load-") as name:
        folder, port = ServerFolder(Path(name) / "server"), free_port()
        fingerprint = folder.create(name="load", pool="10.77.0.0/16", port=port, public_host="").public.fingerprint
        table = f'[server]\nname="load"\npool="10.77.0.0/16"\nlisten=["127.0.0.1"]\nport={port}\nreflector-ports=[]\n'
        folder.config_file.write_text(table + LIMITS)
        with subprocess.Popen([sys.executable, "-m", "app", "server", "run", "--folder", str(folder.path)]) as server:
            try:
                wait_until(lambda: listens(port), "the server to listen")
                return asyncio.run(load(Crowd(port, fingerprint), count, server.pid))
            finally:
                server.terminate()


async def load(crowd: Crowd, count: int, server: int) -> dict[str, Any]:
    """Register, join, log out, log in, and change presence; what the server used for each."""
    empty = usage_of(server)
    crowd.members = [Member(crowd, identity) for identity in many_keys(count)]
    registering = await cost(server, in_batches(crowd.members, Member.log_in))
    crowd.keep_alive()
    networks = [crowd.members[start::NETWORKS] for start in range(NETWORKS)]
    joining = await cost(server, gather(found, networks))
    for member in crowd.members:
        member.log_out()
    await quiet(server)
    returning = await cost(server, in_batches(crowd.members, Member.log_in))
    await quiet(server)
    full = usage_of(server)
    singles = [
        await crowd.change_presence(member, networks[0], online)
        for member in networks[0][: SINGLE_CHANGES // 2]
        for online in (False, True)
    ]
    busy, latencies = await under_load(crowd, networks, server)
    return {
        "MB (PSS) empty": round(empty.pss / 1e6, 1),
        "MB (PSS) with all logged in": round(full.pss / 1e6, 1),
        "KB for each account logged in": round((full.pss - empty.pss) / count / 1e3, 1),
        "server CPU ms for each registration": round(1e3 * registering[0] / count, 2),
        "server CPU ms for each join": round(1e3 * joining[0] / count, 2),
        "server CPU ms for each login, telling all members": round(1e3 * returning[0] / count, 2),
        "logins a second": round(count / returning[1]),
        "s until all members know": spread(singles, 4),
        f"server CPU % at {CHANGES_PER_SECOND} changes a second": round(100 * busy, 1),
        f"s until all members know at {CHANGES_PER_SECOND} a second": spread(latencies, 4),
    }


async def found(members: list[Member]) -> None:
    """The first makes a network, the others join."""
    owner, *rest = members
    created = await owner.ask(CreateNetwork(owner.number(), f"of {owner.address}", None, None, None))
    assert isinstance(created, Created)
    owner.network = created.network
    for member in rest:
        member.network = created.network
        await member.ask(JoinNetwork(member.number(), created.network, None))


async def under_load(crowd: Crowd, networks: list[list[Member]], server: int) -> tuple[float, list[float]]:
    """Members of all networks in turn come and go at a steady rate: the server's share of a core, and latencies."""
    changes, tasks = [], Tasks()
    before, started = usage_of(server), time.monotonic()
    turns = cycle((network, position) for position in range(len(networks[0])) for network in networks)
    for number, (network, position) in enumerate(islice(turns, LOAD_SECONDS * CHANGES_PER_SECOND)):
        await asyncio.sleep(max(0.0, started + number / CHANGES_PER_SECOND - time.monotonic()))
        member = network[position % len(network)]
        online = (number // len(crowd.members)) % 2 == 1
        changes.append(tasks.start("change", crowd.change_presence(member, network, online)))
    latencies = await asyncio.gather(*changes)
    elapsed = time.monotonic() - started
    return (usage_of(server).cpu_seconds - before.cpu_seconds) / elapsed, list(latencies)


async def in_batches(members: list[Member], action: Callable[[Member], Awaitable[None]]) -> None:
    """The action for all members, AT_ONCE at a time."""
    for start in range(0, len(members), AT_ONCE):
        await asyncio.gather(*(action(member) for member in members[start : start + AT_ONCE]))


async def gather(action: Callable[[list[Member]], Awaitable[None]], groups: list[list[Member]]) -> None:
    """The action for all groups at the same time."""
    await asyncio.gather(*(action(group) for group in groups))


async def cost(server: int, work: Awaitable[None]) -> tuple[float, float]:
    """The server's CPU seconds for some work, and how many seconds it took."""
    before, started = usage_of(server), time.monotonic()
    await work
    elapsed = time.monotonic() - started
    after = await quiet(server)
    return after.cpu_seconds - before.cpu_seconds, elapsed


async def quiet(server: int) -> Usage:
    """Wait until the server has nothing to do any more; gives what it has used."""
    usage = usage_of(server)
    while True:
        await asyncio.sleep(0.5)
        later = usage_of(server)
        if later.cpu_seconds - usage.cpu_seconds < 0.005:
            return later
        usage = later


def free_port() -> int:
    """A TCP port that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def listens(port: int) -> bool:
    """Does something accept connections there?"""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    sys.exit(main())
