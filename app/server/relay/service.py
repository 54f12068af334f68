"""A relay on its own machine as a process: its sockets, streams and metrics put together, started and stopped.

Composition root beside that of the server, which has a relay built in. It has no accounts and keeps nothing: whoever
has a token of its mediation server is served. Called by the command line, and by tests with their own configuration.
"""

import logging
import time

from app.base.tasks import Tasks
from app.server import process
from app.server.config import ConfigError
from app.server.entrance import Entrance
from app.server.limits import RateLimits
from app.server.metrics import Counters, MetricsEndpoint, prometheus_text
from app.server.reflector import Reflections
from app.server.relay.bindings import Bindings
from app.server.relay.config import RelayConfig, RelayFolder
from app.server.relay.forwarder import Forwarder
from app.server.relay.streams import RelayStreams
from app.server.sockets import open_on_all
from app.server.web import open_web, web_port_words

logger = logging.getLogger(__name__)


class RelayService:
    """One relay in the running loop; `start`, then `stop`."""

    def __init__(self, folder: RelayFolder, config: RelayConfig) -> None:
        self._config = config
        self._folder = folder.path
        self._counters = Counters()
        self._tasks = Tasks()
        self._started_at = time.time()
        self._bindings = Bindings(folder.read_secret(), config.limits)
        self._forwarder = Forwarder(self._bindings, Reflections(config.limits.reflections_per_second, self._counters))
        self._streams = RelayStreams(self._bindings)
        limits = RateLimits(
            connections=config.limits.connections, connections_per_source=config.limits.connections_per_source
        )
        self._entrance = Entrance(limits, self._counters, self._tasks, None, self._streams.serve)
        self._endpoint = MetricsEndpoint(self._metrics_text, self._tasks)
        self.port = config.relay.port
        self.web_port = 0
        self.metrics_port: int | None = None

    async def start(self) -> None:
        """Open all ports. Raises ConfigError if one can't be opened."""
        try:
            self.port = open_on_all(self._config.relay.listen, self._config.relay.port, self._open_port)
            self.web_port = open_web(self._entrance, self._config.web, self._folder, self._config.relay.listen, "")
            if self._config.metrics is not None:
                metrics = self._config.metrics
                self.metrics_port = await self._endpoint.start(metrics.host, metrics.port)
        except OSError as error:
            await self.stop()
            raise ConfigError(f"a port can't be opened: {error.strerror or error}") from error
        logger.info("relay runs: UDP and TCP port %d, %s", self.port, web_port_words(self.web_port))

    def _open_port(self, host: str, port: int) -> int:
        """The same one of TCP and UDP; in this order, as a free port of TCP is most often free of UDP as well."""
        port = self._entrance.open(host, port)
        return self._forwarder.open(host, port)

    async def stop(self) -> None:
        """Close everything; idempotent. Tunnels go on when the relay is there again."""
        self._entrance.close()
        self._endpoint.stop()
        self._forwarder.stop()
        await self._tasks.close()

    async def _metrics_text(self) -> str:
        gauges: dict[str, float] = {"uptime_seconds": round(time.time() - self._started_at)}
        gauges |= self._entrance.gauges() | self._streams.gauges() | self._bindings.gauges()
        return prometheus_text(gauges, self._counters.read() | self._bindings.counts)


def run(folder: RelayFolder, *, attached: bool = False) -> None:
    """Run the relay in `folder` until SIGINT or SIGTERM, see `process.run`. Raises ConfigError if it can't start."""
    config = folder.read_config()
    process.run(folder.path, "relay", config.log, lambda: RelayService(folder, config), attached=attached)
