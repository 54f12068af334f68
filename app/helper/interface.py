"""One engine's adapter: the TUN, its addresses and routes, the UDP socket, and the pump that works on them.

The helper makes the adapter and the socket, gives both to an unprivileged child (pump_launcher.py) and keeps neither,
so the adapter exists exactly as long as its pump: whichever of engine, helper and pump dies, and however, the kernel
removes adapter, addresses and routes with the pump's last descriptor. Nothing can be left over for a next start.

This privileged process never looks into what the network sends: frames of the pump are bytes here.
"""

import asyncio
import errno
import logging
import os
import socket
import sys
from ipaddress import IPv4Interface
from pathlib import Path

import app
from app.ipc.channel import Channel
from app.ipc.schema import REQUESTS, ConfigureInterface, InterfaceReady, PumpRequest
from app.platform.interfaces import AdapterConfig, AdapterError
from app.platform.linux.routes import LinuxRoutes
from app.platform.linux.tun import TunDevice, open_tun, open_udp_socket
from app.protocol.wire import format_address, format_address6

logger = logging.getLogger(__name__)

START_DEADLINE = 8.0
"""Seconds in which the pump must have loaded its code; the engine waits a little longer for its reply."""
END_DEADLINE = 3.0
"""Seconds in which a killed pump must have ended."""


class Interface:
    """A running adapter. Made by `open_interface`; ends with `close` or with its pump."""

    def __init__(
        self, request: ConfigureInterface, ready: InterfaceReady, pump: asyncio.subprocess.Process, channel: Channel
    ) -> None:
        self.ready = ready
        """The reply to the request that made it."""
        self._request = request
        self._pump = pump
        self._channel = channel

    def is_as_wanted(self, request: ConfigureInterface) -> bool:
        """Whether `request` asks for what this adapter is already."""
        return _without_number(request) == _without_number(self._request)

    async def forward(self, request: PumpRequest) -> None:
        """Hand a checked request to the pump. Raises ChannelError if the pump is gone or does not read."""
        await self._channel.send(request)

    async def receive_frame(self) -> bytes:
        """The next message of the pump, unparsed. Raises ChannelError when the pump has ended."""
        return await self._channel.receive_frame()

    async def close(self) -> str:
        """End the pump, and the adapter with it; idempotent. Gives a sentence on how the pump had ended."""
        # A pump that died by itself is about to be reaped; only one that runs is killed and says nothing.
        self._channel.abort()
        if self._pump.returncode is None:
            try:
                self._pump.kill()
            except ProcessLookupError:
                logger.debug("pump %d ended by itself", self._pump.pid)
        try:
            async with asyncio.timeout(END_DEADLINE):
                status = await self._pump.wait()
        except TimeoutError:
            logger.error("pump %d does not end", self._pump.pid)
            return "The pump does not end."
        return f"The pump ended with status {status}."


async def open_interface(request: ConfigureInterface, name_prefix: str) -> Interface:
    """Make adapter and socket as asked and start the pump; the adapter's name is the prefix and a free number.

    Returns when the pump has given up its privileges and runs. Raises AdapterError: `bad-address`, `port-taken`,
    `no-tun`, `address-clash`, `adapter-refused` or `pump-failed`; then nothing is left of the attempt.
    """
    config = _adapter_config(request)
    with _open_socket(request) as udp:
        tun = _open_adapter(name_prefix, request.offload)
        try:
            await asyncio.to_thread(LinuxRoutes(tun.name).apply, config)
            pump, channel = await _start_pump(tun, udp, request)
        finally:
            os.close(tun.fd)
        ready = InterfaceReady(
            request=request.request,
            name=tun.name,
            udp_port=udp.getsockname()[1],
            ipv6=udp.family == socket.AF_INET6,
            partial_checksums=tun.partial_checksums,
        )
    interface = Interface(request, ready, pump, channel)
    await _wait_until_running(interface, pump)
    logger.info("%s is up for %s/%d, pump %d", tun.name, config.address, config.prefix_length, pump.pid)
    return interface


