"""The network check where no engine runs: with sockets made for it, and a port that is opened for a moment.

Called by the command line.
"""

import asyncio
import socket
from contextlib import suppress

from app.base.tasks import Tasks
from app.engine.mediation_client import MediationClient, ServerAccess
from app.engine.netcheck import Survey, judged, probed, reflectors_of
from app.engine.netcheck_state import Netcheck
from app.engine.port_mapping import MAX_ROUTERS, mapping_view
from app.engine.route_trials import try_routes
from app.engine.router_requests import RouterRefused, RouterRequests
from app.engine.server_routes import Chosen, ServerRoutes
from app.engine.settings import ServerAddress, Settings
from app.engine.state import MappingStatus, PortMappingView
from app.engine.timing import Timing
from app.platform.gateways import default_gateways
from app.protocol.keys import IdentityKey, parse_fingerprint


async def check_alone(server: ServerAddress, settings: Settings) -> Netcheck:
    """The result; the server is greeted, and nobody logs in."""
    tasks = Tasks()
    try:
        identity = await asyncio.to_thread(IdentityKey.generate)  # HELO does not show whose it is
        routes = ServerRoutes(tasks, lambda: Chosen(settings.proxy))
        client = MediationClient(identity, Timing(), tasks, _ignore, _ignore, _ignore_change, routes)
        fingerprint = parse_fingerprint(server.fingerprint)
        access = ServerAccess(server.host, server.port, fingerprint, settings.suite, settings.nickname)
        probes, mapping, (proxies, ways) = await asyncio.gather(
            probed(await reflectors_of(server)),
            asyncio.to_thread(_map_for_a_moment, settings.port_mapping),
            try_routes(client, routes, access, settings.proxy.mode),
        )
    finally:
        await tasks.close()
    is_inside = bool(server.public_host)
    return judged(Survey(str(server), probes, {}, (), mapping, proxies, ways, server_is_inside=is_inside))


def _ignore(_: object) -> None:
    """Nothing comes before a login."""


def _ignore_change() -> None:
    """There is nothing to show."""


def _map_for_a_moment(wanted: bool) -> PortMappingView:
    """What becomes of opening some port; it is closed again."""
    if not wanted:
        return PortMappingView(MappingStatus.OFF)
    reason, requests = "there is no router in front of this computer", RouterRequests.new()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("", 0))
        for gateway in default_gateways()[:MAX_ROUTERS]:
            try:
                opening = requests.open(gateway.address, held.getsockname()[1], None)
            except RouterRefused as error:
                reason = str(error)
                continue
            with suppress(RouterRefused):
                requests.close(opening)
            return mapping_view(opening)
    return PortMappingView(reason=reason)
