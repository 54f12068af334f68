"""The server's folder and configuration."""

import contextlib
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.server.config import Config, ConfigError, ServerFolder, parse_config
from app.server.limits import Policy, RateLimits
from app.server.relay.secret import parse_secret

SMALLEST = "[server]\nname='s'\npool='10.1.0.0/16'\n"


def test_init_writes_a_private_key_and_a_configuration_that_means_the_defaults(tmp_path: Path) -> None:
    folder = ServerFolder(tmp_path / "a" / "server")
    identity = folder.create(name='Ann\'s "place"', pool=None, port=4_000, public_host="buri.example")
    assert folder.read_key().public == identity.public
    config = folder.read_config()
    assert (config.server.name, config.server.port) == ('Ann\'s "place"', 4_000)
    assert (config.server.public_host, config.server.reflector_ports) == ("buri.example", (4_000, 4_001))
    assert (config.policy, config.limits, config.metrics) == (Policy(), RateLimits(), None)
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.path.iterdir()} == {0o600}


def test_what_stands_behind_the_comment_signs_are_the_real_defaults(tmp_path: Path) -> None:
    folder = ServerFolder(tmp_path)
    folder.create(name="s", pool="10.1.0.0/16", port=1, public_host="")
    lines = folder.config_file.read_text().splitlines()
    uncommented = [line[2:] if line.startswith("# ") and " = " in line else line for line in lines]
    uncommented = ["[metrics]" if line == "# [metrics]" else line for line in uncommented]
    config = parse_config("\n".join(uncommented).encode())
    assert (config.policy, config.limits) == (Policy(), RateLimits())
    assert config.metrics is not None
    assert "\n".join(uncommented).count("=") >= len(Policy.__struct_fields__) + len(RateLimits.__struct_fields__)


def test_init_never_overwrites(tmp_path: Path) -> None:
    folder = ServerFolder(tmp_path)
    folder.create(name="s", pool=None, port=1, public_host="")
    with pytest.raises(ConfigError, match="never overwrites"):
        folder.create(name="s", pool=None, port=1, public_host="")


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    folder = ServerFolder(tmp_path)
    folder.create(name="s", pool=None, port=1, public_host="")
    folder.key_file.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        folder.read_key()


RELAY = """
[[relays]]
number = 1
host = 'relay.example'
secret = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='
"""


def test_relays_elsewhere_are_known_with_their_secrets() -> None:
    (relay,) = parse_config((SMALLEST + RELAY).encode()).relays
    assert (relay.port, relay.web_port) == (12975, 0)
    assert parse_secret(relay.secret) == bytes(range(32))


def test_the_relays_secret_is_made_once_for_its_user_alone(tmp_path: Path) -> None:
    folder = ServerFolder(tmp_path)
    secret = folder.relay_secret()
    assert folder.relay_secret() == secret
    assert folder.relay_secret_file.stat().st_mode & 0o777 == 0o600
    folder.relay_secret_file.write_text("nonsense")
    with pytest.raises(ConfigError, match="44 characters"):
        folder.relay_secret()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "server"),
        ("[server]\nname='s'\n", "pool"),
        (SMALLEST + "port = 'x'", "port"),
        (SMALLEST + "port = 70000", "port"),
        (SMALLEST + "colour = 'red'", "colour"),
        (SMALLEST + "port = 443", "web: TCP port 443"),
        (SMALLEST + "listen = ['localhost']", "listen"),
        (SMALLEST + "[limits]\nconections = 1", "conections"),
        (SMALLEST + "[policy]\nregistration = 'maybe'", "registration"),
        (SMALLEST + "[policy]\nnetworks-per-account = 65", "networks-per-account"),
        (SMALLEST.replace("/16", "/31"), "prefix"),
        (SMALLEST.replace("'s'", "'\\u202e'").replace("'", '"'), "name"),
        (SMALLEST + "[relay]\npair-rate = 1", "pair-rate"),
        (SMALLEST + RELAY.replace("number = 1", "number = 0"), "number"),
        (SMALLEST + RELAY + RELAY, "number of its own"),
        (SMALLEST + RELAY.replace("relay.example", "no host"), "host"),
        (SMALLEST + RELAY.replace("8='", "'"), "44 characters"),
        ("[server", "TOML"),
        ("a" * 70_000, "too large"),
    ],
)
def test_mistakes_are_named(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        parse_config(text.encode())


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: (SMALLEST + text).encode()))
def test_any_bytes_are_a_configuration_or_a_named_error(data: bytes) -> None:
    with contextlib.suppress(ConfigError):
        assert isinstance(parse_config(data), Config)
