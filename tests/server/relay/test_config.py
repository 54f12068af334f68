"""A relay's folder: made once, read strictly."""

from pathlib import Path

import pytest

from app.server.config import ConfigError
from app.server.relay.config import RelayConfig, RelayFolder, RelayTable


@pytest.fixture
def folder(tmp_path: Path) -> RelayFolder:
    """Where a relay may be made."""
    return RelayFolder(tmp_path / "relay")


def test_init_makes_a_relay_with_the_defaults(folder: RelayFolder) -> None:
    folder.create("relay.example")
    assert folder.read_config() == RelayConfig(relay=RelayTable(host="relay.example"))
    assert len(folder.read_secret()) == 32
    assert {file.stat().st_mode & 0o777 for file in folder.path.iterdir()} == {0o600}


def test_ports_are_as_asked_for(folder: RelayFolder) -> None:
    folder.create("relay.example", 3478, 0)
    config = folder.read_config()
    assert (config.relay.port, config.web.enabled) == (3478, False)


def test_init_never_overwrites_a_relay(folder: RelayFolder) -> None:
    folder.create("relay.example")
    secret = folder.read_secret()
    with pytest.raises(ConfigError, match="never overwrites"):
        folder.create("relay.example")
    assert folder.read_secret() == secret


def test_every_commented_default_of_the_template_is_the_default(folder: RelayFolder) -> None:
    folder.create("relay.example")
    text = folder.config_file.read_text()
    head, limits = text.split("[limits]")
    limits = limits.replace("# A", "## A").replace("# ", "", 0)
    shown = "\n".join(
        line.removeprefix("# ") if "=" in line else line for line in limits.split("[log]")[0].splitlines()
    )
    folder.config_file.write_text(head + "[limits]" + shown)
    assert folder.read_config() == RelayConfig(relay=RelayTable(host="relay.example"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[limits]\npair-rates = 1", "pair-rates"),
        ("[limits]\npair-rate = 1", ">= 8192"),
        ("[relay]\nlisten = ['nowhere']", "nowhere"),
        ("[relay]\nport = 65536", "65535"),
        ("[web]\ncertificate = 'a.pem'", "belong together"),
        ("[[", "not TOML"),
    ],
)
def test_mistakes_are_named_with_their_file(folder: RelayFolder, line: str, reason: str) -> None:
    folder.create("relay.example")
    folder.config_file.write_text(line)
    with pytest.raises(ConfigError, match=reason) as error:
        folder.read_config()
    assert "relay.toml" in str(error.value)


def test_a_folder_without_a_relay_says_how_to_make_one(folder: RelayFolder) -> None:
    with pytest.raises(ConfigError, match="buri relay init"):
        folder.read_config()
    with pytest.raises(ConfigError, match="buri relay init"):
        folder.read_secret()
