"""`buri status`, `login`, `logout`, `set-nick`: this computer's account. Talks to the running engine."""

from argparse import Namespace

import msgspec

from app.cli import render
from app.cli.client import EngineClient
from app.cli.outcome import ExitCode, show
from app.engine.state import EngineState
from app.ipc import control


def status(arguments: Namespace) -> int:
    """How things stand, once or after each change."""
    with EngineClient() as engine:
        if not arguments.follow:
            _show_status(engine, engine.state(), as_json=arguments.json)
            return ExitCode.OK
        for state in engine.stream(control.WatchState(), EngineState):
            _show_status(engine, state, as_json=arguments.json)
            if not arguments.json:
                show("", None, as_json=False)
    return ExitCode.OK


def login(arguments: Namespace) -> int:
    """Connect to the server and wait until it is done."""
    with EngineClient() as engine:
        engine.do(control.LogIn())
        server = engine.state().server
        text = f"Logged in to {server.host} as {render.printable(server.nickname)}, address {server.address}."
        show(text, {"server": msgspec.to_builtins(server)}, as_json=arguments.json)
    return ExitCode.OK


def logout(arguments: Namespace) -> int:
    """Disconnect and stay disconnected."""
    with EngineClient() as engine:
        engine.do(control.LogOut())
    show("Logged out. All tunnels are down until `buri login`.", {"done": True}, as_json=arguments.json)
    return ExitCode.OK


def set_nickname(arguments: Namespace) -> int:
    """Change the nickname everywhere."""
    with EngineClient() as engine:
        engine.do(control.SetNickname(nickname=arguments.nickname))
    text = f"This computer is {render.printable(arguments.nickname)} now."
    show(text, {"nickname": arguments.nickname}, as_json=arguments.json)
    return ExitCode.OK


def _show_status(engine: EngineClient, state: EngineState, *, as_json: bool) -> None:
    document = msgspec.to_builtins(state)
    document |= {"version": engine.engine_version, "process": engine.process, "counters": dict(state.counters)}
    show(render.status(state, engine.engine_version, engine.process), document, as_json=as_json)
