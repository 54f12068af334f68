"""The verbs of chat: what a person may send to whom, what was said, what is unread.

Owned by engine/engine.py and called through engine/chat_facade.py; every refusal is an EngineError.
"""

import asyncio
from collections.abc import Callable

from app.engine.chat import Chat
from app.engine.contacts import Contacts
from app.engine.errors import engine_error, refused
from app.engine.networks import Networks
from app.engine.settings import Profile
from app.engine.state import ChatMessage, ChatStatus, Conversation, PeerStatus
from app.engine.trust import Trust
from app.protocol.messages import Refusal
from app.protocol.wire import Address, NetworkId, parse_address

_ENDED = (ChatStatus.DELIVERED, ChatStatus.FAILED)


class Conversations:
    """All that a person does with chat."""

    def __init__(self, chat: Chat, networks: Networks, contacts: Contacts, trust: Trust, profile: Profile) -> None:
        self._chat, self._networks, self._contacts = chat, networks, contacts
        self._trust, self._profile = trust, profile

    @property
    def history_kept(self) -> bool:
        """Whether what was said is kept on disk."""
        return self._profile.settings.chat_history

    def subscribe(self, callback: Callable[[ChatMessage], None]) -> Callable[[], None]:
        """Call back with every new message and every change of one. Gives the function that ends it."""
        return self._chat.subscribe(callback)

    def send(self, peer: Address, text: str) -> ChatMessage:
        """Take a message to a peer."""
        self._trust.roster_fingerprints(peer)
        if self._contacts.get(peer).blocked:
            raise engine_error("no-tunnel", name=self._trust.name(peer), status=PeerStatus.BLOCKED)
        return self._chat.send(peer, text, asyncio.get_running_loop().time())

    def send_to_network(self, network: NetworkId, text: str) -> ChatMessage:
        """Take a message to all other members of a network."""
        raise refused(Refusal.NETWORK_NOT_FOUND)

    async def retry(self, message_id: int) -> None:
        """Try a failed message again."""

    async def wait(self, message: ChatMessage, timeout: float) -> ChatMessage:  # noqa: ASYNC109
        """The message once it is delivered or failed, or as it is after `timeout` seconds."""
        ended: asyncio.Future[ChatMessage] = asyncio.get_running_loop().create_future()

        def look(changed: ChatMessage) -> None:
            if changed.id == message.id and changed.status in _ENDED and not ended.done():
                ended.set_result(changed)

        unsubscribe = self._chat.subscribe(look)
        try:
            present = self._chat.find(parse_address(message.peer), message.id) or message
            look(present)
            async with asyncio.timeout(timeout):
                return await ended
        except TimeoutError:
            return self._chat.find(parse_address(message.peer), message.id) or message
        finally:
            unsubscribe()

    async def messages(self, conversation: Conversation, before: int | None, limit: int) -> tuple[ChatMessage, ...]:
        """The last messages of a conversation, oldest first."""
        if not conversation.peer:
            return ()
        known = self._chat.history(parse_address(conversation.peer), 1_000)
        return tuple(each for each in known if before is None or each.id < before)[-limit:]

    def mark_read(self, conversation: Conversation) -> None:
        """Nothing in it is unread."""

    async def clear(self, conversation: Conversation | None) -> None:
        """Forget what was said."""

    async def keep_history(self, keep: bool) -> None:
        """Keep what is said on disk, or delete what is kept."""
        self._profile.change(chat_history=keep)
