"""How this very program is started anew: by the login, for the helper, and as a hosted server."""

import sys
from pathlib import Path

import app


def program() -> list[str]:
    """The words that start it."""
    return [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-P", "-m", "app"]


def source_folder() -> Path:
    """Where Python finds it, also where it is not installed."""
    return Path(app.__file__).parent.parent
