"""From a fresh Debian to a running demo or a finished test run, in one command:

    python3 installer/run.py demo [--no-window]
    python3 installer/run.py test [pytest arguments]

Installs the system programs that are missing (as root or through sudo), makes .venv with exactly the packages of
requirements.lock, and starts the main job. A second start finds all that in place and goes straight to the job.
Standard library only: it runs before anything else is there. Started by people and by .ci/run.
"""

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "buri-installed"
LOCK = ROOT / "requirements.lock"
OLDEST_PYTHON = (3, 11)
SEARCH_PATH = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin:/sbin:/usr/bin:/bin"

LAB_PROGRAMS = {"ip": "iproute2", "nft": "nftables", "conntrack": "conntrack", "ping": "iputils-ping"}
"""Program and the Debian package that brings it: what computers and routers on one machine need."""
TEST_PROGRAMS = {
    "iperf3": "iperf3",
    "squid": "squid",
    "turnutils_stunclient": "coturn",
    "miniupnpd": "miniupnpd-nftables",
    "gnome-keyring-daemon": "gnome-keyring",
    "dbus-run-session": "dbus-daemon",
    "openssl": "openssl",
    "ssh-keygen": "openssh-client",
    "Xvfb": "xvfb",
    "openbox": "openbox",
    "trayer": "trayer",
    "xdotool": "xdotool",
    "import": "imagemagick",
    "/usr/libexec/at-spi-bus-launcher": "at-spi2-core",
}
"""Programs that Buri is tested against, and those of a desktop that nobody sees."""
SERVICES = {"coturn": "coturn", "miniupnpd-nftables": "miniupnpd", "squid": "squid"}
"""Packages that would start a service at each start of the computer, and the service."""
WINDOW_LIBRARIES = {
    "libglib-2.0.so.0": "libglib2.0-0",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
"""What Qt's wheel expects of the system, and the Debian 12 package; later releases provide the same names."""
TEST_FONTS = {"/usr/share/fonts/opentype/inter": "fonts-inter"}
"""Folders of the fonts in which pictures of windows are taken."""

SCREEN_VARIABLES = (
    "DISPLAY",
    "XAUTHORITY",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_TYPE",
    "XDG_CURRENT_DESKTOP",
    "DBUS_SESSION_BUS_ADDRESS",
)
"""What sudo would take away, and a window needs."""
LIBRARY_PROBE = """
import ctypes, sys
for name in sys.argv[1:]:
    try:
        ctypes.CDLL(name)
    except OSError:
        print(name)
"""

LAB_TIMEOUT = "400"
"""Seconds that one test of the lab may take on a slow computer: some tell a long story."""

LAB_PROBE = """
name=buri-probe-$$
ip netns add $name
trap 'ip netns delete $name' EXIT
trap 'exit 130' INT TERM
ip netns exec $name nft add table ip probe
ip netns exec $name nft add chain ip probe out '{ type nat hook postrouting priority 100; }'
ip netns exec $name nft add rule ip probe out masquerade
ip -n $name tuntap add probe mode tun
"""
NO_LAB = """
Buri builds its demo and its lab from network namespaces, and this computer does not allow that:

{reason}

What it takes: root, a Linux kernel with network namespaces, nftables NAT and /dev/net/tun. A container has them when it
is started with --privileged, or with --cap-add NET_ADMIN --cap-add SYS_ADMIN --device /dev/net/tun.
"""


class SetupError(Exception):
    """Something is missing that this program may not or cannot bring; the text says what to do."""


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show a step when it begins and how long it took when it ended well."""
    started = time.monotonic()
    print(f"• {title} ...", flush=True)
    yield
    print(f"  done in {time.monotonic() - started:.1f} s", flush=True)


def run_quietly(argv: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """Run a program to its end; what it printed is shown only in the SetupError raised if it fails."""
    done = subprocess.run(
        argv,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode != 0:
        raise SetupError(f"this failed with exit code {done.returncode}: {' '.join(argv)}\n{done.stdout}")


def run_openly(title: str, argv: Sequence[str]) -> int:
    """Run a program whose output is the point; gives its exit code.

    Ctrl-C reaches the program as well, and it is waited for: subprocess.run would kill it a quarter of a second later,
    in the middle of taking down its namespaces.
    """
    print(f"\n• {title}", flush=True)
    before = signal.signal(signal.SIGINT, lambda *_: None)  # unlike SIG_IGN, the program does not inherit it
    try:
        return subprocess.Popen(argv, cwd=ROOT, env={**os.environ, "PATH": SEARCH_PATH}).wait()
    finally:
        signal.signal(signal.SIGINT, before)


def as_root() -> list[str]:
    """The words in front of a command that make it run as root. Raises SetupError where there is no way."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        raise SetupError("this needs root, and there is no sudo: run it as root")
    interactive = sys.stdin.isatty()
    if not interactive and subprocess.run(["sudo", "-n", "true"], check=False, capture_output=True).returncode != 0:
        raise SetupError("this needs root, and sudo would ask for a password without a terminal: run it as root")
    return ["sudo"] if interactive else ["sudo", "-n"]


# --- system programs


def system_python() -> str:
    """The Python that .venv is made of: the system's own where it is new enough, as every user may start that one."""
    system = "/usr/bin/python3"
    check = f"import sys; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    if Path(system).exists() and subprocess.run([system, "-c", check], check=False).returncode == 0:
        return system
    if sys.version_info < OLDEST_PYTHON:
        raise SetupError(f"Buri needs Python {'.'.join(map(str, OLDEST_PYTHON))} or newer")
    return sys.executable


def missing_packages(
    programs: Mapping[str, str], libraries: Mapping[str, str] | None = None, folders: Mapping[str, str] | None = None
) -> list[str]:
    """Debian packages whose programs, shared libraries or folders are not there."""
    missing = [package for program, package in programs.items() if shutil.which(program, path=SEARCH_PATH) is None]
    missing += [(libraries or {})[name] for name in missing_libraries(list(libraries or {}))]
    missing += [package for folder, package in (folders or {}).items() if not Path(folder).is_dir()]
    probe = [system_python(), "-c", "import ensurepip, venv"]
    if subprocess.run(probe, check=False, capture_output=True).returncode != 0:
        missing.append("python3-venv")
    return missing


def missing_libraries(names: Sequence[str]) -> list[str]:
    """Those that the system's loader does not find; asked in a process of its own, which may load what it likes."""
    probe = [system_python(), "-c", LIBRARY_PROBE, *names]
    return subprocess.run(probe, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def install_packages(packages: Sequence[str]) -> None:
    """Install Debian packages without starting any service they bring. Raises SetupError if that is not allowed."""
    by_hand = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if shutil.which("apt-get", path=SEARCH_PATH) is None:
        raise SetupError(f"please install what these Debian packages hold, then start again: {' '.join(packages)}")
    try:
        root = as_root()
    except SetupError as error:
        raise SetupError(f"system programs are missing, and {error}\n\n    {by_hand}") from None
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    with step(f"installing Debian packages: {' '.join(packages)}"), services_kept_down(root, packages):
        run_quietly([*root, *environment, "apt-get", "update", "-q"])
        run_quietly([*root, *environment, *by_hand.split(), "--yes", "-q"])


@contextmanager
def services_kept_down(root: Sequence[str], packages: Sequence[str]) -> Iterator[None]:
    """Debian starts a service when its package is installed; its policy file is the way to say no."""
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        run_quietly([*root, "sh", "-c", f"printf '#!/bin/sh\\nexit 101\\n' > {policy}; chmod 755 {policy}"])
    try:
        yield
    finally:
        if ours:
            run_quietly([*root, "rm", "-f", str(policy)])
    enabled = [service for package, service in SERVICES.items() if package in packages]
    if enabled and Path("/run/systemd/system").exists():
        run_quietly([*root, "systemctl", "disable", "--now", *enabled])


def require_lab() -> None:
    """Raises SetupError, saying what is missing, if no computers can be built here."""
    probe = [*as_root(), "env", f"PATH={SEARCH_PATH}", "sh", "-e", "-c", LAB_PROBE]
    done = subprocess.run(probe, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise SetupError(NO_LAB.format(reason=textwrap.indent(done.stderr.strip(), "    ")))


# --- Python packages


def fingerprint() -> str:
    """What .venv was made from: it is made anew when this changes."""
    parts = [LOCK.read_bytes(), (ROOT / "pyproject.toml").read_bytes(), system_python().encode(), str(ROOT).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def venv_works() -> bool:
    """Can the environment's Python run pip?"""
    if not PYTHON.exists():
        return False
    check = [str(PYTHON), "-c", f"import sys, pip; sys.exit(sys.version_info < {OLDEST_PYTHON})"]
    return subprocess.run(check, check=False, capture_output=True).returncode == 0


def make_environment() -> None:
    """The environment with the packages of the lock and this checkout in it; nothing if it is there already."""
    wanted = fingerprint()
    if venv_works() and STAMP.exists() and STAMP.read_text() == wanted:
        print("• Python environment: as it should be", flush=True)
        return
    if not venv_works():
        with step("making the Python environment .venv"):
            run_quietly([system_python(), "-m", "venv", "--clear", str(VENV)])
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    with step("installing the packages of requirements.lock (half a minute the first time)"):
        run_quietly([*pip, "--require-hashes", "--requirement", str(LOCK)])
    with step("installing Buri from this checkout"):
        run_quietly([*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)])
    STAMP.write_text(wanted)


# --- the main jobs


def with_privileges(*argv: str) -> list[str]:
    """A command as root that leaves no files of root's in the checkout, and knows the way to the person's screen."""
    settings = ["PYTHONDONTWRITEBYTECODE=1", f"PATH={SEARCH_PATH}", *screen_settings()]
    return [*as_root(), "env", *settings, *argv]


def screen_settings() -> list[str]:
    """What leads to the person's screen, as words for `env`."""
    return [f"{name}={os.environ[name]}" for name in SCREEN_VARIABLES if name in os.environ]


def has_screen() -> bool:
    """Whether this looks like a desktop; the demo finds out for sure."""
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def demo(window: bool) -> int:
    """Set up and run the demo, with a window or in words; gives its exit code."""
    if missing := missing_packages(LAB_PROGRAMS, WINDOW_LIBRARIES if window else {}):
        install_packages(missing)
    require_lab()
    make_environment()
    module = "tests.lab.window_demo" if window else "tests.lab.demo"
    return run_openly("the demo", with_privileges(str(PYTHON), "-m", module))


def test(pytest_arguments: Sequence[str]) -> int:
    """Set up and run all checks and tests, or only pytest with the given arguments; gives the first bad exit code."""
    if missing := missing_packages({**LAB_PROGRAMS, **TEST_PROGRAMS}, WINDOW_LIBRARIES, TEST_FONTS):
        install_packages(missing)
    make_environment()
    python = [str(PYTHON), "-m"]
    pytest = [*python, "pytest"]
    privileged = with_privileges(*pytest, "-p", "no:cacheprovider")
    if pytest_arguments:
        return run_openly("tests", [*privileged, *pytest_arguments])
    jobs = {
        "ruff: lint": [*python, "ruff", "check"],
        "ruff: format": [*python, "ruff", "format", "--check"],
        "mypy: types": [*python, "mypy"],
        "tests without privileges": [*pytest, "-n", "2", "-q", "-m", "not lab and not privileged"],
    }
    for title, argv in jobs.items():
        if code := run_openly(title, argv):
            return code
    require_lab()
    by_file = ["-n", "3", "--dist", "loadfile", "-q", "--timeout", LAB_TIMEOUT]  # most of the time they wait
    return run_openly("tests with real adapters, and the lab", [*privileged, *by_file, "-m", "lab or privileged"])


def main() -> int:
    """Read the arguments, run the job, and turn what is missing into a plain message."""
    parser = argparse.ArgumentParser(prog="installer/run.py", description="Set Buri up here and run its main job.")
    jobs = parser.add_subparsers(dest="job", required=True)
    demo_job = jobs.add_parser("demo", help="two computers behind two routers meet, on this one machine")
    demo_job.add_argument("--no-window", action="store_true", help="tell it in words, also where there is a screen")
    jobs.add_parser("test", help="all checks and tests; further arguments go to pytest")
    arguments, rest = parser.parse_known_args()
    if rest and arguments.job != "test":
        parser.error(f"unknown arguments: {' '.join(rest)}")
    try:
        if arguments.job == "demo":
            return demo(window=has_screen() and not arguments.no_window)
        return test(rest)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
