"""Keeps a UDP port open in the router in front of this computer, so that peers behind hard routers get in.

Asks when the adapter comes up and when the network changed, asks again at half of the time that the router grants and
when the router announces that it was restarted, and closes the port at the end. The asking itself is blocking and runs
in a thread (engine/router_requests.py). Owned by engine/engine.py.
"""

import asyncio
import logging
import random
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Network, ip_address
from typing import Final

from app.base.backoff import Backoff
from app.base.tasks import Tasks
from app.engine.router_requests import Opening, RouterRefused, RouterRequests
from app.engine.state import MappingStatus, PortMappingView
from app.platform.gateways import Gateway, announcement_socket
from app.protocol.port_mapping import ANNOUNCEMENT_PORT, MAX_ANSWER, is_announcement
from app.protocol.wire import Endpoint

logger = logging.getLogger(__name__)

MAX_ROUTERS: Final = 2
"""Default gateways that are asked, one after the other."""
CLOSE_PATIENCE: Final = 1.5
"""Seconds for the router to close the port when the engine ends."""
LEAST_PAUSE: Final = 2.0
"""Seconds between two askings, however much the network changes or the router announces."""
_RETRY: Final = Backoff(first=60.0, limit=7_200.0)
_NOT_PUBLIC: Final = [
    IPv4Network(each)
    for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "192.0.0.0/24")
]
"""RFC 1918, RFC 6598 (carriers), RFC 3927, RFC 7335: a router with such an address stands behind another one."""


class PortMapping:
    """The open port of one engine. `on_change` is called after the endpoint or the view has changed."""

    def __init__(
        self,
        tasks: Tasks,
        wanted: bool,
        on_change: Callable[[], None],
        list_gateways: Callable[[], Sequence[Gateway]],
        requests: RouterRequests,
    ) -> None:
        self.wanted = wanted
        self.view = PortMappingView(MappingStatus.NONE if wanted else MappingStatus.OFF)
        self._tasks, self._on_change = tasks, on_change
        self._list_gateways, self._requests = list_gateways, requests
        self._port = 0
        self._opening: Opening | None = None
        self._running: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._ended = threading.Event()
        """Tells the thread that what it opens is not wanted any more."""
        self._listening: socket.socket | None = None

    @property
    def endpoint(self) -> Endpoint | None:
        """Where peers get in."""
        return None if self._opening is None else self._opening.outside

    def interface_up(self, port: int) -> None:
        """The helper's socket is there, at this port."""
        self._port = port
        self._begin()

    def interface_down(self) -> None:
        """The socket is gone: its port leads nowhere."""
        self._port = 0
        opening = self._stop()
        if opening is not None:
            closing = asyncio.to_thread(_close, self._requests, opening)
            self._closing = self._tasks.start("closing the port", closing)

    async def want(self, wanted: bool) -> None:
        """The person wants the port to be open or not; in the latter case it is closed when this returns."""
        self.wanted = wanted
        if wanted:
            self._begin()
        else:
            await self.close()

    def network_changed(self) -> None:
        """It may be another router, or the same after a restart."""
        self._wake.set()

    async def close(self) -> None:
        """Close the port, if the router answers soon; idempotent."""
        opening = self._stop()
        if opening is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.to_thread(_close, self._requests, opening), CLOSE_PATIENCE)

    def _begin(self) -> None:
        if self.wanted and self._port and self._running is None:
            self._ended = threading.Event()
            self._listen()
            self._running = self._tasks.start("port mapping", self._keep(self._port, self._ended))

    def _stop(self) -> Opening | None:
        """Keep nothing open any more; gives what is to be closed."""
        if self._running is not None:
            self._running.cancel()
            self._running = None
            self._ended.set()
            self._stop_listening()
        opening, self._opening = self._opening, None
        self._show(PortMappingView(MappingStatus.NONE if self.wanted else MappingStatus.OFF))
        return opening

    # --- keeping it open

    async def _keep(self, port: int, ended: threading.Event) -> None:
        failures = 0
        if self._closing is not None:
            await asyncio.wait([self._closing])  # else that might close what is opened now
        while True:
            self._wake.clear()
            await self._open(port, ended)
            if self._opening is None:
                pause = _RETRY.delay(failures, random.random())
                failures += 1
            else:
                pause, failures = self._opening.lifetime / 2, 0
            await asyncio.sleep(LEAST_PAUSE)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _open(self, port: int, ended: threading.Event) -> None:
        if self._opening is None:
            self._show(PortMappingView(MappingStatus.ASKING))
        before = self._opening
        reason = "there is no router in front of this computer"
        for gateway in self._gateways():
            wanted = before.outside if before is not None and before.router == gateway.address else None
            try:
                self._opening = await asyncio.to_thread(
                    _open_unless_ended, self._requests, gateway.address, port, wanted, ended
                )
            except RouterRefused as error:
                reason = str(error)
                logger.debug("port mapping: %s: %s", gateway.address, reason)
            else:
                self._show(mapping_view(self._opening))
                return
        self._opening = None
        self._show(PortMappingView(MappingStatus.NONE, reason=reason))

    def _gateways(self) -> Sequence[Gateway]:
        try:
            return self._list_gateways()[:MAX_ROUTERS]
        except OSError as error:
            logger.warning("the routers can't be read: %s", error)
            return ()

    def _show(self, view: PortMappingView) -> None:
        if view != self.view:
            self.view = view
            logger.info("port mapping: %s %s", view.status, view.outside or view.reason)
            self._on_change()

    # --- announcements of a restarted router

    def _listen(self) -> None:
        self._listening = announcement_socket(ANNOUNCEMENT_PORT)
        if self._listening is not None:
            asyncio.get_running_loop().add_reader(self._listening.fileno(), self._hear)

    def _stop_listening(self) -> None:
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening.fileno())
            self._listening.close()
            self._listening = None

    def _hear(self) -> None:
        """A stranger's datagram makes us ask the router anew at most, and not often."""
        if self._listening is None:
            return
        try:
            datagram, (host, *_) = self._listening.recvfrom(MAX_ANSWER + 1)
        except OSError:
            return  # taken away meanwhile
        if is_announcement(datagram) and any(host == each.address for each in self._gateways()):
            self._wake.set()


def _open_unless_ended(
    requests: RouterRequests, router: str, port: int, wanted: Endpoint | None, ended: threading.Event
) -> Opening:
    """In a thread. Raises RouterRefused."""
    opening = requests.open(router, port, wanted)
    if ended.is_set():
        _close(requests, opening)
        raise RouterRefused("no longer wanted")
    return opening


def _close(requests: RouterRequests, opening: Opening) -> None:
    """In a thread."""
    try:
        requests.close(opening)
    except RouterRefused as error:
        logger.info("port mapping: it stays open for at most %d s: %s", opening.lifetime, error)


def mapping_view(opening: Opening) -> PortMappingView:
    """An open port as it is shown."""
    address = ip_address(opening.outside.host)
    is_behind = any(address in network for network in _NOT_PUBLIC)
    status = MappingStatus.BEHIND_ANOTHER if is_behind else MappingStatus.MAPPED
    return PortMappingView(status, opening.protocol, opening.router, str(opening.outside))
