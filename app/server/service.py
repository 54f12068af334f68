"""The mediation server as a process: puts key, store, rules and sockets together, starts and stops them.

Composition root: knows every part, decides nothing. Called by the command line and, with a configuration of their own,
by tests and the demo.
"""

import asyncio
import logging
import sqlite3
import time

from app.base.tasks import Tasks
from app.protocol.messages import Relay
from app.protocol.names import checked_name
from app.server import process
from app.server.config import Config, ConfigError, ServerFolder
from app.server.decisions import Decisions
from app.server.directory import Directory, ServerFacts
from app.server.entrance import Entrance, Handler, Visitor
from app.server.listener import Listener, busy
from app.server.metrics import Counters, MetricsEndpoint, prometheus_text
from app.server.pool import AddressPool
from app.server.reflector import Reflections, Reflector
from app.server.relay.bindings import Bindings
from app.server.relay.forwarder import Forwarder
from app.server.relay.secret import parse_secret
from app.server.relay.streams import RelayStreams
from app.server.relays import KnownRelay, RelayRules
from app.server.sockets import lacks_address_family, open_on_all
from app.server.store import Store
from app.server.web import open_web, web_port_words

logger = logging.getLogger(__name__)

PRESENCE_INTERVAL = 60.0
"""Seconds between two records of who was seen."""


