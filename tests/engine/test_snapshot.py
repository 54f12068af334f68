"""Subscribers get the present state at once and then changes, bursts merged; and it can travel as JSON."""

import asyncio
from pathlib import Path

import msgspec
from msgspec import structs

from app.engine.snapshot import Publisher
from app.engine.state import EngineState
from app.protocol.messages import MemberChanged
from tests.engine.world import World, meet, tell


def test_a_burst_of_changes_is_one_snapshot() -> None:
    async def story() -> None:
        made = 0

        def make() -> EngineState:
            nonlocal made
            made += 1
            return EngineState(power=made % 2 == 0)

        publisher = Publisher(make, 0.01)
        publisher.changed()
        assert made == 0
        seen: asyncio.Queue[EngineState] = asyncio.Queue()
        end = publisher.subscribe(seen.put_nowait)
        assert seen.get_nowait() == EngineState()
        for _change in range(100):
            publisher.changed()
        assert (await seen.get()).power
        assert (made, seen.empty()) == (2, True)
        end()
        end()
        publisher.changed()
        publisher.close()
        assert made == 2

    asyncio.run(story())


def test_the_state_travels_as_json_and_holds_no_secret(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, _, network = await meet(world)
        state = anna.state
        data = msgspec.json.encode(state)
        assert msgspec.json.decode(data, type=EngineState) == state
        secret = anna.engine._networks.joined[network].secret
        assert secret is not None
        text = repr(state)
        assert "secret words" not in text
        assert repr(secret) not in text
        assert secret.hex() not in text

    tell(tmp_path, story)


def test_names_that_a_server_did_not_check_can_not_trick_a_reader(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet(world)
        member = anna.engine._networks.all[network].members[ben.address]
        trick = structs.replace(member, nickname="anna\x1b[2J\u202e")
        anna.engine._networks.apply(MemberChanged(network, trick))
        (peer,) = anna.state.peers
        assert peer.nickname == "anna\ufffd[2J\ufffd"
        assert {each.nickname for each in anna.state.networks[0].members} == {"anna", peer.nickname}

    tell(tmp_path, story)
