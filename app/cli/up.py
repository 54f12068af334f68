"""`buri up`: the engine without a window, in the foreground until Ctrl-C. Composition root of the headless engine.

It claims the home, applies what the arguments change, opens the identity, starts engine and control socket, and tells
in one line each what a person should know: that it runs, every problem, and that it is over.
"""

import asyncio
import os
import signal
import socket
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from app.base.logs import set_up_logging
from app.base.tasks import Tasks
from app.cli.home import claimed, home_folders
from app.cli.outcome import CommandError, ExitCode, command_error, show, show_error
from app.cli.render import all_problems, printable
from app.engine.control_server import ControlServer, SocketUnusable
from app.engine.engine import Engine
from app.engine.errors import EngineError, engine_error
from app.engine.helper_client import HelperClient, connect_helper
from app.engine.helper_link import HelperConnector
from app.engine.identity import PASSPHRASE_VARIABLE, IdentityKeeper, choose_storage, read_passphrase
from app.engine.settings import Profile, ServerAddress
from app.engine.state import EngineState, HelperStatus, Problem, ServerStatus
from app.ipc.schema import Notification
from app.platform import paths
from app.protocol.invite import Invite, InviteError, checked_host, parse_host_and_port, parse_invite
from app.protocol.keys import IdentityKey, KeyFormatError, format_fingerprint, parse_fingerprint
from app.protocol.names import checked_name
from app.protocol.network_secret import secret_to_invite
from app.protocol.wire import RemoteProtocolError


def run(arguments: Namespace) -> int:
    """Run until SIGINT or SIGTERM; gives the exit code."""
    set_up_logging(arguments.log_level)
    folders = home_folders()
    try:
        with claimed(folders[1], "Stop that one first, or use another folder with --home."):
            invite = _read_invite(arguments)
            profile = Profile(*folders)
            _apply(arguments, invite, profile)
            if profile.settings.server is None:  # before a key is made that nobody needs yet
                raise engine_error("server-not-configured")
            identity = _open_identity(arguments, profile)
            return asyncio.run(_serve(arguments, invite, profile, identity))
    except EngineError as error:
        raise command_error(error) from error
    except SocketUnusable as error:
        remedy = "Choose a folder of your own, with a short name, with --home."
        raise CommandError(
            ExitCode.FAILED, "socket-unusable", "The engine's socket can't be made.", str(error), remedy
        ) from None


def parse_server(text: str, fingerprint: str) -> ServerAddress:
    """The server that `HOST[:PORT]` (IPv6 in brackets) and a fingerprint name. Raises CommandError (usage)."""
    try:
        host, port = parse_host_and_port(text)
        return ServerAddress(host=host, port=port, fingerprint=format_fingerprint(_key(fingerprint)))
    except (InviteError, KeyFormatError) as error:
        raise _usage("server-not-valid", "The server is not given right.", error) from None


def _key(fingerprint: str) -> bytes:
    return parse_fingerprint(fingerprint if fingerprint.startswith("SHA256:") else f"SHA256:{fingerprint}")


def _usage(code: str, title: str, error: Exception) -> CommandError:
    return CommandError(ExitCode.USAGE, code, title, f"{error}.", "See `buri up --help`.")


def _read_invite(arguments: Namespace) -> Invite | None:
    if arguments.invite is None:
        return None
    try:
        return parse_invite(arguments.invite)
    except InviteError as error:
        raise _usage("invite-not-valid", "This invite link can't be used.", error) from None


def _apply(arguments: Namespace, invite: Invite | None, profile: Profile) -> None:
    """Remember in the settings what the arguments say."""
    changes: dict[str, Any] = {}
    server = _chosen_server(arguments, invite, profile.settings.server)
    if arguments.public_host is not None:
        server = _known_to_others(server or profile.settings.server, arguments.public_host)
    if server is not None:
        changes["server"] = server
    if arguments.suite is not None:
        changes["suite"] = arguments.suite
    if arguments.nickname is not None or not profile.settings.nickname:
        changes["nickname"] = _nickname(arguments.nickname)
    if arguments.offline:
        changes["logged_in"] = False
    if changes:
        profile.change(**changes)


def _chosen_server(arguments: Namespace, invite: Invite | None, known: ServerAddress | None) -> ServerAddress | None:
    if invite is not None:
        if known is not None and known.fingerprint != format_fingerprint(invite.fingerprint):
            # A link that somebody sent must not move this computer, with its networks, to another server.
            raise engine_error("invite-other-server", server=f"{invite.host}:{invite.port}")
        return ServerAddress(host=invite.host, port=invite.port, fingerprint=format_fingerprint(invite.fingerprint))
    if arguments.server is None and arguments.fingerprint is None:
        return None
    if arguments.server is None and known is not None:
        return parse_server(str(known), arguments.fingerprint)
    if arguments.server is not None and arguments.fingerprint is not None:
        return parse_server(arguments.server, arguments.fingerprint)
    if arguments.server is not None and known is not None:
        same = parse_server(arguments.server, known.fingerprint)
        if (same.host, same.port) == (known.host, known.port):
            return known
    raise CommandError(
        ExitCode.USAGE,
        "fingerprint-missing",
        "A server needs a name and a fingerprint.",
        "Without the fingerprint anybody could pose as the server.",
        "Ask its operator for an invite link, or for what `buri server fingerprint` prints, for --fingerprint.",
    )


