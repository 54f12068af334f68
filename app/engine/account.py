"""This computer's account on its server: who it is there, whether the person wants to be logged in, and its nickname.

Settings that change with it wait for the disk in a thread, one change after the other. Owned by engine/engine.py.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

from app.base.tasks import Tasks
from app.engine.errors import EngineError, refused
from app.engine.mediation_client import MediationClient, ServerAccess
from app.engine.settings import Profile, ServerAddress
from app.protocol.keys import parse_fingerprint
from app.protocol.messages import Accepted, Refusal, SetNickname, Welcome
from app.protocol.names import checked_name
from app.protocol.wire import Address, RemoteProtocolError

logger = logging.getLogger(__name__)


class OwnAccount:
    """What the server told about this account, and what its person wants of it."""

    def __init__(
        self,
        key: str,
        profile: Profile,
        server: ServerAddress,
        client: MediationClient,
        tasks: Tasks,
        on_change: Callable[[], None],
    ) -> None:
        """`key` is the identity's fingerprint; `on_change` is called when something that is shown has changed."""
        self.address: Address | None = None
        self.nickname = profile.settings.nickname
        self.server_name = ""
        self.pool: IPv4Network | None = None
        self.problem: EngineError | None = None
        """Why the address could not be written down."""
        self._key, self._profile, self._server = key, profile, server
        self._client, self._tasks, self._on_change = client, tasks, on_change
        self._saving = asyncio.Lock()

    @property
    def wanted(self) -> bool:
        """Whether the person wants to be logged in."""
        return self._profile.settings.logged_in

    async def want(self, wanted: bool) -> None:
        """Remember whether the person wants to be logged in. Raises EngineError if it can't be written."""
        await self._save(logged_in=wanted)

    @property
    def keeps_chat(self) -> bool:
        """Whether the person wants what was said to be kept on disk."""
        return self._profile.settings.chat_history

    async def keep_chat(self, keep: bool) -> None:
        """Remember whether what is said is to be kept on disk. Raises EngineError if it can't be written."""
        await self._save(chat_history=keep)

    @property
    def wants_port_mapping(self) -> bool:
        """Whether the person wants the router to be asked to open a port."""
        return self._profile.settings.port_mapping

    async def want_port_mapping(self, wanted: bool) -> None:
        """Remember whether the router is to be asked to open a port. Raises EngineError if it can't be written."""
        await self._save(port_mapping=wanted)

    async def _save(self, **changes: Any) -> None:
        async with self._saving:
            await asyncio.to_thread(self._profile.change, **changes)

    async def close(self) -> None:
        """Wait for what is being written."""
        async with self._saving:
            pass

    def connect(self) -> None:
        """Log in and stay logged in, or register at first contact."""
        self._client.start(self.access, self.known_address)

    @property
    def known_address(self) -> Address | None:
        """The account's address, as far as it is written down; None before the first login."""
        address = self._profile.settings.address_on(self._server.fingerprint, self._key)
        return None if address is None else Address(address)

    @property
    def access(self) -> ServerAccess:
        """Where the server is, and who we are there."""
        settings = self._profile.settings
        return ServerAccess(
            self._server.host,
            self._server.port,
            parse_fingerprint(self._server.fingerprint),
            settings.suite,
            settings.nickname or _default_nickname(),
        )

    def logged_in(self, address: Address) -> None:
        """The server took the login."""
        self.address = address
        if self._profile.settings.address_on(self._server.fingerprint, self._key) != address:
            self._tasks.start("remember address", self._remember(address))

    async def _remember(self, address: Address) -> None:
        try:
            async with self._saving:
                await asyncio.to_thread(self._profile.remember_address, self._server.fingerprint, self._key, address)
            self.problem = None
        except EngineError as error:
            logger.error("%s", error)  # the server knows the account by its key as well: it can be asked again
            self.problem = error
        self._on_change()

    def welcome(self, word: Welcome) -> None:
        """The server told who we are there. A nickname chosen while logged out is told now."""
        self.nickname, self.server_name = word.nickname, word.server_name
        self.pool = IPv4Network((word.pool, word.pool_prefix), strict=False)
        wanted = self._profile.settings.nickname
        if wanted and wanted != word.nickname:
            self._tasks.start("nickname", self._tell_nickname(wanted))

    async def _tell_nickname(self, nickname: str) -> None:
        try:
            await self._client.request(SetNickname(0, nickname), Accepted)
        except EngineError as error:
            logger.warning("the server did not take the nickname: %s", error)  # it is told again at the next login
            return
        self.nickname = nickname
        self._on_change()

    async def set_nickname(self, nickname: str) -> None:
        """Change the own nickname everywhere, or at the next login."""
        try:
            nickname = checked_name(nickname)
        except RemoteProtocolError:
            raise refused(Refusal.BAD_NAME) from None
        if self._client.online or self.wanted:
            await self._client.request(SetNickname(0, nickname), Accepted)
        await self._save(nickname=nickname)
        self.nickname = nickname
        self._on_change()


def _default_nickname() -> str:
    try:
        return checked_name(socket.gethostname().partition(".")[0])
    except RemoteProtocolError:
        return "computer"
