"""The engine's facade as far as it is about finding out what is wrong: doctor, report, the network check.

A part of `Engine`, in a module of its own for its size; what is behind it is engine/diagnosis.py, engine/report.py,
engine/netcheck.py and engine/port_mapping.py.
"""

import asyncio
import time
from abc import abstractmethod
from contextlib import suppress

from app.base.logs import recent_lines
from app.engine.account import OwnAccount
from app.engine.diagnosis import diagnose
from app.engine.errors import EngineError
from app.engine.mediation_client import MediationClient
from app.engine.netcheck import Survey, judged, nearest_first, probed, reflectors_of
from app.engine.netcheck_state import Netcheck, RelayView
from app.engine.peer_details import describe_peer
from app.engine.peers import Peers
from app.engine.port_mapping import PortMapping
from app.engine.report import Facts, write_report
from app.engine.route_trials import try_routes
from app.engine.server_routes import ServerRoutes
from app.engine.settings import Profile, ServerAddress
from app.engine.snapshot import Publisher
from app.engine.state import EngineState, Finding, PeerDetails
from app.protocol.keys import IdentityKey
from app.protocol.wire import Endpoint


class DiagnosisFacade:
    """What the engine finds out about itself and the network around it."""

    _account: OwnAccount
    _client: MediationClient
    _identity: IdentityKey
    _peers: Peers
    _port_mapping: PortMapping
    _profile: Profile
    _publisher: Publisher
    _routes: ServerRoutes
    _server: ServerAddress

    @property
    @abstractmethod
    def state(self) -> EngineState:
        """The present snapshot."""

    @abstractmethod
    def _host_endpoints(self) -> list[Endpoint]:
        """This computer's interface endpoints."""

    async def doctor(self) -> tuple[Finding, ...]:
        """What the engine finds about itself, most basic first, without secrets."""
        with suppress(EngineError):
            await self._peers.reflectors.ask()
        reflectors, relays = self._peers.reflectors, self._peers.relays
        hosts, details = self._host_endpoints(), self._all_details()
        return diagnose(self.state, reflectors.seen, hosts, details, reflectors.guessed, relays.reach)

    async def report(self) -> str:
        """Everything that helps to find out why something does not work, without secrets, fit to be shown around."""
        check = await self.netcheck()
        facts = Facts(
            time.time(),
            self.state,
            self._identity.public.fingerprint_text,
            self._peers.reflectors.seen,
            self._host_endpoints(),
            self._all_details(),
            recent_lines(),
            self._peers.reflectors.guessed,
            check,
        )
        return await asyncio.to_thread(write_report, facts)

    async def netcheck(self) -> Netcheck:
        """What the network around this computer lets through, in some seconds; works logged out as well."""
        reflectors = self._peers.reflectors
        reflectors.forget()
        endpoints = reflectors.endpoints or await reflectors_of(self._server)
        probes, _, (proxies, routes) = await asyncio.gather(
            probed(endpoints),
            reflectors.ask(),
            try_routes(self._client, self._routes, self._account.access, self._profile.settings.proxy.mode),
        )
        await reflectors.ask()  # what was seen may have been forgotten meanwhile, as something changed
        return judged(
            Survey(
                str(self._server),
                probes,
                reflectors.seen,
                self._host_endpoints(),
                self._port_mapping.view,
                proxies,
                routes,
                nearest_first(RelayView(*each) for each in self._peers.relays.reach),
                bool(self._server.public_host),
            )
        )

    @property
    def port_mapping_wanted(self) -> bool:
        """Whether the router is asked to open a port for this computer."""
        return self._account.wants_port_mapping

    async def set_port_mapping(self, wanted: bool) -> None:
        """Ask the router to open a port for this computer, or close it and ask no more; it is kept."""
        await self._account.want_port_mapping(wanted)
        await self._port_mapping.want(wanted)
        self._publisher.changed()

    def _all_details(self) -> list[PeerDetails]:
        return [describe_peer(each, self._peers) for each in self.state.peers]
