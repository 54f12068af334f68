"""One profile on disk: the settings a person may read and mend, and the sealed state that nobody may.

`settings.json` (configuration folder, mode 0600) holds what is no secret: server, nickname, addresses, where the
private key is kept and its fingerprint. `state-<key>.sealed` (state folder, mode 0600) holds network secrets, pinned
peer keys and owners' statements, encrypted under a key that is derived from the identity key; each identity has its
own, so that a restored identity finds what it knew. Both are versioned and replaced whole.

A file that can't be read is an error and is left as it is: starting over in silence would lose networks, or trust a
changed key. The private key itself is engine/identity.py's. Called by the engine and the command line's composition
root. Writing waits for the disk, some milliseconds.
"""

import threading
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct, structs

from app.base.atomic_file import write_atomically
from app.engine.contacts import MAX_CONTACTS, Contact
from app.engine.errors import engine_error
from app.engine.networks import MAX_NETWORKS, JoinedNetwork
from app.engine.proxy_choice import ProxyChoice
from app.protocol.invite import checked_host
from app.protocol.keys import IdentityKey, KeyFormatError, PublicKey, parse_fingerprint
from app.protocol.names import checked_name
from app.protocol.statement import MAX_SIGNED_STATEMENT
from app.protocol.suites import DEFAULT_SUITE, SUITES
from app.protocol.wire import MAX_NAME, SERVER_PORT, Address, NetworkId, RemoteProtocolError

SETTINGS_VERSION: Final = 1
STATE_VERSION: Final = 1
MAX_SETTINGS: Final = 1 << 20
"""Bytes in a settings file."""
MAX_STATE: Final = 64 << 20
"""Bytes in a state file: tens of thousands of peers and statements."""
MAX_SERVERS: Final = 256
MAX_LOCATIONS: Final = 64
"""Networks of which is remembered what leads out of them."""
MAX_PROXY_PASSWORD: Final = 1_024
MAX_HOST: Final = 253
"""Characters in a host name (RFC 1035 section 2.3.4)."""

_STATE_PURPOSE: Final = b"engine state"
_STATE_MAGIC: Final = b"buri state 1\n"

FingerprintText = Annotated[str, Meta(min_length=50, max_length=50)]
RouteWords = Annotated[str, Meta(max_length=512)]
AddressNumber = Annotated[int, Meta(ge=1, le=0xFFFFFFFF)]


class KeyStorage(StrEnum):
    """Where the private key is kept; chosen openly when it is made."""

    KEYRING = "keyring"
    FILE = "file"
    """Not encrypted: whoever can read this user's files has it."""
    ENCRYPTED_FILE = "encrypted-file"


class KeyRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Which private key is this computer's, so that a missing one is noticed and never replaced in silence."""

    fingerprint: FingerprintText
    storage: KeyStorage
    service: Annotated[str, Meta(max_length=1_024)] = ""
    """The keyring's service name; empty for files."""


class ServerAddress(Struct, frozen=True, forbid_unknown_fields=True):
    """The mediation server in use and the fingerprint that its key must have."""

    host: Annotated[str, Meta(min_length=1, max_length=MAX_HOST)]
    fingerprint: FingerprintText
    port: Annotated[int, Meta(ge=1, le=0xFFFF)] = SERVER_PORT
    public_host: Annotated[str, Meta(max_length=MAX_HOST)] = ""
    """How others reach it, if not as `host`: a server on this very computer is 127.0.0.1 for us alone."""

    @property
    def host_for_others(self) -> str:
        """What an invite link names."""
        return self.public_host or self.host

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Account(Struct, frozen=True, forbid_unknown_fields=True):
    """An address that a server gave to a key."""

    server: FingerprintText
    key: FingerprintText
    address: AddressNumber