def _known_to_others(server: ServerAddress | None, public_host: str) -> ServerAddress | None:
    try:
        return server and msgspec.structs.replace(server, public_host=checked_host(public_host))
    except InviteError as error:
        raise _usage("server-not-valid", "The address for others is not given right.", error) from None


def _nickname(given: str | None) -> str:
    try:
        return checked_name(given if given is not None else socket.gethostname() or "computer")
    except RemoteProtocolError as error:
        raise _usage("nickname-not-valid", "This nickname can't be used.", error) from None


def _open_identity(arguments: Namespace, profile: Profile) -> IdentityKey:
    passphrase = read_passphrase(arguments.passphrase_file)
    os.environ.pop(PASSPHRASE_VARIABLE, None)  # a carrier, which talks to strangers, must not see it
    storage = choose_storage(arguments.key_file, passphrase)
    keeper = IdentityKeeper(profile, passphrase)
    known = profile.settings.key
    identity = keeper.open(storage)
    record = profile.settings.key
    if record is not None and (known is None or record.storage is not known.storage):
        sys.stderr.write(f"This computer is {record.fingerprint}.\n{keeper.notice(record.storage)}\n")
    return identity


async def _serve(arguments: Namespace, invite: Invite | None, profile: Profile, identity: IdentityKey) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # a closed terminal is no reason to drop tunnels
    engine = Engine(identity, profile, _helper_at(arguments.helper_socket))
    server = ControlServer(engine, paths.engine_socket())
    tasks = Tasks()
    try:
        await server.start()
        await engine.start()
        end_reports = engine.subscribe(_Reporter(as_json=arguments.json).report)
        if invite is not None and invite.network is not None:
            tasks.start("join by invite", _join(engine, invite, as_json=arguments.json))
        await stop.wait()
        end_reports()  # that the end logs out is no news
    finally:
        await tasks.close()
        await server.stop()
        await engine.stop()
    show("Buri has stopped.", {"event": "stopped"}, as_json=arguments.json)
    return ExitCode.OK


def _helper_at(socket_path: Path | None) -> HelperConnector:
    async def connect(on_notification: Callable[[Notification], None]) -> HelperClient:
        return await connect_helper(on_notification, socket_path)

    return connect


async def _join(engine: Engine, invite: Invite, *, as_json: bool) -> None:
    """Join the network that the link names, once the server is there; a member already needs nothing."""
    online = asyncio.Event()

    def watch(state: EngineState) -> None:
        if state.server.status is ServerStatus.ONLINE:
            online.set()

    unsubscribe = engine.subscribe(watch)
    try:
        await online.wait()
    finally:
        unsubscribe()
    assert invite.network is not None
    if any(network.name == invite.network for network in engine.state.networks):
        return
    secret = secret_to_invite(invite.secret) if invite.secret is not None else None
    try:
        result = await engine.join_network(invite.network, None, secret)
    except EngineError as error:
        show_error(command_error(error), as_json=as_json)
        return
    name = printable(invite.network)
    text = f"{name}: the owner must let you in first." if result.pending else f"Joined {name}."
    show(text, {"event": "joined", "network": invite.network, "pending": result.pending}, as_json=as_json)


class _Reporter:
    """Tells, in the terminal where the engine runs, what changed for the person."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._told = ""
        self._problems: dict[str, Problem] = {}
        """Those that were told and are not over, by code."""

    def report(self, state: EngineState) -> None:
        """Called with every new state."""
        self._report_login(state)
        present = {problem.code: problem for problem in all_problems(state)}
        for code, problem in present.items():
            if code not in self._problems:
                text = " ".join(part for part in (f"! {problem.title}", problem.message, problem.remedy) if part)
                show(printable(text), {"event": "problem", "problem": problem}, as_json=self._as_json)
        for code, problem in self._problems.items():
            if code not in present and _is_trying(state, code):
                present[code] = problem  # not shown while it is tried anew, and not over
            elif code not in present:
                show(f"  Over: {problem.title}", {"event": "solved", "problem": problem}, as_json=self._as_json)
        self._problems = present

    def _report_login(self, state: EngineState) -> None:
        server = state.server
        told = {ServerStatus.ONLINE: "online", ServerStatus.LOGGED_OUT: "logged-out"}.get(server.status)
        if told is None or told == self._told:
            return
        self._told = told
        text = f"Buri runs: {printable(server.nickname)}, address {server.address}, on {server.host}:{server.port}."
        if told == "logged-out":
            text = "Buri runs, logged out. Connect with `buri login`."
        show(text, {"event": told, "server": server}, as_json=self._as_json)


def _is_trying(state: EngineState, code: str) -> bool:
    """Whether the engine is just trying again what ended with a problem of this code."""
    if code.startswith("helper-"):
        return state.helper.status not in (HelperStatus.READY, HelperStatus.UP)
    return state.server.status not in (ServerStatus.ONLINE, ServerStatus.LOGGED_OUT)
