"""Two engines meet through a real server: tunnels, pings and chat, and what can happen to them."""

from dataclasses import replace
from pathlib import Path

from app.engine.state import ChatStatus, HelperStatus, PathKind, PeerStatus, Protection, ServerStatus
from app.protocol.liveness import Health
from tests.engine.world import QUICK, Person, World, meet, refusal, tell


async def assert_they_talk(one: Person, other: Person) -> None:
    """Ping and chat, both ways."""
    for sender, receiver in ((one, other), (other, one)):
        trips = [trip async for trip in sender.engine.ping(receiver.address, 2, interval=0.01, size=100)]
        assert any(trip.seconds is not None for trip in trips)
        text = "hello " * 1_000
        message = await sender.engine.send_chat(receiver.address, text)
        assert (await sender.engine.wait_chat(message)).status is ChatStatus.DELIVERED
        assert (await receiver.chat_with(sender))[-1].text == text


def test_two_computers_behind_two_routers_join_a_network_and_talk(tmp_path: Path) -> None:
    async def story(world: World) -> None:
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
        await assert_they_talk(anna, ben)

    tell(tmp_path, story)


def test_suite_1_carries_the_same(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world, suite=1)
        assert (anna.peer(ben).suite, ben.peer(anna).suite) == (1, 1)
        await assert_they_talk(anna, ben)

    tell(tmp_path, story)


