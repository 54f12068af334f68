"""What an owner does about members: `buri approve`, `reject`, `evict`, `unban`, `rename`. Talks to the engine."""

from argparse import Namespace
from collections.abc import Callable

from app.cli import render
from app.cli.client import EngineClient
from app.cli.outcome import ExitCode, show
from app.cli.targets import address_number, find_member, find_network
from app.ipc import control

MakeRequest = Callable[[int, int], control.ControlRequest]
"""From the numbers of a network and a member."""


def approve(arguments: Namespace) -> int:
    """Let a waiting computer in."""
    return _change(
        arguments, lambda network, member: control.ApproveMember(network=network, member=member), "{} is in {}."
    )


def reject(arguments: Namespace) -> int:
    """Turn a waiting computer away."""
    return _change(
        arguments,
        lambda network, member: control.RejectMember(network=network, member=member),
        "{} was turned away from {}.",
    )


def evict(arguments: Namespace) -> int:
    """Put a member out, for good with --ban."""
    return _change(
        arguments,
        lambda network, member: control.EvictMember(network=network, member=member, ban=arguments.ban),
        "{} is out of {} for good." if arguments.ban else "{} is out of {}.",
    )


def unban(arguments: Namespace) -> int:
    """Forget a ban. Named by address alone, as who is banned is not in the roster."""
    member = address_number(arguments.member)
    with EngineClient() as engine:
        network = find_network(engine.state(), arguments.network)
        engine.do(control.UnbanMember(network=network.id, member=member))
    text = f"{arguments.member} may ask to join {render.printable(network.name)} again."
    show(text, {"network": network.id, "member": arguments.member}, as_json=arguments.json)
    return ExitCode.OK


def rename(arguments: Namespace) -> int:
    """A member's name in one network."""
    text = "{} has its own name in {} again."
    if arguments.nickname is not None:
        text = f"{{}} is {render.printable(arguments.nickname).replace('{', '{{').replace('}', '}}')} in {{}} now."
    return _change(
        arguments,
        lambda network, member: control.RenameMember(network=network, member=member, nickname=arguments.nickname),
        text,
    )


def _change(arguments: Namespace, request: MakeRequest, text: str) -> int:
    with EngineClient() as engine:
        state = engine.state()
        network = find_network(state, arguments.network)
        member = find_member(state, network, arguments.member)
        engine.do(request(network.id, address_number(member.address)))
    name = render.printable(member.nickname or member.address)
    document = {"network": network.id, "member": member.address, "nickname": member.nickname}
    show(text.format(name, render.printable(network.name)), document, as_json=arguments.json)
    return ExitCode.OK
