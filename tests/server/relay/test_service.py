"""A whole relay on loopback: words over UDP, metrics, and the ports it opens."""

import asyncio
import socket
from contextlib import closing
from pathlib import Path

import pytest

from app.server.config import ConfigError, MetricsTable
from app.server.relay.config import RelayConfig, RelayFolder, RelayTable
from app.server.relay.service import RelayService
from app.server.web import WebTable
from tests.server.relay.party import Party
from tests.server.relay.test_forwarder import QUESTION, Endpoint, play

LOOPBACK = RelayTable(listen=("127.0.0.1",), port=0)


@pytest.fixture
def folder(tmp_path: Path) -> RelayFolder:
    """A relay that was made."""
    folder = RelayFolder(tmp_path / "relay")
    folder.create("relay.example")
    return folder


async def read(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    return text


def test_peers_with_tokens_of_its_secret_are_served_and_counted(folder: RelayFolder) -> None:
    async def story() -> None:
        relay = RelayService(
            folder, RelayConfig(LOOPBACK, web=WebTable(enabled=False), metrics=MetricsTable("127.0.0.1", 0))
        )
        await relay.start()
        anna, ben = Endpoint("127.0.0.1", relay.port), Endpoint("127.0.0.1", relay.port)
        with closing(anna.socket), closing(ben.socket):
            number = await anna.bind(Party(0, secret=folder.read_secret()))
            await ben.bind(Party(1, secret=folder.read_secret()))
            ben.send(number.to_bytes(4) + b"sealed")
            await anna.hear()
            assert await anna.hear() == number.to_bytes(4) + b"sealed"
            anna.send(QUESTION)
            await anna.hear()
        assert relay.metrics_port is not None
        text = await read(relay.metrics_port)
        assert "buri_server_relay_pairs 1" in text
        assert "buri_server_relay_bytes_total 10" in text
        assert "127.0.0.1" not in text
        await relay.stop()
        await relay.stop()

    play(story())


def test_the_port_takes_tcp_as_well_but_no_client_of_a_server(folder: RelayFolder) -> None:
    async def story() -> None:
        relay = RelayService(folder, RelayConfig(LOOPBACK, web=WebTable(enabled=False)))
        await relay.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(b"\x00\x80" + bytes(128))
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        writer.close()
        await relay.stop()

    play(story())


def test_a_port_that_is_taken_is_an_error_with_a_reason(folder: RelayFolder) -> None:
    async def story() -> None:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
            other.bind(("127.0.0.1", 0))
            port = other.getsockname()[1]
            taken = RelayTable(listen=("127.0.0.1",), port=port)
            with pytest.raises(ConfigError, match=f"UDP port {port} of 127.0.0.1: Address already in use"):
                await RelayService(folder, RelayConfig(taken, web=WebTable(enabled=False))).start()

    play(story())
