"""The verbs of chat: what a person may send to whom, what was said, what is unread.

Puts together what happens on the wire (engine/chat.py), what is kept (engine/chat_recorder.py) and who belongs to a
network. Owned by engine/engine.py and called through engine/chat_facade.py; every refusal is an EngineError.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

from app.base.tasks import Tasks
from app.engine.account import OwnAccount
from app.engine.chat import Chat
from app.engine.chat_record import ChatChanges
from app.engine.chat_recorder import ChatRecorder
from app.engine.chat_store import ChatStore
from app.engine.contacts import Contacts
from app.engine.errors import EngineError, engine_error, refused
from app.engine.networks import Networks
from app.engine.peers import Peers
from app.engine.state import ChatMessage, ChatStatus, Conversation, PeerStatus
from app.engine.trust import Trust
from app.protocol.messages import MemberStatus, Refusal
from app.protocol.tunnel_message import ChatAcknowledge, ChatFragment
from app.protocol.wire import Address, NetworkId, parse_address

MAX_PAGE = 500
"""Messages that are read at once."""
_ENDED = (ChatStatus.DELIVERED, ChatStatus.FAILED)


class Conversations:
    """All that a person does with chat. `on_deadline` and `on_change` as everywhere in the engine."""

    def __init__(
        self,
        store: ChatStore,
        account: OwnAccount,
        tasks: Tasks,
        peers: Peers,
        networks: Networks,
        contacts: Contacts,
        trust: Trust,
        on_deadline: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        self._account, self._peers = account, peers
        self._networks, self._contacts, self._trust = networks, contacts, trust
        self._recorder = ChatRecorder(store, tasks, self._everything, on_change)
        self.chat = Chat(
            peers.send_message, self._may_pass, peers.rests_on, on_deadline, on_change, self._recorder.keep
        )

    def _everything(self) -> ChatChanges:
        return self.chat.everything()

    # --- what the engine tells

    async def open(self) -> None:
        """Read what is kept. Never fails; see `problems`."""
        self.chat.restore(await self._recorder.open())

    async def close(self) -> None:
        """Write what is not written yet."""
        await self._recorder.close()

    def receive(self, peer: Address, message: ChatFragment | ChatAcknowledge) -> None:
        """A chat message came through the peer's tunnel."""
        self.chat.receive(peer, message, self._now())

    def tunnel_up(self, peer: Address) -> None:
        """There is a tunnel to this peer, or it rests on one more network."""
        self.chat.tunnel_up(peer, self._now())

    def networks_changed(self) -> None:
        """Somebody may have come online in a network, left it or was blocked.

        Nobody has left as long as the server has not told all.
        """
        if self._networks.synchronised:
            for network in self.chat.networks_waiting():
                self.chat.keep_to(network, self._recipients(NetworkId(network)))
        self.chat.send_waiting(self._now())

    # --- what it shows

    @property
    def history_kept(self) -> bool:
        """Whether what was said is kept on disk."""
        return self._account.keeps_chat

    @property
    def problems(self) -> tuple[EngineError, ...]:
        """What a person should know."""
        return self._recorder.problems

    def dismiss(self, code: str) -> None:
        """The person has read of a problem that is over."""
        self._recorder.dismiss(code)

    @property
    def unread(self) -> Mapping[Conversation, int]:
        """How many messages nobody has read; conversations without any are left out."""
        return self.chat.unread

    @property
    def counters(self) -> Counter[str]:
        """What was ignored or refused, by name."""
        return self.chat.counters + Counter({"chat-message-unreadable": self._recorder.unreadable})

    def subscribe(self, callback: Callable[[ChatMessage], None]) -> Callable[[], None]:
        """Call back with every new message and every change of one. Gives the function that ends it."""
        return self.chat.subscribe(callback)

    # --- who may get what

    def _may_pass(self, peer: Address, network: int) -> bool:
        """Who is offline in a network takes nothing that is for it, even if there is a tunnel because of another."""
        if not network:
            return self._peers.is_up(peer)
        online = self._networks.is_online_in(NetworkId(network), peer)
        return online and self._peers.rests_on(peer, NetworkId(network))

    def _recipients(self, network: NetworkId) -> list[Address]:
        return [each for each in self._networks.others_in(network) if not self._contacts.get(each).blocked]

    # --- what the person does

    def send(self, peer: Address, text: str) -> ChatMessage:
        """Take a message to a peer."""
        self._trust.roster_fingerprints(peer)
        if self._contacts.get(peer).blocked:
            raise engine_error("no-tunnel", name=self._trust.name(peer), status=PeerStatus.BLOCKED)
        return self.chat.send([peer], 0, text, self._now())

    def send_to_network(self, network: NetworkId, text: str) -> ChatMessage:
        """Take a message to all other members of a network."""
        known = self._networks.all.get(network)
        if known is None:
            raise refused(Refusal.NETWORK_NOT_FOUND)
        if known.state.status is not MemberStatus.MEMBER:
            raise refused(Refusal.NOT_A_MEMBER)
        recipients = self._recipients(network)
        if not recipients:
            raise engine_error("chat-nobody-there", name=known.state.name)
        return self.chat.send(recipients, network, text, self._now())

    async def retry(self, number: int) -> None:
        """Try a failed message again."""
        record = await self._recorder.find(number)
        if record is None or record.status is not ChatStatus.FAILED:
            raise engine_error("chat-message-unknown")
        peers = [each.peer for each in record.deliveries]
        wanted = self._recipients(NetworkId(record.network)) if record.network else peers
        self.chat.retry(record, wanted, self._now())

    async def wait(self, message: ChatMessage, timeout: float) -> ChatMessage:  # noqa: ASYNC109
        """The message once it is delivered or failed, or as it is after `timeout` seconds."""
        ended: asyncio.Future[ChatMessage] = asyncio.get_running_loop().create_future()
        latest = message

        def look(changed: ChatMessage) -> None:
            nonlocal latest
            if changed.id == message.id:
                latest = changed
                if changed.status in _ENDED and not ended.done():
                    ended.set_result(changed)

        unsubscribe = self.chat.subscribe(look)
        try:
            look(await self._present(message))
            async with asyncio.timeout(timeout):
                return await ended
        except TimeoutError:
            return latest
        finally:
            unsubscribe()

    async def _present(self, message: ChatMessage) -> ChatMessage:
        waiting = self.chat.waiting(message.id)
        record = waiting if waiting is not None else await self._recorder.find(message.id)
        return message if record is None else record.message

    async def messages(self, conversation: Conversation, before: int | None, limit: int) -> tuple[ChatMessage, ...]:
        """The last messages of a conversation, oldest first; with `before` those older than this id."""
        checked = _checked(conversation)
        if limit < 1:
            return ()
        return tuple(each.message for each in await self._recorder.messages(checked, before, min(limit, MAX_PAGE)))

    def mark_read(self, conversation: Conversation) -> None:
        """Nothing in it is unread."""
        self.chat.mark_read(conversation)

    async def clear(self, conversation: Conversation | None) -> None:
        """Forget what was said, in one conversation or in all."""
        await self._recorder.forget(conversation)
        self.chat.mark_read(conversation)

    async def keep_history(self, keep: bool) -> None:
        """Keep what is said on disk, or delete what is kept there."""
        await self._account.keep_chat(keep)
        await self._recorder.keep_history(keep)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _checked(conversation: Conversation) -> Conversation:
    """Raises EngineError if it is with nobody."""
    try:
        known = conversation.network or parse_address(conversation.peer)
    except ValueError:
        known = None
    if not known:
        raise engine_error("peer-not-found", name=conversation.peer)
    return conversation
