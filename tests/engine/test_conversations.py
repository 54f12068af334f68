"""Chat of two and three computers over real tunnels: networks, absence, restarts, and what is kept."""

import asyncio
from pathlib import Path

from app.engine.chat import MAX_QUEUED
from app.engine.state import ChatMessage, ChatStatus, Conversation, MemberStatus, PeerStatus
from app.protocol.tunnel_message import ChatFragment, encode
from app.protocol.wire import NetworkId
from tests.engine.world import PATIENCE, Person, World, meet, refusal, tell


async def family_of_three(world: World) -> tuple[Person, Person, Person, NetworkId]:
    """Three people, each with a tunnel to each."""
    anna, ben, network = await meet(world)
    carl = await world.person("carl")
    await carl.engine.join_network("family", "secret words")
    for one, other in ((anna, carl), (ben, carl)):
        await one.until_connected(other)
        await other.until_connected(one)
    return anna, ben, carl, network


def online_in(person: Person, network: NetworkId, other: Person) -> bool:
    (view,) = [each for each in person.state.networks if each.id == network]
    address = other.state.server.address
    return any(each.address == address and each.status is MemberStatus.ONLINE for each in view.members)


async def said(person: Person, network: NetworkId) -> tuple[ChatMessage, ...]:
    return await person.engine.chat_messages(Conversation(network=network))


async def until_told(person: Person, text: str, *statuses: ChatStatus) -> ChatMessage:
    """Until a message with this text has one of these statuses at this person."""
    found: asyncio.Future[ChatMessage] = asyncio.get_running_loop().create_future()

    def look(message: ChatMessage) -> None:
        if message.text == text and message.status in statuses and not found.done():
            found.set_result(message)

    unsubscribe = person.engine.subscribe_chat(look)
    try:
        for each in person.state.peers:
            for message in await person.engine.chat_messages(Conversation(each.address)):
                look(message)
        for network in person.state.networks:
            for message in await person.engine.chat_messages(Conversation(network=network.id)):
                look(message)
        async with asyncio.timeout(PATIENCE):
            return await found
    finally:
        unsubscribe()


