"""The server's folder and its configuration file `server.toml`: read, checked as a whole, written once by `init`.

Unknown names are errors, so that a misspelt limit is not silently the default. Used by `service.py` and by the
command line (app/cli/server.py).
"""

import json
import os
import secrets
import stat
import tomllib
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from string import Template
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from app.base.atomic_file import write_atomically
from app.base.resources import resource_folder
from app.platform.paths import private_folder, state_folder
from app.protocol.invite import checked_host
from app.protocol.keys import MAX_PEM, IdentityKey, KeyFormatError
from app.protocol.messages import MAX_RELAYS
from app.protocol.names import checked_name
from app.protocol.wire import SERVER_PORT, RemoteProtocolError
from app.server.limits import Policy, RateLimits, RelayLimits
from app.server.pool import PoolError, parse_pool, random_pool
from app.server.relay.secret import SecretError, make_secret, parse_secret, read_secret
from app.server.web import WebTable
from app.transport.routes import WEB_PORT

MAX_CONFIG = 65_536
"""Bytes in a configuration file."""

Port = Annotated[int, Meta(ge=0, le=65_535)]
"""0 lets the system choose; for tests."""


class ConfigError(Exception):
    """The server's folder is not ready to run; the text says what is wrong and where."""


class ServerTable(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """`[server]`"""

    name: str
    pool: str
    public_host: str = ""
    listen: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)] = ("0.0.0.0", "::")
    port: Port = SERVER_PORT
    reflector_ports: Annotated[tuple[Port, ...], Meta(max_length=4)] = (SERVER_PORT, SERVER_PORT + 1)


