"""`buri server ...` as a person uses it: real files, and real processes where it runs."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.cli.server import main
from app.protocol.invite import parse_invite
from app.protocol.messages import Created, CreateNetwork, NetworkState
from app.protocol.wire import Address
from app.server.config import ServerFolder
from app.server.store import Store
from tests.server.client import Client, key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert main(["init", "--folder", str(tmp_path), "--pool", "10.99.0.0/16", "--host", "buri.example"]) == 0
    return tmp_path


def test_init_tells_what_to_do_next_and_refuses_a_second_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["init", "--folder", str(tmp_path)]
    assert main(words) == 0
    assert f"buri server run --folder {tmp_path}" in capsys.readouterr().out
    before = ServerFolder(tmp_path).key_file.read_bytes()
    assert main(words) == 1
    assert "never overwrites" in capsys.readouterr().err
    assert ServerFolder(tmp_path).key_file.read_bytes() == before


def test_the_fingerprint_is_what_ssh_keygen_prints(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["fingerprint", "--folder", str(folder)]) == 0
    printed = capsys.readouterr().out.strip()
    public = subprocess.run(
        ["ssh-keygen", "-y", "-f", ServerFolder(folder).key_file], capture_output=True, check=True
    ).stdout
    shown = subprocess.run(["ssh-keygen", "-lf", "-"], input=public, capture_output=True, check=True).stdout.decode()
    assert printed == shown.split()[1]


def test_an_invite_names_the_server_and_only_networks_that_exist(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Store.open(ServerFolder(folder).store_file).close()
    capsys.readouterr()
    assert main(["invite", "--folder", str(folder), "--json"]) == 0
    invite = parse_invite(json.loads(capsys.readouterr().out)["invite"])
    assert (invite.host, invite.port, invite.network) == ("buri.example", 12975, None)
    assert invite.fingerprint == ServerFolder(folder).read_key().public.fingerprint
    assert main(["invite", "--folder", str(folder), "--network", "nowhere"]) == 1
    assert "no network 'nowhere'" in capsys.readouterr().err


def test_a_missing_server_is_one_plain_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run", "invite"):
        assert main([command, "--folder", str(tmp_path)]) == 1
        assert "make one with `buri server init`" in capsys.readouterr().err


def on_loopback(folder: Path) -> None:
    """Let the configured server use free ports of this computer alone."""
    config = ServerFolder(folder).config_file
    text = config.read_text().replace("[12975, 12976]", "[0, 0]")
    for port in (12975, 443):
        text = text.replace(f"port = {port}", "port = 0")
    config.write_text(text.replace('["0.0.0.0", "::"]', '["127.0.0.1"]'))


@contextmanager
def process(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A server process that is ready, and its port."""
    started = subprocess.Popen(
        [sys.executable, "-m", "app", "server", "run", "--folder", str(folder)], stderr=subprocess.PIPE, text=True
    )
    try:
        assert started.stderr is not None
        ready = re.search(r"server runs: TCP port (\d+)", started.stderr.readline())
        assert ready
        yield started, int(ready[1])
    finally:
        started.kill()
        started.communicate()


def test_a_server_process_stops_on_sigterm_and_its_lists_can_be_read_meanwhile(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on_loopback(folder)
    with process(folder) as (running, _):
        capsys.readouterr()
        for command in ("accounts", "networks"):
            assert main([command, "--folder", str(folder), "--json"]) == 0
            assert json.loads(capsys.readouterr().out) == []
        running.terminate()
        assert running.wait(30) == 0


def test_a_second_server_on_the_same_folder_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    on_loopback(folder)
    with process(folder) as (running, _):
        capsys.readouterr()
        command = [sys.executable, "-m", "app", "server", "run", "--folder", str(folder)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert second.returncode == 1
        assert f"Another server, process {running.pid}, uses {folder}" in second.stderr


def test_what_clients_were_told_survives_kill_9(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    on_loopback(folder)
    fingerprint = ServerFolder(folder).read_key().public.fingerprint

    async def make_network(port: int) -> int | None:
        async with Client(port, fingerprint, key(1)) as anna:
            await anna.log_in("Anna")
            assert isinstance(await anna.ask(CreateNetwork(1, "Game night", None, None, None)), Created)
            return anna.address

    async def come_back(port: int, address: int | None) -> str:
        async with Client(port, fingerprint, key(1), Address(address or 0)) as anna:
            await anna.connect()
            return (await anna.expect(NetworkState)).name

    with process(folder) as (running, port):
        address = asyncio.run(make_network(port))
        running.kill()
    with process(folder) as (_, port):
        assert asyncio.run(come_back(port, address)) == "Game night"
        capsys.readouterr()
        assert main(["networks", "--folder", str(folder), "--json"]) == 0
        (network,) = json.loads(capsys.readouterr().out)
        assert [member["nickname"] for member in network["members"]] == ["Anna"]
        assert main(["networks", "--folder", str(folder)]) == 0
        assert "Game night" in capsys.readouterr().out


def test_an_attached_server_says_when_it_is_ready_and_ends_with_its_starter(folder: Path) -> None:
    on_loopback(folder)
    command = [sys.executable, "-m", "app", "server", "run", "--attached", "--folder", str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        assert server.stdout.readline() == "ready\n"
        server.stdin.close()
        assert server.wait(30) == 0
