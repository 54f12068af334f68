"""`buri relay ...`: make and run a relay on a machine of its own, for a mediation server elsewhere.

A thin layer over app/server/relay. Called by app/cli/main.py.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from app.protocol.invite import InviteError, checked_host
from app.protocol.wire import SERVER_PORT
from app.server.config import ConfigError
from app.server.relay.config import RelayFolder
from app.server.relay.secret import secret_text
from app.transport.routes import WEB_PORT

FAILED = 1


def main(words: list[str]) -> int:
    """Run `buri relay` with these words; gives the exit code."""
    parser = argparse.ArgumentParser(prog="buri relay", description="A relay on a machine of its own.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    init = _add(commands, "init", _init, "make a secret and a configuration, and print what the server needs")
    init.add_argument("--host", metavar="HOST", required=True, help="name or address under which clients reach it")
    init.add_argument("--number", type=_number, default=1, metavar="N", help="another one for each relay, 1 to 255")
    init.add_argument("--port", type=_port, default=SERVER_PORT, metavar="N", help=f"UDP and TCP, {SERVER_PORT}")
    init.add_argument("--web-port", type=_web_port, default=WEB_PORT, metavar="N", help=f"{WEB_PORT}; 0 for none")
    run = _add(commands, "run", _run, "run the relay until Ctrl-C or SIGTERM")
    run.add_argument("--attached", action="store_true", help="say `ready`, and end with standard input as well")
    entry = _add(commands, "entry", _entry, "print again what the server needs: the secret is in it")
    entry.add_argument("--host", metavar="HOST", help="another one than in relay.toml")
    entry.add_argument("--number", type=_number, metavar="N", help="the same")
    parsed = parser.parse_args(words)
    handler: Callable[[RelayFolder, argparse.Namespace], None] = parsed.handler
    try:
        handler(RelayFolder(parsed.folder) if parsed.folder else RelayFolder.default(), parsed)
    except (ConfigError, InviteError) as error:
        sys.stderr.write(f"buri relay: {error}\n")
        return FAILED
    return 0


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    handler: Callable[[RelayFolder, argparse.Namespace], None],
    summary: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    parser.add_argument("--folder", metavar="F", type=Path, help="the relay's folder")
    parser.set_defaults(handler=handler)
    return parser


def _limited(text: str, lowest: int, highest: int) -> int:
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
        raise argparse.ArgumentTypeError(f"must be {lowest} to {highest}")
    return int(text)


def _port(text: str) -> int:
    return _limited(text, 1, 65_535)


def _web_port(text: str) -> int:
    return _limited(text, 0, 65_535)


def _number(text: str) -> int:
    return _limited(text, 1, 255)


def _init(folder: RelayFolder, arguments: argparse.Namespace) -> None:
    folder.create(checked_host(arguments.host), arguments.port, arguments.web_port, arguments.number)
    at = f" --folder {arguments.folder}" if arguments.folder else ""
    sys.stdout.write(f"# Made a relay in {folder.path}. Start it with: buri relay run{at}\n")
    sys.stdout.write("# These lines belong at the end of the server's server.toml; then restart the server:\n\n")
    _entry(folder, arguments)


def _entry(folder: RelayFolder, arguments: argparse.Namespace) -> None:
    """A `[[relays]]` table."""
    config = folder.read_config()
    host = checked_host(arguments.host or config.relay.host)
    web_port = (config.web.public_port or config.web.port) if config.web.enabled else 0
    lines = [
        "[[relays]]",
        f"number = {arguments.number or config.relay.number}",
        f"host = {json.dumps(host)}",
        f"port = {config.relay.port}",
        f"web-port = {web_port}",
        f'secret = "{secret_text(folder.read_secret())}"',
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _run(folder: RelayFolder, arguments: argparse.Namespace) -> None:
    from app.server.relay import service

    service.run(folder, attached=arguments.attached)
