"""The command as the shell sees it: real processes, exit codes, and what stands on which stream."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import __version__

ROOT = Path(__file__).parent.parent.parent


def buri(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with an empty standard input."""
    return subprocess.run(
        [sys.executable, "-m", "app", *words],
        cwd=ROOT,
        env={**os.environ, "BURI_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def test_the_version() -> None:
    assert buri(Path("/nowhere"), "--version").stdout == f"buri {__version__}\n"


@pytest.mark.parametrize("words", [(), ("status",), ("list",), ("login",), ("ping", "hiro"), ("join", "lan", "pw")])
def test_without_an_engine_every_verb_says_how_to_start_one(words: tuple[str, ...], tmp_path: Path) -> None:
    ended = buri(tmp_path, *words)
    assert ended.returncode == 3
    assert ended.stdout == ""
    assert "Start it with `buri up`" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_error_is_a_document_too(tmp_path: Path) -> None:
    ended = buri(tmp_path, "list", "--json")
    assert ended.returncode == 3
    assert json.loads(ended.stdout)["error"]["code"] == "engine-not-running"


def test_the_folder_can_be_named(tmp_path: Path) -> None:
    assert str(tmp_path / "other") in buri(tmp_path, "--home", str(tmp_path / "other"), "status").stderr


def test_a_mistake_is_a_usage_error(tmp_path: Path) -> None:
    ended = buri(tmp_path, "frobnicate")
    assert ended.returncode == 2
    assert "buri --help" in ended.stderr
    error = json.loads(buri(tmp_path, "ping", "--json").stdout)["error"]
    assert (error["code"], error["remedy"]) == ("usage", "Try `buri ping --help`.")


def test_a_folder_that_cannot_be_used_is_said() -> None:
    for words in (("up", "--invite", "x"), ("identity", "show")):
        ended = buri(Path("/proc/nowhere"), *words, "--json")
        assert (ended.returncode, json.loads(ended.stdout)["error"]["code"]) == (1, "home-unusable")
        assert "/proc/nowhere" in ended.stderr
    relative = buri(Path("somewhere"), "status")
    assert relative.returncode == 2
    assert "absolute" in relative.stderr


def test_status_loads_neither_engine_nor_crypto(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom app.cli.main import main\nmain(['status'])\n"
        "print(sorted(set(sys.modules) & {'app.engine.engine', 'app.engine.errors', 'cryptography', 'asyncio'}))"
    )
    environment = {**os.environ, "BURI_HOME": str(tmp_path)}
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout == "[]\n"


def test_doctor_finds_what_can_be_found_without_an_engine(tmp_path: Path) -> None:
    ended = buri(tmp_path, "doctor", "--json")
    assert ended.returncode == 3
    findings = {finding["name"]: finding for finding in json.loads(ended.stdout)["findings"]}
    assert not findings["engine"]["ok"]
    assert findings["identity"]["ok"]
    assert "buri up --invite" in findings["server"]["remedy"]


def test_an_identity_is_made_backed_up_and_restored(tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n", encoding="utf-8")
    first, second, backup = tmp_path / "first", tmp_path / "second", tmp_path / "backup.pem"

    made = buri(first, "identity", "new", "--key-file", "--json")
    assert made.returncode == 0
    assert "NOT encrypted" in made.stderr
    refused = buri(first, "identity", "new", "--key-file")
    assert refused.returncode == 4
    assert "--replace" in refused.stderr

    words = ("--backup-passphrase-file", str(passphrase))
    assert buri(first, "identity", "backup", str(backup), *words).returncode == 0
    assert backup.stat().st_mode & 0o777 == 0o600
    assert buri(first, "identity", "backup", str(backup), *words).returncode == 1
    restored = buri(second, "identity", "restore", str(backup), "--key-file", "--json", *words)
    assert json.loads(restored.stdout) == json.loads(made.stdout)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--server", "buri.example"), "fingerprint-missing"),
        (("--server", "bad host", "--fingerprint", "SHA256:" + "A" * 43), "server-not-valid"),
        (("--server", "buri.example:0", "--fingerprint", "SHA256:" + "A" * 43), "server-not-valid"),
        (("--server", "buri.example", "--fingerprint", "SHA256:short"), "server-not-valid"),
        (
            ("--server", "127.0.0.1", "--fingerprint", "SHA256:" + "A" * 43, "--public-host", "bad host"),
            "server-not-valid",
        ),
        (("--invite", "https://example.org"), "invite-not-valid"),
        (("--nickname", "\u202e"), "nickname-not-valid"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_up_refuses_what_is_not_given_right(words: tuple[str, ...], code: str, tmp_path: Path) -> None:
    ended = buri(tmp_path, "up", "--key-file", "--json", *words)
    assert ended.returncode == 2
    assert json.loads(ended.stdout)["error"]["code"] == code
    assert "Traceback" not in ended.stderr
