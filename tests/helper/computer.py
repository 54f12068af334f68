"""A computer for one test: a network namespace of its own around the test's thread, and helpers running in it.

The namespace has no name and is entered by the thread that runs the test, so it disappears with the test process at the
latest. Processes that the test starts are in it too.
"""

import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import app

_CLONE_NEWNET = 0x40000000
_RTMGRP_LINK = 1
DEADLINE = 10.0
"""Seconds after which something that must happen has not happened."""

PROGRAM = Path(app.__file__).parent.parent
"""The folder that holds the tested `app`."""

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def own_network() -> Iterator[None]:
    """Be in an empty network namespace for the length of the block."""
    outside = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        if _libc.unshare(_CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        yield
    finally:
        if _libc.setns(outside, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        os.close(outside)


def adapters() -> set[str]:
    """The interfaces of this computer but the loopback."""
    return {name for _, name in socket.if_nameindex()} - {"lo"}


class LinkWatch:
    """Waits for changes of the interfaces by the kernel's own messages. Make it before what it shall notice."""

    def __init__(self) -> None:
        self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._netlink.bind((0, _RTMGRP_LINK))

    def wait(self, condition: Callable[[set[str]], bool]) -> set[str]:
        """The adapters as soon as `condition` holds of them. Fails after DEADLINE seconds."""
        end = time.monotonic() + DEADLINE
        while not condition(present := adapters()):
            remaining = end - time.monotonic()
            if remaining <= 0 or not select.select([self._netlink], [], [], remaining)[0]:
                raise AssertionError(f"in vain; the adapters are {present}")
            self._netlink.recv(65_536)
        return present

    def wait_until_gone(self) -> None:
        """Return when no adapter is left."""
        self.wait(lambda present: not present)

    def close(self) -> None:
        """Give the netlink socket back."""
        self._netlink.close()


class HelperProcess:
    """`buri helper` listening on a socket in a folder of its own; `program` is the folder that holds its `app`."""

    def __init__(self, *options: str, socket_path: Path | None = None, program: Path = PROGRAM) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="buri-helper-"))
        self.folder.chmod(0o755)
        self.socket_path = socket_path or self.folder / "helper.sock"
        self._log_lines: list[str] = []
        command = [sys.executable, "-P", "-m", "app.helper.service", "--socket", str(self.socket_path), *options]
        environment = {**os.environ, "PYTHONPATH": str(program)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment, cwd="/"
        )
        self.wait_for_log("listening on")

    def wait_for_log(self, words: str) -> str:
        """Read the log up to the next line with `words` and give it. Fails if the helper ends before."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._log_lines.append(line)
            if words in line:
                return line
        raise AssertionError(f"the helper ended without {words!r}:\n{''.join(self._log_lines)}")

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(DEADLINE)

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.kill()
        assert self.process.stderr is not None
        self.process.stderr.close()
        shutil.rmtree(self.folder)


@contextmanager
def running_helper(*options: str, socket_path: Path | None = None, program: Path = PROGRAM) -> Iterator[HelperProcess]:
    """A helper for the length of the block."""
    helper = HelperProcess(*options, socket_path=socket_path, program=program)
    try:
        yield helper
    finally:
        helper.close()


def children_of(process: int) -> list[int]:
    """The process ids of its children."""
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def status_of(process: int) -> dict[str, str]:
    """The fields of /proc/PID/status."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def open_files_of(process: int) -> list[str]:
    """What the descriptors of a process lead to."""
    return [os.readlink(link) for link in Path(f"/proc/{process}/fd").iterdir()]


def wait_until_ended(process: int) -> None:
    """Return when a process, not necessarily our child, has ended. Fails after DEADLINE seconds."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], DEADLINE)[0], f"process {process} does not end"
    finally:
        os.close(descriptor)


def ip(*words: str) -> Any:
    """What `ip -json` says in this namespace, or None if it says nothing."""
    done = subprocess.run(["/sbin/ip", "-json", *words], capture_output=True, text=True, check=True)
    return json.loads(done.stdout) if done.stdout.strip() else None


def set_ip(words: str) -> None:
    """Run `ip` with these words in this namespace."""
    subprocess.run(["/sbin/ip", *words.split()], check=True)