class RelayTable(RelayLimits, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """`[relay]`: the server's own relay, on the first reflector port; `pair-rate` is granted on the others as well."""

    built_in: bool = True


class OtherRelayTable(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """`[[relays]]`: one relay on a machine of its own, as `buri relay init` prints it."""

    number: Annotated[int, Meta(ge=1, le=255)]
    host: str
    secret: str
    port: Annotated[int, Meta(ge=1, le=65_535)] = SERVER_PORT
    web_port: Port = 0
    """0 for none."""


class LogTable(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """`[log]`"""

    level: Literal["debug", "info", "warning", "error"] = "info"
    json: bool = False


class MetricsTable(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """`[metrics]`; without the table there is no endpoint."""

    host: str = "127.0.0.1"
    port: Port = 12_978


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    server: ServerTable
    policy: Policy = Policy()
    limits: RateLimits = RateLimits()
    relay: RelayTable = RelayTable()
    web: WebTable = WebTable()
    relays: Annotated[tuple[OtherRelayTable, ...], Meta(max_length=MAX_RELAYS - 1)] = ()
    log: LogTable = LogTable()
    metrics: MetricsTable | None = None

    @property
    def pool(self) -> IPv4Network:
        """The checked pool of virtual addresses."""
        return parse_pool(self.server.pool)


class ServerFolder:
    """The folder that is a server: key, configuration, store. Back up this folder and you have the server."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / "server.toml"
        self.key_file = path / "server-key.pem"
        self.store_file = path / "store.sqlite3"
        self.relay_secret_file = path / "relay-secret.txt"

    @classmethod
    def default(cls) -> "ServerFolder":
        """Where a server is if nobody says otherwise."""
        return cls(state_folder() / "server")

    def read_config(self) -> Config:
        """The configuration. Raises ConfigError."""
        missing = f"there is no server in {self.path}: make one with `buri server init`"
        config = read_toml(self.config_file, Config, missing)
        try:
            _check_values(config)
        except ConfigError as error:
            raise ConfigError(f"{self.config_file}: {error}") from None
        return config

    def read_key(self) -> IdentityKey:
        """The server's identity. Raises ConfigError, also if others on this computer could read the key."""
        try:
            if os.name == "posix" and self.key_file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigError(f"{self.key_file} is open to other users: chmod 600 it")
            with self.key_file.open("rb") as file:
                return IdentityKey.from_pem(file.read(MAX_PEM + 1), None)
        except FileNotFoundError:
            raise ConfigError(f"there is no server key in {self.path}: `buri server init` makes a server") from None
        except OSError as error:
            raise ConfigError(f"{self.key_file} can't be read: {error.strerror}") from error
        except KeyFormatError as error:
            raise ConfigError(f"{self.key_file}: {error}") from error

    def relay_secret(self) -> bytes:
        """The secret of the built-in relay and of pairs' names; made if there is none yet. Raises ConfigError.

        It is kept, so that tokens are good after a restart as well.
        """
        try:
            return read_secret(self.relay_secret_file)
        except FileNotFoundError:
            pass
        except SecretError as error:
            raise ConfigError(str(error)) from None
        try:
            return make_secret(self.relay_secret_file)
        except OSError as error:
            raise ConfigError(f"{self.relay_secret_file} can't be written: {error.strerror}") from error

    def create(self, *, name: str, pool: str | None, port: int, public_host: str) -> IdentityKey:
        """Make key and configuration. Raises ConfigError if there is a server already, or for unusable values."""
        for file in (self.config_file, self.key_file, self.store_file):
            if file.exists():
                raise ConfigError(f"{file} exists: `init` never overwrites a server")
        text = _configuration_text(name, pool or str(random_pool()), port, public_host)
        parse_config(text.encode())
        try:
            private_folder(self.path)
            identity = IdentityKey.generate()
            write_atomically(self.key_file, identity.to_pem(None), mode=0o600)
            write_atomically(self.config_file, text.encode(), mode=0o600)
        except OSError as error:
            raise ConfigError(f"{self.path} can't be written: {error.strerror}") from error
        return identity


def parse_config(data: bytes) -> Config:
    """The configuration in a TOML file. Raises ConfigError for anything that is not exactly one."""
    config = parse_toml(data, Config)
    _check_values(config)
    return config


Table = TypeVar("Table", bound=Struct)


def read_toml(file: Path, kind: type[Table], missing: str) -> Table:
    """The configuration in a file. Raises ConfigError, with `missing` if the file is not there."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise ConfigError(missing) from None
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}") from error
    try:
        return parse_toml(data, kind)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None


def parse_toml(data: bytes, kind: type[Table]) -> Table:
    """TOML that has exactly the form of `kind`. Raises ConfigError for anything else."""
    if len(data) > MAX_CONFIG:
        raise ConfigError("too large")
    try:
        return msgspec.convert(tomllib.loads(data.decode("utf-8")), kind)
    except UnicodeDecodeError:
        raise ConfigError("not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}") from None
    except RecursionError:
        raise ConfigError("not TOML: nested too deeply") from None
    except msgspec.ValidationError as error:
        raise ConfigError(str(error).replace("`$.", "`").replace("Object", "the table")) from None


def _check_values(config: Config) -> None:
    try:
        parse_pool(config.server.pool)
        checked_name(config.server.name)
        _check_hosts(*config.server.listen, *([config.metrics.host] if config.metrics else []))
        config.web.check(config.server.port)
        for relay in config.relays:
            checked_host(relay.host)
            parse_secret(relay.secret)
    except (PoolError, RemoteProtocolError, SecretError, ValueError) as error:
        raise ConfigError(str(error)) from None
    if len({relay.number for relay in config.relays}) < len(config.relays):
        raise ConfigError("relays: each needs a number of its own")


def _check_hosts(*hosts: str) -> None:
    try:
        for host in hosts:
            ip_address(host)
    except ValueError as error:
        raise ValueError(f"listen: {error}") from None


def _configuration_text(name: str, pool: str, port: int, public_host: str) -> str:
    """The commented template of resources/server with the values filled in."""
    template = (resource_folder() / "server" / "server.toml").read_text("utf-8")
    return Template(template).substitute(
        name=_toml_text(name),
        pool=_toml_text(pool),
        port=port,
        web_port={0: 0, WEB_PORT: 8443}.get(port, WEB_PORT),
        next_port=port + 1 if 0 < port < 65_535 else 0,
        public_host=_toml_text(public_host),
    )


def _toml_text(text: str) -> str:
    """A TOML basic string: JSON's escapes are a part of TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def random_server_name() -> str:
    """A name for a server that was given none."""
    return f"buri-{secrets.token_hex(2)}"
