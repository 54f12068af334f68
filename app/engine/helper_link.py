"""Keeps a helper at hand and the virtual adapter as it should be; restarts both with back-off when they are gone.

The adapter exists from the first known address until `close`. Requests are sent in the order of the calls. Whoever
holds sessions learns by `on_up` and `on_down` when all of them are gone. Owned by engine/engine.py.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from app.base.tasks import Tasks
from app.engine.errors import EngineError, engine_error
from app.engine.helper_client import HelperClient, HelperFailed, HelperUnavailable
from app.engine.state import HelperStatus
from app.engine.timing import Timing
from app.ipc.schema import (
    ConfigureInterface,
    InterfaceDown,
    InterfaceReady,
    Notification,
    ReadStatistics,
    RemoveInterface,
    Request,
    Statistics,
)
from app.protocol.wire import Address

logger = logging.getLogger(__name__)

HelperConnector = Callable[[Callable[[Notification], None]], Awaitable[HelperClient]]
"""What finds or starts a helper: `connect_helper`, or something in its place for tests."""
MAX_IN_FLIGHT = 4_096
"""Requests that may wait for a slow helper; datagrams beyond that are dropped, as a network would."""


class HelperLink:
    """One helper after the other, and the adapter.

    Callbacks run in the loop: `on_up(InterfaceReady)` when the adapter is (again) there, `on_down()` when adapter and
    sessions are gone, `on_notification` for what the pump tells, `on_change` after the status changed.
    """

    def __init__(
        self,
        connect: HelperConnector,
        timing: Timing,
        tasks: Tasks,
        on_up: Callable[[InterfaceReady], None],
        on_down: Callable[[], None],
        on_notification: Callable[[Notification], None],
        on_change: Callable[[], None],
    ) -> None:
        self.status = HelperStatus.ABSENT
        self.problem: EngineError | None = None
        self.interface: InterfaceReady | None = None
        self.dropped = 0
        """Requests that were not sent because too many waited or there was no adapter."""
        self._connect, self._timing, self._tasks = connect, timing, tasks
        self._on_up, self._on_down = on_up, on_down
        self._on_notification, self._on_change = on_notification, on_change
        self._client: HelperClient | None = None
        self._wanted: ConfigureInterface | None = None
        self._configured: ConfigureInterface | None = None
        self._failure: EngineError | None = None
        self._wake = asyncio.Event()
        self._in_flight = 0
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Find or start a helper and keep one."""
        if self._running is None:
            self._running = self._tasks.start("helper", self._keep())

    async def close(self) -> None:
        """End the conversation: the helper takes the adapter away; idempotent."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        await self._drop_client()

    def want_interface(self, address: Address, prefix_length: int) -> None:
        """The adapter should have this address in a pool of this size."""
        wanted = ConfigureInterface(address, prefix_length, request=0)
        if wanted != self._wanted:
            self._wanted = wanted
            self._wake.set()

    def retry(self) -> None:
        """Don't wait for the next try."""
        self._wake.set()

    def post(self, request: Request) -> None:
        """Send a request to the pump and only log its failure."""
        if self._client is None or self.interface is None or self._in_flight >= MAX_IN_FLIGHT:
            self.dropped += 1
            return
        self._in_flight += 1
        self._tasks.start("helper request", self._post(self._client, request))

    async def _post(self, client: HelperClient, request: Request) -> None:
        try:
            await client.request(request)
        except HelperFailed as error:
            logger.debug("helper: %s: %s", type(request).__name__, error.message)
        finally:
            self._in_flight -= 1

    async def read_statistics(self) -> Statistics | None:
        """The pump's counters; None if there is no pump."""
        if self._client is None or self.interface is None:
            return None
        try:
            reply = await self._client.request(ReadStatistics(request=0))
        except HelperFailed as error:
            logger.debug("helper: statistics: %s", error.message)
            return None
        return reply if isinstance(reply, Statistics) else None

    # --- keeping one

    async def _keep(self) -> None:
        attempt = 0
        while True:
            if await self._try_once():
                attempt = 0
            delay = self._timing.helper_backoff.delay(attempt, random.random())
            attempt += 1
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._wake.wait()

    async def _try_once(self) -> bool:
        """A boundary: whatever one helper runs into, the next one is tried."""
        try:
            return await self._one_helper()
        except Exception:
            logger.exception("the helper failed")
            self._fail(engine_error("helper-lost"))
            return False

    async def _one_helper(self) -> bool:
        """From its start to its end; True if it was of use."""
        self._set(HelperStatus.STARTING)
        try:
            self._client = client = await self._connect(self._notified)
        except HelperUnavailable as error:
            missing = engine_error("helper-missing", reason=str(error).rstrip("."))
            missing.remedy = error.remedy  # it knows better what is missing
            self._fail(missing)
            return False
        except HelperFailed as error:
            self._fail(engine_error("helper-failed", reason=error.message.rstrip(".")))
            return False
        self.problem = None
        self._set(HelperStatus.READY)
        try:
            useful = await self._serve(client)
        finally:
            await self._drop_client()
        self._fail(engine_error("helper-lost"))
        return useful

    async def _serve(self, client: HelperClient) -> bool:
        """Make and remake the adapter until the helper is lost."""
        useful = False
        while not client.lost.is_set():
            self._wake.clear()
            if self._wanted is not None and (self.interface is None or self._configured != self._wanted):
                if not await self._configure(client, self._wanted):
                    return useful
                useful = True
            await _first_of(client.lost.wait(), self._wake.wait(), tasks=self._tasks)
        return useful

    async def _configure(self, client: HelperClient, wanted: ConfigureInterface) -> bool:
        self._interface_gone()  # another address is another adapter, without a session in it
        try:
            reply = await client.request(wanted)
        except HelperFailed as error:
            logger.warning("the adapter can't be made: %s", error.message)
            self._failure = engine_error("helper-failed", reason=error.message.rstrip("."))
            return False
        if not isinstance(reply, InterfaceReady):
            return False
        if self._wanted is None:  # not wanted any more since it was asked for
            await self._remove(client)
            return True
        self.interface, self._configured = reply, wanted
        self._set(HelperStatus.UP)
        self._on_up(reply)
        return True

    async def remove_interface(self) -> None:
        """Take the adapter away until `want_interface`."""
        self._wanted = None
        client = self._client
        if client is None or self.interface is None:
            return
        self._interface_gone()
        self._set(HelperStatus.READY)
        await self._remove(client)

    async def _remove(self, client: HelperClient) -> None:
        try:
            await client.request(RemoveInterface(request=0))
        except HelperFailed as error:
            logger.debug("helper: remove: %s", error.message)

    def _notified(self, notification: Notification) -> None:
        if not isinstance(notification, InterfaceDown):
            self._on_notification(notification)
            return
        logger.warning("the adapter is gone: %s", notification.message)
        self._interface_gone()
        self._set(HelperStatus.LOST)
        self._wake.set()

    def _interface_gone(self) -> None:
        if self.interface is not None:
            self.interface = self._configured = None
            self._on_down()

    async def _drop_client(self) -> None:
        client, self._client = self._client, None
        self._interface_gone()
        if client is not None:
            await client.close()

    def _fail(self, problem: EngineError) -> None:
        self.problem, self._failure = self._failure or problem, None
        logger.warning("helper: %s %s", self.problem.title, self.problem.message)
        self._set(HelperStatus.LOST if problem.code == "helper-lost" else HelperStatus.ABSENT)
        self._on_change()

    def _set(self, status: HelperStatus) -> None:
        if status is not self.status:
            self.status = status
            logger.info("helper: %s", status)
            self._on_change()


async def _first_of(*coroutines: Coroutine[Any, Any, Any], tasks: Tasks) -> None:
    """Wait until one has ended, and cancel the others."""
    running = [tasks.start("waiting for the helper", each) for each in coroutines]
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in running:
            each.cancel()
