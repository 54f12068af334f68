"""The folder of a relay on its own machine: its configuration `relay.toml` and its secret. Used by `service.py` and by
the command line (app/cli/relay.py).
"""

import json
from ipaddress import ip_address
from pathlib import Path
from string import Template
from typing import Annotated

from msgspec import Meta, Struct

from app.base.atomic_file import write_atomically
from app.base.resources import resource_folder
from app.platform.paths import private_folder, state_folder
from app.protocol.wire import SERVER_PORT
from app.server.config import ConfigError, LogTable, MetricsTable, Port, parse_toml, read_toml
from app.server.limits import Count, RelayLimits
from app.server.relay.secret import SecretError, make_secret, read_secret
from app.server.web import WebTable
from app.transport.routes import WEB_PORT


class RelayTable(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """`[relay]`"""

    listen: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)] = ("0.0.0.0", "::")
    port: Port = SERVER_PORT
    """Of UDP and TCP."""
    host: str = ""
    """Where clients reach it; for the lines that the server needs, as `number`."""
    number: Annotated[int, Meta(ge=1, le=255)] = 1


class LimitsTable(RelayLimits, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """`[limits]`"""

    connections: Count = 4_000
    connections_per_source: Count = 64
    reflections_per_second: Count = 50
    """STUN answers to one source."""


class RelayConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    relay: RelayTable = RelayTable()
    web: WebTable = WebTable()
    limits: LimitsTable = LimitsTable()
    log: LogTable = LogTable()
    metrics: MetricsTable | None = None


class RelayFolder:
    """The folder that is a relay."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / "relay.toml"
        self.secret_file = path / "relay-secret.txt"

    @classmethod
    def default(cls) -> "RelayFolder":
        """Where a relay is if nobody says otherwise."""
        return cls(state_folder() / "relay")

    def read_config(self) -> RelayConfig:
        """The configuration. Raises ConfigError."""
        config = read_toml(self.config_file, RelayConfig, f"there is no relay in {self.path}: `buri relay init`")
        try:
            _check_values(config)
        except ValueError as error:
            raise ConfigError(f"{self.config_file}: {error}") from None
        return config

    def read_secret(self) -> bytes:
        """The secret that the relay shares with its server. Raises ConfigError."""
        try:
            return read_secret(self.secret_file)
        except FileNotFoundError:
            raise ConfigError(f"there is no secret in {self.path}: `buri relay init` makes a relay") from None
        except SecretError as error:
            raise ConfigError(str(error)) from None

    def create(self, host: str, port: int = SERVER_PORT, web_port: int = WEB_PORT, number: int = 1) -> None:
        """Make secret and configuration. Raises ConfigError if there is a relay already, or for unusable values."""
        for file in (self.config_file, self.secret_file):
            if file.exists():
                raise ConfigError(f"{file} exists: `init` never overwrites a relay")
        template = (resource_folder() / "server" / "relay.toml").read_text("utf-8")
        enabled = "true" if web_port else "false"
        web = {"web_port": web_port or WEB_PORT, "web_enabled": enabled}
        text = Template(template).substitute(host=json.dumps(host), port=port, number=number, **web)
        try:
            _check_values(parse_toml(text.encode(), RelayConfig))
        except ValueError as error:
            raise ConfigError(str(error)) from None
        try:
            private_folder(self.path)
            make_secret(self.secret_file)
            write_atomically(self.config_file, text.encode(), mode=0o600)
        except OSError as error:
            raise ConfigError(f"{self.path} can't be written: {error.strerror}") from error


def _check_values(config: RelayConfig) -> None:
    """What the types can't say. Raises ValueError."""
    for host in (*config.relay.listen, *([config.metrics.host] if config.metrics else [])):
        ip_address(host)
    config.web.check(config.relay.port)
