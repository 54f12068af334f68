"""A home of the app with a real session in it: settings, key and engine on disk, in Qt's loop. There is no helper."""

import functools
import re
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication

from app.engine.helper_client import connect_helper
from app.engine.settings import KeyStorage
from app.platform import paths
from app.protocol.invite import Invite
from app.protocol.keys import parse_fingerprint
from app.ui.actions import Actions
from app.ui.engine_bridge import EngineBridge
from app.ui.preferences import Preferences
from app.ui.session import Launch, Session
from tests.engine.world import World
from tests.ui.world import tell

HomeStory = Callable[[World, "Home"], Coroutine[Any, Any, None]]


class Home:
    """One home under BURI_HOME. Its key is in a file unless `launch` says otherwise."""

    def __init__(self, folder: Path, launch: Launch | None = None) -> None:
        self.folder = folder
        self.bridge = EngineBridge()
        helper = functools.partial(connect_helper, socket_path=folder / "no helper")
        self.session = Session(self.bridge, launch or Launch(storage=KeyStorage.FILE), helper)
        self.preferences = Preferences(paths.private_folder(paths.config_folder()))
        self.actions = Actions(self.bridge, self.session, self.preferences)

    @property
    def trouble(self) -> str:
        """The code of what prevents the start, empty if an engine runs."""
        return self.session.trouble.code if self.session.trouble is not None else ""

    async def close(self) -> None:
        """As the app does it at its end."""
        await self.session.stop()
        await self.actions.close()
        await self.bridge.close()


@asynccontextmanager
async def opened(folder: Path, launch: Launch | None = None) -> AsyncIterator[Home]:
    """A home whose session has been started."""
    home = Home(folder, launch)
    try:
        await home.session.start()
        yield home
    finally:
        await home.close()


def tell_at_home(
    application: QApplication, folder: Path, patch: pytest.MonkeyPatch, story: HomeStory, launch: Launch | None = None
) -> None:
    """Run a story with a server in the world and a fresh home."""
    patch.setenv("BURI_HOME", str(folder / "home"))

    async def run(world: World) -> None:
        async with opened(folder / "home", launch) as home:
            await story(world, home)

    tell(application, folder, run)


def invite_to(world: World, network: str | None = None) -> Invite:
    """To the world's server."""
    return Invite("127.0.0.1", world.port, parse_fingerprint(world.fingerprint), network)


def free_port() -> int:
    """One whose next is free as well, as far as anybody can tell."""
    while True:
        with socket.socket() as probe, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            try:
                other.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


def on_loopback(folder: Path) -> None:
    """Let a server that was just made listen on this computer alone."""
    config = folder / "server.toml"
    config.write_text(re.sub(r"(?m)^listen = .*$", 'listen = ["127.0.0.1"]', config.read_text()))