class MediationServer:
    """One server in the running loop; `start`, then `stop`."""

    def __init__(self, folder: ServerFolder, config: Config) -> None:
        self._config = config
        self._folder = folder.path
        self._identity = folder.read_key()
        self._store = Store.open(folder.store_file)
        self._counters = Counters()
        self._tasks = Tasks()
        self._decisions = Decisions()
        self._started_at = time.time()
        self._check_pool()
        self.fingerprint_text = self._identity.public.fingerprint_text
        self.port = config.server.port
        self.web_port = 0
        """What clients are told; 0 if there is no WebSocket."""
        self.reflector_ports: tuple[int, ...] = ()
        self.metrics_port: int | None = None
        reflections = Reflections(config.limits.reflections_per_second, self._counters)
        self._reflector = Reflector(reflections)
        self._relay_secret = folder.relay_secret()
        self._bindings = Bindings(self._relay_secret, config.relay)
        self._forwarder = Forwarder(self._bindings, reflections)
        self._relay_streams = RelayStreams(self._bindings)
        self._endpoint = MetricsEndpoint(self._metrics_text, self._tasks)
        self._entrance: Entrance | None = None
        self._listener: Listener | None = None
        self._directory: Directory | None = None

    def _check_pool(self) -> None:
        pool = AddressPool(self._config.pool)
        outside = self._store.count_outside(pool.first, pool.last)
        if outside:
            self._store.close()
            raise ConfigError(f"{outside} accounts have addresses outside the pool {pool.network}: set the old pool")

    async def start(self) -> None:
        """Open all ports. Raises ConfigError if one can't be opened."""
        try:
            self.reflector_ports = await self._open_reflector()
            self._entrance = entrance = Entrance(
                self._config.limits, self._counters, self._tasks, self._serve, self._relay_handler, self._say_busy
            )
            self.port = open_on_all(self._config.server.listen, self._config.server.port, entrance.open)
            self.web_port = self._open_web(entrance)
            self._directory = self._new_directory()
            self._listener = Listener(
                self._identity, self._directory, self._decisions, self._config.limits, self._counters
            )
            if self._config.metrics is not None:
                metrics = self._config.metrics
                self.metrics_port = await self._endpoint.start(metrics.host, metrics.port)
        except OSError as error:
            await self.stop()
            raise ConfigError(f"a port can't be opened: {error.strerror or error}") from error
        self._tasks.start("presence record", self._record_presence(self._directory))
        logger.info(
            "server runs: TCP port %d, %s, reflector on UDP %s, pool %s, key %s",
            *(self.port, web_port_words(self.web_port), self.reflector_ports),
            *(self._config.pool, self.fingerprint_text),
        )

    def _new_directory(self) -> Directory:
        config = self._config
        fingerprint = self._identity.public.fingerprint
        facts = ServerFacts(
            checked_name(config.server.name), fingerprint, config.pool, self.reflector_ports, self.web_port
        )
        relays = RelayRules(self._known_relays(), self._relay_secret, config.relay.pair_rate)
        return Directory(self._store, facts, config.policy, config.limits, relays)

    def _known_relays(self) -> list[KnownRelay]:
        others = [
            KnownRelay(Relay(each.number, each.host, each.port, each.web_port), parse_secret(each.secret))
            for each in self._config.relays
        ]
        if not self._has_own_relay:
            return others
        return [KnownRelay(Relay(0, "", self.reflector_ports[0], self.web_port), self._relay_secret), *others]

    @property
    def _relay_handler(self) -> Handler | None:
        return self._relay_streams.serve if self._has_own_relay else None

    @property
    def _has_own_relay(self) -> bool:
        return self._config.relay.built_in and bool(self._config.server.reflector_ports)

    def _open_web(self, entrance: Entrance) -> int:
        table = self._config.server
        return open_web(entrance, self._config.web, self._folder, table.listen, table.public_host)

    async def _serve(self, visitor: Visitor) -> None:
        """A client; one that comes before all is ready is let down, and comes again."""
        if self._listener is not None:
            await self._listener.serve(visitor)

    def _say_busy(self) -> bytes:
        return busy(self._identity, asyncio.get_running_loop().time())

    async def _open_reflector(self) -> tuple[int, ...]:
        """The UDP ports on all addresses; the first is the built-in relay's as well."""
        ports: list[int] = []
        for number, wanted in enumerate(self._config.server.reflector_ports):
            port = wanted
            for host in self._config.server.listen:
                try:
                    if number == 0 and self._has_own_relay:
                        port = self._forwarder.open(host, port)
                    else:
                        port = await self._reflector.open(host, port)
                except OSError as error:
                    if not lacks_address_family(error):
                        raise
            ports.append(port)
        return tuple(ports)

    async def stop(self) -> None:
        """Ask all clients to come back later, and close everything; idempotent."""
        if self._entrance is not None:
            self._entrance.close()
        if self._listener is not None:
            await self._listener.stop()
        self._endpoint.stop()
        self._reflector.stop()
        self._forwarder.stop()
        await self._tasks.close()
        try:
            if self._directory is not None:
                directory, self._directory = self._directory, None
                await self._decisions.decide(lambda: directory.note_presence(time.time()))
        finally:
            await self._decisions.close()
            self._store.close()

    async def _record_presence(self, directory: Directory) -> None:
        while True:
            await asyncio.sleep(PRESENCE_INTERVAL)
            try:
                await self._decisions.decide(lambda: directory.note_presence(time.time()))
            except sqlite3.Error:
                logger.exception("who was seen can't be kept")

    async def _metrics_text(self) -> str:
        """All numbers; asking the rules for theirs proves that the store answers."""
        gauges: dict[str, float] = {"uptime_seconds": round(time.time() - self._started_at)}
        gauges["undecided_requests"] = self._decisions.undecided
        if self._directory is not None:
            gauges |= await self._decisions.decide(self._directory.counts)
        if self._entrance is not None:
            gauges |= self._entrance.gauges()
        return prometheus_text(
            gauges | self._bindings.gauges() | self._relay_streams.gauges(),
            self._counters.read() | self._bindings.counts,
        )


def run(folder: ServerFolder, *, attached: bool = False) -> None:
    """Run the server in `folder`, see `process.run`. Raises ConfigError or StoreError if it can't start."""
    config = folder.read_config()
    process.run(folder.path, "server", config.log, lambda: MediationServer(folder, config), attached=attached)
