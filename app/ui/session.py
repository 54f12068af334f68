"""One engine's life in the app: profile and identity are opened, engine and control socket started, stopped, restarted.

The only window module that knows how an engine is put together. What prevents the start is no crash but a `trouble`
that the windows show with a way out (app/ui/mends.py). What changes settings or identity stops the engine first and
starts it again with what is on disk then. Everything that waits for disk or keyring runs in a thread.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from msgspec import structs
from PySide6.QtCore import QObject, Signal

from app.base.atomic_file import write_atomically
from app.base.folder_lock import FolderInUse, FolderLock
from app.base.put_aside import put_aside
from app.engine.control_server import ControlServer, SocketUnusable
from app.engine.engine import Engine
from app.engine.errors import EngineError, engine_error, problem_of
from app.engine.helper_client import connect_helper
from app.engine.helper_link import HelperConnector
from app.engine.identity import IdentityKeeper, choose_storage
from app.engine.settings import KeyStorage, Profile, ServerAddress, Settings
from app.engine.state import Problem
from app.platform import paths
from app.platform.addresses import local_addresses
from app.protocol.invite import Invite
from app.protocol.keys import MAX_PEM, IdentityKey, format_fingerprint
from app.ui.engine_bridge import EngineBridge

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

TAKE_OVER_DEADLINE: Final = 15.0
"""Seconds in which another engine must have ended that was asked to."""
_TAKE_OVER_STEP: Final = 0.2


@dataclass(frozen=True, slots=True)
class Launch:
    """How the app was started."""

    link: str = ""
    """An invite link to open."""
    hidden: bool = False
    """Only the tray icon."""
    storage: KeyStorage = KeyStorage.KEYRING
    passphrase: str | None = field(default=None, repr=False)
    """Of the private key's file."""
    log_level: str = ""
    """Empty: as in the preferences."""


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where this computer's private key is, for people; empty before there is one."""

    fingerprint: str = ""
    place: str = ""
    in_keyring: bool = False
    encrypted: bool = True


@dataclass(frozen=True, slots=True)
class KeyKeeping:
    """Where a private key shall go: the keyring, or a file that is encrypted if there is a passphrase."""

    in_keyring: bool = True
    passphrase: str | None = field(default=None, repr=False)


