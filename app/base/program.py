"""How this very program is started anew: by the login, for the helper, as a hosted server, and as a carrier."""

import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import app


def program() -> list[str]:
    """The words that start it."""
    return [sys.executable] if _is_frozen() else [sys.executable, "-P", "-m", "app"]


def environment() -> dict[str, str]:
    """The variables without which it is not found: none, except in a folder where Python does not look by itself."""
    folder = Path(app.__file__).parent.parent
    if _is_frozen() or folder in (Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")):
        return {}
    return {"PYTHONPATH": str(folder)}


def start_command(variables: Mapping[str, str] | None = None) -> list[str]:
    """The words that start it wherever that happens, with `variables` set as well."""
    every = [f"{name}={value}" for name, value in {**environment(), **(variables or {})}.items()]
    return [*(["env", *every] if every else []), *program()]


def _is_frozen() -> bool:
    """Whether this is one file with a Python of its own."""
    return bool(getattr(sys, "frozen", False))
