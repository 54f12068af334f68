"""Network namespaces named after their maker, so that what a crash leaves behind is swept by the next run.

Called by topology.py. Everything here needs root on Linux.
"""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.lab.processes import LabError, Process, tool, wait_until

NAME_PREFIX = "buri-lab"
NETNS_FOLDER = Path("/run/netns")
BASE_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", "LANG": "C.UTF-8"}


def command(
    *argv: str, given: str | None = None, timeout: float = 30.0, environment: Mapping[str, str] | None = None
) -> str:
    """Run a program to its end and give what it printed on standard output.

    Raises LabError with both its outputs if it fails or takes more than `timeout` seconds.
    """
    try:
        done = subprocess.run(
            argv,
            input=given if given is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            env=dict(environment) if environment is not None else None,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"no end after {timeout:g} s: {' '.join(argv)}\n{error.stdout!r}\n{error.stderr!r}") from None
    if done.returncode != 0:
        raise LabError(f"exit {done.returncode}: {' '.join(argv)}\n{given or ''}\n{done.stdout}{done.stderr}")
    return done.stdout


class Namespace:
    """One network namespace: a computer's network, without the computer. Logs of its processes go to `folder`."""

    def __init__(self, name: str, serial: int, folder: Path) -> None:
        self.name = name
        self.system_name = f"{NAME_PREFIX}-{os.getpid()}-{serial}-{name}"
        self.folder = folder
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        self.processes: list[Process] = []
        command(tool("ip"), "netns", "add", self.system_name)
        self.set_kernel("ipv6/conf/all/accept_dad", "ipv6/conf/default/accept_dad", value=0)
        self.ip("link set lo up")

    def set_kernel(self, *settings: str, value: int) -> None:
        """Write one value to settings under /proc/sys/net."""
        script = "".join(f"echo {value} > /proc/sys/net/{setting}\n" for setting in settings)
        self.run("sh", "-e", "-c", script)

    def ip(self, *lines: str) -> None:
        """Carry out lines of the `ip` program, all in one call."""
        command(tool("ip"), "-n", self.system_name, "-batch", "-", given="\n".join(lines) + "\n")

    def nft(self, rules: str) -> None:
        """Load an nftables rule set."""
        command(*self.entering(), tool("nft"), "-f", "-", given=rules)

    def entering(self) -> list[str]:
        """The words that put a program into this namespace and a mount namespace of its own."""
        return [tool("ip"), "netns", "exec", self.system_name]

    def run(
        self,
        *argv: str,
        timeout: float = 30.0,
        environment: Mapping[str, str] | None = None,
        given: str | None = None,
    ) -> str:
        """Run a program inside to its end; see `command`."""
        whole = {**BASE_ENVIRONMENT, **(environment or {})}
        return command(*self.entering(), *argv, timeout=timeout, environment=whole, given=given)

    def start(self, name: str, *argv: str, environment: Mapping[str, str] | None = None) -> Process:
        """Start a program inside; its output goes to `<name>.log` in this namespace's folder.

        A second one of the same name gets `<name>-2.log`: nobody shall take an old line for a new one.
        """
        whole = {**BASE_ENVIRONMENT, **(environment or {})}
        earlier = sum(process.name == f"{self.name}/{name}" for process in self.processes)
        log = self.folder / (f"{name}-{earlier + 1}.log" if earlier else f"{name}.log")
        process = Process(f"{self.name}/{name}", [*self.entering(), *argv], log, whole)
        self.processes.append(process)
        return process

    def has_link(self, interface: str) -> bool:
        """Is there an interface of this name?"""
        return f": {interface}" in command(tool("ip"), "-n", self.system_name, "-o", "link", "show")

    def delete(self) -> None:
        """End every process inside and remove the namespace with all its interfaces."""
        for process in reversed(self.processes):
            process.stop()
        delete_namespace(self.system_name)


def inside(system_name: str) -> list[int]:
    """The ids of all processes whose network is this namespace."""
    return [int(pid) for pid in command(tool("ip"), "netns", "pids", system_name).split()]


def delete_namespace(system_name: str) -> None:
    """Kill what still runs inside, then remove the namespace. One that is gone already is fine."""
    if not (NETNS_FOLDER / system_name).exists():
        return

    def emptied() -> bool:
        remaining = inside(system_name)
        for pid in remaining:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not remaining

    wait_until(emptied, f"processes in {system_name} to end")
    command(tool("ip"), "netns", "delete", system_name)


def leftovers() -> list[str]:
    """Lab namespaces whose maker is no longer alive."""
    names = sorted(path.name for path in NETNS_FOLDER.glob(f"{NAME_PREFIX}-*")) if NETNS_FOLDER.exists() else []
    return [name for name in names if not is_alive(maker_of(name))]


def maker_of(system_name: str) -> int:
    """The process id in a lab namespace's name, 0 if there is none."""
    digits = system_name.removeprefix(f"{NAME_PREFIX}-").partition("-")[0]
    return int(digits) if digits.isdigit() else 0


def is_alive(pid: int) -> bool:
    """Does a process of this id run (a zombie does not)?"""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def sweep() -> list[str]:
    """Remove what killed runs left behind; gives the names of the removed namespaces."""
    found = leftovers()
    for name in found:
        delete_namespace(name)
    return found
