"""Asks a proxy configuration script (PAC) for the way to a host, in a process of its own.

That process knows no secret, has a few seconds, and is killed after them. Called by engine/server_routes.py, in a
thread.
"""

import json
import os
import subprocess
import sys

from app.base.program import environment, program
from app.transport.http_connect import Proxy
from app.transport.proxies import parse_pac_answer

ROLE = "pac"
"""`python -m app pac` runs pac_script.py."""
PATIENCE = 15.0
"""Seconds until the process is killed: it may have to wait for a web server and for names."""
_NEEDED = ("SYSTEMROOT", "PATH")
"""Variables without which a Windows process does not start."""


class PacError(Exception):
    """The script gives no answer; the text says why."""


def ask_pac(source: str, host: str, port: int) -> list[Proxy]:
    """The proxies that the script at `source` (web address or path) names for the host; none means: directly.

    Raises PacError. Waits for seconds, perhaps.
    """
    request = json.dumps({"source": source, "host": host, "port": port})
    try:
        done = subprocess.run(
            [*program(), ROLE],
            input=request.encode(),
            capture_output=True,
            timeout=PATIENCE,
            check=True,
            env=_environment(),
        )
        reply = json.loads(done.stdout[:65_536])
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise PacError(f"the script was stopped: {type(error).__name__}") from None
    if not isinstance(reply, dict) or not isinstance(reply.get("answer"), str):
        raise PacError(str(reply.get("error", "no answer"))[:300] if isinstance(reply, dict) else "no answer")
    return parse_pac_answer(reply["answer"])


def _environment() -> dict[str, str]:
    """Nothing of ours: passphrases may stand there."""
    needed = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    return environment() | (needed if sys.platform == "win32" else {})
