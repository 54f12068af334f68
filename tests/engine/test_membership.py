"""What people do with networks, on a real server: passwords, approval, eviction, presence, invites, restarts."""

import asyncio
import functools
from pathlib import Path

from msgspec import structs

from app.engine.state import MemberStatus, NetworkStatus, PeerStatus, Protection
from app.protocol.invite import parse_invite
from app.protocol.network_secret import secret_to_invite
from app.protocol.wire import NetworkId
from tests.engine.world import World, meet, refusal, tell


def test_a_wrong_password_is_refused_and_a_missing_one_is_asked_for(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben = await world.person("anna"), await world.person("ben")
        await anna.engine.create_network("family", "right")
        assert await refusal(ben.engine.join_network("family", "wrong")) == "refused-wrong-password"
        assert await refusal(ben.engine.join_network("family")) == "password-needed"
        assert await refusal(ben.engine.join_network("nothing")) == "refused-network-not-found"
        assert await refusal(ben.engine.create_network("family")) == "refused-name-taken"
        assert not ben.state.networks
        await ben.engine.join_network("family", "right")
        await anna.until_connected(ben)

    tell(tmp_path, story)


def test_a_password_for_an_open_network_is_a_warning_and_no_join(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben = await world.person("anna"), await world.person("ben")
        await anna.engine.create_network("square")
        assert await refusal(ben.engine.join_network("square", "mine")) == "no-password-expected"
        await ben.engine.join_network("square")
        await ben.until_connected(anna)
        assert ben.state.networks[0].protection is Protection.OPEN

    tell(tmp_path, story)


def test_the_evicted_is_out_with_its_tunnel_and_comes_back_only_by_approval(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet(world)
        await anna.engine.evict(network, ben.address)
        await ben.until(lambda: not ben.state.networks)
        await anna.until(lambda: not anna.state.peers)
        await anna.until(lambda: not anna.helper.peers)
        await ben.until(lambda: not ben.helper.peers)
        result = await ben.engine.join_network("family", "secret words")
        assert result.pending
        await anna.until(lambda: any(each.status is MemberStatus.PENDING for each in anna.state.networks[0].members))
        assert ben.state.networks[0].status is NetworkStatus.PENDING
        await anna.engine.approve(network, ben.address)
        await anna.until_connected(ben)
        await ben.until_connected(anna)

    tell(tmp_path, story)


def test_the_banned_stay_out_until_the_ban_is_forgotten(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet(world)
        await anna.engine.evict(network, ben.address, ban=True)
        await ben.until(lambda: not ben.state.networks)
        assert await refusal(ben.engine.join_network("family", "secret words")) == "refused-banned"
        await anna.engine.unban(network, ben.address)
        assert (await ben.engine.join_network("family", "secret words")).pending

    tell(tmp_path, story)


def test_the_owner_approves_rejects_locks_and_renames(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben = await world.person("anna"), await world.person("ben")
        network = await anna.engine.create_network("club", "word")
        await anna.engine.set_access(network, approval=True)
        assert (await ben.engine.join_network("club", "word")).pending
        await anna.until(lambda: len(anna.state.networks[0].members) == 2)
        await anna.engine.reject(network, ben.address)
        await ben.until(lambda: not ben.state.networks)
        assert (await ben.engine.join_network("club", "word")).pending
        await anna.until(lambda: len(anna.state.networks[0].members) == 2)
        await anna.engine.approve(network, ben.address)
        await anna.until_connected(ben)
        await anna.engine.rename_member(network, ben.address, "Benjamin")
        await ben.until(lambda: any(each.nickname == "Benjamin" for each in ben.state.networks[0].members))
        await anna.engine.set_access(network, locked=True)
        carl = await world.person("carl")
        assert await refusal(carl.engine.join_network("club", "word")) == "refused-network-locked"
        assert await refusal(ben.engine.set_access(network, locked=False)) == "refused-not-the-owner"

    tell(tmp_path, story)


def test_going_offline_ends_the_tunnel_and_going_online_brings_it_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet(world)
        await ben.engine.go_offline(network)
        await anna.until(lambda: anna.sees(ben, PeerStatus.OFFLINE))
        await ben.until(lambda: not ben.helper.peers)
        assert ben.state.networks[0].status is NetworkStatus.OFFLINE
        await ben.engine.go_online(network)
        await anna.until_connected(ben)

    tell(tmp_path, story)


def test_leaving_and_deleting_end_tunnels_and_forget_the_secret(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet(world)
        assert await refusal(anna.engine.leave_network(network)) == "refused-owner-must-stay"
        await ben.engine.leave_network(network)
        await anna.until(lambda: not anna.state.peers and not anna.helper.peers)
        await ben.engine.join_network("family", "secret words")
        await anna.until_connected(ben)
        await anna.engine.delete_network(network)
        await ben.until(lambda: not ben.state.networks and not ben.helper.peers)

    tell(tmp_path, story)


def test_a_new_password_leaves_members_alone_and_is_asked_of_new_ones(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet(world)
        await anna.engine.set_password(network, "another")
        carl = await world.person("carl")
        assert await refusal(carl.engine.join_network("family", "secret words")) == "refused-wrong-password"
        await carl.engine.join_network("family", "another")
        await carl.until_connected(anna)
        await carl.until_connected(ben)
        assert anna.sees(ben, PeerStatus.DIRECT)

    tell(tmp_path, story)


def test_a_wrong_password_takes_nothing_from_a_member(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet(world)
        assert await refusal(ben.engine.join_network("family", "not this one")) == "secret-wrong"
        assert (await ben.engine.join_network("family", "secret words")).network == network
        await world.restart(ben)
        await ben.until_connected(anna)

    tell(tmp_path, story)


def test_an_invite_names_the_server_as_others_reach_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        server = anna.profile.settings.server
        assert server is not None
        anna.profile.change(server=structs.replace(server, public_host="anna.example"))
        await world.restart(anna)
        invite = parse_invite(await anna.engine.invite())
        assert (invite.host, invite.port) == ("anna.example", world.port)

    tell(tmp_path, story)


def test_an_invite_only_network_lets_in_who_has_the_link(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, carl = [await world.person(name) for name in ("anna", "ben", "carl")]
        network = await anna.engine.create_network("party", invite_only=True)
        invite = parse_invite(await anna.engine.invite(network))
        assert invite.secret is not None
        assert invite.network == "party"
        await ben.engine.join_network("party", invite_secret=secret_to_invite(invite.secret))
        await ben.until_connected(anna)
        assert ben.peer(anna).proven == (network,)
        await carl.engine.join_network("party")
        await carl.until(lambda: carl.sees(anna, PeerStatus.UNPROVEN) or carl.sees(ben, PeerStatus.UNPROVEN))
        assert not carl.helper.peers
        await carl.engine.join_network("party", invite_secret=secret_to_invite(invite.secret))
        await carl.until_connected(anna)

    tell(tmp_path, story)


def test_an_engine_that_starts_anew_finds_its_networks_secrets_and_pins(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet(world)
        await ben.engine.mark_verified(anna.address)
        number = await ben.engine.verification(anna.address)
        assert number.safety_number == (await anna.engine.verification(ben.address)).safety_number
        address = ben.state.server.address
        await ben.engine.stop()
        await anna.until(lambda: anna.sees(ben, PeerStatus.OFFLINE))
        await world.restart(ben)
        assert ben.state.server.address == address
        await ben.until_connected(anna)
        assert ben.peer(anna).verified
        assert ben.peer(anna).proven == (network,)

    tell(tmp_path, story)


def test_a_nickname_is_changed_everywhere_and_an_alias_only_here(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        await ben.engine.set_nickname("Benno")
        await anna.until(lambda: anna.peer(ben).nickname == "Benno")
        await anna.engine.set_alias(ben.address, "brother")
        assert anna.peer(ben).alias == "brother"
        assert await refusal(anna.engine.set_nickname("\x07")) == "refused-bad-name"

    tell(tmp_path, story)


def test_a_nickname_chosen_while_logged_out_is_told_at_the_next_login(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        await ben.engine.logout()
        await ben.engine.set_nickname("Benno")
        await ben.engine.login()
        await anna.until(lambda: anna.peer(ben).nickname == "Benno")
        await ben.until(lambda: ben.state.server.nickname == "Benno")

    tell(tmp_path, story)


def test_logging_out_and_in_at_the_same_moment_ends_logged_in(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        for _again in range(3):
            await asyncio.gather(ben.engine.logout(), ben.engine.login())
            assert ben.state.power
            await ben.until(lambda: ben.helper.interface is not None)
            await anna.until_connected(ben)

    tell(tmp_path, story)


def test_logging_out_says_goodbye_and_logging_in_brings_everything_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        await ben.engine.logout()
        assert not ben.state.networks
        assert ben.helper.interface is None
        await anna.until(lambda: anna.sees(ben, PeerStatus.OFFLINE))
        await ben.engine.login()
        await anna.until_connected(ben)

    tell(tmp_path, story)


def test_what_is_over_and_was_read_is_not_told_again_but_what_still_holds_is(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, family = await meet(world)
        games = await anna.engine.create_network("games", "secret words")
        await ben.engine.join_network("games", "secret words")

        def anna_sees_two(network: NetworkId) -> bool:
            return len(anna.engine._networks.all[network].members) == 2

        for network in (family, games):
            await anna.until(functools.partial(anna_sees_two, network))
            await anna.engine.evict(network, ben.address)
        await ben.until(lambda: [each.code for each in ben.state.problems] == ["network-evicted"] * 2)
        first, second = ben.state.problems
        assert dict(first.details)["name"] == "family"
        ben.engine.dismiss(first)
        assert ben.state.problems == (second,)
        ben.engine.dismiss(first)
        await anna.helper.stop()
        await anna.until(lambda: bool(anna.state.problems))
        (lost,) = anna.state.problems
        anna.engine.dismiss(lost)
        assert [each.code for each in anna.state.problems] == [lost.code]

    tell(tmp_path, story)
