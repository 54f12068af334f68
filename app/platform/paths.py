"""Where configuration, state, logs and sockets live on each operating system.

BURI_HOME, an absolute folder, takes everything in: tests, the demo and several engines on one computer use it. Else
a person has the folders of the XDG base directory specification (Linux), Library (macOS) or AppData (Windows), and
root those of the file system hierarchy standard. Pure look-ups but for `private_folder`; used by all processes.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

HOME_VARIABLE = "BURI_HOME"


def config_folder() -> Path:
    """What a person may edit; it need not exist."""
    return _choose("config", _linux_config, _macos_support, _windows_roaming)


def state_folder() -> Path:
    """What must survive a restart: identity file, known peers, a server's store. It need not exist."""
    return _choose("state", _linux_state, _macos_support, _windows_local)


def log_folder() -> Path:
    """Log files, where a role writes any; standard error is the default. It need not exist."""
    return state_folder() / "logs"


def runtime_folder() -> Path:
    """Sockets, gone after a restart of the computer. It need not exist; make it with `private_folder`."""
    return _choose("run", _linux_runtime, _macos_runtime, _windows_local)


def helper_socket() -> Path:
    """The helper's socket: one for the computer, or the BURI_HOME's own."""
    if _own_home() is not None:
        return runtime_folder() / "helper.sock"
    if sys.platform == "win32":
        return Path(r"\\.\pipe\buri-helper")
    return Path("/var/run/buri/helper.sock" if sys.platform == "darwin" else "/run/buri/helper.sock")


def engine_socket() -> Path:
    """The socket on which a person's running engine takes commands."""
    if sys.platform == "win32" and _own_home() is None:
        return Path(rf"\\.\pipe\buri-engine-{os.environ.get('USERNAME', 'user')}")
    return runtime_folder() / "engine.sock"


def private_folder(folder: Path) -> Path:
    """Make `folder`, and those above it that are missing, for this user alone (mode 0700); gives it back.

    Raises OSError.
    """
    missing = [each for each in folder.parents if not each.exists()]
    for each in (*reversed(missing), folder):  # `parents=True` would leave all but the last to the umask
        each.mkdir(mode=0o700, exist_ok=True)
    return folder


def is_root() -> bool:
    """Whether this process may do anything to the computer."""
    return sys.platform != "win32" and os.geteuid() == 0


def _choose(part: str, linux: Callable[[], Path], macos: Callable[[], Path], windows: Callable[[], Path]) -> Path:
    home = _own_home()
    if home is not None:
        return home / part
    if sys.platform == "win32":
        return windows()
    return macos() if sys.platform == "darwin" else linux()


def _own_home() -> Path | None:
    """BURI_HOME, or None. A relative one would mean another folder after each change of directory: ValueError."""
    value = os.environ.get(HOME_VARIABLE)
    if not value:
        return None
    if not os.path.isabs(value):
        raise ValueError(f"{HOME_VARIABLE} must be an absolute folder, not {value!r}")
    return Path(value)


def _xdg(variable: str, default: str) -> Path:
    """An XDG base folder; the specification has relative values ignored."""
    value = os.environ.get(variable, "")
    return (Path(value) if os.path.isabs(value) else Path.home() / default) / "buri"


def _linux_config() -> Path:
    return Path("/etc/buri") if is_root() else _xdg("XDG_CONFIG_HOME", ".config")


def _linux_state() -> Path:
    return Path("/var/lib/buri") if is_root() else _xdg("XDG_STATE_HOME", ".local/state")


def _linux_runtime() -> Path:
    if is_root():
        return Path("/run/buri-engine")  # not the folder of the helper's socket, which everybody may enter
    value = os.environ.get("XDG_RUNTIME_DIR", "")
    # Without a session there is no runtime folder; one in /tmp with a name anybody can guess is no replacement.
    return Path(value) / "buri" if os.path.isabs(value) else _linux_state() / "run"


def _macos_support() -> Path:
    return Path("/Library" if is_root() else Path.home() / "Library") / "Application Support" / "Buri"


def _macos_runtime() -> Path:
    return Path("/var/run/buri-engine") if is_root() else _macos_support() / "run"


def _windows_roaming() -> Path:
    return Path(os.environ.get("APPDATA", str(Path.home() / "AppData/Roaming"))) / "Buri"


def _windows_local() -> Path:
    return Path(os.environ.get("LOCALAPPDATA", str(Path.home() / "AppData/Local"))) / "Buri"
