"""The routes to servers and relays: which there are, which of them led there from this network before, what failed.

Proxies come from what the person chose: by hand, from a script, or from environment and system. They are only a further
way: TCP and WebSocket without one are tried as well, and first where nothing better is remembered. Looking for proxies
may wait for other programs, so it is done in threads, and not waited for long. Owned by engine/engine.py; used by
mediation_client.py and carriers.py.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Final, NamedTuple

from app.base.streams import reason_of
from app.base.tasks import Tasks
from app.engine.errors import EngineError, engine_error
from app.engine.proxy_choice import ProxyChoice, ProxyMode
from app.engine.settings import MAX_LOCATIONS
from app.platform.location import NOWHERE, network_location
from app.platform.system_proxy import read_system_proxy
from app.transport.http_connect import Proxy, ProxyError, ProxyFailure
from app.transport.pac import PacError, ask_pac
from app.transport.proxies import checked_proxy, environment_proxy, is_excepted, parse_proxy
from app.transport.race import RoutesFailedError
from app.transport.routes import WEB_PORT, Dialler, Route, Target, Way
from app.transport.stream import StreamError

logger = logging.getLogger(__name__)

PATIENCE: Final = 3.0
"""Seconds that a search for proxies may hold up a connection; what it finds later is used by the next."""
FRESH: Final = 300.0
"""Seconds for which what was found holds."""
MAX_SEARCHES: Final = 64
_DIRECT: Final = (Route(Way.TCP), Route(Way.WEB))
_CODES: Final = {
    ProxyFailure.REFUSED_CREDENTIALS: "proxy-refused-credentials",
    ProxyFailure.WANTS_CREDENTIALS: "proxy-wants-credentials",
    ProxyFailure.FORBIDDEN: "proxy-forbids",
    ProxyFailure.NOT_A_PROXY: "proxy-not-a-proxy",
    ProxyFailure.UNREACHABLE: "proxy-unreachable",
}
"""By what helps a person most. That a proxy does not reach the server itself is the server's failure."""


class Chosen(NamedTuple):
    """What the person chose, with the password that settings.json does not hold."""

    choice: ProxyChoice
    password: str = ""


class ServerRoutes:
    """All routes of this engine, and their memory.

    `chosen` tells the person's choice. `remembered` maps networks to the words of the route that led out of them; after
    it has changed, `on_change()` is called.
    """

    def __init__(
        self,
        tasks: Tasks,
        chosen: Callable[[], Chosen] = lambda: Chosen(ProxyChoice()),
        remembered: Mapping[str, str] | None = None,
        on_change: Callable[[], None] = lambda: None,
        web_port: int = WEB_PORT,
        environment: Mapping[str, str] = os.environ,
        location: Callable[[], str] = network_location,
    ) -> None:
        """`environment` and `location` are for tests."""
        self.remembered = dict(remembered or {})
        self.web_port = web_port
        """Where the server takes WebSockets, as far as is known."""
        self.problem: EngineError | None = None
        """Why the chosen proxies could not be found."""
        self.dialler = Dialler()
        self._tasks, self._chosen, self._on_change, self._environment = tasks, chosen, on_change, environment
        self._searches: dict[tuple[str, int], tuple[float, asyncio.Task[list[Proxy]]]] = {}
        self._location = location
        self._failed: Route | None = None

    def forget(self) -> None:
        """The network has changed: look for proxies anew. Which of them refused credentials is not forgotten."""
        self._searches.clear()
        self._failed = None
        self.problem = None

    def choose_anew(self) -> None:
        """The choice has changed, or a person wants it to be tried once more."""
        self.forget()
        self.dialler = Dialler()

    async def to(self, target: Target) -> list[Route]:
        """The routes to a target, the best first."""
        proxies = await self._proxies(target)
        routes = [*_DIRECT, *(Route(way, proxy) for proxy in proxies for way in (Way.WEB, Way.TCP))]
        if not target.web_port:
            routes = [each for each in routes if each.way is Way.TCP]
        before = self.remembered.get(await asyncio.to_thread(self._location))
        return sorted(routes, key=lambda each: (each == self._failed, str(each) != before))

    async def through(self, route: Route) -> None:
        """The route led to its target from the network that this computer is in now."""
        self._failed = None
        location = await asyncio.to_thread(self._location)
        if location == NOWHERE or self.remembered.get(location) == str(route):
            return
        self.remembered.pop(location, None)
        self.remembered[location] = str(route)
        while len(self.remembered) > MAX_LOCATIONS:
            del self.remembered[next(iter(self.remembered))]
        self._on_change()

    def failed(self, route: Route) -> None:
        """What answered at its end was of no use: the next time the others come first."""
        self._failed = route

    # --- looking for proxies

    async def _proxies(self, target: Target) -> list[Proxy]:
        now, place = asyncio.get_running_loop().time(), (target.host, target.web_port)
        begun, search = self._searches.get(place, (0.0, None))
        if search is None or now - begun > FRESH:
            search = self._tasks.start("proxies", self.find(self._chosen(), target))
            self._searches[place] = (now, search)
            while len(self._searches) > MAX_SEARCHES:
                del self._searches[next(iter(self._searches))]
        done, _ = await asyncio.wait([search], timeout=PATIENCE)
        return search.result() if done and not search.cancelled() and search.exception() is None else []

    async def find(self, chosen: Chosen, target: Target) -> list[Proxy]:
        """The proxies that a choice means for the target; what can't be found is in `problem`."""
        self.problem = None
        try:
            found = await asyncio.to_thread(_find, chosen, target, self._environment)
        except PacError as error:
            self.problem = engine_error("proxy-script", place=chosen.choice.pac or "PAC", reason=error)
        except ValueError as error:
            self.problem = engine_error("proxy-not-valid", reason=error)
        else:
            return [_with_credentials(each, chosen) for each in found]
        logger.warning("%s", self.problem)
        return []


