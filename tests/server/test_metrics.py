"""The endpoint for Prometheus and health checks, asked well and badly."""

import asyncio
import sqlite3

import pytest

from app.base.tasks import Tasks
from app.server import metrics
from app.server.metrics import Counters, MetricsEndpoint, prometheus_text


def ask(request: bytes, *, store_answers: bool = True, failure: Exception | None = None) -> bytes:
    async def read() -> str:
        if failure is not None:
            raise failure
        if not store_answers:
            await asyncio.Event().wait()
        return "numbers\n"

    async def story() -> bytes:
        tasks = Tasks()
        endpoint = MetricsEndpoint(read, tasks)
        port = await endpoint.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        writer.write_eof()
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.transport.abort()
            endpoint.stop()
            await tasks.close()

    return asyncio.run(story())


def test_a_store_that_cannot_be_read_is_not_healthy() -> None:
    answer = ask(b"GET /health HTTP/1.1\r\n\r\n", failure=sqlite3.OperationalError("disk I/O error"))
    assert answer.startswith(b"HTTP/1.1 503")


def test_numbers_are_in_prometheus_text_format() -> None:
    counters = Counters()
    counters.add("logins", 2)
    assert prometheus_text({"sessions": 1}, counters.read()) == (
        "# TYPE buri_server_sessions gauge\nburi_server_sessions 1\n"
        "# TYPE buri_server_logins_total counter\nburi_server_logins_total 2\n"
    )


def test_the_two_pages() -> None:
    assert ask(b"GET /metrics HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\nnumbers\n")
    assert ask(b"GET /health HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\nok\n")
    assert ask(b"POST /health HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("garbage", [b"", b"GET /metrics", b"\r\n\r\n", b"\xff" * 20_000, b"GET\r\n\r\n"])
def test_garbage_gets_no_page(garbage: bytes) -> None:
    assert b"numbers" not in ask(garbage)


def test_a_store_that_does_not_answer_is_unhealthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "REQUEST_TIMEOUT", 0.2)
    assert ask(b"GET /health HTTP/1.1\r\n\r\n", store_answers=False).startswith(b"HTTP/1.1 503 ")