class Settings(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is in settings.json."""

    version: int
    server: ServerAddress | None = None
    suite: int = DEFAULT_SUITE
    nickname: Annotated[str, Meta(max_length=MAX_NAME)] = ""
    logged_in: bool = True
    """Whether the person wants to be connected: what `login` and `logout` set."""
    accounts: Annotated[tuple[Account, ...], Meta(max_length=MAX_SERVERS)] = ()
    key: KeyRecord | None = None
    rekey_interval: Annotated[int, Meta(ge=1, le=3_600)] = 180
    """Seconds after which a tunnel gets fresh keys, if this side leads its handshakes."""
    chat_history: bool = True
    """Whether what was said is kept on disk over a restart."""
    proxy: ProxyChoice = ProxyChoice()
    port_mapping: bool = True
    """Whether routers are asked to open a port for this computer (PCP, NAT-PMP, UPnP)."""

    def address_on(self, server: str, key: str) -> int | None:
        """The address of the account that `key` has on `server`, both fingerprints in text; None before the first."""
        found = (each.address for each in self.accounts if (each.server, each.key) == (server, key))
        return next(found, None)


class ServerMemory(Struct, frozen=True):
    """What this computer remembers of one server: its networks and its accounts."""

    networks: Annotated[dict[NetworkId, JoinedNetwork], Meta(max_length=MAX_NETWORKS)] = {}
    """With their secrets."""
    contacts: Annotated[dict[Address, Contact], Meta(max_length=MAX_CONTACTS)] = {}
    """With their pinned keys."""
    statements: tuple[Annotated[bytes, Meta(max_length=MAX_SIGNED_STATEMENT)], ...] = ()
    """Signed statements of owners, as `MembershipMemory.export` gives them."""
    routes: Annotated[dict[RouteWords, RouteWords], Meta(max_length=MAX_LOCATIONS)] = {}
    """By which route it was reached last from which network, see server_routes.py."""
    web_port: Annotated[int, Meta(ge=0, le=0xFFFF)] = 0
    """Where it takes WebSockets; 0 if that was never told."""


class _State(Struct, frozen=True):
    version: int
    servers: Annotated[dict[FingerprintText, ServerMemory], Meta(max_length=MAX_SERVERS)] = {}
    proxy_password: Annotated[str, Meta(max_length=MAX_PROXY_PASSWORD)] = ""


class _Version(Struct):
    version: int


class Profile:
    """The settings of one engine and the place of its files. Read once, written at each change."""

    def __init__(self, config_folder: Path, state_folder: Path) -> None:
        """Read the settings, or start with fresh ones if there is no file; the folders exist.

        Raises EngineError `settings-broken` or `settings-too-new`; the file is left as it is then.
        """
        self.settings_file = config_folder / "settings.json"
        self.identity_file = state_folder / "identity.pem"
        self.state_folder = state_folder
        self.settings = self._read_settings()
        self._changing = threading.Lock()

    def _read_settings(self) -> Settings:
        data = _read(self.settings_file, MAX_SETTINGS, "settings-broken")
        if data is None:
            return Settings(SETTINGS_VERSION)
        try:
            return decode_settings(data)
        except _UnknownVersionError as error:
            raise engine_error(
                "settings-too-new", place=self.settings_file, version=error.version, known=SETTINGS_VERSION
            ) from None
        except ValueError as error:
            raise engine_error("settings-broken", place=self.settings_file, reason=error) from error

    def change(self, **changes: Any) -> Settings:
        """Replace fields of the settings, on disk and here, and give them back.

        Raises EngineError `setting-not-valid` or `file-not-written`, and has changed nothing then. Any thread may call
        it: the engine's loop has no time to wait for a disk.
        """
        with self._changing:
            return self._change(changes)

    def _change(self, changes: dict[str, Any]) -> Settings:
        data = msgspec.json.format(msgspec.json.encode(structs.replace(self.settings, **changes)), indent=2) + b"\n"
        try:
            changed = decode_settings(data)
        except ValueError as error:
            raise engine_error("setting-not-valid", reason=error) from error
        _write(self.settings_file, data)
        self.settings = changed
        return changed

    def remember_address(self, server: str, key: str, address: int) -> None:
        """Keep the address that `server` gave to `key` (fingerprints in text). Raises EngineError as `change`."""
        with self._changing:
            others = tuple(each for each in self.settings.accounts if (each.server, each.key) != (server, key))
            self._change({"accounts": (*others, Account(server, key, address))})

    def state_file(self, key: PublicKey) -> Path:
        """Where the sealed state of an identity lies."""
        return self.state_folder / f"state-{key.fingerprint.hex()[:16]}.sealed"

    def chat_file(self, key: PublicKey, server: ServerAddress) -> Path:
        """Where the chat of an identity on a server lies: peers' addresses mean somebody else on another server."""
        account = f"{key.fingerprint.hex()[:16]}-{parse_fingerprint(server.fingerprint).hex()[:16]}"
        return self.state_folder / f"chat-{account}.sqlite"


class Memory:
    """The sealed state of one identity, about all servers."""

    def __init__(self, profile: Profile, identity: IdentityKey) -> None:
        """Read it, or start empty if there is no file. Raises EngineError `state-broken`; the file is left then."""
        self._file = profile.state_file(identity.public)
        self._identity = identity
        self._changing = threading.Lock()
        self._state = self._read()

    def _read(self) -> _State:
        data = _read(self._file, MAX_STATE, "state-broken")
        if data is None:
            return _State(STATE_VERSION)
        try:
            return _open_state(data, self._identity)
        except ValueError as error:
            raise engine_error("state-broken", place=self._file, reason=error) from error

    def server(self, fingerprint: str) -> ServerMemory:
        """What is remembered of the server with this fingerprint (text); empty if nothing."""
        return self._state.servers.get(fingerprint, ServerMemory())

    def remember(self, fingerprint: str, memory: ServerMemory) -> None:
        """Replace what is remembered of a server, on disk and here. Raises EngineError `file-not-written`.

        The whole file is written: gather changes and call it once for a burst.
        """
        with self._changing:
            self._write(structs.replace(self._state, servers={**self._state.servers, fingerprint: memory}))

    @property
    def proxy_password(self) -> str:
        """The password for the chosen HTTP proxy; empty if there is none."""
        return self._state.proxy_password

    def keep_proxy_password(self, password: str) -> None:
        """Replace the password for the chosen HTTP proxy. Raises EngineError as `remember`, `setting-not-valid`."""
        if len(password) > MAX_PROXY_PASSWORD:
            raise engine_error("setting-not-valid", reason="the password is too long")
        with self._changing:
            if password != self._state.proxy_password:
                self._write(structs.replace(self._state, proxy_password=password))

    def _write(self, state: _State) -> None:
        sealed = self._identity.seal_for_storage(msgspec.msgpack.encode(state), _STATE_PURPOSE)
        if len(_STATE_MAGIC) + len(sealed) > MAX_STATE:  # it could not be read again
            raise engine_error("file-not-written", place=self._file, reason="there is too much to remember")
        _write(self._file, _STATE_MAGIC + sealed)
        self._state = state


class _UnknownVersionError(ValueError):
    def __init__(self, version: int) -> None:
        super().__init__(f"version {version} is not known")
        self.version = version


def decode_settings(data: bytes) -> Settings:
    """Settings in JSON, checked in every field. Raises ValueError whose text names the field."""
    try:
        version = msgspec.json.decode(data, type=_Version).version
        if version != SETTINGS_VERSION:
            raise _UnknownVersionError(version)
        settings = msgspec.json.decode(data, type=Settings)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if settings.suite not in SUITES:
        raise ValueError(f"suite {settings.suite} is not known")
    if settings.nickname and _normal_name(settings.nickname) != settings.nickname:
        raise ValueError("nickname: has spaces or signs in another form than others see")
    if settings.server is not None:
        checked_host(settings.server.host)
        checked_host(settings.server.host_for_others)
        parse_fingerprint(settings.server.fingerprint)
    for text in (*(each.server for each in settings.accounts), *(each.key for each in settings.accounts)):
        parse_fingerprint(text)
    if settings.key is not None:
        parse_fingerprint(settings.key.fingerprint)
    return settings


def _normal_name(name: str) -> str:
    try:
        return checked_name(name)
    except RemoteProtocolError as error:
        raise ValueError(f"nickname: {error}") from None


def _open_state(data: bytes, identity: IdentityKey) -> _State:
    """Raises ValueError, which KeyFormatError and msgspec's errors are."""
    if not data.startswith(_STATE_MAGIC):
        raise KeyFormatError("not a state file of this version")
    state = msgspec.msgpack.decode(
        identity.open_from_storage(data.removeprefix(_STATE_MAGIC), _STATE_PURPOSE), type=_State
    )
    if state.version != STATE_VERSION:
        raise _UnknownVersionError(state.version)
    return state


def _read(path: Path, limit: int, code: str) -> bytes | None:
    """The whole file, None if there is none. Raises EngineError `code` if it can't be read or is too large."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise engine_error(code, place=path, reason=error.strerror or error) from error
    if len(data) > limit:
        raise engine_error(code, place=path, reason="too large")
    return data


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomically(path, data, mode=0o600)
    except OSError as error:
        raise engine_error("file-not-written", place=path, reason=error.strerror or error) from error
