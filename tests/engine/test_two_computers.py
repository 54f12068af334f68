"""Two engines meet through a real server: networks, tunnels, pings and chat."""

import asyncio
from pathlib import Path

from app.engine.state import ChatStatus, PathKind, PeerStatus, Protection
from tests.engine.world import World


def test_two_computers_behind_two_routers_join_a_network_and_talk(tmp_path: Path) -> None:
    async def story() -> None:
        async with World(tmp_path) as world:
            anna = await world.person("anna", world.router())
            ben = await world.person("ben", world.router())
            network = await anna.engine.create_network("family", "secret words")
            result = await ben.engine.join_network("family", "secret words")
            assert (result.network, result.pending) == (network, False)
            await anna.until_connected(ben)
            await ben.until_connected(anna)
            view = anna.peer(ben)
            assert (view.path, view.suite, view.proven) == (PathKind.DIRECT, 2, (network,))
            assert anna.state.networks[0].protection is Protection.PROVED
            trips = [trip async for trip in anna.engine.ping(ben.address, 3, interval=0.01, size=100)]
            assert all(trip.seconds is not None for trip in trips)
            for one, other in ((anna, ben), (ben, anna)):
                message = await one.engine.send_chat(other.address, "hello " * 1_000)
                assert (await one.engine.wait_chat(message)).status is ChatStatus.DELIVERED
                assert other.engine.chat_history(one.address)[-1].text == "hello " * 1_000
            assert ben.peer(anna).status is PeerStatus.DIRECT

    asyncio.run(story())
