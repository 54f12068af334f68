"""Runs a proxy configuration script (PAC): a JavaScript function that says which proxy leads to which host.

The script is a stranger's, perhaps changed on the way: QuickJS runs it with limits on time, memory and stack, and with
no function that reaches outside. Names that it wants to look up are put down; it is run again when they are known. And
all that happens in a process without any secret, see pac.py. The way to *find* a script by asking the network (WPAD) is
left out on purpose: whoever answers first could lead all connections.
"""

import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector

import quickjs

from app.base.resources import resource_folder

MAX_SCRIPT = 1 << 20
MAX_REQUEST = 8_192
MAX_ANSWER = 2_048
MAX_ROUNDS = 4
"""Runs of one script, each with more names known than before."""
MAX_NAMES = 16
RUN_TIME = 2
"""Seconds of processor time for one run."""
MEMORY = 32 << 20
STACK = 256 << 10
FETCH_TIMEOUT = 5.0

Resolve = Callable[[str], str | None]
"""The IPv4 address of a name; None if it has none."""


class ScriptError(Exception):
    """The script can't be had, or does not do what one has to."""


def run_script(script: str, host: str, port: int, resolve: Resolve, own_address: str) -> str:
    """What `FindProxyForURL` says. Raises ScriptError."""
    names: dict[str, str | None] = {}
    for _ in range(MAX_ROUNDS):
        answer, wanted = _run_once(script, host, port, names, own_address)
        unknown = [name for name in wanted if name not in names][: MAX_NAMES - len(names)]
        if not unknown:
            return answer
        names |= {name: resolve(name) for name in unknown}
    return answer


def _run_once(
    script: str, host: str, port: int, names: dict[str, str | None], own_address: str
) -> tuple[str, list[str]]:
    context = quickjs.Context()
    context.set_memory_limit(MEMORY)
    context.set_max_stack_size(STACK)
    context.set_time_limit(RUN_TIME)
    url = f"https://{host}:{port}/"
    try:
        context.eval((resource_folder() / "transport" / "pac.js").read_text("utf-8"))
        context.eval(f"NAMES = {json.dumps(names)}; OWN_ADDRESS = {json.dumps(own_address)};")
        context.eval(script)
        answer = context.eval(f"String(FindProxyForURL({json.dumps(url)}, {json.dumps(host)})).slice(0, {MAX_ANSWER})")
        wanted = json.loads(context.eval(f"JSON.stringify(WANTED.slice(0, {MAX_NAMES}).map(String))"))
    except (quickjs.JSException, ValueError, TypeError) as error:
        raise ScriptError(f"the script fails: {str(error).splitlines()[0][:200]}") from None
    if not isinstance(answer, str) or not isinstance(wanted, list):
        raise ScriptError("the script gives no answer")
    return answer, [str(name)[:253] for name in wanted]


def fetch_script(source: str) -> str:
    """The script at a web address, or in a file. Raises ScriptError."""
    scheme = urlsplit(source).scheme
    try:
        if scheme in ("http", "https"):
            data = _download(source)
        else:
            with Path(source.removeprefix("file://")).open("rb") as file:
                data = file.read(MAX_SCRIPT + 1)
    except (OSError, ValueError) as error:
        raise ScriptError(f"the script can't be had: {str(error)[:200]}") from None
    if len(data) > MAX_SCRIPT:
        raise ScriptError("the script is too large")
    return data.decode("utf-8", errors="replace")


def _download(address: str) -> bytes:
    """Without redirections, proxies and error pages, which an opener has only if it is given them."""
    opener = OpenerDirector()
    for handler in (HTTPHandler(), HTTPSHandler()):
        opener.add_handler(handler)
    with opener.open(address, timeout=FETCH_TIMEOUT) as response:
        if response is None or response.status != 200:
            raise ValueError("no such script there")
        return bytes(response.read(MAX_SCRIPT + 1))


def _resolve(name: str) -> str | None:
    try:
        return str(socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    except (OSError, UnicodeError):
        return None


def _own_address(host: str) -> str:
    """The address that leads to the host; no packet is sent."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((_resolve(host) or "192.0.2.1", 9))
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"


def main() -> int:
    """One request (JSON: source, host, port) on standard input, one answer (JSON: answer or error) on the output."""
    _limit_this_process()
    request = json.loads(sys.stdin.read(MAX_REQUEST))
    host = str(request["host"])
    try:
        script = fetch_script(str(request["source"]))
        reply = {"answer": run_script(script, host, int(request["port"]), _resolve, _own_address(host))}
    except ScriptError as error:
        reply = {"error": str(error)}
    sys.stdout.write(json.dumps(reply))
    return 0


def _limit_this_process() -> None:
    """Should the script break out of its limits, the system has its own."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (15, 15))
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
