"""The engine's facade as far as it is about HTTP proxies: what the command line and the windows call.

A part of `Engine`, in a module of its own for its size. The choice stands in settings.json; the password is in the
sealed state, like networks' secrets.
"""

import asyncio

from app.base.tasks import Tasks
from app.engine.account import OwnAccount
from app.engine.carriers import Carriers
from app.engine.errors import engine_error
from app.engine.mediation_client import MediationClient
from app.engine.proxy_choice import ProxyChoice, ProxyMode
from app.engine.server_routes import Chosen, ServerRoutes, unreachable
from app.engine.settings import Memory, Profile
from app.transport.http_connect import Proxy
from app.transport.proxies import checked_proxy, checked_script
from app.transport.race import RoutesFailedError
from app.transport.routes import Route, Way


class ProxyFacade:
    """How this computer gets out of its network. Every refusal is an EngineError."""

    _profile: Profile
    _memory: Memory
    _account: OwnAccount
    _carriers: Carriers
    _client: MediationClient
    _routes: ServerRoutes
    _tasks: Tasks

    @property
    def proxy(self) -> ProxyChoice:
        """What was chosen."""
        return self._profile.settings.proxy

    @property
    def has_proxy_password(self) -> bool:
        """Whether a password is kept."""
        return bool(self._memory.proxy_password)

    async def set_proxy(self, choice: ProxyChoice, password: str | None = None) -> None:
        """Use this from now on: the server, and relays without a stream, are connected to anew.

        `password` None keeps the one there is, for the same user at the same proxy alone.
        """
        chosen = self._checked(choice, password)
        await asyncio.to_thread(self._profile.change, proxy=choice)
        await asyncio.to_thread(self._memory.keep_proxy_password, chosen.password)
        self._routes.choose_anew()
        self._client.reconnect()
        self._carriers.network_changed()

    async def try_proxy(self, choice: ProxyChoice, password: str | None = None) -> str:
        """Reach the server by what would be chosen, and by nothing else; gives the route in plain words."""
        chosen = self._checked(choice, password)
        access, address = self._account.access, self._account.known_address
        routes = ServerRoutes(self._tasks, lambda: chosen)
        target = self._client.target_of(access)
        proxies = await routes.find(chosen, target)
        if routes.problem is not None:
            raise routes.problem
        ends: list[Proxy | None] = [*proxies] or [None]
        ways = [Route(way, proxy) for proxy in ends for way in (Way.WEB, Way.TCP)]
        try:
            won = await self._client.reach(access, address, ways, routes.dialler)
        except RoutesFailedError as error:
            raise unreachable(f"{target.host}:{target.port}", error) from None
        won.greeting.close()
        won.stream.close()
        return str(won.route)

    def _checked(self, choice: ProxyChoice, password: str | None) -> Chosen:
        if password is None:
            before = self.proxy
            same = (choice.host, choice.port, choice.user) == (before.host, before.port, before.user)
            password = self._memory.proxy_password if same else ""
        try:
            if choice.mode is ProxyMode.BY_HAND:
                checked_proxy(choice.host, choice.port, choice.user, password)
            elif choice.mode is ProxyMode.PAC:
                checked_script(choice.pac)
        except ValueError as error:
            raise engine_error("proxy-not-valid", reason=error) from None
        return Chosen(choice, password)
