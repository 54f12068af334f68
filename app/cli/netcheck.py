"""`buri netcheck`: what the network around this computer lets through; and `buri port-mapping`.

A running engine checks with its own socket. Without one, sockets made for it are used, towards the server in the
settings; a port is opened in the router for a moment and closed again.
"""

import asyncio
from argparse import Namespace

from app.cli.client import EngineClient
from app.cli.outcome import CommandError, ExitCode, command_error, show
from app.cli.render import printable
from app.engine.errors import EngineError, engine_error
from app.engine.netcheck import described
from app.engine.netcheck_alone import check_alone
from app.engine.netcheck_state import Grade, Netcheck
from app.engine.settings import Profile
from app.ipc import control
from app.platform import paths


def run(arguments: Namespace) -> int:
    """Show the verdict, then every line. NO_ANSWER if nothing gets through."""
    try:
        with EngineClient() as engine:
            check = engine.value(control.CheckNetwork(), Netcheck)
    except CommandError as error:
        if error.exit_code != ExitCode.NOT_RUNNING:
            raise
        check = _without_engine()
    show(text(check), check, as_json=arguments.json)
    return ExitCode.NO_ANSWER if check.grade is Grade.NOTHING else ExitCode.OK


def port_mapping(arguments: Namespace) -> int:
    """Switch it on or off, or tell which holds, and what became of it."""
    wanted = None if arguments.wish is None else arguments.wish == "on"
    with EngineClient() as engine:
        holds = engine.value(control.UsePortMapping(wanted=wanted), bool)
    said = "The router is asked to open a port for this computer." if holds else "No router is asked to open a port."
    show(said, {"wanted": holds}, as_json=arguments.json)
    return ExitCode.OK


def text(check: Netcheck) -> str:
    """For people: the verdict, what to do, and a line for each thing that was looked at."""
    verdict = check.verdict
    lines = [verdict.title, f"  {verdict.message}", f"  \N{RIGHTWARDS ARROW} {verdict.remedy}", ""]
    lines += [f"  {each}" for each in described(check)]
    if check.own_socket:
        lines += ["", "Tried out with sockets made for this; a router may treat the engine's own differently."]
    return "\n".join(map(printable, lines))


def _without_engine() -> Netcheck:
    try:
        settings = Profile(paths.config_folder(), paths.state_folder()).settings
        if settings.server is None:
            raise engine_error("server-not-configured")
    except EngineError as error:
        raise command_error(error) from error
    return asyncio.run(check_alone(settings.server, settings))
