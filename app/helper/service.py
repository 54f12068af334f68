"""`buri helper`: the privileged process that gives engines their virtual adapters. Composition root of the helper.

It listens on a Unix socket (handed over by systemd, or made here), or serves one socket that the engine that started
it passed as a descriptor. It accepts callers by the credentials the kernel gives, limits how many there are, and gives
each connection to an EngineConnection of its own. After a crash there is nothing to repair: see interface.py.
"""

import argparse
import asyncio
import grp
import logging
import os
import signal
import socket
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.base.logs import set_up_logging
from app.base.tasks import Tasks
from app.helper.requests import HELLO_DEADLINE, EngineConnection
from app.ipc.channel import Channel, ChannelError
from app.ipc.schema import REQUESTS, Failed
from app.platform import paths
from app.platform.interfaces import Caller
from app.platform.linux.service import LinuxHelperService, limit_capabilities

logger = logging.getLogger(__name__)

MAX_ENGINES = 16
"""Connections served at once."""
MAX_ENGINES_OF_USER = 4
"""Connections of one user other than root served at once."""
SHUTDOWN_DEADLINE = 8
"""Seconds after which a helper that was asked to stop is killed by its alarm; its pumps die with it."""
BACKLOG = 16
MAX_NAME_PREFIX = 11
"""Characters before an adapter's number: the kernel takes 15."""
_FIRST_SYSTEMD_DESCRIPTOR = 3


@dataclass(frozen=True, slots=True)
class Options:
    """The command line of `buri helper`, checked."""

    socket_path: Path
    user: int | None
    group: int | None
    name_prefix: str
    control_fd: int | None
    log_level: str


class HelperStartError(Exception):
    """The helper cannot serve; the text says why and what to do."""


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM, SIGINT, or the end of the control descriptor. Exit code 0, 1 for errors, 2 for wrong use."""
    options = _parse(arguments)
    _give_up_reading_the_terminal()
    set_up_logging(options.log_level)
    try:
        asyncio.run(_serve(options))
    except HelperStartError as error:
        sys.stderr.write(f"buri helper: {error}\n")
        return 1
    return 0


def _give_up_reading_the_terminal() -> None:
    """Have standard error for writing alone: the pump inherits it, and could read what is typed in our terminal."""
    if os.isatty(2):
        terminal = os.open("/proc/self/fd/2", os.O_WRONLY | os.O_NOCTTY)
        os.dup2(terminal, 2)
        os.close(terminal)


class Helper:
    """Accepts callers on a listening socket and serves each."""

    def __init__(self, service: LinuxHelperService, name_prefix: str) -> None:
        self._service = service
        self._name_prefix = name_prefix
        self._tasks = Tasks()
        self._users: dict[Channel, int] = {}

    async def listen(self, listener: socket.socket) -> asyncio.Server:
        """Start accepting; the server is the caller's to close."""
        return await asyncio.start_unix_server(self._accept, sock=listener, backlog=BACKLOG)

    async def close(self) -> None:
        """End all connections and their adapters."""
        await self._tasks.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(reader, writer, REQUESTS)
        connection: socket.socket = writer.get_extra_info("socket")
        try:
            caller = self._service.identify(connection)
        except OSError:
            logger.exception("a caller could not be identified")
            channel.abort()
            return
        refusal = self._refusal(caller)
        if refusal is not None:
            logger.warning("process %d of user %d refused: %s", caller.process, caller.user, refusal.code)
            if len(self._tasks) < 2 * MAX_ENGINES:
                self._tasks.start("refuse", _refuse(channel, refusal))
            else:
                channel.abort()
            return
        self._users[channel] = caller.user
        self._tasks.start(f"engine of user {caller.user}", self._serve(channel))

    async def _serve(self, channel: Channel) -> None:
        try:
            await EngineConnection(channel, self._name_prefix).serve()
        finally:
            del self._users[channel]

    def _refusal(self, caller: Caller) -> Failed | None:
        if not self._service.allows(caller):
            return Failed(request=0, code="not-allowed", message="You may not use this helper.")
        of_user = sum(user == caller.user for user in self._users.values())
        if len(self._users) >= MAX_ENGINES or (caller.user != 0 and of_user >= MAX_ENGINES_OF_USER):
            return Failed(request=0, code="busy", message="The helper serves as many engines as it may.")
        return None


async def _refuse(channel: Channel, refusal: Failed) -> None:
    """Answer the caller's first request, whatever it is: he could not read an answer that came before he asked."""
    try:
        async with asyncio.timeout(HELLO_DEADLINE):
            await channel.receive_frame()
            await channel.send(refusal)
            await channel.close()
    except (ChannelError, TimeoutError):
        channel.abort()  # gone, or silent


async def _serve(options: Options) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _begin_stop, stop)
    if options.control_fd is not None:
        await _serve_descriptor(options.control_fd, options.name_prefix, stop)
    else:
        await _serve_socket(options, stop)


def _begin_stop(stop: asyncio.Event) -> None:
    signal.alarm(SHUTDOWN_DEADLINE)
    stop.set()


