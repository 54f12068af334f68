"""One engine's life in the app: profile and identity are opened, engine and control socket started, stopped, restarted.

The only window module that knows how an engine is put together. What prevents the start is no crash but a `trouble`
that the windows show with a way out; `restart` tries again. Everything that waits for disk or keyring runs in a thread.
"""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from app.base.folder_lock import FolderInUse, FolderLock
from app.engine.control_server import ControlServer, SocketUnusable
from app.engine.engine import Engine
from app.engine.errors import EngineError, engine_error
from app.engine.helper_client import connect_helper
from app.engine.helper_link import HelperConnector
from app.engine.identity import IdentityKeeper
from app.engine.settings import KeyStorage, Profile
from app.engine.snapshot import problem_of
from app.engine.state import Problem
from app.platform import paths
from app.ui.engine_bridge import EngineBridge

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Launch:
    """How the app was started."""

    link: str = ""
    """An invite link to open."""
    hidden: bool = False
    """Only the tray icon."""
    storage: KeyStorage = KeyStorage.KEYRING
    passphrase: str | None = None
    """Of the private key's file."""


class Session(QObject):
    """Runs the engine of this home. `trouble_changed` is emitted when what prevents it changed."""

    trouble_changed = Signal()

    def __init__(self, bridge: EngineBridge, launch: Launch, helper: HelperConnector = connect_helper) -> None:
        """`helper` is for tests."""
        super().__init__()
        self.bridge = bridge
        self.launch = launch
        self.profile: Profile | None = None
        self.trouble: Problem | None = None
        """Why no engine runs; `server-not-configured` is the first start."""
        self._helper = helper
        self._lock: FolderLock | None = None
        self._engine: Engine | None = None
        self._control: ControlServer | None = None

    async def start(self) -> None:
        """Claim the home and start; never raises."""
        await self._stop_engine()
        try:
            await self._start()
        except (EngineError, FolderInUse, SocketUnusable, OSError) as error:
            self._set_trouble(_problem(error))
        else:
            self._set_trouble(None)

    async def restart(self) -> None:
        """Stop the engine and start it with what is on disk now."""
        await self.start()

    async def stop(self) -> None:
        """End the engine and free the home; idempotent."""
        await self._stop_engine()
        if self._lock is not None:
            self._lock.__exit__(None, None, None)
            self._lock = None

    async def _start(self) -> None:
        folders = await asyncio.to_thread(_folders)
        if self._lock is None:
            self._lock = FolderLock(folders[1], "engine")
        self.profile = await asyncio.to_thread(Profile, *folders)
        if self.profile.settings.server is None:
            raise engine_error("server-not-configured")
        keeper = IdentityKeeper(self.profile, self.launch.passphrase)
        identity = await asyncio.to_thread(keeper.open, self.launch.storage)
        engine = Engine(identity, self.profile, self._helper)
        control = ControlServer(engine, paths.engine_socket())
        await control.start()
        self._engine, self._control = engine, control
        await engine.start()
        self.bridge.attach(engine)

    async def _stop_engine(self) -> None:
        self.bridge.detach()
        engine, control = self._engine, self._control
        self._engine = self._control = None
        if control is not None:
            await control.stop()
        if engine is not None:
            await engine.stop()

    def _set_trouble(self, trouble: Problem | None) -> None:
        self.trouble = trouble
        self.trouble_changed.emit()


def _folders() -> tuple[Path, Path]:
    return paths.private_folder(paths.config_folder()), paths.private_folder(paths.state_folder())


def _problem(error: Exception) -> Problem:
    if isinstance(error, EngineError):
        return problem_of(error)
    if isinstance(error, FolderInUse):
        return problem_of(engine_error("already-running", reason=str(error).rstrip(".")))
    return problem_of(engine_error("home-unusable", reason=error))
