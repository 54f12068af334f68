"""Counters of the server, and the small HTTP endpoint that shows them to Prometheus and answers health checks.

Two fixed pages are too little for an HTTP library: it reads one request line, answers and closes. It listens on
loopback unless the configuration says otherwise, and shows numbers only. Started by `service.py`.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from app.base.tasks import Tasks

logger = logging.getLogger(__name__)

REQUEST_TIMEOUT = 5.0
"""Seconds in which a request must be there, and in which the server must prove to be healthy."""
MAX_REQUEST = 8_192
MAX_REQUESTS_AT_ONCE = 8
PREFIX = "buri_server_"


class Counters:
    """Named numbers that only grow, such as `refused_wrong_password`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, name: str, amount: int = 1) -> None:
        """Count something."""
        self._counts[name] += amount

    def __getitem__(self, name: str) -> int:
        """The number so far."""
        return self._counts[name]

    def read(self) -> dict[str, int]:
        """All numbers."""
        return dict(self._counts)


def prometheus_text(gauges: Mapping[str, float], counters: Mapping[str, int]) -> str:
    """The text format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats)."""
    lines: list[str] = []
    for name, value in sorted(gauges.items()):
        lines += [f"# TYPE {PREFIX}{name} gauge", f"{PREFIX}{name} {value}"]
    for name, count in sorted(counters.items()):
        lines += [f"# TYPE {PREFIX}{name}_total counter", f"{PREFIX}{name}_total {count}"]
    return "\n".join(lines) + "\n"


Read = Callable[[], Awaitable[str]]


class MetricsEndpoint:
    """`GET /metrics` gives `read_metrics()`, `GET /health` says whether that works within the timeout."""

    def __init__(self, read_metrics: Read, tasks: Tasks) -> None:
        self._read_metrics = read_metrics
        self._tasks = tasks
        self._open = 0
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port. Raises OSError."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=MAX_REQUEST)
        return int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Listen no more; idempotent."""
        if self._server is not None:
            self._server.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= MAX_REQUESTS_AT_ONCE:
            writer.transport.abort()
            return
        self._open += 1
        self._tasks.start("metrics request", self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                request = await reader.readuntil(b"\r\n\r\n")
            status, body = await self._answer(request.split(b"\r\n", 1)[0])
            head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n"
            writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
            async with asyncio.timeout(REQUEST_TIMEOUT):
                await writer.drain()
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, request_line: bytes) -> tuple[str, bytes]:
        method, _, rest = request_line.partition(b" ")
        page = rest.partition(b" ")[0]
        if method != b"GET" or page not in (b"/metrics", b"/health"):
            return "404 Not Found", b"see /metrics and /health\n"
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                text = await self._read_metrics()
        except TimeoutError:
            return "503 Service Unavailable", b"the store does not answer\n"
        except Exception:
            logger.exception("the store can't be read")
            return "503 Service Unavailable", b"the store can't be read\n"
        return "200 OK", text.encode() if page == b"/metrics" else b"ok\n"