def _find(chosen: Chosen, target: Target, environment: Mapping[str, str]) -> list[Proxy]:
    """Raises PacError or ValueError. May wait for seconds."""
    choice, (host, port) = chosen.choice, (target.host, target.web_port)
    match choice.mode:
        case ProxyMode.NONE:
            return []
        case ProxyMode.BY_HAND:
            return [checked_proxy(choice.host, choice.port, choice.user, chosen.password)]
        case ProxyMode.PAC:
            return ask_pac(choice.pac, host, port)
    if _is_on_this_computer(host):
        return []
    if (proxy := environment_proxy(environment, host, port)) is not None:
        return [proxy]
    system = read_system_proxy()
    if system.pac:
        return ask_pac(system.pac, host, port)
    return [] if not system.address or is_excepted(system.exceptions, host, port) else [parse_proxy(system.address)]


def _is_on_this_computer(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _with_credentials(proxy: Proxy, chosen: Chosen) -> Proxy:
    """A proxy that was found gets the person's name and password only if they were meant for it, or for any."""
    choice = chosen.choice
    if proxy.user or not choice.user or choice.host not in ("", proxy.host):
        return proxy
    return Proxy(proxy.host, proxy.port, choice.user, chosen.password)


# --- what went wrong


def unreachable(server: str, error: RoutesFailedError, search_problem: EngineError | None = None) -> EngineError:
    """What a person is told where no route leads to the server: of all reasons the one that can be mended."""
    failures = list(error.failures.values())
    if of_proxies := _told_of_proxies(error.failures):
        worst = min(of_proxies, key=lambda each: list(_CODES).index(each.failure))
        return engine_error(_CODES[worst.failure], proxy=worst.proxy, reason=worst.reason)
    if search_problem is not None:
        return search_problem
    strange = next((each for each in failures if isinstance(each, StreamError)), None)
    if strange is not None and not any(isinstance(each, TimeoutError) for each in failures):
        return engine_error("server-protocol", reason=strange)
    return engine_error("server-unreachable", server=server, reason=_reason(failures))


def _told_of_proxies(failures: Mapping[Route, OSError]) -> list[ProxyError]:
    """What proxies have against us. Most forbid TCP to the server's own port: then what became of WebSocket counts."""
    told = (
        failures.get(Route(Way.WEB, route.proxy), failure) if _is_forbidden(failure) else failure
        for route, failure in failures.items()
    )
    return [each for each in told if isinstance(each, ProxyError) and each.failure in _CODES]


def _is_forbidden(failure: OSError) -> bool:
    return isinstance(failure, ProxyError) and failure.failure is ProxyFailure.FORBIDDEN


def _reason(failures: Sequence[OSError]) -> str:
    """Somebody's answer tells more than silence."""
    answered = next((each for each in failures if isinstance(each, ProxyError)), None)
    if answered is not None:
        return f"{answered.reason} from the proxy {answered.proxy}"
    return reason_of(failures[0]) if failures else "there is no way"