class Session(QObject):
    """Runs the engine of this home."""

    trouble_changed = Signal()
    """`trouble` or `starting` changed."""

    def __init__(self, bridge: EngineBridge, launch: Launch, helper: HelperConnector = connect_helper) -> None:
        super().__init__()
        self.bridge = bridge
        self.launch = launch
        self.profile: Profile | None = None
        self.trouble: Problem | None = None
        """Why no engine runs."""
        self.starting = False
        self._storage, self._passphrase = launch.storage, launch.passphrase
        self._helper = helper
        self._lock: FolderLock | None = None
        self._engine: Engine | None = None
        self._control: ControlServer | None = None
        self._switching = asyncio.Lock()
        """Held while the engine is started, stopped or its files are changed."""

    @property
    def is_first_start(self) -> bool:
        """Whether nothing is wrong but that no server has been chosen yet."""
        return self.trouble is not None and self.trouble.code == "server-not-configured"

    # --- start and stop

    async def start(self) -> None:
        """Claim the home and start; never raises."""
        async with self._switching:
            await self._start_anew()

    async def restart(self) -> None:
        """Stop the engine and start it with what is on disk now."""
        await self.start()

    async def stop(self) -> None:
        """End the engine and free the home; idempotent."""
        async with self._switching:
            await self._stop_engine()
            if self._lock is not None:
                self._lock.__exit__(None, None, None)
                self._lock = None

    async def _start_anew(self) -> None:
        self._tell(self.trouble, starting=True)
        await self._stop_engine()
        trouble = None
        try:
            await self._start()
        except (EngineError, FolderInUse, SocketUnusable, OSError) as error:
            trouble = _problem(error)
        except Exception as error:  # a mistake of ours: the window must not say "starting" for ever
            logger.exception("the engine does not start")
            trouble = problem_of(engine_error("program-error", reason=type(error).__name__))
        self._tell(trouble, starting=False)

    async def _start(self) -> None:
        await self._open()
        assert self.profile is not None
        if self.profile.settings.server is None:
            raise engine_error("server-not-configured")
        keeper = IdentityKeeper(self.profile, self._passphrase)
        identity = await asyncio.to_thread(keeper.open, self._storage)
        engine = await asyncio.to_thread(Engine, identity, self.profile, self._helper)
        control = ControlServer(engine, paths.engine_socket())
        await control.start()
        self._engine, self._control = engine, control
        await engine.start()
        self.bridge.attach(engine)

    async def _open(self) -> None:
        """Claim the home, and read its settings anew."""
        self.profile = None
        folders = await asyncio.to_thread(_folders)
        if self._lock is None:
            self._lock = FolderLock(folders[1], "engine")
        self.profile = await asyncio.to_thread(Profile, *folders)

    async def _stop_engine(self) -> None:
        self.bridge.detach()
        engine, control = self._engine, self._control
        self._engine = self._control = None
        if control is not None:
            await control.stop()
        if engine is not None:
            await engine.stop()

    def _tell(self, trouble: Problem | None, *, starting: bool) -> None:
        self.trouble, self.starting = trouble, starting
        self.trouble_changed.emit()

    # --- settings

    @property
    def settings(self) -> Settings | None:
        """As they are on disk; None if they can't be read."""
        return None if self.profile is None else self.profile.settings

    async def change(self, **changes: Any) -> None:
        """Change settings, and start the engine with them. Raises EngineError; the engine runs as before then."""
        await self._alter(lambda profile: profile.change(**changes))

    async def use_server(self, invite: Invite, nickname: str = "", public_host: str = "") -> None:
        """Log in to the server that an invite names from now on. Networks stay remembered for each server.

        Without `nickname` the present one stays. `public_host` is how others reach a server on this computer. Raises
        EngineError.
        """
        server = ServerAddress(invite.host, format_fingerprint(invite.fingerprint), invite.port, public_host)
        changes: dict[str, Any] = {"server": server, "logged_in": True}
        if nickname:
            changes["nickname"] = nickname
        await self.change(**changes)

    async def set_public_host(self, host: str) -> None:
        """How others reach a server on this computer: invite links name it. Raises EngineError."""
        server = self._opened().settings.server
        if server is None:
            raise engine_error("server-not-configured")
        await self.change(server=structs.replace(server, public_host=host))

    async def keep_key(self, keeping: KeyKeeping) -> None:
        """Where a key that is made from now on goes; then try again."""
        self._keep(keeping)
        await self.restart()

    def _keep(self, keeping: KeyKeeping) -> None:
        self._storage = choose_storage(not keeping.in_keyring, keeping.passphrase)
        self._passphrase = keeping.passphrase

    async def unlock(self, passphrase: str) -> None:
        """Try again with the passphrase of the private key's file; it is kept in memory alone. Raises EngineError."""
        self._passphrase = passphrase
        await self.restart()
        if self.trouble is not None and self.trouble.code == "passphrase-wrong":
            raise engine_error("passphrase-wrong", **dict(self.trouble.details))

    async def own_addresses(self) -> tuple[str, ...]:
        """Where others in the same local network reach this computer, IPv4 first."""
        try:
            found = await asyncio.to_thread(local_addresses)
        except OSError:
            return ()
        view = self.bridge.state
        own = (view.helper.interface or "buri0", view.server.address, view.server.address6)
        return tuple(
            sorted(
                {each.address for each in found if each.interface not in own and each.address not in own},
                key=lambda address: (":" in address, address),
            )
        )

    # --- identity

    @property
    def key_place(self) -> KeyPlace:
        """Where the private key is. It is not opened: a locked keyring would ask for its password."""
        profile = self.profile
        record = profile.settings.key if profile is not None else None
        if profile is None or record is None:
            return KeyPlace()
        in_keyring = record.storage is KeyStorage.KEYRING
        place = "" if in_keyring else str(profile.identity_file)
        return KeyPlace(record.fingerprint, place, in_keyring, record.storage is not KeyStorage.FILE)

    async def write_backup(self, file: Path, passphrase: str) -> None:
        """Write the identity, encrypted, to a file of its own. Raises EngineError."""
        profile = self._opened()
        keeper = IdentityKeeper(profile, self._passphrase)
        data = await asyncio.to_thread(keeper.backup, passphrase)
        await asyncio.to_thread(_write_new, file, data)

    async def restore(self, backup: Path, passphrase: str, keeping: KeyKeeping) -> str:
        """Take the identity of a backup, in place of one that is here; gives its fingerprint. Raises EngineError."""
        data = await asyncio.to_thread(_read_backup, backup)
        return await self._replace_identity(
            keeping, lambda keeper, storage: keeper.restore(data, passphrase, storage, replace=True)
        )

    async def new_identity(self, keeping: KeyKeeping) -> str:
        """Make another identity in place of the one that is here; gives its fingerprint. Raises EngineError."""
        return await self._replace_identity(keeping, lambda keeper, storage: keeper.make(storage, replace=True))

    async def _replace_identity(
        self, keeping: KeyKeeping, put: Callable[[IdentityKeeper, KeyStorage], IdentityKey]
    ) -> str:
        storage = choose_storage(not keeping.in_keyring, keeping.passphrase)

        def replace(profile: Profile) -> IdentityKey:
            key = put(IdentityKeeper(profile, keeping.passphrase), storage)
            self._keep(keeping)
            return key

        return (await self._alter(replace)).public.fingerprint_text

    async def _alter(self, action: Callable[[Profile], Result]) -> Result:
        """Do something to the files in a thread while no engine runs on them, then start it, come what may."""
        async with self._switching:
            self._tell(self.trouble, starting=True)
            await self._stop_engine()
            try:
                if self.profile is None or self._lock is None:
                    await self._open()
                return await asyncio.to_thread(action, self._opened())
            except (FolderInUse, OSError) as error:
                raise _engine_error(error) from error
            finally:
                await self._start_anew()

    def _opened(self) -> Profile:
        if self.profile is None:
            raise engine_error("home-unusable", reason="the settings could not be read")
        return self.profile

    # --- ways out of a trouble

    async def put_aside(self, trouble: Problem) -> Path:
        """Rename the broken file that a trouble names, and start with a fresh one; gives its new place.

        Raises EngineError.
        """
        file = Path(dict(trouble.details).get("place", ""))
        async with self._switching:
            try:
                aside = await asyncio.to_thread(put_aside, file)
            except OSError as error:
                raise engine_error("file-not-written", place=file, reason=error.strerror or error) from error
            await self._start_anew()
        return aside

    async def take_over(self) -> None:
        """Ask the engine that runs elsewhere for this home to end, and start here. Raises EngineError."""
        async with self._switching:
            folders = await asyncio.to_thread(_folders)
            try:
                async with asyncio.timeout(TAKE_OVER_DEADLINE):
                    await self._wait_for_home(folders[1])
            except TimeoutError:
                raise engine_error("already-running", reason="The other one does not end") from None
            except OSError as error:
                raise _engine_error(error) from error
            await self._start_anew()

    async def _wait_for_home(self, folder: Path) -> None:
        asked = False
        while self._lock is None:
            try:
                self._lock = FolderLock(folder, "engine")
            except FolderInUse as error:
                if not asked and error.process is not None:
                    os.kill(error.process, signal.SIGTERM)  # it holds the lock now, so the number is still its own
                    asked = True
                await asyncio.sleep(_TAKE_OVER_STEP)


def _folders() -> tuple[Path, Path]:
    return paths.private_folder(paths.config_folder()), paths.private_folder(paths.state_folder())


def _write_new(file: Path, data: bytes) -> None:
    """Private, and on the disk when this returns. The file chooser has asked whether to replace one."""
    try:
        write_atomically(file, data, mode=0o600)
    except OSError as error:
        raise engine_error("file-not-written", place=file, reason=error.strerror or error) from error


def _read_backup(file: Path) -> bytes:
    try:
        with file.open("rb") as backup:
            return backup.read(MAX_PEM + 1)
    except OSError as error:
        raise engine_error("identity-backup-unreadable", place=file, reason=error.strerror or error) from error


def _engine_error(error: Exception) -> EngineError:
    if isinstance(error, FolderInUse):
        return engine_error("already-running", reason=str(error).rstrip("."))
    if isinstance(error, OSError):
        return engine_error("home-unusable", reason=_reason(error))
    return engine_error("home-unusable", reason=error)


def _problem(error: Exception) -> Problem:
    return problem_of(error if isinstance(error, EngineError) else _engine_error(error))


def _reason(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"
