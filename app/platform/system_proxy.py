"""The proxy that this computer's user has set for all programs: GNOME and KDE, Windows, macOS.

Asked anew each time, as it changes with the network. May wait for another program, so call it in a thread. The parts
for Windows and macOS have never run. Used by engine/server_routes.py.
"""

import configparser
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ASK_TIMEOUT = 3.0
"""Seconds that another program has to answer."""
MAX_ANSWER = 65_536
_INTERNET_SETTINGS = r"Software\Microsoft\Windows\CurrentVersion\Internet Settings"


@dataclass(frozen=True, slots=True)
class SystemProxy:
    """What is set; empty where nothing is."""

    address: str = ""
    """host:port, perhaps with a scheme in front."""
    exceptions: tuple[str, ...] = ()
    """Hosts that are reached without it, as NO_PROXY has them."""
    pac: str = ""
    """Web address of a script that says which proxy leads where."""


def read_system_proxy() -> SystemProxy:
    """What the system says now; nothing if it can't be asked."""
    try:
        return _reader()()
    except (OSError, ValueError, subprocess.SubprocessError, configparser.Error):
        return SystemProxy()


def _reader() -> Callable[[], SystemProxy]:
    if sys.platform == "win32":
        return _read_registry
    if sys.platform == "darwin":
        return lambda: parse_scutil(_ask("scutil", "--proxy"))
    if "KDE" in os.environ.get("XDG_CURRENT_DESKTOP", ""):
        return lambda: parse_kioslaverc(_kioslaverc().read_text())
    return lambda: parse_gsettings(_ask("gsettings", "list-recursively", "org.gnome.system.proxy"))


def _ask(program: str, *arguments: str) -> str:
    found = shutil.which(program)
    if found is None:
        return ""
    words = [found, *arguments]
    done = subprocess.run(words, check=True, capture_output=True, timeout=ASK_TIMEOUT, stdin=subprocess.DEVNULL)
    return done.stdout[:MAX_ANSWER].decode(errors="replace")


def _kioslaverc() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kioslaverc"


def parse_gsettings(text: str) -> SystemProxy:
    """What `gsettings list-recursively org.gnome.system.proxy` prints."""
    values = {}
    for line in text.splitlines():
        schema, _, rest = line.partition(" ")
        name, _, value = rest.partition(" ")
        values[f"{schema.removeprefix('org.gnome.system.proxy')}.{name}".strip(".")] = value
    mode = values.get("mode", "'none'").strip("'")
    if mode == "auto":
        return SystemProxy(pac=values.get("autoconfig-url", "").strip("'"))
    kind = "https" if values.get("https.host", "''") != "''" else "http"
    host, port = values.get(f"{kind}.host", "").strip("'"), values.get(f"{kind}.port", "0")
    if mode != "manual" or not host or port == "0":
        return SystemProxy()
    exceptions = re.findall(r"'([^']*)'", values.get("ignore-hosts", ""))
    return SystemProxy(f"{host}:{port}", tuple(exceptions))


def parse_kioslaverc(text: str) -> SystemProxy:
    """What KDE keeps in kioslaverc. Raises configparser.Error."""
    file = configparser.ConfigParser(interpolation=None, strict=False)
    file.read_string(text)
    values = file["Proxy Settings"] if file.has_section("Proxy Settings") else {}
    match values.get("ProxyType", "0"):
        case "1":
            address = (values.get("httpsProxy") or values.get("httpProxy") or "").replace(" ", ":")
            return SystemProxy(address, tuple(values.get("NoProxyFor", "").split(",")))
        case "2":
            return SystemProxy(pac=values.get("Proxy Config Script", ""))
        case _:
            return SystemProxy()


def parse_scutil(text: str) -> SystemProxy:
    """What `scutil --proxy` prints on macOS."""
    values = dict(re.findall(r"^\s*(\w+) : (.+?)\s*$", text, re.MULTILINE))
    exceptions = tuple(value for name, value in values.items() if name.isdigit())
    if values.get("ProxyAutoConfigEnable") == "1":
        return SystemProxy(pac=values.get("ProxyAutoConfigURLString", ""))
    for kind in ("HTTPS", "HTTP"):
        if values.get(f"{kind}Enable") == "1" and f"{kind}Proxy" in values:
            return SystemProxy(f"{values[f'{kind}Proxy']}:{values.get(f'{kind}Port', '80')}", exceptions)
    return SystemProxy()


def parse_internet_settings(server: str, exceptions: str, pac: str, *, enabled: bool) -> SystemProxy:
    """What Windows keeps under Internet Settings: `host:port`, or `http=host:port;https=host:port`."""
    if pac:
        return SystemProxy(pac=pac)
    if not enabled or not server:
        return SystemProxy()
    by_kind = dict(each.split("=", 1) for each in server.split(";") if "=" in each)
    address = by_kind.get("https") or by_kind.get("http", "") if by_kind else server
    return SystemProxy(address, tuple(exceptions.split(";")))


def _read_registry() -> SystemProxy:
    if sys.platform == "win32":
        import winreg

        def value(name: str) -> str:
            try:
                return str(winreg.QueryValueEx(key, name)[0])
            except FileNotFoundError:
                return ""

        with winreg.OpenKey(winreg.HKEY_CURRENT_USER, _INTERNET_SETTINGS) as key:
            enabled = value("ProxyEnable") == "1"
            return parse_internet_settings(
                value("ProxyServer"), value("ProxyOverride"), value("AutoConfigURL"), enabled=enabled
            )
    return SystemProxy()
