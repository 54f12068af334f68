"""A TCP stream to whichever of a host's addresses answers first (RFC 8305), that may be cancelled at any moment.

`asyncio.open_connection` runs the same race with `happy_eyeballs_delay`, but loses the winner's socket if it is
cancelled just then. Used by app/transport.
"""

import asyncio
import os
import socket
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

HEAD_START = 0.25
"""Seconds that an address has before the next one is tried beside it: RFC 8305 section 5."""
MAX_PLACES = 8
"""Addresses of a host that are tried."""
READ_AHEAD = 65_536


class Place(NamedTuple):
    """One address and port of a host, as getaddrinfo gives it."""

    family: int
    address: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]


async def open_stream(
    host: str, port: int, limit: int = READ_AHEAD
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect; the reader takes in about `limit` bytes more than are wanted.

    Raises OSError: what went wrong last, if none of the addresses answers.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError(f"{host} can be no name of a host") from None
    places = in_turns([Place(family, address) for family, _, _, _, address in found])
    return await asyncio.open_connection(sock=await _first_connected(places[:MAX_PLACES]), limit=limit)


def in_turns(places: Sequence[Place]) -> list[Place]:
    """The two families by turns, each in the system's order: one of them may not get through at all."""
    preferred = [each for each in places if each.family == places[0].family]
    others = [each for each in places if each.family != places[0].family]
    return [each for pair in zip_longest(preferred, others) for each in pair if each is not None]


async def _first_connected(places: Sequence[Place]) -> socket.socket:
    """The socket that won; all others, and this one if it is cancelled meanwhile, are closed when this ends."""
    waiting, sockets = list(places), list[socket.socket]()
    winner: socket.socket | None = None
    failure = OSError("the name has no address")
    try:
        async with asyncio.TaskGroup() as group:
            running: set[asyncio.Task[socket.socket | OSError]] = set()
            while winner is None and (waiting or running):
                if waiting:
                    running.add(group.create_task(_attempt(waiting.pop(0), sockets)))
                patience = HEAD_START if waiting else None
                done, running = await asyncio.wait(running, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                outcomes = [each.result() for each in done]
                winner = next((each for each in outcomes if isinstance(each, socket.socket)), None)
                failure = next((each for each in outcomes if isinstance(each, OSError)), failure)
            for loser in running:
                loser.cancel()
        if winner is None:
            raise failure
        sockets.remove(winner)
        return winner
    finally:
        for each in sockets:
            each.close()


async def _attempt(place: Place, sockets: list[socket.socket]) -> socket.socket | OSError:
    """Connect to one place; the socket is among `sockets` from the beginning."""
    try:
        own = socket.socket(place.family, socket.SOCK_STREAM)
        sockets.append(own)
        own.setblocking(False)
        await asyncio.get_running_loop().sock_connect(own, place.address)
    except OSError as error:
        return error
    return own


def reason_of(error: OSError) -> str:
    """The system's words: in asyncio's own texts the reason is missing, and gaierror's numbers are no errno."""
    if isinstance(error, TimeoutError):
        return "no answer"
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)