async def _serve_socket(options: Options, stop: asyncio.Event) -> None:
    listener = _socket_of_systemd()
    made_here = listener is None
    if listener is None:
        listener = _make_socket(options)
    _give_up_what_is_not_needed()
    helper = Helper(LinuxHelperService(_users(options), options.group), options.name_prefix)
    server = await helper.listen(listener)
    logger.info("listening on %s", listener.getsockname())
    try:
        await stop.wait()
    finally:
        server.close()
        if made_here:
            _remove_socket(options.socket_path)
        await helper.close()


async def _serve_descriptor(descriptor: int, name_prefix: str, stop: asyncio.Event) -> None:
    """Serve the one connection that the process which started this one kept the other end of."""
    try:
        connection = socket.socket(fileno=descriptor)
    except OSError as error:
        raise HelperStartError(f"descriptor {descriptor} is no socket: {error.strerror}") from None
    if connection.family != socket.AF_UNIX or connection.type != socket.SOCK_STREAM:
        raise HelperStartError(f"descriptor {descriptor} is no Unix stream socket")
    connection.set_inheritable(False)
    _give_up_what_is_not_needed()
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    tasks = Tasks()
    serving = tasks.start("engine", EngineConnection(Channel(reader, writer, REQUESTS), name_prefix).serve())
    stopping = tasks.start("stop", stop.wait())
    try:
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await tasks.close()


def _give_up_what_is_not_needed() -> None:
    try:
        limit_capabilities()
    except OSError as error:
        raise HelperStartError(f"cannot limit the helper's capabilities: {error}") from error


def _users(options: Options) -> tuple[int, ...]:
    return () if options.user is None else (options.user,)


def _socket_of_systemd() -> socket.socket | None:
    """The listening socket of a systemd socket unit (sd_listen_fds(3)), or None if there is none."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    return socket.socket(fileno=_FIRST_SYSTEMD_DESCRIPTOR)


def _make_socket(options: Options) -> socket.socket:
    """Listen at the path: for the user alone, or for the group as well.

    Its folder is made if it is missing: for all to enter, as the socket's own mode decides, and owned by whoever owns
    the folder around it, whose engine will have its socket there too.
    """
    path = options.socket_path
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o177 if options.group is None else 0o117)
    try:
        _make_folder(path.parent)
        _remove_stale_socket(path)
        listener.bind(str(path))
        # Not followed: whoever may write to the folder could have put a link in the socket's place meanwhile.
        os.chown(
            path,
            os.geteuid() if options.user is None else options.user,
            -1 if options.group is None else options.group,
            follow_symlinks=False,
        )
    except OSError as error:
        listener.close()
        needs_root = isinstance(error, PermissionError) and os.geteuid() != 0
        remedy = f"\nThe helper needs root: sudo buri helper --user {os.geteuid()}" if needs_root else ""
        raise HelperStartError(f"cannot listen at {path}: {error.strerror or error}{remedy}") from error
    except HelperStartError:
        listener.close()
        raise
    finally:
        os.umask(umask)
    return listener


def _make_folder(folder: Path) -> None:
    if folder.exists():
        return
    folder.mkdir()
    around = folder.parent.stat()
    # By descriptor: whoever owns the folder around could put a link to something else in its place meanwhile.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(descriptor, 0o755)
        os.fchown(descriptor, around.st_uid, around.st_gid)
    finally:
        os.close(descriptor)


def _remove_stale_socket(path: Path) -> None:
    """Remove the socket of a helper that was killed; one that answers is left alone: HelperStartError."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise HelperStartError(f"{path} exists and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise HelperStartError(f"another helper listens at {path}")


def _remove_socket(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        logger.info("%s stays and will be replaced by the next helper: %s", path, error)


def _parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="buri helper", description="The privileged part of Buri: gives engines their virtual adapters."
    )
    parser.add_argument("--socket", type=Path, metavar="PATH", help="where to listen (default: the system's place)")
    parser.add_argument("--user", type=int, metavar="UID", help="who may call, besides root")
    parser.add_argument("--group", metavar="NAME", help="a group whose members may call")
    parser.add_argument("--interface-prefix", default="buri", metavar="NAME", help="adapters are NAME0, NAME1 ...")
    parser.add_argument("--control-fd", type=int, metavar="N", help="serve this one connected socket and no others")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    parsed = parser.parse_args(arguments)
    prefix: str = parsed.interface_prefix
    if not (prefix.isascii() and prefix.isalnum() and len(prefix) <= MAX_NAME_PREFIX):
        parser.error(f"--interface-prefix takes 1 to {MAX_NAME_PREFIX} letters and digits")
    try:
        group = None if parsed.group is None else grp.getgrnam(parsed.group).gr_gid
    except KeyError:
        parser.error(f"there is no group {parsed.group}")
    return Options(
        socket_path=parsed.socket or paths.helper_socket(),
        user=parsed.user,
        group=group,
        name_prefix=prefix,
        control_fd=parsed.control_fd,
        log_level=parsed.log_level,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