def test_a_message_to_a_network_reaches_all_members_and_no_server(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, carl, network = await family_of_three(world)
        await world.stop_server()
        message = await anna.engine.send_network_chat(network, "dinner at eight")
        assert (message.recipients, message.peer, message.network) == (2, "", network)
        assert (await anna.engine.wait_chat(message)).delivered == 2
        for person in (ben, carl):
            (received,) = await person.engine.chat_messages(Conversation(network=network))
            assert (received.text, received.peer) == ("dinner at eight", anna.state.server.address)
            assert received.conversation == Conversation(network=network)
            assert await person.chat_with(anna) == ()
            assert next(each.unread for each in person.state.networks) == 1
            assert person.peer(anna).unread == 0
        await world.start_server()

    tell(tmp_path, story)


def test_who_is_absent_gets_it_later_also_if_the_sender_restarts_meanwhile(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, carl, network = await family_of_three(world)
        await carl.engine.stop()
        await anna.until(lambda: anna.sees(carl, PeerStatus.OFFLINE))
        message = await anna.engine.send_network_chat(network, "dinner at eight")
        await until_told(ben, "dinner at eight", ChatStatus.RECEIVED)
        await world.restart(anna)
        await world.restart(carl)
        delivered = await until_told(anna, "dinner at eight", ChatStatus.DELIVERED)
        assert (delivered.id, delivered.delivered) == (message.id, 2)
        assert len(await ben.engine.chat_messages(Conversation(network=network))) == 1
        assert len(await carl.engine.chat_messages(Conversation(network=network))) == 1

    tell(tmp_path, story)


def test_who_leaves_the_network_holds_its_messages_up_no_longer(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, carl, network = await family_of_three(world)
        await carl.engine.go_offline(network)
        await anna.until(lambda: anna.sees(carl, PeerStatus.OFFLINE))
        message = await anna.engine.send_network_chat(network, "dinner at eight")
        await until_told(ben, "dinner at eight", ChatStatus.RECEIVED)
        await carl.engine.leave_network(network)
        ended = await anna.engine.wait_chat(message, PATIENCE)
        assert (ended.status, ended.recipients, ended.delivered) == (ChatStatus.DELIVERED, 1, 1)

    tell(tmp_path, story)


def test_whoever_is_blocked_gets_nothing_that_is_for_the_network(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet(world)
        await anna.engine.set_blocked(ben.address)
        assert await refusal(anna.engine.send_network_chat(network, "hello")) == "chat-nobody-there"
        assert await refusal(anna.engine.send_network_chat(NetworkId(5), "hello")) == "refused-network-not-found"

    tell(tmp_path, story)


def test_a_network_that_only_one_side_is_online_in_carries_no_chat(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, family = await meet(world)
        work = await anna.engine.create_network("work", "other words")
        await ben.engine.join_network("work", "other words")
        await anna.until(lambda: {family, work} <= set(anna.peer(ben).proven))
        await ben.engine.go_offline(work)
        await anna.until(lambda: not online_in(anna, work, ben))
        message = await anna.engine.send_network_chat(work, "to work")
        assert message.status is ChatStatus.QUEUED
        direct = await anna.engine.send_chat(ben.address, "to you")
        assert (await anna.engine.wait_chat(direct)).status is ChatStatus.DELIVERED
        await ben.engine.go_online(work)
        assert (await anna.engine.wait_chat(message)).status is ChatStatus.DELIVERED
        assert [each.text for each in await ben.engine.chat_messages(Conversation(network=work))] == ["to work"]

    tell(tmp_path, story)


def test_history_and_unread_counts_outlive_a_restart(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        for text in ("one", "two", "three"):
            await anna.engine.wait_chat(await anna.engine.send_chat(ben.address, text))
        await ben.until(lambda: ben.peer(anna).unread == 3)
        await world.restart(ben)
        await ben.until(lambda: bool(ben.state.peers))
        assert ben.peer(anna).unread == 3
        messages = await ben.chat_with(anna)
        assert [each.text for each in messages] == ["one", "two", "three"]
        page = await ben.engine.chat_messages(messages[0].conversation, before=messages[2].id, limit=1)
        assert [each.text for each in page] == ["two"]
        ben.engine.mark_read(messages[0].conversation)
        await ben.until(lambda: ben.peer(anna).unread == 0)
        await ben.until_connected(anna)
        sent = await ben.engine.send_chat(anna.address, "four")
        assert sent.id > messages[-1].id
        await world.restart(ben)
        await ben.until(lambda: bool(ben.state.peers))
        assert ben.peer(anna).unread == 0

    tell(tmp_path, story)


def test_the_history_is_kept_only_if_the_person_wants_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        await anna.engine.wait_chat(await anna.engine.send_chat(ben.address, "between us"))
        await ben.engine.keep_chat_history(False)
        assert [each.text for each in await ben.chat_with(anna)] == ["between us"]
        await world.restart(ben)
        await ben.until_connected(anna)
        assert await ben.chat_with(anna) == ()
        assert not ben.engine.chat_history_kept
        await ben.engine.keep_chat_history(True)
        await anna.engine.wait_chat(await anna.engine.send_chat(ben.address, "for the record"))
        await world.restart(ben)
        await ben.until(lambda: bool(ben.state.peers))
        assert [each.text for each in await ben.chat_with(anna)] == ["for the record"]
        await ben.engine.clear_chat()
        assert await ben.chat_with(anna) == ()
        await ben.until(lambda: ben.peer(anna).unread == 0)

    tell(tmp_path, story)


def test_a_message_that_found_no_room_has_failed_and_is_tried_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet(world)
        await ben.engine.stop()
        await anna.until(lambda: anna.sees(ben, PeerStatus.OFFLINE))
        waits = [await anna.engine.send_chat(ben.address, str(number)) for number in range(MAX_QUEUED)]
        failed = await anna.engine.send_network_chat(network, "one too many")
        assert failed.status is ChatStatus.FAILED
        assert await refusal(anna.engine.retry_chat(failed.id)) == "chat-message-unknown"
        await world.restart(ben)
        assert (await anna.engine.wait_chat(waits[-1])).status is ChatStatus.DELIVERED
        await anna.engine.retry_chat(failed.id)
        assert (await anna.engine.wait_chat(failed)).status is ChatStatus.DELIVERED
        assert await refusal(anna.engine.retry_chat(failed.id)) == "chat-message-unknown"
        assert await refusal(anna.engine.retry_chat(12_345)) == "chat-message-unknown"
        assert [each.text for each in await ben.engine.chat_messages(Conversation(network=network))] == ["one too many"]
        assert len(await ben.engine.chat_messages(Conversation(anna.state.server.address), limit=1_000)) == MAX_QUEUED

    tell(tmp_path, story)


def test_somebody_who_is_not_in_a_network_cannot_write_to_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, _, family = await meet(world)
        work = await anna.engine.create_network("work", "other words")
        carl = await world.person("carl")
        await carl.engine.join_network("work", "other words")
        await anna.until_connected(carl)
        await carl.until_connected(anna)
        for number, network in enumerate((family, work), 1):
            forged = ChatFragment(9, number, number, 0, 0, 1, b"I am family", network)
            carl.engine._peers.send_message(anna.address, encode(forged))  # an engine that keeps to no rule
        await until_told(anna, "I am family", ChatStatus.RECEIVED)
        assert [each.conversation.network for each in await said(anna, work)] == [work]
        assert await said(anna, family) == ()
        assert dict(anna.state.counters)["chat-network-not-shared"] == 1

    tell(tmp_path, story)


def test_a_damaged_history_is_told_put_aside_and_chat_goes_on(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        await ben.engine.stop()
        (file,) = ben.profile.state_folder.glob("chat-*.sqlite")
        file.write_bytes(b"nothing like a database")
        await world.restart(ben)
        await ben.until_connected(anna)
        assert (await anna.engine.wait_chat(await anna.engine.send_chat(ben.address, "hello"))).delivered == 0
        assert [each.text for each in await ben.chat_with(anna)] == ["hello"]
        (problem,) = [each for each in ben.state.problems if each.code == "chat-history-damaged"]
        ben.engine.dismiss(problem)
        assert problem not in ben.state.problems

    tell(tmp_path, story)


def test_nonsense_is_refused(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        assert await refusal(anna.engine.chat_messages(Conversation())) == "peer-not-found"
        assert await refusal(anna.engine.chat_messages(Conversation("nobody"))) == "peer-not-found"
        assert await anna.engine.chat_messages(Conversation("10.77.0.9"), limit=0) == ()
        network = await anna.engine.create_network("alone")
        await anna.until(lambda: bool(anna.state.networks))
        assert await refusal(anna.engine.send_network_chat(network, "hello?")) == "chat-nobody-there"

    tell(tmp_path, story)