def test_computers_at_home_find_each_other_at_home(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        router = world.router()
        anna, ben = await world.person("anna", router), await world.person("ben", router)
        await anna.engine.create_network("family", "secret words")
        await ben.engine.join_network("family", "secret words")
        await anna.until_connected(ben)
        assert anna.peer(ben).endpoint.startswith("192.168.")

    tell(tmp_path, story)


def test_one_symmetric_router_is_passed_where_the_other_side_is_open(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben = await world.person("anna", world.router(symmetric=True)), await world.person("ben")
        await anna.engine.create_network("family", "secret words")
        await ben.engine.join_network("family", "secret words")
        await anna.until_connected(ben)
        await ben.until_connected(anna)
        findings = {each.name: each for each in await anna.engine.doctor()}
        assert not findings["router"].ok
        assert findings["server"].ok

    tell(tmp_path, story)


def test_two_symmetric_routers_without_a_relay_end_in_a_plain_word_and_no_tunnel(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.internet.relay = None
        anna = await world.person("anna", world.router(symmetric=True))
        ben = await world.person("ben", world.router(symmetric=True))
        await anna.engine.create_network("family", "secret words")
        await ben.engine.join_network("family", "secret words")
        await anna.until(lambda: anna.sees(ben, PeerStatus.FAILED))
        assert await refusal(anext(anna.engine.ping(ben.address))) == "no-tunnel"

    tell(tmp_path, story)


def test_a_lossy_internet_slows_and_stops_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        message = await anna.engine.send_chat(ben.address, "x" * 16_384)
        assert (await anna.engine.wait_chat(message)).status is ChatStatus.DELIVERED

    tell(tmp_path, story, loss=0.2)


def test_tunnels_outlive_the_server_and_rekey_without_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        timing = replace(QUICK, rekey_interval=0.5, idle_rekey_interval=0.5, old_session_grace=0.3)
        anna, ben = await world.person("anna", timing=timing), await world.person("ben", timing=timing)
        await anna.engine.create_network("family", "secret words")
        await ben.engine.join_network("family", "secret words")
        await anna.until_connected(ben)
        await ben.until_connected(anna)
        await world.stop_server()
        await anna.until(lambda: anna.state.server.status is ServerStatus.WAITING)
        before = len(anna.helper.installed)
        await anna.until(lambda: len(anna.helper.installed) >= before + 3)
        await assert_they_talk(anna, ben)
        assert len(anna.helper.sessions) <= 6
        await world.start_server()
        await anna.until(lambda: anna.state.server.status is ServerStatus.ONLINE)
        await ben.until(lambda: ben.state.server.status is ServerStatus.ONLINE)
        assert anna.sees(ben, PeerStatus.DIRECT)
        await anna.engine.create_network("more", "secret words")
        await ben.engine.join_network("more", "secret words")
        await ben.until(lambda: len(ben.peer(anna).proven) == 2)

    tell(tmp_path, story)


def test_a_helper_that_dies_is_told_and_tunnels_return_with_the_next(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        await anna.helper.stop()
        await anna.until(lambda: anna.state.helper.status in (HelperStatus.LOST, HelperStatus.ABSENT))
        assert any(each.code.startswith("helper-") for each in anna.state.problems)
        assert not anna.sees(ben, PeerStatus.DIRECT)
        await anna.helper.start()
        await anna.until_connected(ben)
        await assert_they_talk(anna, ben)

    tell(tmp_path, story)


def test_a_router_that_forgets_is_noticed_and_a_path_found_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        router = world.router()
        anna, ben = await world.person("anna", router), await world.person("ben", world.router())
        await anna.engine.create_network("family", "secret words")
        await ben.engine.join_network("family", "secret words")
        await anna.until_connected(ben)
        await ben.until_connected(anna)
        endpoint = ben.peer(anna).endpoint
        router.forget()
        await anna.engine.send_chat(ben.address, "still there?")
        await ben.until(lambda: ben.peer(anna).endpoint not in ("", endpoint))
        await anna.until_connected(ben)
        await ben.until_connected(anna)
        await assert_they_talk(anna, ben)

    tell(tmp_path, story)


def test_chat_to_somebody_absent_waits_and_arrives_in_order(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        await ben.engine.stop()
        await anna.until(lambda: anna.sees(ben, PeerStatus.OFFLINE))
        messages = [await anna.engine.send_chat(ben.address, f"line {number}") for number in range(5)]
        assert {each.status for each in messages} == {ChatStatus.QUEUED}
        await world.restart(anna)
        await world.restart(ben)
        waiting = await anna.chat_with(ben)
        assert [each.text for each in waiting] == [each.text for each in messages]
        for message in waiting:
            assert (await anna.engine.wait_chat(message)).status is ChatStatus.DELIVERED
        assert [each.text for each in await ben.chat_with(anna)] == [f"line {n}" for n in range(5)]

    tell(tmp_path, story)


def test_a_ping_without_an_answer_has_the_path_looked_at_and_a_dead_one_is_not_shown_for_long(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        world.internet.relay = None
        world.internet.cut.add(frozenset((anna.helper.computer.address, ben.helper.computer.address)))
        trips = [trip async for trip in anna.engine.ping(ben.address, 1, patience=0.05)]
        assert trips[0].seconds is None
        monitor = anna.engine._peers.links[ben.address].monitor
        assert monitor is not None
        assert monitor.health is not Health.ALIVE
        await anna.until(lambda: not anna.peer(ben).status.has_tunnel)

    tell(tmp_path, story)


def test_a_blocked_peer_has_no_tunnel_until_it_is_let_in_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        await anna.engine.set_blocked(ben.address)
        assert anna.sees(ben, PeerStatus.BLOCKED)
        await anna.until(lambda: not anna.helper.peers)
        assert await refusal(anna.engine.send_chat(ben.address, "no")) == "no-tunnel"
        assert await refusal(anext(anna.engine.ping(ben.address))) == "no-tunnel"
        await anna.engine.set_blocked(ben.address, False)
        await anna.until_connected(ben)

    tell(tmp_path, story)


def test_four_computers_make_a_full_mesh(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        people = [await world.person(name, world.router()) for name in ("anna", "ben", "carl", "dora")]
        await people[0].engine.create_network("family", "secret words")
        for person in people[1:]:
            await person.engine.join_network("family", "secret words")
        for one in people:
            for other in people:
                if other is not one:
                    await one.until_connected(other)
        await assert_they_talk(people[1], people[3])

    tell(tmp_path, story)


def test_a_wrong_server_key_is_told_and_not_tried_again_soon(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        wrong = "SHA256:" + "A" * 43
        anna = await world.person("anna", fingerprint=wrong, start=False)
        await anna.engine.start()
        await anna.until(lambda: anna.state.server.status is ServerStatus.REFUSED)
        assert anna.state.server.problem is not None
        assert anna.state.server.problem.code == "server-wrong-key"
        assert await refusal(anna.engine.login()) == "server-wrong-key"

    tell(tmp_path, story)


def test_commands_without_a_connection_say_so(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        await world.stop_server()
        await anna.until(lambda: anna.state.server.status is ServerStatus.WAITING)
        assert await refusal(anna.engine.create_network("family")) == "not-logged-in"
        await anna.until(lambda: anna.state.server.problem is not None)
        assert await refusal(anna.engine.login()) == "server-unreachable"
        await world.start_server()
        await anna.until(lambda: anna.state.server.status is ServerStatus.ONLINE)
        await anna.engine.login()

    tell(tmp_path, story)


def test_a_computer_that_moves_to_another_network_keeps_its_tunnel(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben = await world.person("anna", world.router()), await world.person("ben", world.router())
        await anna.engine.create_network("family", "secret words")
        await ben.engine.join_network("family", "secret words")
        await anna.until_connected(ben)
        await ben.until_connected(anna)
        before, sessions = ben.peer(anna).endpoint, len(anna.helper.installed)
        computer = anna.helper.computer
        computer.router, computer.address = world.router(), "192.168.2.77"
        anna.engine._network_changed()
        await ben.until(lambda: ben.sees(anna, PeerStatus.DIRECT) and ben.peer(anna).endpoint != before)
        await anna.until_connected(ben)
        await assert_they_talk(anna, ben)
        assert len(anna.helper.installed) <= sessions + 1

    tell(tmp_path, story)


def test_a_computer_that_slept_is_back_at_once_with_fresh_keys(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        sessions = len(anna.helper.installed)
        for person in (anna, ben):
            person.engine._woke()
        await anna.until(lambda: len(anna.helper.installed) > sessions)
        await anna.until(lambda: anna.state.server.status is ServerStatus.ONLINE)
        await anna.until_connected(ben)
        await assert_they_talk(anna, ben)

    tell(tmp_path, story)
