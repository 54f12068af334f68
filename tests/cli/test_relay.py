"""`buri relay ...` as a person uses it: real files, and a real process where it runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.main import main as buri
from app.cli.relay import main
from app.cli.server import main as server
from app.server.config import ServerFolder
from app.server.relay.config import RelayFolder
from app.server.relay.secret import parse_secret

HOST = ["--host", "relay.example"]


def init(folder: Path, *words: str) -> int:
    return main(["init", "--folder", str(folder), *HOST, *words])


def test_what_init_prints_is_what_the_server_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert server(["init", "--folder", str(tmp_path / "server")]) == 0
    capsys.readouterr()
    assert init(tmp_path / "relay", "--port", "3478", "--number", "7") == 0
    printed = capsys.readouterr().out
    assert f"buri relay run --folder {tmp_path / 'relay'}" in printed
    folder = ServerFolder(tmp_path / "server")
    folder.config_file.write_text(folder.config_file.read_text() + printed)
    (relay,) = folder.read_config().relays
    assert (relay.number, relay.host, relay.port, relay.web_port) == (7, "relay.example", 3478, 443)
    assert parse_secret(relay.secret) == RelayFolder(tmp_path / "relay").read_secret()


def test_the_entry_can_be_had_again_and_a_second_init_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(tmp_path, "--web-port", "0", "--number", "7")
    first = capsys.readouterr().out
    assert main(["entry", "--folder", str(tmp_path)]) == 0
    again = capsys.readouterr().out
    assert again in first
    assert "number = 7\n" in again
    assert "web-port = 0" in again
    assert main(["entry", "--folder", str(tmp_path), "--host", "moved.example", "--number", "8"]) == 0
    moved = capsys.readouterr().out
    assert moved == again.replace("relay.example", "moved.example").replace("number = 7", "number = 8")
    assert init(tmp_path) == 1
    assert "never overwrites" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--port", "0"], ["--number", "0"], ["--number", "256"], ["--web-port", "65536"], ["--port", "१"]]
)
def test_unusable_numbers_are_refused(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit):
        init(tmp_path, *words)
    assert not list(tmp_path.iterdir())


def test_an_unusable_host_is_refused_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "--folder", str(tmp_path), "--host", "not a host"]) == 1
    assert capsys.readouterr().err == "buri relay: 'not a host' is no host name or IP address\n"
    assert not list(tmp_path.iterdir())


def test_one_port_can_not_be_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path, "--port", "443") == 1
    assert "web: TCP port 443" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_missing_relay_is_one_plain_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert buri(["relay", "run", "--folder", str(tmp_path)]) == 1
    assert "buri relay init" in capsys.readouterr().err


def test_an_attached_relay_says_that_it_is_ready_and_ends_with_its_input(tmp_path: Path) -> None:
    init(tmp_path, "--web-port", "0")
    config = RelayFolder(tmp_path).config_file
    text = config.read_text().replace("port = 12975", "port = 0").replace('["0.0.0.0", "::"]', '["127.0.0.1"]')
    config.write_text(text)
    words = [sys.executable, "-m", "app", "relay", "run", "--attached", "--folder", str(tmp_path)]
    run = subprocess.run(words, input="", capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == "ready\n"
    assert re.search(r"relay runs: UDP and TCP port \d+", run.stderr)
