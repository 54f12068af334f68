"""What a window can show of one peer's tunnel."""

from dataclasses import replace
from pathlib import Path

from app.engine.state import CandidateView
from app.protocol.wire import Address
from tests.engine.world import QUICK, World, refusal, tell


def test_a_tunnel_tells_its_suite_its_path_and_what_else_was_tried(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        timing = replace(QUICK, rekey_interval=0.5, idle_rekey_interval=0.5)
        anna, ben = await world.person("anna", timing=timing), await world.person("ben", timing=timing)
        await anna.engine.create_network("family", "secret words")
        await ben.engine.join_network("family", "secret words")
        await anna.until_connected(ben)
        details = anna.engine.peer_details(ben.address)
        assert details.peer == anna.peer(ben)
        assert details.suite_name == "X25519MLKEM768-AES256GCM-SHA256"
        (used,) = [each for each in details.candidates if each.status == "in use"]
        assert (used.endpoint, used.kind) == (details.peer.endpoint, "host")
        await anna.until(lambda: anna.engine.peer_details(ben.address).candidates[0].round_trip is not None)
        await anna.until(lambda: anna.engine.peer_details(ben.address).rekeys > 1)

    tell(tmp_path, story)


def test_a_peer_that_can_not_be_reached_shows_what_was_tried_in_vain(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna", world.router(symmetric=True))
        ben = await world.person("ben", world.router(symmetric=True))
        await anna.engine.create_network("family")
        await ben.engine.join_network("family")

        def candidates() -> tuple[CandidateView, ...]:
            known = any(each.address == ben.state.server.address for each in anna.state.peers)
            return anna.engine.peer_details(ben.address).candidates if known else ()

        await anna.until(lambda: any(each.status == "waiting" for each in candidates()))
        assert {each.kind for each in candidates()} <= {"host", "reflexive", "peer-reflexive"}
        assert anna.engine.peer_details(ben.address).suite_name == ""

    tell(tmp_path, story)


def test_somebody_who_is_no_peer_has_no_details(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")

        async def ask() -> object:
            return anna.engine.peer_details(Address(1))

        assert await refusal(ask()) == "peer-not-found"

    tell(tmp_path, story)
