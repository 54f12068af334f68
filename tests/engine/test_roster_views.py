"""What has not changed is the same object in the next snapshot, so that nobody needs to look at it again."""

from pathlib import Path

from app.engine.state import PeerStatus
from tests.engine.world import World, tell


def test_only_what_changed_is_new(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, carl = [await world.person(name) for name in ("anna", "ben", "carl")]
        family = await anna.engine.create_network("family", "secret words")
        await anna.engine.create_network("games", "secret words")
        for other in (ben, carl):
            await other.engine.join_network("family", "secret words")
            await anna.until_connected(other)
        before = anna.state
        assert anna.state is before

        await anna.engine.set_alias(ben.address, "brother")
        renamed = anna.state
        assert renamed is not before
        assert anna.peer(ben).alias == "brother"
        assert [one is other for one, other in zip(renamed.networks, before.networks, strict=True)] == [True, True]

        await anna.engine.rename_member(family, ben.address, "benjamin")
        await anna.until(lambda: "benjamin" in {each.nickname for each in anna.state.networks[0].members})
        after = anna.state
        assert after.networks[1] is renamed.networks[1]
        lines = {each.address: each for each in after.networks[0].members}
        earlier = {each.address: each for each in renamed.networks[0].members}
        same = {address for address in lines if lines[address] is earlier[address]}
        assert same == {anna.state.server.address, carl.state.server.address}

    tell(tmp_path, story)


def test_one_account_has_one_line_for_all_networks_in_which_it_is_called_the_same(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben = await world.person("anna"), await world.person("ben")
        for name in ("family", "games"):
            await anna.engine.create_network(name, "secret words")
            await ben.engine.join_network(name, "secret words")
        await anna.until(lambda: anna.sees(ben, PeerStatus.DIRECT) and len(anna.peer(ben).networks) == 2)
        family, games = anna.state.networks
        assert all(one is other for one, other in zip(family.members, games.members, strict=True))

    tell(tmp_path, story)


def test_one_peer_alone_is_the_same_line_as_among_all(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben = await world.person("anna"), await world.person("ben")
        await anna.engine.create_network("family", "secret words")
        await ben.engine.join_network("family", "secret words")
        await anna.until_connected(ben)
        await ben.engine.send_chat(anna.address, "hello")
        await anna.until(lambda: anna.peer(ben).unread == 1)
        assert anna.engine.peer_details(ben.address).peer == anna.peer(ben)

    tell(tmp_path, story)
