"""The engine's facade as far as it is about chat: what the command line and the windows call.

A part of `Engine`, in a module of its own for its size; what is behind it is engine/conversations.py.
"""

from collections.abc import Callable

from app.engine.conversations import Conversations
from app.engine.state import ChatMessage, Conversation
from app.protocol.wire import Address, NetworkId


class ChatFacade:
    """The chat of one account. Every refusal is an EngineError."""

    _conversations: Conversations

    def subscribe_chat(self, callback: Callable[[ChatMessage], None]) -> Callable[[], None]:
        """Call back with each new chat message, and again when its status changes. Gives the function that ends it."""
        return self._conversations.subscribe(callback)

    async def send_chat(self, peer: Address, text: str) -> ChatMessage:
        """Send up to 16 KiB of text. Returns once it is taken: queued for an offline peer, else on its way."""
        return self._conversations.send(peer, text)

    async def send_network_chat(self, network: NetworkId, text: str) -> ChatMessage:
        """Send up to 16 KiB of text to all other members, to each through its own tunnel, never through the server.

        It waits for those who are offline. Who joins later does not get it.
        """
        return self._conversations.send_to_network(network, text)

    async def retry_chat(self, message_id: int) -> None:
        """Try a failed message again, with those who do not have it; nobody is shown it twice."""
        await self._conversations.retry(message_id)

    async def wait_chat(self, message: ChatMessage, timeout: float = 30.0) -> ChatMessage:  # noqa: ASYNC109
        """The message once it is delivered or failed, or as it is after `timeout` seconds."""
        return await self._conversations.wait(message, timeout)

    async def chat_messages(
        self, conversation: Conversation, before: int | None = None, limit: int = 100
    ) -> tuple[ChatMessage, ...]:
        """The last messages of a conversation, oldest first; with `before` those older than the message of this id."""
        return await self._conversations.messages(conversation, before, limit)

    def mark_read(self, conversation: Conversation) -> None:
        """A person has seen all that came: nothing in it is unread."""
        self._conversations.mark_read(conversation)

    async def clear_chat(self, conversation: Conversation | None = None) -> None:
        """Forget what was said, in one conversation or in all. What waits for somebody absent still goes out."""
        await self._conversations.clear(conversation)

    @property
    def chat_history_kept(self) -> bool:
        """Whether what was said is kept on disk, sealed, over a restart."""
        return self._conversations.history_kept

    async def keep_chat_history(self, keep: bool) -> None:
        """Keep what is said on disk from now on, or delete what is kept and remember it only until the engine stops."""
        await self._conversations.keep_history(keep)
