"""`buri server ...`: make, run and look at a mediation server.

A thin layer over app/server: it parses arguments, prints, and turns errors into one sentence and an exit code. The
lists read the store directly, also while the server runs. Called by app/cli/main.py.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from app.protocol.invite import Invite, InviteError, checked_host, format_invite
from app.protocol.keys import format_fingerprint
from app.protocol.wire import SERVER_PORT, format_address, format_network_id
from app.server.config import ConfigError, ServerFolder, random_server_name
from app.server.database import StoreError
from app.server.records import Network
from app.server.store import Store

FAILED = 1


def main(words: list[str]) -> int:
    """Run `buri server` with these words; gives the exit code."""
    parser = argparse.ArgumentParser(prog="buri server", description="A mediation server of your own.")
    add_commands(parser.add_subparsers(dest="command", metavar="COMMAND", required=True))
    return run(parser.parse_args(words))


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the server's commands; each sets `handler` for `run`."""
    init = _add(subparsers, "init", _init, "make the key and a configuration file with comments")
    init.add_argument("--pool", metavar="CIDR", help="virtual addresses; by default a random 10.x.0.0/16")
    init.add_argument(
        "--port", type=_port, default=SERVER_PORT, metavar="N", help=f"TCP port, {SERVER_PORT} by default"
    )
    init.add_argument("--name", metavar="NAME", help="how clients show the server")
    init.add_argument("--host", metavar="HOST", default="", help="name or address under which clients reach it")
    run = _add(subparsers, "run", _run, "run the server until Ctrl-C or SIGTERM")
    run.add_argument("--attached", action="store_true", help="say `ready`, and end with standard input as well")
    _add(subparsers, "fingerprint", _fingerprint, "the key's fingerprint, as `ssh-keygen -lf` prints it")
    invite = _add(subparsers, "invite", _invite, "a link for people who shall use this server")
    invite.add_argument("--network", metavar="NAME", help="a network to join at once")
    invite.add_argument("--host", metavar="HOST", help="name or address of the server; by default `public-host`")
    _add(subparsers, "accounts", _accounts, "list all accounts")
    _add(subparsers, "networks", _networks, "list all networks with their members")


def run(arguments: argparse.Namespace) -> int:
    """Carry out the parsed command; gives the exit code."""
    handler: Callable[[ServerFolder, argparse.Namespace], None] = arguments.handler
    folder = ServerFolder(arguments.folder) if arguments.folder else ServerFolder.default()
    try:
        handler(folder, arguments)
    except (ConfigError, StoreError, InviteError) as error:
        sys.stderr.write(f"buri server: {error}\n")
        return FAILED
    return 0


def _add(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    handler: Callable[[ServerFolder, argparse.Namespace], None],
    summary: str,
) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    parser.add_argument("--folder", metavar="F", type=Path, help="the server's folder")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(handler=handler)
    return parser


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65_535:
        raise argparse.ArgumentTypeError("must be 1 to 65534: the reflector takes the next one as well")
    return int(text)


def _print(arguments: argparse.Namespace, document: object, text: str) -> None:
    sys.stdout.write((json.dumps(document, ensure_ascii=False) if arguments.json else text) + "\n")


def _init(folder: ServerFolder, arguments: argparse.Namespace) -> None:
    host = checked_host(arguments.host) if arguments.host else ""
    identity = folder.create(
        name=arguments.name or random_server_name(), pool=arguments.pool, port=arguments.port, public_host=host
    )
    fingerprint = identity.public.fingerprint_text
    at = f" --folder {arguments.folder}" if arguments.folder else ""
    text = f"Made a server in {folder.path}\nKey {fingerprint}\nConfiguration {folder.config_file}\n"
    text += f"Start it with: buri server run{at}"
    _print(arguments, {"folder": str(folder.path), "fingerprint": fingerprint}, text)


def _run(folder: ServerFolder, arguments: argparse.Namespace) -> None:
    from app.server import service

    service.run(folder, attached=arguments.attached)


def _fingerprint(folder: ServerFolder, arguments: argparse.Namespace) -> None:
    fingerprint = folder.read_key().public.fingerprint_text
    _print(arguments, {"fingerprint": fingerprint}, fingerprint)


def _invite(folder: ServerFolder, arguments: argparse.Namespace) -> None:
    server = folder.read_config().server
    host = arguments.host or server.public_host
    if not host:
        raise ConfigError(f"say how clients reach this server: --host, or public-host in {folder.config_file}")
    name = _existing_name(folder, arguments.network) if arguments.network else None
    link = format_invite(Invite(host, server.port, folder.read_key().public.fingerprint, name))
    _print(arguments, {"invite": link}, link)


def _existing_name(folder: ServerFolder, name: str) -> str:
    """The network's name as its owner wrote it; in a link that nobody can follow it would be a riddle."""
    store = Store.open_to_read(folder.store_file)
    try:
        network = store.network_by_name(name)
    finally:
        store.close()
    if network is None:
        raise ConfigError(f"there is no network {name!r} on this server: `buri server networks` lists them")
    return network.name


def _accounts(folder: ServerFolder, arguments: argparse.Namespace) -> None:
    store = Store.open_to_read(folder.store_file)
    try:
        accounts = store.accounts()
    finally:
        store.close()
    rows = [
        {
            "address": format_address(account.address),
            "nickname": account.nickname,
            "fingerprint": format_fingerprint(account.fingerprint),
            "created": _time_text(account.created_at),
            "last_seen": _time_text(account.last_seen_at),
        }
        for account in accounts
    ]
    _print(arguments, rows, _table(("address", "nickname", "created", "last_seen", "fingerprint"), rows))


def _networks(folder: ServerFolder, arguments: argparse.Namespace) -> None:
    store = Store.open_to_read(folder.store_file)
    try:
        documents = [_network_document(store, network) for network in store.networks()]
    finally:
        store.close()
    rows = [{**document, "members": document["member_count"]} for document in documents]
    columns = ("network", "name", "owner", "members", "password", "locked", "approval", "created")
    _print(arguments, documents, _table(columns, rows))


def _network_document(store: Store, network: Network) -> dict[str, object]:
    members = [
        {
            "address": format_address(place.address),
            "nickname": place.nickname,
            "status": place.status.name.lower(),
        }
        for place in store.roster(network.number)
    ]
    return {
        "network": format_network_id(network.number),
        "name": network.name,
        "owner": format_address(network.owner),
        "password": network.password is not None,
        "locked": network.locked,
        "approval": network.approval,
        "member_limit": network.member_limit,
        "created": _time_text(network.created_at),
        "member_count": len(members),
        "members": members,
    }


def _time_text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _table(columns: tuple[str, ...], rows: Sequence[Mapping[str, object]]) -> str:
    cells = [tuple(column.replace("_", " ") for column in columns)]
    cells += [tuple(_cell(row[column]) for column in columns) for row in rows]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def _cell(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