def _adapter_config(request: ConfigureInterface) -> AdapterConfig:
    address = IPv4Interface((request.address, request.prefix_length))
    network = address.network
    special = not 1 <= request.address >> 24 <= 223 or address.is_loopback or address.is_link_local
    if special or address.ip in (network.network_address, network.broadcast_address):
        raise AdapterError("bad-address", f"{address} cannot be the address of a computer.")
    if network.is_global:
        # Else a server, or a user who may call us, could draw what this computer sends to anybody to itself.
        raise AdapterError("bad-address", f"{network} is on the internet; a virtual LAN needs private addresses.")
    return AdapterConfig(
        address=format_address(request.address),
        prefix_length=request.prefix_length,
        address6=format_address6(request.address),
        mtu=request.mtu,
    )


def _open_socket(request: ConfigureInterface) -> socket.socket:
    try:
        return open_udp_socket(request.udp_port, request.offload)
    except OSError as error:
        code = "port-taken" if error.errno == errno.EADDRINUSE else "adapter-refused"
        raise AdapterError(code, f"UDP port {request.udp_port} cannot be used: {error.strerror}.") from error


def _open_adapter(name_prefix: str, offload: bool) -> TunDevice:
    try:
        return open_tun(f"{name_prefix}%d", offload)
    except OSError as error:
        code = "no-tun" if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO) else "adapter-refused"
        raise AdapterError(code, f"The system gives no virtual adapter: {error.strerror}.") from error


async def _start_pump(
    tun: TunDevice, udp: socket.socket, request: ConfigureInterface
) -> tuple[asyncio.subprocess.Process, Channel]:
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            reader, writer = await asyncio.open_unix_connection(sock=ours)
            pump = await asyncio.create_subprocess_exec(
                *_pump_command(tun, udp, theirs, request),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=(tun.fd, udp.fileno(), theirs.fileno()),
                env=_minimal_environment(),
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise AdapterError("adapter-refused", f"The pump does not start: {error.strerror}.") from error
    return pump, Channel(reader, writer, REQUESTS)


async def _wait_until_running(interface: Interface, pump: asyncio.subprocess.Process) -> None:
    """Wait for the one byte that the launcher writes; in any other case end the pump."""
    assert pump.stdout is not None
    try:
        async with asyncio.timeout(START_DEADLINE):
            await pump.stdout.readexactly(1)
    except (asyncio.IncompleteReadError, TimeoutError):
        reason = await interface.close()
        raise AdapterError("pump-failed", f"The pump does not start; the helper's log says why. {reason}") from None
    except asyncio.CancelledError:
        await interface.close()
        raise


def _pump_command(tun: TunDevice, udp: socket.socket, control: socket.socket, request: ConfigureInterface) -> list[str]:
    """The launcher's own argument, the pid of this process, then those of app/dataplane/process.py."""
    command = [sys.executable, "-P", "-m", "app.helper.pump_launcher", str(os.getpid())]
    command += ["--tun-fd", str(tun.fd), "--udp-fd", str(udp.fileno()), "--control-fd", str(control.fileno())]
    command += ["--address", str(request.address), "--prefix-length", str(request.prefix_length)]
    command += ["--mtu", str(request.mtu)]
    command += ["--merges-tcp"] * tun.partial_checksums + ["--merges-udp"] * tun.udp_segmentation
    return command


def _minimal_environment() -> dict[str, str]:
    """Nothing of whoever started the helper; only where this program lies."""
    program = Path(app.__file__).parent.parent
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": str(program), "PYTHONDONTWRITEBYTECODE": "1"}


def _without_number(request: ConfigureInterface) -> tuple[object, ...]:
    return (request.address, request.prefix_length, request.mtu, request.udp_port, request.offload)
