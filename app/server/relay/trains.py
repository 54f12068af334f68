"""Trains of datagrams: many of one length behind each other in one buffer, the last perhaps shorter.

The kernel makes a train of whatever one sender sends to us (UDP_GRO), so its datagrams may have different relay ids.
Called by `forwarder.py` and by the relay's streams.
"""

from collections.abc import Iterator

from app.protocol.wire import RELAY_ID_LENGTH


def has_one_id(train: memoryview, slot: int) -> bool:
    """Whether all datagrams begin with the same relay id; asked without a step for each of them."""
    count = -(-len(train) // slot)
    return slot >= RELAY_ID_LENGTH and all(
        bytes(train[place::slot]) == train[place : place + 1].tobytes() * count for place in range(RELAY_ID_LENGTH)
    )


def runs(train: memoryview, slot: int) -> Iterator[memoryview]:
    """The train cut into parts, each of datagrams that follow each other and begin with the same relay id."""
    start, head = 0, train[:RELAY_ID_LENGTH]
    for place in range(slot, len(train), slot):
        following = train[place : min(place + slot, place + RELAY_ID_LENGTH)]
        if following != head:
            yield train[start:place]
            start, head = place, following
    yield train[start:]
