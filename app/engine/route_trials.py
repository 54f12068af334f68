"""Every route to the server tried on its own, for the network check: which proxies there are, and what leads through.

A route counts only if the server answers HELO on it. Used by the engine's facade and by engine/netcheck_alone.py.
"""

import asyncio

from app.engine.errors import problem_of
from app.engine.mediation_client import MediationClient, ServerAccess
from app.engine.netcheck_state import ProxyView, RouteView
from app.engine.proxy_choice import ProxyMode
from app.engine.server_routes import ServerRoutes, unreachable
from app.transport.race import MAX_ROUTES, RoutesFailedError
from app.transport.routes import Route

PATIENCE = 4.0
"""Seconds for all routes together."""
SOURCES = {
    ProxyMode.SYSTEM: "environment or system",
    ProxyMode.BY_HAND: "settings",
    ProxyMode.PAC: "automatic configuration",
}


async def try_routes(
    client: MediationClient, routes: ServerRoutes, access: ServerAccess, mode: ProxyMode
) -> tuple[tuple[ProxyView, ...], tuple[RouteView, ...]]:
    """The proxies found and all routes, the best first."""
    ways = (await routes.to(client.target_of(access)))[:MAX_ROUTES]
    places = dict.fromkeys(str(each.proxy) for each in ways if each.proxy is not None)
    tried = await asyncio.gather(*(_try(client, routes, access, each) for each in ways))
    return tuple(ProxyView(place, SOURCES.get(mode, "")) for place in places), tuple(tried)


async def _try(client: MediationClient, routes: ServerRoutes, access: ServerAccess, route: Route) -> RouteView:
    loop = asyncio.get_running_loop()
    begun, server = loop.time(), f"{access.host}:{access.port}"
    try:
        async with asyncio.timeout(PATIENCE):
            won = await client.reach(access, None, [route], routes.dialler)
    except (TimeoutError, RoutesFailedError) as error:
        failure = error if isinstance(error, RoutesFailedError) else RoutesFailedError({route: error})
        return RouteView(str(route), False, problem=problem_of(unreachable(server, failure)))
    won.greeting.close()
    won.stream.close()
    return RouteView(str(route), True, loop.time() - begun)
