"""Processes of the lab: started in a namespace, with a log file each, and ended by their own id.

Called by namespace.py. It knows nothing of Buri and nothing of pytest.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

POLL_SECONDS = 0.02


class LabError(Exception):
    """Something in the lab did not go as the story says; the text carries what the programs printed."""


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 20.0) -> None:
    """Ask again and again until `condition` holds.

    Raises LabError, naming `what` was awaited, if it does not within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout:g} s in vain: {what}")
        time.sleep(POLL_SECONDS)


def tool(name: str) -> str:
    """The full path of a system program, looked for in the sbin folders too. Raises LabError if it is missing."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin")
    if found is None:
        raise LabError(f"the program `{name}` is missing: run `python3 installer/run.py test`, which installs it")
    return found


class Process:
    """One running program; what it prints goes to `log`."""

    def __init__(self, name: str, argv: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        self._stream = log.open("xb")
        self._popen = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=self._stream,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process id; the starters in front (ip, sh, setpriv) all replace themselves by the program."""
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal, None while it runs."""
        return self._popen.poll()

    def output(self) -> str:
        """Everything it has printed so far."""
        return self.log.read_text(errors="replace")

    def wait_for_output(self, text: str, timeout: float = 20.0) -> None:
        """Until it has printed `text`. Raises LabError if it ends before, or after `timeout` seconds."""
        wait_until(lambda: text in self.output() or not self.is_running, f"{self.name} to print {text!r}", timeout)
        if text not in self.output():
            raise LabError(f"{self.name} ended with {self.exit_code} before it printed {text!r}:\n{self.output()}")

    def wait(self, timeout: float = 60.0) -> str:
        """Until it ends by itself; gives its output. Raises LabError if it fails, or after `timeout` seconds."""
        wait_until(lambda: not self.is_running, f"{self.name} to end", timeout)
        self._stream.close()
        if self.exit_code != 0:
            raise LabError(f"{self.name} ended with {self.exit_code}:\n{self.output()}")
        return self.output()

    def wait_for_end(self) -> int:
        """Until it ends by itself, however long that takes; gives its exit code."""
        return self._popen.wait()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.is_running:
            self._popen.send_signal(number)

    def stop(self, timeout: float = 10.0) -> None:
        """End it politely, and by force if it has not gone after `timeout` seconds."""
        self.send(signal.SIGTERM)
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill9()
        self._stream.close()

    def kill9(self) -> None:
        """End it as a power cut would: no clean-up of its own."""
        self.send(signal.SIGKILL)
        self._popen.wait()
        self._stream.close()
