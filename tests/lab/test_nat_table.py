"""Every pair of places: direct wherever it is possible in theory, relayed for all the rest, and a ping through each."""

import time
from collections.abc import Iterator

import pytest

from tests.lab.machines import Computer
from tests.lab.nat_table import Place, expected, gather
from tests.lab.processes import wait_until
from tests.lab.stories import PASSWORD, paths_of, telling_no_traceback

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

EVERYBODY = "everybody"
PATIENCE = 120.0
"""Searches for a port follow each other."""

Crowd = dict[Place, tuple[Computer, Computer]]


@pytest.fixture(scope="module")
def crowd() -> Iterator[Crowd]:
    """Two computers at each place, all online. The first ones share a network, and each shares one with its second."""
    with telling_no_traceback() as lab:
        crowd = gather(lab, Place)
        for number, (place, (first, second)) in enumerate(crowd.items()):
            first.buri("join" if number else "create", EVERYBODY, PASSWORD)
            first.buri("create", place.value, PASSWORD)
            second.buri("join", place.value, PASSWORD)
        yield crowd


@pytest.mark.parametrize("place", Place, ids=lambda place: place.value)
def test_it_reaches_computers_at_every_place(crowd: Crowd, place: Place) -> None:
    first, second = crowd[place]
    started = time.monotonic()
    paths = {other.value: expected(place, other) for other in Place if other is not place}
    paths[second.name] = expected(place, place)
    wait_until(lambda: paths_of(first) == paths, f"{first.name} to reach {paths}", PATIENCE)
    print(f"all as it should be after another {time.monotonic() - started:.1f} s")
    for peer in (second, *(crowd[other][0] for other in Place if other is not place)):
        first.ping(peer.virtual_address)
